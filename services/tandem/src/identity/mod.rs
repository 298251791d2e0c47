//! Who may ask a gateway: loads the file of keys and the keys that sign tokens, and loads them anew
//! while it runs.
//!
//! A file is looked at each second and taken into use when its content has changed. One that is wrong is
//! refused as a whole: what was in use stays, it is said in the log and counted. At the start a wrong
//! file ends the gateway: nobody should find out later that the keys were never read.

mod file;
mod tokens;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use tandem_gateway::Gateway;
use tandem_identity::KeySet;
use tandem_ingest::wall_ms;
use tokio::time::MissedTickBehavior;

use crate::failure::Failure;

pub use file::{KeyFile, read_keys};
pub use tokens::{JwksSource, TokenSettings};

/// How often files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Who may ask, beside the operator.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The file of tenants and keys.
    pub keys: Option<PathBuf>,
    /// Which tokens are taken.
    pub tokens: Option<TokenSettings>,
}

/// Keeps a gateway's keys as they stand in their files.
pub struct Follower {
    keys: Option<KeyFile>,
    tokens: Option<tokens::Tokens>,
}

impl Follower {
    /// Loads everything for the first time, and takes it into use.
    ///
    /// # Errors
    ///
    /// When a file can't be read or is wrong. A server that is away is no error: it is asked again.
    pub async fn start(settings: Settings, gateway: &Gateway) -> Result<Self, Failure> {
        let keys = match settings.keys {
            None => None,
            Some(path) => {
                let mut file = KeyFile::new(path);
                let keys = load(&mut file).await.map_err(|error| {
                    Failure::configuration(error.context(format!("the keys in {}", file.path().display())))
                })?;
                gateway.use_keys(Arc::new(keys.unwrap_or_default()));
                Some(file)
            }
        };
        let tokens = match settings.tokens {
            None => None,
            Some(settings) => Some(tokens::Tokens::start(settings, gateway).await?),
        };
        Ok(Self { keys, tokens })
    }

    /// Goes on until `stopped`.
    pub async fn follow(self, gateway: Gateway, stopped: impl Future<Output = ()>) {
        let Self { keys, tokens } = self;
        let following = async {
            futures::join!(follow_keys(keys, &gateway), async {
                if let Some(tokens) = tokens {
                    tokens.follow(&gateway).await;
                }
            })
        };
        tokio::select! {
            () = stopped => {}
            _ = following => {}
        }
    }
}

async fn follow_keys(file: Option<KeyFile>, gateway: &Gateway) {
    let Some(mut file) = file else { return };
    let mut ticks = ticks();
    loop {
        ticks.tick().await;
        match load(&mut file).await {
            Ok(None) => {}
            Ok(Some(keys)) => {
                let (count, path) = (keys.keys().count(), file.path().display());
                gateway.use_keys(Arc::new(keys));
                tracing::info!(keys = count, file = %path, "the keys were loaded anew");
            }
            Err(error) => {
                gateway.note_load_failure();
                tracing::error!(
                    error = format!("{error:#}"), file = %file.path().display(),
                    "the keys can't be loaded: those before stay in use"
                );
            }
        }
    }
}

/// The keys, where the file has changed since the last look. An error is told once for each content.
async fn load(file: &mut KeyFile) -> Result<Option<KeySet>, anyhow::Error> {
    let mut looking = file.clone();
    // Reading and parsing are no work for an async thread.
    let looked = tokio::task::spawn_blocking(move || {
        let keys = looking.look(wall_ms());
        (looking, keys)
    });
    let (looked, keys) = looked.await.map_err(|error| anyhow!("looking at the file broke down: {error}"))?;
    *file = looked;
    keys
}

fn ticks() -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

#[cfg(test)]
mod tests;
