//! How operators' commands reach the control group.

use std::path::PathBuf;

use anyhow::anyhow;
use tandem_control::{Client, ControlError, OperatorKey};

use crate::cli::KeyOption;
use crate::client::ServerUrl;
use crate::config::{Role, RoleConfig};
use crate::failure::Failure;
use crate::roles;

/// Where a control node is, where nothing is said.
pub(super) const NODE: &str = "http://127.0.0.1:8090";

/// A control node, and the key. Any node will do: it passes on what only the leader can do.
#[derive(Debug, clap::Args)]
pub struct Link {
    /// Address of a control node; any of them will do
    #[arg(long, value_name = "URL", default_value = NODE, conflicts_with = "config")]
    to: ServerUrl,
    /// Configuration file that names the control nodes and the operator's key
    #[arg(long, value_name = "FILE", env = "TANDEM_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    key: KeyOption,
}

impl Link {
    /// A client of a control node.
    ///
    /// # Errors
    ///
    /// When there is no key, or the configuration can't be.
    pub async fn client(&self) -> Result<Client, Failure> {
        client(&self.to, self.config.as_ref(), &self.key).await
    }
}

/// See [`Link::client`].
pub(super) async fn client(
    to: &ServerUrl,
    config: Option<&PathBuf>,
    key: &KeyOption,
) -> Result<Client, Failure> {
    let Some(file) = config else {
        let key = key.given()?.ok_or_else(|| {
            Failure::configuration(anyhow!(
                "only operators may ask the control group: set TANDEM_KEY to the operator's key"
            ))
        })?;
        let node = to.to_string().parse().map_err(|error| Failure::usage(anyhow!("{to}: {error}")))?;
        return Client::new(node, &OperatorKey::new(key.as_str())).map_err(failed);
    };
    let RoleConfig::Switch(link) = roles::configured(Role::Switch, file, None)? else {
        unreachable!("the role switch has its own configuration");
    };
    let mut clients = link.nodes.into_iter().map(|node| Client::new(node, &link.key).map_err(failed));
    let first =
        clients.next().unwrap_or_else(|| Err(Failure::configuration(anyhow!("[control] nodes is empty"))))?;
    // The first one that is there; where none is, the first says what is wrong.
    if !first.answers().await {
        for client in clients {
            let client = client?;
            if client.answers().await {
                return Ok(client);
            }
        }
    }
    Ok(first)
}

/// What a failed call means for whoever called.
pub(super) fn failed(error: ControlError) -> Failure {
    match error {
        ControlError::Malformed(_) | ControlError::Refused { status: 400, .. } => Failure::usage(error),
        ControlError::Refused { .. } | ControlError::Unsafe(_) => Failure::configuration(error),
        ControlError::Ruled(_) => Failure::failed(error),
        _ => Failure::failed(
            anyhow!(error).context("it may have been decided or not: asking again does no harm"),
        ),
    }
}
