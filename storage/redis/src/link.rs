//! Calls over a few shared connections, each made when it is first needed and again when it broke.
//!
//! - **Bounded.** So many calls are under way at once and no more; the others wait for their
//!   turn, and every call ends at its deadline, whatever the server does.
//! - **Fails at once.** While a server is away, one call in a while tries to reach it; the others
//!   hear what the last one heard, so that readers go elsewhere without delay.
//! - **Repeats.** A call whose connection broke is made once more on a new one: all that is sent
//!   here may be done twice. What would show is told apart in `functions.lua`.
//! - **A silent server is given up.** After a call without an answer the connection is left
//!   behind and the server is looked for anew: it may have been replaced.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use redis::{Pipeline, RedisError, Value};
use tandem_storage::{Result, StoreError};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::connect::{Connection, Connector, info};
use crate::failure::Failure;
use crate::functions::library;
use crate::settings::Settings;

/// How long a failure to connect speaks for the calls that come after it.
const PAUSE: Duration = Duration::from_millis(200);

/// Which connection a call goes over.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lane {
    /// Any of those for readers.
    Read,
    /// That of this partition's writer: large changes hold up no reader.
    Write(u32),
}

/// See the head of this file.
pub(crate) struct Link {
    reads: Vec<Arc<Slot>>,
    writes: Vec<Arc<Slot>>,
    turn: AtomicUsize,
    calls: Semaphore,
    call_timeout: Duration,
}

impl Link {
    /// Checks the settings; connects to nothing yet.
    pub(crate) fn new(settings: Settings) -> Result<Self> {
        let (connections, calls_max) = (settings.connections, settings.calls_max);
        let call_timeout = Duration::from_millis(settings.call_timeout_ms);
        let connector = Arc::new(Connector::new(settings)?);
        let slots = || (0..connections).map(|_| Arc::new(Slot::new(connector.clone()))).collect();
        Ok(Self {
            reads: slots(),
            writes: slots(),
            turn: AtomicUsize::new(0),
            calls: Semaphore::new(calls_max),
            call_timeout,
        })
    }

    /// Sends commands at once. An error of one of them is the error of all.
    pub(crate) async fn call(&self, lane: Lane, pipeline: &Pipeline) -> Result<Vec<Value>> {
        let deadline = Instant::now() + self.call_timeout;
        let Ok(turn) = timeout_at(deadline, self.calls.acquire()).await else {
            return Err(StoreError::Unavailable(format!(
                "redis: {} ms passed before it was this call's turn; raise calls_max, or there is too much to do",
                self.call_timeout.as_millis()
            )));
        };
        let _turn = turn.expect("nobody closes it");
        let slot = self.slot(lane);
        // After a restart both happen to one call: its connection is dead, and the new server is
        // without the functions.
        let (mut has_repeated, mut loaded) = (false, None);
        loop {
            match self.attempt(slot, deadline, pipeline).await {
                Ok(values) => return Ok(values),
                Err(Failure::Broken(_)) if !has_repeated => has_repeated = true,
                Err(Failure::NoFunctions) if loaded.is_none() => {
                    loaded = Some(self.load_functions(slot, deadline).await);
                }
                Err(Failure::NoFunctions) => {
                    // Why they could not be loaded says more than that they are missing.
                    let failure = loaded.and_then(std::result::Result::err).unwrap_or(Failure::NoFunctions);
                    return Err(failure.into_store_error());
                }
                Err(failure) => return Err(failure.into_store_error()),
            }
        }
    }

    /// Makes sure that the function library is there; every master of a cluster gets it.
    pub(crate) async fn prepare(&self) -> Result<()> {
        let deadline = Instant::now() + self.call_timeout;
        let slot = self.slot(Lane::Write(0));
        self.load_functions(slot, deadline).await.map_err(Failure::into_store_error)
    }

    /// Says where the server's settings for a full memory would hurt.
    pub(crate) async fn check_memory(&self) -> Result<()> {
        let deadline = Instant::now() + self.call_timeout;
        let mut live = self.slot(Lane::Read).connected(deadline).await?;
        let Ok(Ok(nodes)) = timeout_at(deadline, info(&mut live.connection, "memory")).await else {
            // Not worth a failure: whatever is wrong shows in the calls that matter.
            return Ok(());
        };
        for node in nodes {
            let (limit, policy) = (node.field("maxmemory"), node.field("maxmemory_policy"));
            if limit == Some("0") {
                tracing::warn!("redis has no maxmemory: it grows until the machine ends it; see the docs");
            } else if policy.is_some_and(|policy| !policy.starts_with("volatile-")) {
                tracing::warn!(
                    policy,
                    "redis should have maxmemory-policy volatile-lru, so that a full one forgets sessions and nothing else"
                );
            }
        }
        Ok(())
    }

    fn slot(&self, lane: Lane) -> &Arc<Slot> {
        let (slots, index) = match lane {
            Lane::Read => (&self.reads, self.turn.fetch_add(1, Ordering::Relaxed)),
            Lane::Write(partition) => (&self.writes, partition as usize),
        };
        &slots[index % slots.len()]
    }

    async fn attempt(
        &self,
        slot: &Arc<Slot>,
        deadline: Instant,
        pipeline: &Pipeline,
    ) -> std::result::Result<Vec<Value>, Failure> {
        let mut live = slot.connected(deadline).await.map_err(Failure::Other)?;
        let outcome = match timeout_at(deadline, live.connection.send(pipeline)).await {
            Ok(Ok(values)) => match values.iter().find_map(server_error) {
                None => return Ok(values),
                Some(error) => Failure::of(&error),
            },
            Ok(Err(error)) => Failure::of(&error),
            Err(_) => Failure::Other(StoreError::Timeout(format!(
                "redis: no answer within {} ms",
                self.call_timeout.as_millis()
            ))),
        };
        let is_connection_good = match &outcome {
            Failure::Broken(_) | Failure::WrongServer(_) | Failure::Other(StoreError::Timeout(_)) => false,
            Failure::NoFunctions | Failure::Other(_) => true,
        };
        if !is_connection_good {
            slot.forget(live.id);
        }
        Err(outcome)
    }

    async fn load_functions(&self, slot: &Arc<Slot>, deadline: Instant) -> std::result::Result<(), Failure> {
        let mut live = slot.connected(deadline).await.map_err(Failure::Other)?;
        match timeout_at(deadline, live.connection.send_one(&library().load())).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if error.detail().is_some_and(|text| text.contains("already exists")) => Ok(()),
            Ok(Err(error)) => Err(Failure::of(&error)),
            Err(_) => Err(Failure::Other(StoreError::Timeout(
                "redis: no answer when the functions were loaded".to_owned(),
            ))),
        }
    }
}

fn server_error(value: &Value) -> Option<RedisError> {
    match value {
        Value::ServerError(error) => Some(error.clone().into()),
        _ => None,
    }
}

/// The place of one connection.
struct Slot {
    connector: Arc<Connector>,
    known: Mutex<Known>,
    /// Held by whoever connects.
    connecting: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct Known {
    live: Option<Live>,
    /// How many connections there were.
    made: u64,
    /// Why there is none, and since when that is known.
    failure: Option<(Instant, StoreError)>,
}

#[derive(Clone)]
struct Live {
    id: u64,
    connection: Connection,
}

impl Slot {
    fn new(connector: Arc<Connector>) -> Self {
        Self { connector, known: Mutex::default(), connecting: Arc::default() }
    }

    /// The connection, made if there is none.
    async fn connected(self: &Arc<Self>, deadline: Instant) -> Result<Live> {
        let failure = {
            let known = self.known.lock();
            if let Some(live) = &known.live {
                return Ok(live.clone());
            }
            known.failure.clone()
        };
        let too_late = || StoreError::Unavailable("redis: no connection in time for this call".to_owned());
        let turn = match failure {
            Some((since, error)) if since.elapsed() < PAUSE => return Err(error),
            Some((_, error)) => match self.connecting.clone().try_lock_owned() {
                Ok(turn) => turn,
                Err(_) => return Err(error),
            },
            None => {
                let turn = timeout_at(deadline, self.connecting.clone().lock_owned()).await;
                turn.map_err(|_| too_late())?
            }
        };
        if let Some(outcome) = self.just_tried() {
            return outcome;
        }
        // A task of its own: a caller that gives up does not take the attempt with it, else calls
        // with short deadlines would never see a connection.
        let slot = self.clone();
        let attempt = tokio::spawn(async move {
            let outcome = slot.connector.connect().await;
            let outcome = slot.note(outcome);
            drop(turn);
            outcome
        });
        match timeout_at(deadline, attempt).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(StoreError::Unavailable("redis: connecting was called off".to_owned())),
            Err(_) => Err(too_late()),
        }
    }

    /// What somebody else's attempt came to while this call waited for its turn.
    fn just_tried(&self) -> Option<Result<Live>> {
        let known = self.known.lock();
        match (&known.live, &known.failure) {
            (Some(live), _) => Some(Ok(live.clone())),
            (None, Some((since, error))) if since.elapsed() < PAUSE => Some(Err(error.clone())),
            (None, _) => None,
        }
    }

    fn note(&self, outcome: Result<Connection>) -> Result<Live> {
        let mut known = self.known.lock();
        match outcome {
            Ok(connection) => {
                known.made += 1;
                let live = Live { id: known.made, connection };
                known.live = Some(live.clone());
                known.failure = None;
                Ok(live)
            }
            Err(error) => {
                known.failure = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Leaves a connection behind, if it is still the one in use.
    fn forget(&self, id: u64) {
        let mut known = self.known.lock();
        if known.live.as_ref().is_some_and(|live| live.id == id) {
            known.live = None;
        }
    }
}
