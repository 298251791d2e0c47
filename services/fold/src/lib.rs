//! The pure core: (state, record) to row changes.
