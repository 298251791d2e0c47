//! What can not be is refused.
