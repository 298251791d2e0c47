//! The hot store on Redis.
