//! `tandem switch`: the other chain serves.

use std::path::PathBuf;

use anyhow::anyhow;
use tandem_control::{Order, wire};
use tandem_model::route::Chain;

use super::link::{NODE, client, failed};
use super::{By, shown};
use crate::cli::KeyOption;
use crate::client::ServerUrl;
use crate::commands::role::chain;
use crate::failure::Failure;
use crate::terminal::{confirm, say};

/// What `tandem switch` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Chain that is to serve (or `--to b`)
    #[arg(value_name = "a|b", value_parser = chain)]
    chain: Option<Chain>,
    /// Chain that is to serve, or address of a control node [default: http://127.0.0.1:8090]; may
    /// be given twice
    #[arg(long, value_name = "a|b|URL")]
    to: Vec<String>,
    /// Why, for people who read the history; 1 to 500 characters
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    by: By,
    /// How long to wait until the rules allow it, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = wire::WITHIN_MS_DEFAULT / 1_000,
        value_parser = clap::value_parser!(u64).range(..=wire::WITHIN_MS_MAX / 1_000))]
    within: u64,
    /// Override the rules: also to a chain that is behind, ill or quarantined; asks before
    #[arg(long)]
    break_glass: bool,
    /// Do not ask before
    #[arg(long)]
    yes: bool,
    /// Configuration file that names the control nodes and the operator's key
    #[arg(long, value_name = "FILE", env = "TANDEM_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    key: KeyOption,
}

/// Asks for the switch, and says what is in force.
///
/// # Errors
///
/// When rules stand against it, or no control node can be asked.
pub async fn run(args: Args) -> Result<(), Failure> {
    let (chain, node) = targets(&args)?;
    if node.is_some() && args.config.is_some() {
        return Err(Failure::usage(anyhow!("name the control node by --to or by --config, not both")));
    }
    let node = node.unwrap_or_else(|| NODE.parse().expect("the default address is one"));
    let control = client(&node, args.config.as_ref(), &args.key).await?;
    if args.break_glass {
        confirm(
            args.yes,
            &format!("Switch to {chain} whatever the rules say? Readers may see older or wrong figures."),
        )?;
    }
    let switch = wire::Switch {
        to: chain,
        reason: args.reason,
        by: args.by.by,
        break_glass: args.break_glass,
        within_ms: args.within * 1_000,
    };
    let ordered = control.order(&Order::Switch(switch), false).await.map_err(failed)?;
    let route = &ordered.route;
    match &ordered.decision {
        None => say(format_args!(
            "Chain {} serves already (epoch {}: {}).",
            route.active, route.epoch, route.reason
        )),
        Some(decision) => {
            say(format_args!("Chain {} serves (epoch {}: {}).", route.active, route.epoch, route.reason));
            // A planned switch needs no reason to leave, which nobody wants to hear.
            if args.break_glass {
                for overridden in shown::overridden(decision) {
                    say(format_args!("  overridden: {overridden}"));
                }
            }
        }
    }
    Ok(())
}

/// The chain, and the address where one is given.
fn targets(args: &Args) -> Result<(Chain, Option<ServerUrl>), Failure> {
    let (mut chain, mut node) = (args.chain, None);
    for to in &args.to {
        match (Chain::from_name(to), to.parse::<ServerUrl>()) {
            (Some(_), _) if chain.is_some() => {
                return Err(Failure::usage(anyhow!("name one chain only")));
            }
            (Some(named), _) => chain = Some(named),
            (None, Ok(_)) if node.is_some() => {
                return Err(Failure::usage(anyhow!("name one control node only")));
            }
            (None, Ok(url)) => node = Some(url),
            (None, Err(error)) => {
                return Err(Failure::usage(anyhow!("--to takes a, b or an address: {error}")));
            }
        }
    }
    let chain = chain.ok_or_else(|| Failure::usage(anyhow!("say which chain is to serve: a or b")))?;
    Ok((chain, node))
}
