//! `tandem definition set`: defines a metric anew, and waits until both know of it: the log and the reader.

use std::time::Duration;

use anyhow::anyhow;
use tandem_ingest::wall_ms;
use tandem_model::Definition;
use tandem_model::catalogue::Formula;
use tandem_model::definition::DefinitionSpoken;
use tokio::time::{Instant, sleep};

use super::{Metric, computed};
use crate::cli::Connection;
use crate::client::Client;
use crate::failure::Failure;
use crate::terminal::{confirm, say};

/// How long the definition may take to be seen in the catalogue.
const SEEN_WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(500);

/// How a metric is to be defined.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The metric: one that is computed when read
    metric: String,
    /// How it is defined, from stored metrics
    formula: String,
    /// From when on, in milliseconds of the log's clock; at least 65 seconds ahead
    #[arg(long, value_name = "MS", conflicts_with = "ahead_seconds")]
    from: Option<u64>,
    /// The same, in seconds from now
    #[arg(long = "in", value_name = "SECONDS", default_value_t = 120)]
    ahead_seconds: u64,
    /// Why, for people; 1 to 500 characters
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Writes the definition into the log.
///
/// # Errors
///
/// When the server can't be asked or refuses, when it is not meant, or when it does not hold: somebody else
/// was faster.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let client = args.connection.client()?;
    if !client.has_key() {
        return Err(Failure::configuration(anyhow!(
            "only operators define metrics: set TANDEM_KEY to the operator's key"
        )));
    }
    let Some(metric) = metric(&client, &args.metric).await? else {
        return Err(Failure::usage(anyhow!(
            "{} is no metric that is computed when read: see `tandem definition list`",
            args.metric
        )));
    };
    let formula: Formula = args.formula.parse().map_err(|error: String| Failure::usage(anyhow!(error)))?;
    let version = metric.newest() + 1;
    let from =
        args.from.unwrap_or_else(|| wall_ms().saturating_add(args.ahead_seconds.saturating_mul(1_000)));
    let newest = metric.history.last().map_or(&metric.formula, |last| &last.formula);
    let question = format!(
        "{} is {newest}. From {from} on it is {formula} (definition {version}), in every answer of both chains; \
         `tandem definition diff` says what that changes. Go on?",
        metric.id
    );
    confirm(args.yes, &question)?;
    let order =
        Definition { metric: metric.id, version, formula: formula.to_string(), from, reason: args.reason };
    let body = serde_json::to_vec(&order).map_err(|error| Failure::failed(anyhow!(error)))?;
    let answer = client.post("/v1/definitions", &[], body.into()).await.map_err(Failure::failed)?;
    let spoken: DefinitionSpoken =
        answer.successful().and_then(|answer| answer.json()).map_err(Failure::failed)?;
    wait(&client, &spoken).await?;
    say(format_args!("{} is {formula} from {from} on: definition {version}.", spoken.metric));
    Ok(())
}

async fn metric(client: &Client, id: &str) -> Result<Option<Metric>, Failure> {
    Ok(computed(client).await?.into_iter().find(|metric| metric.id == id))
}

/// Waits until the catalogue knows of the version, and checks that it is this one.
async fn wait(client: &Client, spoken: &DefinitionSpoken) -> Result<(), Failure> {
    let since = Instant::now();
    loop {
        let metric = metric(client, &spoken.metric).await?;
        let entries = metric.into_iter().flat_map(|metric| metric.history);
        let seen = entries.into_iter().find(|entry| entry.definition == spoken.version);
        let DefinitionSpoken { metric, version, formula, from, partition, at } = spoken;
        match seen {
            Some(seen) if (&seen.formula, seen.from) == (formula, *from) => return Ok(()),
            Some(_) => {
                return Err(Failure::failed(anyhow!(
                    "somebody else has given {metric} its definition {version}: see `tandem definition list`"
                )));
            }
            None if since.elapsed() > SEEN_WITHIN => {
                return Err(Failure::failed(anyhow!(
                    "it stands at offset {at} of partition {partition}, and the chain has not taken it in for {} \
                     seconds: it came too late for its `from`, or the chain is behind. `tandem definition list` \
                     shows whether it holds, /v1/deadletters whether it was refused",
                    SEEN_WITHIN.as_secs()
                )));
            }
            None => sleep(POLL).await,
        }
    }
}
