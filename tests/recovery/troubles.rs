//! What fails on the way.
