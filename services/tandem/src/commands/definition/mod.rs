//! `tandem definition`: how metrics are defined, what another definition would change, and defining one
//! anew.

mod diff;
mod set;

use serde::Deserialize;

use crate::cli::Connection;
use crate::client::Client;
use crate::failure::Failure;
use crate::terminal::say;

/// What `tandem definition` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show how computed metrics are defined, were, and will be
    List(Connection),
    /// Show the definition in force and another one side by side, session by session
    Diff(diff::Args),
    /// Define a metric anew, on both chains, from a moment to come
    Set(set::Args),
}

/// A metric in the catalogue.
#[derive(Deserialize)]
struct Metric {
    id: String,
    kind: String,
    unit: String,
    formula: String,
    definition: u32,
    #[serde(default)]
    history: Vec<Entry>,
}

/// One of its definitions.
#[derive(Deserialize)]
struct Entry {
    definition: u32,
    formula: String,
    from: u64,
    reason: Option<String>,
}

impl Metric {
    /// The version of its newest definition, which may still be to come.
    fn newest(&self) -> u32 {
        self.history.last().map_or(self.definition, |last| last.definition)
    }
}

/// Shows definitions, or gives one.
///
/// # Errors
///
/// When the server can't be asked or refuses, or when it is not meant.
pub async fn run(args: Args) -> Result<(), Failure> {
    match args.action {
        Action::List(connection) => list(&connection.client()?).await,
        Action::Diff(args) => diff::run(args).await,
        Action::Set(args) => set::run(args).await,
    }
}

async fn list(client: &Client) -> Result<(), Failure> {
    for metric in computed(client).await? {
        say(format_args!(
            "{} ({}): definition {}, {}",
            metric.id, metric.unit, metric.definition, metric.formula
        ));
        for Entry { definition, formula, from, reason } in &metric.history {
            let reason = reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
            say(format_args!("  {definition} from {from}, {formula}{reason}"));
        }
    }
    Ok(())
}

/// The metrics that are computed when read.
async fn computed(client: &Client) -> Result<Vec<Metric>, Failure> {
    #[derive(Deserialize)]
    struct Catalogue {
        metrics: Vec<Metric>,
    }
    let catalogue: Catalogue = client.get_json("/v1/catalog/metrics", &[]).await.map_err(Failure::failed)?;
    Ok(catalogue.metrics.into_iter().filter(|metric| metric.kind == "computed").collect())
}
