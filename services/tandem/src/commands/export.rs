//! `tandem export`: a table of summary data as files.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use tandem_exports::{Dws, Format};

use crate::cli::Connection;
use crate::export::{Order, export};
use crate::failure::Failure;
use crate::progress::Progress;
use crate::terminal::{counted, say, thousands, utc};

/// What `tandem export` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The table
    #[arg(value_parser = PossibleValuesParser::new(Dws::ALL.map(Dws::name)))]
    table: String,
    /// Folder for the files; it is made where there is none
    #[arg(long, value_name = "DIR")]
    into: PathBuf,
    /// How rows are written
    #[arg(long, default_value = "csv", value_parser = PossibleValuesParser::new(Format::ALL.map(Format::name)))]
    format: String,
    #[command(flatten)]
    connection: Connection,
    /// Only this anchor's sessions
    #[arg(long, value_name = "ID")]
    anchor: Option<String>,
    /// Only sessions in this state
    #[arg(long, value_parser = ["live", "final", "corrected"])]
    status: Option<String>,
    /// Only sessions that started at or after this moment, in milliseconds since the epoch
    #[arg(long, value_name = "MS")]
    since: Option<u64>,
    /// Only sessions that started before this moment, in milliseconds since the epoch
    #[arg(long, value_name = "MS")]
    until: Option<u64>,
    /// Only rows of these breakdowns, separated by commas (`room` is the session as a whole)
    #[arg(long, value_name = "NAMES")]
    breakdowns: Option<String>,
}

/// Fetches what is not there yet, and says what came.
///
/// # Errors
///
/// When the server refuses or stays away, the folder holds another export, or a file can't be written.
pub async fn run(args: Args) -> Result<(), Failure> {
    let client = args.connection.client()?;
    let number = |number: Option<u64>| number.map(|number| number.to_string());
    let filters = [
        ("anchor_id", args.anchor),
        ("status", args.status),
        ("from", number(args.since)),
        ("to", number(args.until)),
        ("breakdowns", args.breakdowns),
    ];
    let given = |(name, value): (&str, Option<String>)| value.map(|value| (name.to_owned(), value));
    let order = Order {
        table: args.table,
        format: args.format,
        filters: filters.into_iter().filter_map(given).collect(),
    };
    let progress = Progress::new(None, "rows", true);
    let done = export(&client, &order, &args.into, &progress).await?;
    progress.finish();
    say(format_args!(
        "{}: {} in {} ({} bytes), as of {}: {}",
        order.table,
        counted(done.rows(), "row"),
        counted(done.parts.len() as u64, "file"),
        thousands(done.bytes()),
        done.as_of().map_or_else(|| "no moment".to_owned(), utc),
        args.into.display(),
    ));
    Ok(())
}
