//! The file of rate limits, while the gateway runs: what changes there is in force within seconds,
//! as a whole or not at all.

use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use tandem_gateway::Gateway;
use tokio::sync::watch;

use crate::config::{RulesText, limit_rules};

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Keeps the limits of `gateway` as their file has them, as long as it is polled. Which file that is may
/// change; whoever changes it has put in force what is in it.
pub(super) async fn follow_limits(
    gateway: Gateway,
    mut files: watch::Receiver<Option<PathBuf>>,
) -> Infallible {
    // Whoever named the file has read it; to put the same once more changes nothing.
    let mut seen = None::<Result<RulesText, String>>;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if files.has_changed().unwrap_or(false) {
            seen = None;
        }
        let Some(file) = files.borrow_and_update().clone() else { continue };
        let read = limit_rules(&file);
        let (text, rules) = match read {
            Ok((text, rules)) => (Ok(text), Ok(rules)),
            Err(error) => (Err(error.clone()), Err(error)),
        };
        if seen.as_ref() == Some(&text) {
            continue;
        }
        let is_first = seen.replace(text).is_none();
        match rules {
            Ok(rules) => {
                let count = rules.rules().len();
                gateway.replace_limits(rules);
                if !is_first {
                    tracing::info!(file = %file.display(), rules = count, "other rate limits are in force");
                }
            }
            Err(error) => {
                tracing::warn!(file = %file.display(), error, "the rate limits stay as they were: their file is wrong");
            }
        }
    }
}
