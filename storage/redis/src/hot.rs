//! The hot store itself: the port's calls as commands. Writing a change is in [`crate::change`].

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use redis::{Cmd, Pipeline, Value};
use tandem_model::route::Chain;
use tandem_model::{Changes, Cut, LogId, PartitionId, Row};
use tandem_storage::{Applied, HotSession, HotStore, Incarnation, Result, SessionRows, StoreError};

use crate::fields::{self, Log, STATE_FIELDS, State, totals};
use crate::functions::{call, library};
use crate::keys::Keys;
use crate::link::{Lane, Link};
use crate::settings::Settings;

/// Rows that one call carries. The server does nothing else meanwhile: some 0.2 ms.
pub(crate) const CALL_ROWS_MAX: usize = 512;
/// How long a session on its way in may take before it is given up, in seconds.
const STAGING_EXPIRY_S: u64 = 60;
/// How often a look is repeated that a new beginning came into.
const LOOKS_MAX: usize = 4;

/// What a process does with the store, and so what is checked at its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It reads.
    Read,
    /// It writes, too: the function library has to be there.
    Write,
}

/// A [`HotStore`] on Redis 7.0 or later. Cheap to clone.
#[derive(Clone)]
pub struct Hot {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) link: Link,
    pub(crate) keys: Keys,
    log: Log,
    pub(crate) session_expiry_s: u64,
    /// What this process wrote last to each partition; see `held_up` in `functions.lua`. As
    /// many entries as the log has partitions.
    bases: Mutex<HashMap<PartitionId, (Incarnation, u64)>>,
}

impl Hot {
    /// Checks the settings; connects when it is first used. `log` and `generation` are those of
    /// the log whose figures are kept: what another log left behind counts as absent.
    ///
    /// # Errors
    ///
    /// [`StoreError::Refused`] where a setting can't be, naming it.
    pub fn new(settings: Settings, chain: Chain, log: LogId, generation: u32) -> Result<Self> {
        let keys = Keys::new(&settings.key_prefix, chain);
        let session_expiry_s = settings.session_expiry_s;
        let (link, log) = (Link::new(settings)?, Log::new(log, generation));
        let inner = Inner { link, keys, log, session_expiry_s, bases: Mutex::default() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// [`Hot::new`] and [`Hot::check`] for writing.
    ///
    /// # Errors
    ///
    /// As theirs.
    pub async fn open(settings: Settings, chain: Chain, log: LogId, generation: u32) -> Result<Self> {
        let hot = Self::new(settings, chain, log, generation)?;
        hot.check(Access::Write).await?;
        Ok(hot)
    }

    /// Whether the store can be used now: a server is reached and recent enough, takes the user,
    /// and allows what `access` needs. Warns in the log of settings of the server that would hurt.
    ///
    /// # Errors
    ///
    /// [`StoreError::Refused`] where only an operator can help, else retryable.
    pub async fn check(&self, access: Access) -> Result<()> {
        self.progress(PartitionId(0)).await?;
        self.inner.link.check_memory().await?;
        match access {
            Access::Read => Ok(()),
            Access::Write => self.inner.link.prepare().await,
        }
    }

    fn base(&self, partition: PartitionId, incarnation: Incarnation) -> Option<u64> {
        let bases = self.inner.bases.lock();
        bases.get(&partition).filter(|(known, _)| *known == incarnation).map(|(_, base)| *base)
    }

    fn note_base(&self, partition: PartitionId, incarnation: Incarnation, base: u64) {
        self.inner.bases.lock().insert(partition, (incarnation, base));
    }

    fn look(&self, command: &mut Pipeline, partition: PartitionId) {
        command.cmd("HMGET").arg(self.inner.keys.state(partition)).arg(&STATE_FIELDS);
    }
}

#[async_trait]
impl HotStore for Hot {
    async fn begin(&self, partition: PartitionId, cut: Cut) -> Result<Option<Incarnation>> {
        let incarnation = Incarnation(random()?);
        let state = self.inner.keys.state(partition);
        let mut command = call(&library().begin, [state.as_str()].into_iter());
        command.arg(&self.inner.log.id).arg(&self.inner.log.generation).arg(incarnation.0);
        command.arg(cut.next).arg(cut.clock);
        match one(self.inner.link.call(Lane::Write(partition.0), &pipeline([command])).await?)? {
            Value::Int(1) => {
                self.note_base(partition, incarnation, cut.next);
                Ok(Some(incarnation))
            }
            Value::Int(0) => Ok(None),
            other => Err(unexpected(&other)),
        }
    }

    async fn apply(&self, incarnation: Incarnation, base: Cut, changes: &Changes) -> Result<Applied> {
        let applied = self.write_change(incarnation, base, changes).await?;
        if applied != Applied::Lost {
            self.note_base(changes.partition, incarnation, changes.cut.next);
        }
        Ok(applied)
    }

    async fn put(&self, incarnation: Incarnation, session: SessionRows) -> Result<()> {
        let (partition, keys) = (session.partition, &self.inner.keys);
        let (state, key) = (keys.state(partition), keys.session(partition, session.session_id.as_str()));
        let base = self.base(partition, incarnation).map(|base| base.to_string()).unwrap_or_default();
        let rows: Vec<&Row> = totals(&session.rows).collect();
        // What one call can't carry is laid out under a key of its own, then put in place whole.
        let (staged, carried) = rows.split_at(if rows.len() > CALL_ROWS_MAX { rows.len() } else { 0 });
        let staging = if staged.is_empty() { None } else { Some(keys.staging(partition, random()?)) };

        let mut scratch = Vec::new();
        let mut commands = redis::pipe();
        commands.ignore_errors();
        for part in staged.chunks(CALL_ROWS_MAX) {
            let mut command =
                call(&library().stage, staging.as_deref().into_iter().collect::<Vec<_>>().into_iter());
            command.arg(STAGING_EXPIRY_S);
            part.iter().for_each(|row| fields::push_row(row, &mut scratch, &mut command));
            commands.add_command(command);
        }
        let all: Vec<&str> = [state.as_str(), key.as_str()].into_iter().chain(staging.as_deref()).collect();
        let mut command = call(&library().put, all.into_iter());
        command.arg(incarnation.0).arg(base).arg(session.cut.next).arg(session.cut.clock);
        command.arg(self.inner.session_expiry_s).arg(staged.len());
        fields::push_header(&session.session, &mut command);
        carried.iter().for_each(|row| fields::push_row(row, &mut scratch, &mut command));
        commands.add_command(command);
        self.inner.link.call(Lane::Write(partition.0), &commands).await?;
        Ok(())
    }

    async fn session(&self, partition: PartitionId, id: &str) -> Result<HotSession> {
        // Not a transaction: a cluster's client follows no key that moved in one. The state on
        // both sides says the same: what lies between belongs to it.
        let mut look = redis::pipe();
        look.ignore_errors();
        self.look(&mut look, partition);
        look.cmd("HGETALL").arg(self.inner.keys.session(partition, id));
        self.look(&mut look, partition);
        for _ in 0..LOOKS_MAX {
            let values = self.inner.link.call(Lane::Read, &look).await?;
            let [before, session, after] = <[Value; 3]>::try_from(values).map_err(|_| short())?;
            let Some(state) = State::read(before, &self.inner.log)? else {
                return Ok(HotSession::default());
            };
            if state.holds_until(State::read(after, &self.inner.log)?.as_ref()) {
                let session = fields::session(session, partition, id, &state.incarnation)?;
                return Ok(HotSession { progress: Some(state.progress), session: session.map(Arc::new) });
            }
        }
        Err(StoreError::Unavailable(format!("redis: partition {partition} begins again and again")))
    }

    async fn progress(&self, partition: PartitionId) -> Result<Option<Cut>> {
        let mut look = redis::pipe();
        look.ignore_errors();
        self.look(&mut look, partition);
        let state = State::read(one(self.inner.link.call(Lane::Read, &look).await?)?, &self.inner.log)?;
        Ok(state.map(|state| state.progress))
    }
}

/// Commands whose errors are looked at one by one.
pub(crate) fn pipeline(commands: impl IntoIterator<Item = Cmd>) -> Pipeline {
    let mut pipeline = redis::pipe();
    pipeline.ignore_errors();
    commands.into_iter().for_each(|command| {
        pipeline.add_command(command);
    });
    pipeline
}

pub(crate) fn unexpected(value: &Value) -> StoreError {
    StoreError::Refused(format!("redis answered a function of ours with {value:?}"))
}

fn one(values: Vec<Value>) -> Result<Value> {
    values.into_iter().next().ok_or_else(short)
}

fn short() -> StoreError {
    StoreError::Refused("redis answered fewer commands than were sent".to_owned())
}

/// A number that was not there before: 63 bits, so that Redis stores it as a number.
fn random() -> Result<u64> {
    getrandom::u64()
        .map(|number| number >> 1)
        .map_err(|error| StoreError::Unavailable(format!("the machine gives no random numbers: {error}")))
}
