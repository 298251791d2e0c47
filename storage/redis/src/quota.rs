//! Quotas that several gateways share: one word per key, and who is present.
//!
//! A key is a string with the moment, in microseconds of the server's clock, at which all that was
//! granted will be paid for; it expires then. So there are as many keys as callers that owe
//! something, and one more. Nothing here must survive: a server that forgets lets one burst more
//! through. All questions of a gateway go at once (in one pipeline, but for a cluster), and each is
//! one step of its own.

use async_trait::async_trait;
use redis::{Cmd, Pipeline, Value};
use tandem_limits::{Ask, Granted, PRESENCE_NS, QuotaError, SharedQuota, Taking};
use tandem_storage::{Result, StoreError};

use crate::functions::{call, library};
use crate::link::{Lane, Link};
use crate::settings::{Mode, Settings};

/// [`SharedQuota`] on Redis 7.0 or later.
pub struct Quota {
    link: Link,
    prefix: String,
    is_cluster: bool,
}

impl Quota {
    /// Checks the settings; connects when it is first used.
    ///
    /// # Errors
    ///
    /// [`tandem_storage::StoreError::Refused`] where a setting can't be, naming it.
    pub fn new(settings: Settings) -> Result<Self> {
        let (prefix, is_cluster) = (settings.key_prefix.clone(), settings.mode == Mode::Cluster);
        Ok(Self { link: Link::new(settings)?, prefix, is_cluster })
    }

    /// Who asks. By itself and first: where the server is without the functions (new, or restarted),
    /// this one call finds it out and loads them.
    fn presence(&self, gateway: &str) -> Pipeline {
        let gateways = format!("{{{}:limits}}:gateways", self.prefix);
        let mut present = call(&library().present, [gateways.as_str()].into_iter());
        present.arg(gateway).arg(PRESENCE_NS / 1_000_000);
        pipeline([present])
    }

    fn question(&self, ask: &Ask) -> Cmd {
        let key = format!("{}:limit:{:032x}", self.prefix, ask.key);
        let mut take = call(&library().take, [key.as_str()].into_iter());
        // Whole microseconds are not fine enough for fast limits.
        let interval_ns = ask.rate.interval_ns();
        take.arg(format!("{}.{:03}", interval_ns / 1_000, interval_ns % 1_000));
        take.arg(ask.rate.burst()).arg(ask.want).arg(ask.least).arg(ask.debt);
        take
    }

    /// The answers to all questions, in their order.
    async fn answers(&self, asks: &[Ask]) -> Result<Vec<Value>> {
        if asks.is_empty() {
            return Ok(Vec::new());
        }
        let questions = asks.iter().map(|ask| self.question(ask));
        if !self.is_cluster {
            return self.link.call(Lane::Write(0), &pipeline(questions)).await;
        }
        // The keys are anywhere in the cluster, and a pipeline goes to one node. On the wire it is
        // the same: what is asked at once shares connections.
        let calls = questions.map(|question| async move {
            let values = self.link.call(Lane::Write(0), &pipeline([question])).await?;
            values.into_iter().next().ok_or_else(|| StoreError::Damaged("redis gave no answer".to_owned()))
        });
        futures::future::try_join_all(calls).await
    }
}

fn pipeline(commands: impl IntoIterator<Item = Cmd>) -> Pipeline {
    let mut pipeline = redis::pipe();
    // An error stands in its command's place then, as the link wants it.
    pipeline.ignore_errors();
    for command in commands {
        pipeline.add_command(command);
    }
    pipeline
}

#[async_trait]
impl SharedQuota for Quota {
    async fn take(&self, gateway: &str, asks: &[Ask]) -> std::result::Result<Taking, QuotaError> {
        let away = |error: StoreError| QuotaError(error.to_string());
        let wrong = |_| QuotaError("redis: an answer to a question about quotas makes no sense".to_owned());
        let present = self.link.call(Lane::Write(0), &self.presence(gateway)).await.map_err(away)?;
        let gateways = present.into_iter().next().map_or(Ok(1), redis::from_redis_value).map_err(wrong)?;
        let granted = self.answers(asks).await.map_err(away)?.into_iter().map(|value| {
            let (units, wait_us): (u64, u64) = redis::from_redis_value(value).map_err(wrong)?;
            Ok(Granted { units, wait_ns: wait_us.saturating_mul(1_000) })
        });
        Ok(Taking { gateways, granted: granted.collect::<std::result::Result<_, _>>()? })
    }
}
