//! `tandem repair`: rows of a chain computed again from the log.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use tandem_ingest::wall_ms;
use tandem_model::repair::{RepairOrdered, RepairRequest};
use tandem_model::route::Chain;
use tandem_model::{PartitionId, SessionId};
use tandem_scylla::ScyllaStore;
use tandem_storage::{OrderError, RepairWish};

use super::role::chain;
use crate::cli::Connection;
use crate::config::{Role, RoleConfig};
use crate::failure::Failure;
use crate::roles;
use crate::terminal::{confirm, say};

/// Where orders go.
const PATH: &str = "/v1/repairs";

/// What `tandem repair` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Chain whose rows are wrong
    #[arg(long, value_name = "a|b", value_parser = chain)]
    chain: Chain,
    /// Only this partition; all of them where neither this nor a session is named
    #[arg(long, value_name = "N", conflicts_with = "session")]
    partition: Option<u32>,
    /// Only this session
    #[arg(long, value_name = "ID", value_parser = session)]
    session: Option<SessionId>,
    /// Why, for people who read the logs; 1 to 500 characters
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Configuration of real backends: puts the order into the chain's row store itself, where no
    /// gateway can be asked
    #[arg(long, value_name = "FILE", env = "TANDEM_CONFIG", conflicts_with = "to")]
    config: Option<PathBuf>,
    #[command(flatten)]
    connection: Connection,
}

fn session(text: &str) -> Result<SessionId, String> {
    SessionId::new(text).ok_or_else(|| "a session's id has 1 to 64 of A-Z a-z 0-9 . _ : -".to_owned())
}

/// Asks whether that is meant, and orders it.
///
/// # Errors
///
/// When it is not meant, or when the server can't be asked or refuses.
pub async fn run(args: Args) -> Result<(), Failure> {
    let what = scope(&args);
    let question = format!("{what}; its readers get the other chain meanwhile. Go on?");
    let partitions = match &args.config {
        Some(file) => {
            confirm(args.yes, &question)?;
            order_directly(file, &args).await?
        }
        None => {
            let client = args.connection.client()?;
            if !client.has_key() {
                return Err(Failure::configuration(anyhow!(
                    "only operators may order a repair: set TANDEM_KEY to the operator's key"
                )));
            }
            confirm(args.yes, &question)?;
            let request = RepairRequest {
                chain: args.chain,
                partition: args.partition,
                session_id: args.session.clone(),
                reason: args.reason.clone(),
            };
            let body = serde_json::to_vec(&request).map_err(|error| Failure::failed(anyhow!(error)))?;
            let answer = client.post(PATH, &[], body.into()).await.map_err(Failure::failed)?;
            let ordered: RepairOrdered =
                answer.successful().and_then(|answer| answer.json()).map_err(Failure::failed)?;
            ordered.partitions
        }
    };
    let partitions: Vec<String> = partitions.iter().map(u32::to_string).collect();
    say(format_args!(
        "Ordered: {what}, from the beginning of the log (partition {}). `tandem status` shows when it is done.",
        partitions.join(", ")
    ));
    Ok(())
}

/// Puts the order where the chain's compute looks for it, whether anything is running or not.
async fn order_directly(file: &Path, args: &Args) -> Result<Vec<u32>, Failure> {
    let RoleConfig::Verify(config) = roles::configured(Role::Verify, file, None)? else {
        unreachable!("the role verify has its own configuration");
    };
    let rows = Box::pin(ScyllaStore::open(&config.rows[args.chain as usize])).await;
    let rows = rows.map_err(|error| Failure::failed(anyhow!(error)))?;
    let wish = RepairWish {
        partition: args.partition.map(PartitionId),
        session_id: args.session.clone(),
        reason: args.reason.clone(),
    };
    // What the rows are of decides, not what somebody has configured.
    let partitions = rows.identity().partitions;
    let ordered = wish.order(&rows, partitions, wall_ms()).await.map_err(|error| match error {
        OrderError::NoSuchPartition(..) => Failure::usage(anyhow!(error)),
        OrderError::Store(_) => Failure::failed(anyhow!(error)),
    })?;
    Ok(ordered.into_iter().map(|partition| partition.0).collect())
}

fn scope(args: &Args) -> String {
    let chain = args.chain;
    match (&args.session, args.partition) {
        (Some(session), _) => format!("session {session} of chain {chain} is computed again"),
        (None, Some(partition)) => format!("partition {partition} of chain {chain} is computed again"),
        (None, None) => format!("all of chain {chain} is computed again"),
    }
}
