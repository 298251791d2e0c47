//! Looks at `/v1/status` of every gateway, all the time.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use tandem_model::route::Chain;
use tokio::task::JoinSet;

use crate::evidence::{ChainSample, Sample};
use crate::load::{Api, Clock};

/// Between two looks. A gateway gives out the same status for 100 ms.
const EVERY: Duration = Duration::from_millis(50);
/// Most looks that are kept.
const SAMPLES_MAX: usize = 200_000;

/// Whoever looks. Ends when dropped.
pub(super) struct Watch {
    samples: Arc<Mutex<Vec<Sample>>>,
    gateways: usize,
    _looking: JoinSet<()>,
}

impl Watch {
    pub(super) fn start(gateways: &[String], key: &str, clock: Clock) -> Self {
        let samples: Arc<Mutex<Vec<Sample>>> = Arc::default();
        let mut looking = JoinSet::new();
        for (number, gateway) in gateways.iter().enumerate() {
            let (api, samples) = (Api::new(gateway, key), Arc::clone(&samples));
            looking.spawn(async move {
                loop {
                    if let Some(answer) =
                        api.get("/v1/status", &[]).await.filter(|answer| answer.status == 200)
                    {
                        let sample = read(&answer.json, number, clock.us());
                        let mut samples = samples.lock();
                        if samples.len() < SAMPLES_MAX {
                            samples.push(sample);
                        }
                    }
                    tokio::time::sleep(EVERY).await;
                }
            });
        }
        Self { samples, gateways: gateways.len(), _looking: looking }
    }

    /// The newest look.
    pub(super) fn last(&self) -> Option<Sample> {
        self.samples.lock().last().cloned()
    }

    /// Whether every gateway was last seen to follow `epoch` or a later one.
    pub(super) fn all_follow(&self, epoch: u64) -> bool {
        let samples = self.samples.lock();
        (0..self.gateways).all(|gateway| {
            let last = samples.iter().rev().find(|sample| sample.gateway == gateway);
            last.is_some_and(|sample| sample.epoch >= epoch)
        })
    }

    /// All looks.
    pub(super) fn take(&self) -> Vec<Sample> {
        std::mem::take(&mut self.samples.lock())
    }
}

fn read(status: &Value, gateway: usize, at_us: u64) -> Sample {
    let counts = &status["gateway"];
    let chain = |chain: Chain| {
        let told = status["chains"].as_array().into_iter().flatten();
        let mut told = told.filter(|told| told["chain"] == chain.name());
        let told = told.next().unwrap_or(&Value::Null);
        let partitions: Vec<&Value> = told["partitions"].as_array().into_iter().flatten().collect();
        let number = |value: &Value| value.as_u64().unwrap_or(0);
        let of_gateway = &counts["chains"][chain.name()];
        let degraded = told["degraded"].as_array().into_iter().flatten();
        ChainSample {
            ready: told["ready"] == true,
            degraded: degraded.filter_map(|store| store.as_str().map(str::to_owned)).collect(),
            next: partitions.iter().map(|partition| number(&partition["next"])).collect(),
            lag_records: partitions.iter().map(|partition| number(&partition["lag_records"])).sum(),
            as_of_ms: told["as_of"].as_u64(),
            errors: number(&of_gateway["errors"]),
            slow: number(&of_gateway["slow"]),
        }
    };
    Sample {
        at_us,
        gateway,
        epoch: status["route"]["epoch"].as_u64().unwrap_or(0),
        active: status["route"]["active"].as_str().and_then(Chain::from_name),
        // What is not told is 0.
        counts: serde_json::from_value(counts.clone()).unwrap_or_default(),
        chains: Chain::ALL.map(chain),
        verdict: status["parity"]["verdict"].as_str().unwrap_or("not told").to_owned(),
        beat_ms: status["parity"]["beat"].as_u64(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_status_is_read_and_what_is_missing_is_nothing() {
        let status = json!({
            "route": {"active": "b", "epoch": 4, "reason": "r"},
            "chains": [
                {"chain": "a", "ready": true, "degraded": ["hot"], "as_of": 5,
                 "partitions": [{"next": 3, "lag_records": 1}, {"next": 9, "lag_records": 2}]},
                {"chain": "b", "ready": false, "degraded": [], "as_of": null, "partitions": []}],
            "parity": {"verdict": "equal", "beat": 1_000},
            "gateway": {"requests": 7, "hedges": 2, "failovers": 1, "waited": 0, "stale": 0, "unavailable": 0,
                "chains": {"a": {"errors": 6, "slow": 1}, "b": {}}},
        });
        let sample = read(&status, 0, 77);
        assert_eq!((sample.epoch, sample.active, sample.beat_ms), (4, Some(Chain::B), Some(1_000)));
        assert_eq!((sample.counts.requests, sample.counts.hedges), (7, 2));
        let [a, b] = sample.chains;
        assert_eq!((a.next, a.lag_records, a.errors, a.slow), (vec![3, 9], 3, 6, 1));
        assert_eq!((a.degraded, b.ready, b.next), (vec!["hot".to_owned()], false, vec![]));
        assert_eq!(read(&json!(null), 0, 1).verdict, "not told");
    }
}
