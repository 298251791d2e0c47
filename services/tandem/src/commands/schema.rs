//! `tandem schema`: topics and tables as they should be.

use std::future::Future;
use std::time::Duration;

use anyhow::anyhow;
use tandem_model::route::Chain;

use super::role::{ChainOption, ConfigFile};
use crate::config::{Role, RoleConfig, SchemaConfig};
use crate::failure::Failure;
use crate::roles;
use crate::terminal::say;

/// How long one backend may take. Far longer than anything sound: migrations wait two minutes for
/// each other.
const PATIENCE: Duration = Duration::from_secs(300);

/// What `tandem schema` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

/// What to do.
#[derive(Debug, clap::Subcommand)]
enum What {
    /// Create what is missing: topics, keyspaces, tables
    #[command(long_about = "\
Create the topics that are missing, note which log it is, and bring the keyspaces of the chains in \
the file to the version this program needs. Changes nothing that is there already, and may be run \
twice, or by two processes at once. Exit code 1 if something is left that only a person can set right.")]
    Apply(WhatArgs),
    /// Show what is there and what differs, and change nothing
    #[command(long_about = "\
Show topics, log and tables as they are, and what differs from what should be. Changes nothing. \
Exit code 1 if anything is missing or differs.")]
    Status(WhatArgs),
}

#[derive(Debug, clap::Args)]
struct WhatArgs {
    #[command(flatten)]
    file: ConfigFile,
    #[command(flatten)]
    chain: ChainOption,
}

/// Applies or shows.
///
/// # Errors
///
/// When something is missing or differs, or a backend can't be asked.
pub async fn run(args: Args) -> Result<(), Failure> {
    let (args, is_apply) = match &args.what {
        What::Apply(args) => (args, true),
        What::Status(args) => (args, false),
    };
    let RoleConfig::Schema(config) = roles::configured(Role::Schema, &args.file.config, args.chain.chain)?
    else {
        unreachable!("the role schema has its own configuration");
    };
    // Each is looked at, whatever is wrong with the others.
    let mut failures = Vec::new();
    let mut is_good = true;
    let mut note = |outcome: Result<bool, Failure>| match outcome {
        Ok(good) => is_good &= good,
        Err(failure) => failures.push(failure),
    };
    note(within_patience("the event log ([log])", log(&config, is_apply)).await);
    for (chain, rows) in &config.rows {
        let named = format!("the row store of chain {chain} ([chains.{chain}.rows])");
        note(within_patience(&named, Box::pin(tables(*chain, rows, is_apply))).await);
    }
    if config.rows.is_empty() {
        say("There are no sections [chains.a.rows] or [chains.b.rows]: no tables were looked at.");
    }
    let mut failures = failures.into_iter();
    if let Some(first) = failures.next() {
        failures.for_each(crate::terminal::complain);
        return Err(first);
    }
    match is_good {
        true => Ok(()),
        false => Err(Failure::failed(anyhow!("something is missing or differs, see above"))),
    }
}

async fn within_patience<T>(
    named: &str,
    working: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::time::timeout(PATIENCE, working).await.unwrap_or_else(|_| {
        let seconds = PATIENCE.as_secs();
        Err(Failure::failed(anyhow!(
            "{named} took more than {seconds} s: see whether it is healthy, then do it again, which does no harm"
        )))
    })
}

async fn log(config: &SchemaConfig, is_apply: bool) -> Result<bool, Failure> {
    let failed = |error: tandem_kafka::Error| {
        let is_away = matches!(error, tandem_kafka::Error::Unavailable(_));
        let error = anyhow!(error).context("the event log ([log])");
        if is_away { Failure::failed(error) } else { Failure::configuration(error) }
    };
    let status = if is_apply {
        let applied = tandem_kafka::schema::apply(&config.log).await.map_err(failed)?;
        for topic in &applied.created {
            say(format_args!("created topic {topic}"));
        }
        applied.status
    } else {
        tandem_kafka::schema::status(&config.log).await.map_err(failed)?
    };
    match &status.identity {
        Some(identity) => say(format_args!(
            "log {}, generation {}, {} partitions",
            identity.log_id, identity.generation, identity.partitions
        )),
        None => say("log: not created yet"),
    }
    for topic in &status.topics {
        match &topic.found {
            Some(shape) => say(format_args!(
                "topic {}: {} partitions, {} copies ({} in sync), {}, retention {}",
                topic.name,
                shape.partitions,
                shape.replicas,
                shape.in_sync_replicas,
                shape.cleanup,
                kept(shape.retention_ms)
            )),
            None => say(format_args!("topic {}: missing", topic.name)),
        }
        for problem in &topic.problems {
            say(format_args!("  ! {problem}"));
        }
    }
    for problem in &status.problems {
        say(format_args!("! {problem}"));
    }
    Ok(status.is_good())
}

fn kept(retention_ms: i64) -> String {
    match u64::try_from(retention_ms) {
        Ok(ms) => format!("{:.1} days", ms as f64 / 86_400_000.0),
        Err(_) => "for ever".to_owned(),
    }
}

async fn tables(chain: Chain, settings: &tandem_scylla::Settings, is_apply: bool) -> Result<bool, Failure> {
    let failed = |error: tandem_storage::StoreError| {
        let is_retryable = error.is_retryable();
        let error = anyhow!(error).context(format!("the row store of chain {chain} ([chains.{chain}.rows])"));
        if is_retryable { Failure::failed(error) } else { Failure::configuration(error) }
    };
    if is_apply {
        for done in tandem_scylla::schema::apply(settings).await.map_err(failed)? {
            say(format_args!("chain {chain}: {done}"));
        }
    }
    let status = tandem_scylla::schema::status(settings).await.map_err(failed)?;
    say(format_args!(
        "chain {chain}: keyspace {}, version {} of {}, on {}",
        status.keyspace, status.version, status.version_wanted, status.server
    ));
    for pending in &status.pending {
        say(format_args!("  ! {pending}"));
    }
    for warning in &status.warnings {
        say(format_args!("  ? {warning}"));
    }
    Ok(status.pending.is_empty() && status.version == status.version_wanted)
}
