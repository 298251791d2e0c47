//! Metrics and health of a role, on a port of its own.
