//! What disturbs: connections from outside, services from inside. No rights are needed.
//!
//! Every tool can be switched at run time, counts what it has disturbed, and is back to normal when
//! the guard of a fault is dropped, whatever happens.

mod proxy;
mod service;

pub use proxy::{Proxy, ProxyFault, ProxyGuard, SocketMaker};
pub use service::{Disturb, Disturbed, ServiceFault, ServiceGuard};
