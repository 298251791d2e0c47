//! Why a system can't start, in words that say what to do.

use std::net::SocketAddr;

use tandem_control::ControlError;
use tandem_gateway::ConfigError;
use tandem_storage::StoreError;

use crate::failure::Failure;

/// Why a system can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address can't be listened at.
    #[error("can't listen at {listen}{}", advice(source))]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The admin port's address can't be listened at.
    #[error(
        "can't listen at {listen} for metrics and health: choose another admin port (0 takes any free one)"
    )]
    Admin {
        /// The address.
        listen: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The data can't be opened.
    #[error("can't open the data")]
    Data(#[source] StoreError),
    /// The decisions about which chain serves can't be read.
    #[error("can't open the decisions about which chain serves")]
    Control(#[source] ControlError),
    /// The gateway can't work like that.
    #[error("the gateway can't work like that")]
    Gateway(#[from] ConfigError),
    /// The keys of tenants can't be loaded.
    #[error("{0}")]
    Keys(Failure),
    /// The system gives no threads.
    #[error("can't start a chain")]
    Compute(#[source] std::io::Error),
    /// Our own fault.
    #[error("starting broke down, which is a bug of ours: {0}")]
    Broken(String),
}

impl StartError {
    /// Whether other options would help.
    pub const fn is_configuration(&self) -> bool {
        matches!(
            self,
            StartError::Listen { .. }
                | StartError::Admin { .. }
                | StartError::Data(_)
                | StartError::Control(_)
                | StartError::Gateway(_)
                | StartError::Keys(_)
        )
    }
}

fn advice(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            ": another process has that port; stop it, or choose another one with --port (0 takes any free one)"
        }
        std::io::ErrorKind::PermissionDenied => {
            ": ports below 1024 need more rights; choose another with --port"
        }
        std::io::ErrorKind::AddrNotAvailable => ": this machine does not have that address; see --listen",
        _ => "",
    }
}
