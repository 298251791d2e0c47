//! Shell around the fold: log to stores, snapshots, digests.
