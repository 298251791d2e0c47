//! What a metric is.

/// A metric, declared once in [`crate::catalogue`].
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name, exactly as it is scraped.
    pub name: &'static str,
    /// How its values come about.
    pub kind: Kind,
    /// What is counted or measured, in the plural; empty where it has none.
    pub unit: &'static str,
    /// What its series are told apart by.
    pub labels: &'static [&'static str],
    /// How many series it has at most.
    pub series_max: usize,
    /// What it means.
    pub help: &'static str,
}

/// How a metric's values come about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Asked for at each scrape; only ever rises.
    Counter,
    /// Asked for at each scrape.
    Gauge,
    /// Counted as things happen.
    Counted,
    /// Risen and lowered as things begin and end.
    Level,
    /// Recorded as things happen, in buckets up to these bounds.
    Histogram(&'static [f64]),
}

impl Kind {
    /// The type of the exposition format.
    pub const fn exposed(self) -> &'static str {
        match self {
            Kind::Counter | Kind::Counted => "counter",
            Kind::Gauge | Kind::Level => "gauge",
            Kind::Histogram(_) => "histogram",
        }
    }
}

/// Declares metrics: the doc comment is the help text.
macro_rules! metrics {
    ($($(#[doc = $help:literal])+ $name:ident = $kind:expr, $metric:literal, $unit:literal, $labels:expr, $series:expr;)+) => {
        $(
            $(#[doc = $help])+
            pub const $name: Metric = Metric {
                name: $metric,
                kind: $kind,
                unit: $unit,
                labels: &$labels,
                series_max: $series,
                help: concat!($($help),+).trim_ascii(),
            };
        )+

        /// All metrics, in the order of the documentation.
        pub const ALL: &[Metric] = &[$($name),+];
    };
}
pub(crate) use metrics;
