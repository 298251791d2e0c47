//! Files of rules, while the gateway runs: what changes there is in force within seconds, as a whole or
//! not at all.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tandem_gateway::Gateway;
use tokio::sync::watch;

use crate::config::{RulesText, limit_rules, shield_rules};

/// How often a file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Which file it is; that may change. Whoever changes it has put in force what is in it.
pub(super) type Files = watch::Receiver<Option<PathBuf>>;

/// Keeps the limits of `gateway` as their file has them, as long as it is polled.
pub(super) async fn follow_limits(gateway: Gateway, files: Files) -> Infallible {
    follow("rate limits", files, limit_rules, |rules| gateway.replace_limits(rules)).await
}

/// The same of the shield's rules.
pub(super) async fn follow_shield(gateway: Gateway, files: Files) -> Infallible {
    follow("rules of the shield", files, shield_rules, |rules| gateway.replace_shield_rules(rules)).await
}

/// Keeps what `put_in_force` changes as a file has it, as long as it is polled.
pub(super) async fn follow<R>(
    what: &str,
    mut files: Files,
    read: impl Fn(&Path) -> Result<(RulesText, R), String>,
    put_in_force: impl Fn(R),
) -> Infallible {
    // Whoever named the file has read it; to put the same once more changes nothing.
    let mut seen = None::<Result<RulesText, String>>;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if files.has_changed().unwrap_or(false) {
            seen = None;
        }
        let Some(file) = files.borrow_and_update().clone() else { continue };
        let (text, rules) = match read(&file) {
            Ok((text, rules)) => (Ok(text), Ok(rules)),
            Err(error) => (Err(error.clone()), Err(error)),
        };
        if seen.as_ref() == Some(&text) {
            continue;
        }
        let is_first = seen.replace(text).is_none();
        match rules {
            Ok(rules) => {
                put_in_force(rules);
                if !is_first {
                    tracing::info!(file = %file.display(), "other {what} are in force");
                }
            }
            Err(error) => {
                tracing::warn!(file = %file.display(), error, "the {what} stay as they were: their file is wrong");
            }
        }
    }
}
