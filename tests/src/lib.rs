//! What the whole-system tests share.
//!
//! | module | what |
//! |---|---|
//! | `services` | a handle on the real servers; they are started by this package's `tandem-services` |
//! | `program` | the real `tandem`, built once, run as a process |
//! | `cluster` | every role as a process of its own, on real servers |
//! | `api`, `description` | a user over HTTP; every answer is as OpenAPI says |

pub mod api;
pub mod cluster;
pub mod description;
pub mod program;
pub mod services;
