//! Ports, measured from outside: how often they are called, how long that takes, how it ends.
//!
//! A call counts when it has ended. One whose caller went away counts as an error `dropped`: that
//! is how a store looks that never answers. [`EventLog::ends`] and
//! what else a client knows without asking is not measured.

mod ports;
mod summaries;

use std::sync::Arc;
use std::time::Instant;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, UpDownCounter};
use tandem_model::route::Chain;
use tandem_storage::{ChainStores, EventLog, StoreError, SummaryTopic};

use crate::{Telemetry, catalogue};

/// A port that is measured.
pub struct Measured<T: ?Sized> {
    inner: Arc<T>,
    meters: Meters,
}

impl<T: ?Sized> Measured<T> {
    fn new(telemetry: &Telemetry, chain: Option<Chain>, store: &'static str, inner: Arc<T>) -> Self {
        let meters = Meters {
            chain: KeyValue::new("chain", chain.map_or("", Chain::name)),
            store: KeyValue::new("store", store),
            seconds: telemetry.histogram(&catalogue::STORE_SECONDS),
            errors: telemetry.counter(&catalogue::STORE_ERRORS),
            running: telemetry.level(&catalogue::STORE_RUNNING),
            items: telemetry.counter(&catalogue::STORE_ITEMS),
            bytes: telemetry.counter(&catalogue::STORE_BYTES),
        };
        Self { inner, meters }
    }
}

/// The event log, as `chain` uses it; none where it is used on behalf of both.
pub fn log(telemetry: &Telemetry, chain: Option<Chain>, log: Arc<dyn EventLog>) -> Arc<dyn EventLog> {
    Arc::new(Measured::new(telemetry, chain, "log", log))
}

/// All stores of `chain`.
pub fn stores(telemetry: &Telemetry, chain: Chain, stores: ChainStores) -> ChainStores {
    let chain = Some(chain);
    ChainStores {
        rows: Arc::new(Measured::new(telemetry, chain, "rows", stores.rows)),
        hot: Arc::new(Measured::new(telemetry, chain, "hot", stores.hot)),
        snapshots: Arc::new(Measured::new(telemetry, chain, "snapshots", stores.snapshots)),
        dead_letters: Arc::new(Measured::new(telemetry, chain, "dead_letters", stores.dead_letters)),
        editions: Arc::new(Measured::new(telemetry, chain, "editions", stores.editions)),
    }
}

/// The topic of summaries, as the publisher of `chain` uses it.
pub fn summaries(telemetry: &Telemetry, chain: Chain, topic: Arc<dyn SummaryTopic>) -> Arc<dyn SummaryTopic> {
    Arc::new(Measured::new(telemetry, Some(chain), "summaries", topic))
}

/// The instruments of one port.
#[derive(Clone)]
struct Meters {
    chain: KeyValue,
    store: KeyValue,
    seconds: Histogram<f64>,
    errors: Counter<u64>,
    running: UpDownCounter<i64>,
    items: Counter<u64>,
    bytes: Counter<u64>,
}

/// How much a call brought or fetched.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    items: u64,
    bytes: u64,
}

impl Load {
    const NONE: Self = Self { items: 0, bytes: 0 };

    const fn items(items: usize) -> Self {
        Self { items: items as u64, bytes: 0 }
    }

    const fn bytes(bytes: usize) -> Self {
        Self { items: 0, bytes: bytes as u64 }
    }
}

/// An error by its kind.
trait ErrorKind {
    fn kind(&self) -> &'static str;
}

impl ErrorKind for StoreError {
    fn kind(&self) -> &'static str {
        match self {
            StoreError::Unavailable(_) => "unavailable",
            StoreError::Timeout(_) => "timeout",
            StoreError::Damaged(_) => "damaged",
            StoreError::Lost(_) => "lost",
            StoreError::Refused(_) => "refused",
        }
    }
}

impl Meters {
    /// Runs a call; `load` says what it brought or fetched once it has succeeded.
    async fn run<R, E: ErrorKind>(
        &self,
        call: &'static str,
        calling: impl Future<Output = Result<R, E>>,
        load: impl FnOnce(&R) -> Load,
    ) -> Result<R, E> {
        let mut under_way = UnderWay::new(self, call);
        let outcome = calling.await;
        under_way.has_ended = true;
        let labels = &under_way.labels;
        self.seconds.record(under_way.began.elapsed().as_secs_f64(), labels);
        match &outcome {
            Ok(value) => {
                let Load { items, bytes } = load(value);
                if items > 0 {
                    self.items.add(items, labels);
                }
                if bytes > 0 {
                    self.bytes.add(bytes, labels);
                }
            }
            Err(error) => self.failed(labels, error.kind()),
        }
        outcome
    }

    fn failed(&self, labels: &[KeyValue; 3], kind: &'static str) {
        let [chain, store, call] = labels.clone();
        self.errors.add(1, &[chain, store, call, KeyValue::new("kind", kind)]);
    }
}

/// A call that has begun and, unless it was dropped, ended.
struct UnderWay<'a> {
    meters: &'a Meters,
    labels: [KeyValue; 3],
    began: Instant,
    has_ended: bool,
}

impl<'a> UnderWay<'a> {
    fn new(meters: &'a Meters, call: &'static str) -> Self {
        let labels = [meters.chain.clone(), meters.store.clone(), KeyValue::new("call", call)];
        meters.running.add(1, &labels);
        Self { meters, labels, began: Instant::now(), has_ended: false }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.meters.running.add(-1, &self.labels);
        if !self.has_ended {
            self.meters.failed(&self.labels, "dropped");
        }
    }
}
