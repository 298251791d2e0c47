//! `tandem switch`: the other chain serves.

use std::path::PathBuf;

use anyhow::anyhow;
use tandem_control::{Client, ControlError, OperatorKey};
use tandem_model::route::Chain;

use super::role::chain;
use crate::cli::KeyOption;
use crate::client::ServerUrl;
use crate::config::{ControlLink, Role, RoleConfig};
use crate::failure::Failure;
use crate::roles;
use crate::terminal::say;

/// What `tandem switch` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Chain that is to serve
    #[arg(value_name = "a|b", value_parser = chain)]
    chain: Chain,
    /// Why, for people who read the history; 1 to 500 characters
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Address of the control node
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8090", conflicts_with = "config")]
    to: ServerUrl,
    /// Configuration file that names the control node and the operator's key
    #[arg(long, value_name = "FILE", env = "TANDEM_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    key: KeyOption,
}

/// Asks for the switch, and says what is in force.
///
/// # Errors
///
/// When the control node can't be asked or refuses.
pub async fn run(args: Args) -> Result<(), Failure> {
    let link = link(&args)?;
    let control = Client::new(link.node, &link.key).map_err(failed)?;
    let before = control.current().await.map_err(failed)?;
    let route = control.switch(args.chain, args.reason).await.map_err(failed)?;
    match route.epoch == before.epoch {
        true => say(format_args!(
            "Chain {} serves already (epoch {}: {}).",
            route.active, route.epoch, route.reason
        )),
        false => {
            say(format_args!("Chain {} serves (epoch {}: {}).", route.active, route.epoch, route.reason))
        }
    }
    Ok(())
}

fn link(args: &Args) -> Result<ControlLink, Failure> {
    if let Some(file) = &args.config {
        let RoleConfig::Switch(link) = roles::configured(Role::Switch, file, None)? else {
            unreachable!("the role switch has its own configuration");
        };
        return Ok(link);
    }
    let key = args.key.given()?.ok_or_else(|| {
        Failure::configuration(anyhow!("only operators may switch: set TANDEM_KEY to the operator's key"))
    })?;
    let node =
        args.to.to_string().parse().map_err(|error| Failure::usage(anyhow!("{}: {error}", args.to)))?;
    Ok(ControlLink { node, key: OperatorKey::new(key.as_str()) })
}

fn failed(error: ControlError) -> Failure {
    match error {
        ControlError::BadReason => Failure::usage(error),
        ControlError::Refused { .. } => Failure::configuration(error),
        _ => Failure::failed(
            anyhow!(error).context("it may have been decided or not: asking again does no harm"),
        ),
    }
}
