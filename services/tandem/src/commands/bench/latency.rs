//! Many waiting times, told by their percentiles.

use std::time::Duration;

use serde::Serialize;

/// Waiting times that were taken.
#[derive(Clone, Debug, Default)]
pub(super) struct Latencies(Vec<Duration>);

/// What is told of them.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Percentiles {
    pub(super) samples: u64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) max_ms: f64,
}

impl Latencies {
    pub(super) fn add(&mut self, waited: Duration) {
        self.0.push(waited);
    }

    pub(super) fn join(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// `None` without any.
    pub(super) fn percentiles(mut self) -> Option<Percentiles> {
        self.0.sort_unstable();
        let last = *self.0.last()?;
        // The smallest time that so many in a hundred did not exceed.
        let at = |percent: usize| self.0[(self.0.len() * percent).div_ceil(100).max(1) - 1];
        Some(Percentiles {
            samples: self.0.len() as u64,
            p50_ms: ms(at(50)),
            p99_ms: ms(at(99)),
            max_ms: ms(last),
        })
    }
}

fn ms(waited: Duration) -> f64 {
    waited.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let mut latencies = Latencies::default();
        for number in (1..=200).rev() {
            latencies.add(Duration::from_millis(number));
        }
        let told = latencies.percentiles().unwrap();
        assert_eq!((told.samples, told.p50_ms, told.p99_ms, told.max_ms), (200, 100.0, 198.0, 200.0));
        assert!(Latencies::default().percentiles().is_none());
        let mut one = Latencies::default();
        one.add(Duration::from_millis(3));
        assert_eq!(one.percentiles().unwrap().p50_ms, 3.0);
    }
}
