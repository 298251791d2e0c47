//! `tandem control members`: who is in the control group.

use std::time::Duration;

use anyhow::anyhow;
use tandem_control::wire::MemberOrder;
use tandem_control::{ControlError, MemberId};
use tokio::time::Instant;

use super::link::failed;
use super::{Link, shown};
use crate::client::ServerUrl;
use crate::failure::Failure;
use crate::terminal::{confirm, remark, say};

/// How long a new member may take to catch up.
const CATCH_UP: Duration = Duration::from_secs(60);
/// How often it is looked at.
const PAUSE: Duration = Duration::from_millis(500);

/// What `tandem control members` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    change: Option<Change>,
    #[command(flatten)]
    link: Link,
}

/// What to change.
#[derive(Debug, clap::Subcommand)]
pub enum Change {
    /// Let a new member in: it learns first, and votes once it has caught up
    Add {
        /// Its number, never used before in this group
        id: u64,
        /// Where the others reach it
        address: ServerUrl,
    },
    /// Let a member go, for good
    Remove {
        /// Its number
        id: u64,
        /// Do not ask before
        #[arg(long)]
        yes: bool,
    },
    /// Let another member lead
    HandOver {
        /// Its number
        id: u64,
    },
}

/// Changes the members, and shows them.
///
/// # Errors
///
/// When the change can't be, or no control node can be asked.
pub async fn run(args: Args) -> Result<(), Failure> {
    let control = args.link.client().await?;
    match args.change {
        None => {}
        Some(Change::Add { id, address }) => {
            let id = MemberId(id);
            let address = address.to_string();
            let order = MemberOrder::Add { id, address: address.trim_end_matches('/').to_owned() };
            control.change(&order, false).await.map_err(failed)?;
            remark(format_args!("member {id} learns; start it with `join = true` if it is not running"));
            let begun = Instant::now();
            while let Err(error) = control.change(&MemberOrder::Promote { id }, false).await {
                // Rules that stand against it are that it has not caught up yet.
                if !matches!(error, ControlError::Ruled(_)) || begun.elapsed() >= CATCH_UP {
                    return Err(Failure::failed(anyhow!(error).context(format!(
                        "member {id} stays a learner; the same command without `add` shows how it goes, and it \
                         may be removed again"
                    ))));
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
        Some(Change::Remove { id, yes }) => {
            confirm(yes, &format!("Remove member {id} from the control group for good?"))?;
            control.change(&MemberOrder::Remove { id: MemberId(id) }, false).await.map_err(failed)?;
        }
        Some(Change::HandOver { id }) => {
            control.change(&MemberOrder::HandOver { id: MemberId(id) }, false).await.map_err(failed)?;
            remark(format_args!("member {id} was asked to lead"));
        }
    }
    let members = control.members().await.map_err(failed)?;
    say(shown::members(&members));
    Ok(())
}
