//! `tandem repair`: rows of a chain computed again from the log.

use std::io::{BufRead, IsTerminal};

use anyhow::anyhow;
use tandem_gateway::{RepairOrdered, RepairRequest};
use tandem_model::SessionId;
use tandem_model::route::Chain;

use super::role::chain;
use crate::cli::Connection;
use crate::failure::Failure;
use crate::terminal::{remark, say};

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
    let client = args.connection.client()?;
    if !client.has_key() {
        return Err(Failure::configuration(anyhow!(
            "only operators may order a repair: set TANDEM_KEY to the operator's key"
        )));
    }
    let what = scope(&args);
    if !args.yes && !confirmed(&what)? {
        return Err(Failure::failed(anyhow!("nothing was done")));
    }
    let request = RepairRequest {
        chain: args.chain,
        partition: args.partition,
        session_id: args.session,
        reason: args.reason,
    };
    let body = serde_json::to_vec(&request).map_err(|error| Failure::failed(anyhow!(error)))?;
    let answer = client.post(PATH, &[], body.into()).await.map_err(Failure::failed)?;
    let ordered: RepairOrdered =
        answer.successful().and_then(|answer| answer.json()).map_err(Failure::failed)?;
    let partitions: Vec<String> = ordered.partitions.iter().map(u32::to_string).collect();
    say(format_args!(
        "Ordered: {what}, from the beginning of the log (partition {}). `tandem status` shows when it is done.",
        partitions.join(", ")
    ));
    Ok(())
}

fn scope(args: &Args) -> String {
    let chain = args.chain;
    match (&args.session, args.partition) {
        (Some(session), _) => format!("session {session} of chain {chain} is computed again"),
        (None, Some(partition)) => format!("partition {partition} of chain {chain} is computed again"),
        (None, None) => format!("all of chain {chain} is computed again"),
    }
}

/// Asks a person. Whoever can't be asked must have said so before.
fn confirmed(what: &str) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(anyhow!("nobody is there to ask: say --yes if you mean it")));
    }
    remark(format_args!("{what}; its readers get the other chain meanwhile. Go on? [y/N]"));
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(|error| Failure::failed(anyhow!(error)))?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}
