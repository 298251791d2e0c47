//! `tandem verify`: both chains against the log.

use std::path::PathBuf;

use crate::cli::KeyOption;
use crate::client::{Client, ServerUrl};
use crate::failure::Failure;
use crate::progress::Progress;
use crate::terminal::say;
use crate::verify::{Running, Stopped, verify};

/// What `tandem verify` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Address of a running system
    #[arg(long, value_name = "URL", default_value_t, conflicts_with = "data")]
    to: ServerUrl,
    #[command(flatten)]
    key: KeyOption,
    /// Folder of a stopped system, as given to `tandem up --data`
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Compares, and prints the report.
///
/// # Errors
///
/// When something differs, or can't be read.
pub async fn run(args: Args) -> Result<(), Failure> {
    let report = match args.data {
        Some(folder) => {
            let stopped = Stopped::open(&folder).await?;
            let progress = Progress::new(Some(stopped.records()), "records", false);
            verify(&stopped, &progress).await?
        }
        None => {
            let running = Running::connect(Client::new(args.to, args.key.given()?)).await?;
            let progress = Progress::new(Some(running.records().await?), "records", false);
            verify(&running, &progress).await?
        }
    };
    say(report.text());
    match report.holds() {
        true => Ok(()),
        false => Err(Failure::failed(anyhow::anyhow!("what the chains hold is not what the log says"))),
    }
}
