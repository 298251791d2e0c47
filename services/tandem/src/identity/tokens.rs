//! The keys that sign tokens: from a file, or from the issuer's server.
//!
//! No request waits for them. A server is asked every five minutes; and when somebody shows a token whose
//! key is not known, at most once a minute: issuers change keys when they like, and whoever makes up key
//! ids must not have us ask all the time. While it is away, the keys that are known stay in use.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use tandem_gateway::Gateway;
use tandem_identity::{Jwks, JwtRules};
use tokio::time::Instant;

use super::ticks;
use crate::failure::Failure;
use crate::fetch::{client, fetch};

/// How often a server is asked, and how long it may take.
const PACE: Pace = Pace {
    refresh: Duration::from_secs(300),
    refresh_min: Duration::from_secs(60),
    timeout: Duration::from_secs(5),
};
/// Largest set of keys that is read, in bytes; the parser takes less.
const BYTES_MAX: usize = 512 * 1024;

/// Which tokens are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSettings {
    /// What `iss` must be.
    pub issuer: String,
    /// What `aud` must be or hold.
    pub audience: String,
    /// Which claim names the tenant.
    pub tenant_claim: String,
    /// Where the keys are.
    pub source: JwksSource,
}

/// Where the keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwksSource {
    /// In a file.
    File(PathBuf),
    /// At a server.
    Url(String),
}

/// Times of the questions to a server.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// How often it is asked.
    refresh: Duration,
    /// The least time between two questions.
    refresh_min: Duration,
    /// How long it may take.
    timeout: Duration,
}

/// Keeps a gateway's keys of tokens new.
pub(super) struct Tokens {
    pace: Pace,
    settings: TokenSettings,
    client: Option<reqwest::Client>,
    /// What was last read of a file, or why it could not be.
    seen: Option<Result<Vec<u8>, String>>,
    /// Whether that was keys.
    is_good: bool,
    last: Instant,
}

impl Tokens {
    pub(super) async fn start(settings: TokenSettings, gateway: &Gateway) -> Result<Self, Failure> {
        Self::start_at(PACE, settings, gateway).await
    }

    async fn start_at(pace: Pace, settings: TokenSettings, gateway: &Gateway) -> Result<Self, Failure> {
        let client = match &settings.source {
            JwksSource::File(_) => None,
            JwksSource::Url(_) => Some(client(pace.timeout).map_err(Failure::configuration)?),
        };
        let mut tokens = Self { pace, settings, client, seen: None, is_good: false, last: Instant::now() };
        match tokens.load().await {
            Ok(keys) => gateway.use_tokens(tokens.rules(keys.unwrap_or_default())),
            Err(error) if tokens.client.is_some() => {
                // Until it answers no token is taken, and everything else goes on.
                gateway.use_tokens(tokens.rules(Jwks::default()));
                tokens.complain(&error, gateway);
            }
            Err(error) => return Err(Failure::configuration(error.context("the keys of tokens"))),
        }
        Ok(tokens)
    }

    pub(super) async fn follow(mut self, gateway: &Gateway) {
        let mut ticks = ticks();
        loop {
            match self.client {
                None => _ = ticks.tick().await,
                Some(_) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(self.last + self.pace.refresh) => {}
                        () = gateway.token_key_missed() => {
                            tokio::time::sleep_until(self.last + self.pace.refresh_min).await;
                        }
                    }
                }
            }
            match self.load().await {
                Ok(Some(keys)) => {
                    tracing::info!(keys = keys.len(), "the keys of tokens were loaded anew");
                    gateway.use_tokens(self.rules(keys));
                }
                Ok(None) => {}
                Err(error) => self.complain(&error, gateway),
            }
        }
    }

    /// The keys, where they have changed.
    async fn load(&mut self) -> Result<Option<Jwks>, anyhow::Error> {
        self.last = Instant::now();
        let read = match (&self.settings.source, &self.client) {
            (JwksSource::Url(url), Some(client)) => fetch(client, url, BYTES_MAX).await,
            (JwksSource::File(path), _) => tokio::fs::read(path).await.context("can't be read"),
            (JwksSource::Url(_), None) => Err(anyhow!("no client was made")),
        };
        let seen = read.as_ref().map(Clone::clone).map_err(|error| format!("{error:#}"));
        // A file that stays wrong is told once. A server is asked so seldom that each time counts.
        if self.seen.as_ref() == Some(&seen) && (self.is_good || self.client.is_none()) {
            return Ok(None);
        }
        self.seen = Some(seen);
        self.is_good = false;
        let keys = Jwks::parse(&read?)?;
        self.is_good = true;
        Ok(Some(keys))
    }

    fn rules(&self, keys: Jwks) -> JwtRules {
        let TokenSettings { issuer, audience, tenant_claim, .. } = self.settings.clone();
        JwtRules { issuer, audience, tenant_claim, keys: Arc::new(keys) }
    }

    fn complain(&self, error: &anyhow::Error, gateway: &Gateway) {
        gateway.note_load_failure();
        tracing::error!(
            error = format!("{error:#}"), source = ?self.settings.source,
            "the keys of tokens can't be loaded: those before stay in use"
        );
    }
}

#[cfg(test)]
mod tests;
