//! Where the numbers are kept, and how they become text.
//!
//! What happens is recorded as it happens (histograms, counters). How things stand is asked for:
//! at each scrape every source is asked once, all at the same time and each bounded, and the
//! instruments then read what they said.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter, MeterProvider as _, UpDownCounter};
use opentelemetry_sdk::metrics::{Instrument, SdkMeterProvider, Stream};
use prometheus::TextEncoder;

use crate::catalogue;
use crate::metric::{Kind, Metric};
use crate::parts;

/// How long a source may take to say how things stand; without its values the scrape goes on.
const SOURCE_TIMEOUT: Duration = Duration::from_secs(2);

/// The metrics of this process. Cheap to clone; clones share them.
#[derive(Clone)]
pub struct Telemetry {
    inner: Arc<Inner>,
}

struct Inner {
    meter: Meter,
    /// Kept: with it the instruments end.
    _provider: SdkMeterProvider,
    registry: prometheus::Registry,
    sources: RwLock<Vec<Source>>,
    samples: Arc<RwLock<Samples>>,
    /// One scrape at a time.
    scraping: tokio::sync::Mutex<()>,
}

type Source = Arc<dyn Fn() -> futures::future::BoxFuture<'static, Samples> + Send + Sync>;

/// Why there are no metrics.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// Our own fault.
    #[error("metrics can't be set up, which is a bug of ours: {0}")]
    SetUp(String),
    /// Our own fault.
    #[error("metrics can't be written as text, which is a bug of ours: {0}")]
    Encode(#[from] prometheus::Error),
}

/// How things stand, as a source says it.
#[derive(Clone, Debug, Default)]
pub struct Samples(BTreeMap<&'static str, Vec<(Vec<KeyValue>, f64)>>);

impl Samples {
    /// Sets a value of `metric`. `labels` are in the order of its definition.
    pub fn set(&mut self, metric: &Metric, labels: &[&str], value: f64) {
        debug_assert!(matches!(metric.kind, Kind::Counter | Kind::Gauge), "{} is recorded", metric.name);
        debug_assert_eq!(metric.labels.len(), labels.len(), "{}", metric.name);
        let labels = metric.labels.iter().zip(labels);
        let labels = labels.map(|(name, value)| KeyValue::new(*name, (*value).to_owned())).collect();
        self.0.entry(metric.name).or_default().push((labels, value));
    }

    /// Sets `metric` to 1 where its last label is `holds`, and to 0 for the other `names`.
    pub fn set_one_of(&mut self, metric: &Metric, labels: &[&str], names: &[&'static str], holds: &str) {
        for name in names {
            let labels: Vec<&str> = labels.iter().copied().chain([*name]).collect();
            self.set(metric, &labels, f64::from(u8::from(*name == holds)));
        }
    }

    fn merge(&mut self, other: Samples) {
        for (name, values) in other.0 {
            self.0.entry(name).or_default().extend(values);
        }
    }
}

impl Telemetry {
    /// Metrics of a process in `role` (as on the command line), of `version`; those about the
    /// process are there already.
    ///
    /// # Errors
    ///
    /// Only by a bug of ours.
    pub fn new(role: &'static str, version: &'static str) -> Result<Self, TelemetryError> {
        let registry = prometheus::Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .without_units()
            .without_counter_suffixes()
            .without_target_info()
            .scope_info_enabled(false)
            .build()
            .map_err(|error| TelemetryError::SetUp(error.to_string()))?;
        let provider = SdkMeterProvider::builder().with_reader(exporter).with_view(bounded).build();
        let meter = provider.meter("tandem");
        let samples = Arc::new(RwLock::new(Samples::default()));
        for metric in catalogue::ALL {
            observe(&meter, metric, &samples);
        }
        let inner = Inner {
            meter,
            _provider: provider,
            registry,
            sources: RwLock::default(),
            samples,
            scraping: tokio::sync::Mutex::default(),
        };
        let telemetry = Self { inner: Arc::new(inner) };
        parts::process(&telemetry, role, version);
        Ok(telemetry)
    }

    /// Asks `source` how things stand, at each scrape. It should not take long.
    pub fn source(&self, source: impl Fn(&mut Samples) + Send + Sync + 'static) {
        self.source_async(move || {
            let mut samples = Samples::default();
            source(&mut samples);
            std::future::ready(samples)
        });
    }

    /// The same for a source that has to ask somebody. What takes over 2 s is left out.
    pub fn source_async<F: Future<Output = Samples> + Send + 'static>(
        &self,
        source: impl Fn() -> F + Send + Sync + 'static,
    ) {
        let source: Source = Arc::new(move || Box::pin(source()));
        self.inner.sources.write().unwrap_or_else(PoisonError::into_inner).push(source);
    }

    /// Everything, in Prometheus' text format.
    ///
    /// # Errors
    ///
    /// Only by a bug of ours.
    pub async fn text(&self) -> Result<String, TelemetryError> {
        let _one_at_a_time = self.inner.scraping.lock().await;
        let sources = self.inner.sources.read().unwrap_or_else(PoisonError::into_inner).clone();
        let asked = sources.iter().map(|source| tokio::time::timeout(SOURCE_TIMEOUT, source()));
        let mut samples = Samples::default();
        for said in futures::future::join_all(asked).await {
            match said {
                Ok(said) => samples.merge(said),
                Err(_) => tracing::warn!("a source of metrics took too long; its values are missing"),
            }
        }
        *self.inner.samples.write().unwrap_or_else(PoisonError::into_inner) = samples;
        Ok(TextEncoder::new().encode_to_string(&self.inner.registry.gather())?)
    }

    pub(crate) fn histogram(&self, metric: &Metric) -> Histogram<f64> {
        let Kind::Histogram(bounds) = metric.kind else { unreachable!("{} is a histogram", metric.name) };
        self.inner
            .meter
            .f64_histogram(metric.name)
            .with_unit(metric.unit)
            .with_description(metric.help)
            .with_boundaries(bounds.to_vec())
            .build()
    }

    pub(crate) fn counter(&self, metric: &Metric) -> Counter<u64> {
        debug_assert_eq!(metric.kind, Kind::Counted, "{}", metric.name);
        let meter = &self.inner.meter;
        meter.u64_counter(metric.name).with_unit(metric.unit).with_description(metric.help).build()
    }

    pub(crate) fn level(&self, metric: &Metric) -> UpDownCounter<i64> {
        debug_assert_eq!(metric.kind, Kind::Level, "{}", metric.name);
        let meter = &self.inner.meter;
        meter.i64_up_down_counter(metric.name).with_unit(metric.unit).with_description(metric.help).build()
    }
}

/// Each instrument has room for the series of its metric.
fn bounded(instrument: &Instrument) -> Option<Stream> {
    let metric = catalogue::ALL.iter().find(|metric| metric.name == instrument.name())?;
    Stream::builder().with_cardinality_limit(metric.series_max).build().ok()
}

/// An instrument that reads what the sources said last.
fn observe(meter: &Meter, metric: &'static Metric, samples: &Arc<RwLock<Samples>>) {
    let samples = Arc::clone(samples);
    let each = move |report: &dyn Fn(f64, &[KeyValue])| {
        let samples = samples.read().unwrap_or_else(PoisonError::into_inner);
        for (labels, value) in samples.0.get(metric.name).into_iter().flatten() {
            report(*value, labels);
        }
    };
    match metric.kind {
        Kind::Counter => drop(
            meter
                .f64_observable_counter(metric.name)
                .with_unit(metric.unit)
                .with_description(metric.help)
                .with_callback(move |observer| each(&|value, labels| observer.observe(value, labels)))
                .build(),
        ),
        Kind::Gauge => drop(
            meter
                .f64_observable_gauge(metric.name)
                .with_unit(metric.unit)
                .with_description(metric.help)
                .with_callback(move |observer| each(&|value, labels| observer.observe(value, labels)))
                .build(),
        ),
        Kind::Counted | Kind::Level | Kind::Histogram(_) => {}
    }
}
