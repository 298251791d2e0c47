//! `tandem compute|query|gateway|control|metronome`: one role as a process.

use std::path::PathBuf;

use anyhow::anyhow;
use tandem_model::route::Chain;

use super::operate::members;
use crate::config::Role;
use crate::failure::Failure;
use crate::roles;

/// What every role takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    file: ConfigFile,
}

/// What `tandem control` takes: alone it runs a control node.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct ControlArgs {
    #[command(flatten)]
    file: Option<ConfigFile>,
    #[command(subcommand)]
    command: Option<ControlCommand>,
}

/// What operators ask about the group itself.
#[derive(Debug, clap::Subcommand)]
pub enum ControlCommand {
    /// Show who is in the control group, or change it
    Members(members::Args),
}

/// Runs a control node, or asks one.
///
/// # Errors
///
/// When it can't start or go on, or can't be asked.
pub async fn control(args: ControlArgs) -> Result<(), Failure> {
    match (args.command, args.file) {
        (Some(ControlCommand::Members(args)), _) => members::run(args).await,
        (None, Some(file)) => roles::run(Role::Control, &file.config, None).await,
        (None, None) => Err(Failure::usage(anyhow!("give --config FILE to run a control node"))),
    }
}

/// What the roles of a chain take.
#[derive(Debug, clap::Args)]
pub struct ChainArgs {
    #[command(flatten)]
    file: ConfigFile,
    #[command(flatten)]
    chain: ChainOption,
}

/// The configuration file.
#[derive(Clone, Debug, clap::Args)]
pub struct ConfigFile {
    /// Configuration file (TOML); `tandem config reference` prints all options
    #[arg(long, value_name = "FILE", env = "TANDEM_CONFIG")]
    pub config: PathBuf,
}

/// One of the chains.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct ChainOption {
    /// Chain to work for; not needed where the file has sections of one chain only
    #[arg(long, value_name = "a|b", value_parser = chain)]
    pub chain: Option<Chain>,
}

/// Runs a role of the whole system.
///
/// # Errors
///
/// When it can't start, or can't go on.
pub async fn run(role: Role, args: Args) -> Result<(), Failure> {
    roles::run(role, &args.file.config, None).await
}

/// Runs a role of a chain.
///
/// # Errors
///
/// When it can't start, or can't go on.
pub async fn run_of_chain(role: Role, args: ChainArgs) -> Result<(), Failure> {
    roles::run(role, &args.file.config, args.chain.chain).await
}

/// A chain by its name, for the command line.
pub(super) fn chain(name: &str) -> Result<Chain, &'static str> {
    Chain::from_name(name).ok_or("a chain is `a` or `b`")
}
