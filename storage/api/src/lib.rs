//! Ports: event log, row store, hot store, snapshots, dead letters; in-memory versions and the suite every adapter passes.
