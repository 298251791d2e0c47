//! The program `tandem`: everything in one process, and the commands around it.
//!
//! - [`system`]: a whole Tandem in this process, started and stopped as one thing
//! - [`roles`]: each role as a process of its own, against real backends
//! - [`commands`]: one file per subcommand, thin
//! - [`config`]: the configuration of roles against real backends
//! - [`identity`]: who may ask a gateway, loaded and loaded anew
//! - [`certificates`]: what a gateway shows its clients, loaded and loaded anew
//! - [`client`]: how the commands talk to a server
//! - [`load`]: a file of events on its way to a server
//! - [`export`]: tables of summary data on their way into a folder
//! - [`verify`]: both chains against the log, recomputed plainly
//! - [`parity`]: compares both chains all the time, and finds out which one is wrong
//! - [`demo`]: traffic that looks like live commerce
//!
//! It is a library so that tests and benchmarks start the same system as `tandem up` does.

pub mod certificates;
pub mod cli;
pub mod client;
pub mod commands;
pub mod config;
pub mod demo;
pub mod drill;
pub mod export;
pub mod failure;
mod fetch;
pub mod identity;
pub mod key;
pub mod load;
pub mod logging;
pub mod parity;
pub mod progress;
pub mod roles;
mod servers;
pub mod status;
pub mod system;
pub mod terminal;
pub mod verify;

use cli::{Cli, Command};
use commands::operate;
use config::Role;
use failure::Failure;
use tandem_failover::Action;

/// Runs the command that was asked for, to its end.
///
/// # Errors
///
/// What went wrong, with the exit code it deserves.
pub fn run(cli: Cli) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(anyhow::Error::new(error).context("can't start the runtime")))?;
    runtime.block_on(async {
        match cli.command {
            Command::Up(args) => commands::up::run(args).await,
            Command::Ingest(args) => commands::ingest::run(args).await,
            Command::Status(args) => commands::status::run(args).await,
            Command::Export(args) => commands::export::run(args).await,
            Command::Verify(args) => commands::verify::run(args).await,
            Command::Bench(args) => commands::bench::run(args).await,
            Command::Compute(args) => commands::role::run_of_chain(Role::Compute, args).await,
            Command::Query(args) => commands::role::run_of_chain(Role::Query, args).await,
            Command::Gateway(args) => commands::role::run(Role::Gateway, args).await,
            Command::Control(args) => commands::role::control(args).await,
            Command::Metronome(args) => commands::role::run(Role::Metronome, args).await,
            Command::Drill(args) => commands::drill::run(args).await,
            Command::Schema(args) => commands::schema::run(args).await,
            Command::Switch(args) => operate::switch::run(args).await,
            Command::Drain(args) => operate::of_chain(args, Action::Drain).await,
            Command::Undrain(args) => operate::of_chain(args, Action::Undrain).await,
            Command::Quarantine(args) => operate::of_chain(args, Action::Quarantine).await,
            Command::Release(args) => operate::of_chain(args, Action::Release).await,
            Command::Freeze(args) => operate::decide(args, Action::Freeze).await,
            Command::Unfreeze(args) => operate::decide(args, Action::Unfreeze).await,
            Command::History(args) => operate::history(args).await,
            Command::Repair(args) => commands::repair::run(args).await,
            Command::Definition(args) => commands::definition::run(args).await,
            Command::Poison(args) => commands::poison::run(args).await,
            Command::Shield(args) => commands::shield::run(args).await,
            Command::Key(args) => commands::key::run(args),
            Command::Config(args) => commands::config::run(args),
        }
    })
}
