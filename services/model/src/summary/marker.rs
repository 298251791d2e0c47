//! The marker: up to where a partition of the topic reaches, and who wrote it.

use serde::{Deserialize, Serialize};

use super::VERSION;
use crate::position::{Cut, LogId, PartitionId};
use crate::route::Chain;

/// The end of a transaction: with it, the partition's rows in the topic are those of the log up to
/// and with the beat `beat`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    /// The log it was computed from.
    pub log: LogId,
    /// The generation of that log.
    pub generation: u32,
    /// The partition, of the log and of the topic alike.
    pub partition: PartitionId,
    /// `next`: the offset after the beat; `clock`: the beat itself, in milliseconds.
    pub cut: Cut,
    /// The chain that wrote it.
    pub chain: Chain,
    /// The epoch of the route under which it was written.
    pub epoch: u64,
    /// The version of the definitions.
    pub definitions: u32,
}

/// Why a marker can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MarkerError {
    /// It is not one, or damaged.
    #[error("this is no marker: {0}")]
    Damaged(String),
    /// A newer build wrote it.
    #[error("the marker has form {0}, this build knows {VERSION}: run the newer build")]
    Version(u32),
}

/// The form of a marker as JSON.
#[derive(Serialize, Deserialize)]
pub(super) struct Form<'a> {
    v: u32,
    #[serde(borrow)]
    log: std::borrow::Cow<'a, str>,
    generation: u32,
    partition: u32,
    beat: u64,
    next: u64,
    chain: Chain,
    epoch: u64,
    definitions: u32,
}

impl Marker {
    /// Whether it may stand right after `before` in the same partition: further in the same log, or
    /// anywhere in one that was created later; never under an older epoch.
    pub fn may_follow(&self, before: &Marker) -> bool {
        let is_further = match self.log == before.log {
            true => self.cut.next > before.cut.next && self.cut.clock > before.cut.clock,
            false => self.generation > before.generation,
        };
        is_further && self.partition == before.partition && self.epoch >= before.epoch
    }

    /// The marker that was written as the message value `bytes`.
    ///
    /// # Errors
    ///
    /// When it is none, or one of a newer build.
    pub fn parse(bytes: &[u8]) -> Result<Self, MarkerError> {
        #[derive(Deserialize)]
        struct Version {
            v: u32,
        }
        let damaged = |error: serde_json::Error| MarkerError::Damaged(error.to_string());
        let Version { v } = serde_json::from_slice(bytes).map_err(damaged)?;
        if v != VERSION {
            return Err(MarkerError::Version(v));
        }
        let form: Form<'_> = serde_json::from_slice(bytes).map_err(damaged)?;
        let log =
            log_id(&form.log).ok_or_else(|| MarkerError::Damaged(format!("`{}` names no log", form.log)))?;
        Ok(Self {
            log,
            generation: form.generation,
            partition: PartitionId(form.partition),
            cut: Cut { next: form.next, clock: form.beat },
            chain: form.chain,
            epoch: form.epoch,
            definitions: form.definitions,
        })
    }

    pub(super) fn form(&self) -> Form<'static> {
        Form {
            v: VERSION,
            log: self.log.to_string().into(),
            generation: self.generation,
            partition: self.partition.0,
            beat: self.cut.clock,
            next: self.cut.next,
            chain: self.chain,
            epoch: self.epoch,
            definitions: self.definitions,
        }
    }
}

fn log_id(text: &str) -> Option<LogId> {
    let mut id = [0; 16];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != id.len() || !rest.is_empty() {
        return None;
    }
    for (byte, pair) in id.iter_mut().zip(pairs) {
        let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
        *byte = (high? * 16 + low?) as u8;
    }
    Some(LogId(id))
}
