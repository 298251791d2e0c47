//! Each role as a process of its own, against real backends.
//!
//! All of them go the same way: read the configuration and refuse what can't be (before a port is
//! bound), open the admin port (so that whoever runs us sees a process that is starting, and why
//! it is not ready), wait for what must be there, serve, and stop in order when told to.
//!
//! | file | what |
//! |---|---|
//! | `stage.rs` | what all roles share: signals, admin port, waiting, the end within a bounded time |
//! | `backends.rs` | the adapters, opened; what their errors mean at a start |
//! | `compute.rs` `query.rs` `gateway.rs` `control.rs` `metronome.rs` | one role each: wiring |
//! | `limits.rs` `reload.rs` | what a gateway takes into use while it runs |
//! | `trusted_clock.rs` | whether the metronome's clock may be trusted |
//!
//! What decides how a start goes: a backend that is away is waited for, with one line in the log
//! when that begins and one when it ends; one that refuses (credentials, schema, topics) ends the
//! process with exit code 64 and a sentence that says what to do.

mod backends;
mod compute;
mod control;
pub(crate) mod crawlers;
mod gateway;
mod metronome;
mod query;
mod reload;
mod rules;
mod stage;
mod trusted_clock;

use std::path::Path;

use tandem_model::route::Chain;

use crate::config::{ConfigError, Role, RoleConfig, Values, environment};
use crate::failure::Failure;

/// Runs `role` until it is told to stop.
///
/// # Errors
///
/// When it can't start, or can't go on.
pub async fn run(role: Role, file: &Path, chain: Option<Chain>) -> Result<(), Failure> {
    match configured(role, file, chain)? {
        RoleConfig::Compute(config) => compute::run(*config).await,
        RoleConfig::Query(config) => query::run(*config).await,
        RoleConfig::Gateway(config) => gateway::run(*config, file).await,
        RoleConfig::Control(config) => control::run(*config).await,
        RoleConfig::Metronome(config) => metronome::run(*config).await,
        RoleConfig::Schema(_) | RoleConfig::Verify(_) | RoleConfig::Switch(_) => {
            Err(Failure::usage(anyhow::anyhow!("{role} is a command, not a role that runs")))
        }
    }
}

/// What `role` reads of `file` and the environment.
///
/// # Errors
///
/// Whatever is wrong with it: exit code 64.
pub fn configured(role: Role, file: &Path, chain: Option<Chain>) -> Result<RoleConfig, Failure> {
    let read = || {
        let values = Values::load(file, environment())?;
        let chain = values.chain_for(role, chain)?;
        let config = values.of(role, chain)?;
        tracing::debug!("in force:\n{}", crate::config::effective(&values, role, chain));
        Ok::<_, ConfigError>(config)
    };
    read().map_err(Failure::configuration)
}
