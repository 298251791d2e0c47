//! `tandem verify`: both chains against the log.

use std::path::{Path, PathBuf};

use crate::cli::KeyOption;
use crate::client::{Client, ServerUrl};
use crate::config::{Role, RoleConfig};
use crate::failure::Failure;
use crate::progress::Progress;
use crate::roles;
use crate::terminal::{remark, say};
use crate::verify::{Direct, Running, verify};

/// What `tandem verify` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Address of a running system
    #[arg(long, value_name = "URL", default_value_t, conflicts_with_all = ["data", "config"])]
    to: ServerUrl,
    #[command(flatten)]
    key: KeyOption,
    /// Folder of a stopped system, as given to `tandem up --data`
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    data: Option<PathBuf>,
    /// Configuration of real backends, read directly, running or not
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Compares, and prints the report.
///
/// # Errors
///
/// When something differs, or can't be read.
pub async fn run(args: Args) -> Result<(), Failure> {
    let stored = match (args.data, args.config) {
        (Some(folder), _) => Some(Direct::open(&folder).await?),
        (None, Some(file)) => Some(connect(&file).await?),
        (None, None) => None,
    };
    let report = match stored {
        Some(stored) => {
            let progress = Progress::new(Some(stored.records()), "records", false);
            verify(&stored, &progress).await?
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

async fn connect(file: &Path) -> Result<Direct, Failure> {
    let RoleConfig::Verify(config) = roles::configured(Role::Verify, file, None)? else {
        unreachable!("the role verify has its own configuration");
    };
    if config.pseudonym_key.is_none() {
        remark(
            "without [pseudonyms] key, events that were not counted can't be compared; everything else is",
        );
    }
    Direct::connect(*config).await
}
