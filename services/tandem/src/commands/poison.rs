//! `tandem poison`: events that made the computation fail, and what is to happen with them.

use anyhow::anyhow;
use serde::Deserialize;
use tandem_model::verdict::{Ruling, VerdictRequest, VerdictSpoken};

use crate::cli::Connection;
use crate::failure::Failure;
use crate::terminal::{confirm, say};

/// How many dead letters are read at a time.
const PAGE: usize = 1_000;

/// What `tandem poison` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show the events that are in quarantine
    List(Connection),
    /// Let an event count again, on both chains, at its own place
    Release(Place),
    /// Let an event not count, on both chains
    Quarantine(Place),
}

#[derive(Debug, clap::Args)]
struct Place {
    /// Partition of the log that the event stands in
    #[arg(long, value_name = "N")]
    partition: u32,
    /// Its offset there
    #[arg(long, value_name = "N")]
    offset: u64,
    /// Why, for people who read the log; 1 to 500 characters
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Deserialize)]
struct Page {
    rejected: Vec<Letter>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Letter {
    partition: u32,
    offset: u64,
    clock: u64,
    detail: Option<Detail>,
}

#[derive(Deserialize)]
struct Detail {
    problem: String,
}

/// Shows what is in quarantine, or says what is to happen with an event.
///
/// # Errors
///
/// When the server can't be asked or refuses, or when it is not meant.
pub async fn run(args: Args) -> Result<(), Failure> {
    let connection = match &args.action {
        Action::List(connection) => connection,
        Action::Release(place) | Action::Quarantine(place) => &place.connection,
    };
    let client = connection.client()?;
    if !client.has_key() {
        return Err(Failure::configuration(anyhow!(
            "only operators see and judge events in quarantine: set TANDEM_KEY to the operator's key"
        )));
    }
    let (place, ruling) = match args.action {
        Action::List(_) => return list(&client).await,
        Action::Release(place) => (place, Ruling::Release),
        Action::Quarantine(place) => (place, Ruling::Quarantine),
    };
    let what = match ruling {
        Ruling::Release => "counts again",
        Ruling::Quarantine => "does not count any more",
    };
    let Place { partition, offset, reason, yes, .. } = place;
    let question = format!(
        "The event at offset {offset} of partition {partition} {what}, and both chains compute that partition again. \
         Go on?"
    );
    confirm(yes, &question)?;
    let order = VerdictRequest { partition, offset, ruling, reason };
    let body = serde_json::to_vec(&order).map_err(|error| Failure::failed(anyhow!(error)))?;
    let answer = client.post("/v1/verdicts", &[], body.into()).await.map_err(Failure::failed)?;
    let spoken: VerdictSpoken =
        answer.successful().and_then(|answer| answer.json()).map_err(Failure::failed)?;
    say(format_args!(
        "The event at offset {offset} of partition {partition} {what}: verdict at offset {}.",
        spoken.at
    ));
    Ok(())
}

async fn list(client: &crate::client::Client) -> Result<(), Failure> {
    let mut cursor = String::new();
    let mut found = 0;
    loop {
        let path = format!("/v1/deadletters?reason=malformed&limit={PAGE}{cursor}");
        let page: Page = client.get_json(&path, &[]).await.map_err(Failure::failed)?;
        let is_quarantined =
            |letter: &&Letter| letter.detail.as_ref().is_some_and(|detail| detail.problem == "quarantined");
        for letter in page.rejected.iter().filter(is_quarantined) {
            let Letter { partition, offset, clock, .. } = letter;
            say(format_args!("partition {partition}, offset {offset}: in quarantine, came at clock {clock}"));
            found += 1;
        }
        match page.next_cursor {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    if found == 0 {
        say(format_args!("No event is in quarantine."));
    }
    Ok(())
}
