//! What one observer's requests to one chain met: the last four seconds, in quarters of a second.
//!
//! # Errors
//! A second is bad when 10 % of its requests failed; three bad ones of four are a symptom. A
//! stretch in which *everything* failed is left out, and so are the quarters beside it: that is an outage,
//! which is judged by how long it lasts. So a pause of one second leaves no bad second. (With the
//! neighbours counted, its edges were two bad seconds, and one request lost by chance made the
//! third: the noise test found that in two hours.) What flaps between all and nothing is caught by
//! the sum: half of four seconds' requests failed.
//!
//! # Slow
//! Against the same observer's past with the same chain: the median by a factor, or, with enough
//! requests to know it, the 99th percentile by ten. Three slow seconds of four.

use crate::observation::{Answers, Latency, Probe, ProbeOutcome};
use crate::settings::Settings;

/// Length of a quarter, in milliseconds.
const QUARTER_MS: u64 = 250;
const QUARTERS: usize = 16;
const QUARTERS_PER_SECOND: usize = 4;
/// Bad seconds of the four that make a symptom.
const BAD_SECONDS_MIN: usize = 3;
/// Fewer failures are chance, whatever their share: with 10 requests a second and 1 % of loss four
/// within four seconds come once in 1,500 times, to one observer.
const FAILURES_MIN: u32 = 4;
/// From so many of 100 failed over all four seconds on it does not matter how they are spread.
const OUTAGE_PERCENT: u64 = 50;
/// The 99th percentile counts from so many requests in a report on.
const TAIL_REQUESTS_MIN: u32 = 100;
const TAIL_FACTOR: u64 = 10;

/// The record of one observer about one chain.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    quarters: [Quarter; QUARTERS],
    heard_ms: Option<u64>,
    good_ms: Option<u64>,
    consecutive_failures: u32,
    failing_ms: u64,
    /// Of probes: when the first of the failures in a row was sent.
    failing_since_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Quarter {
    number: u64,
    requests: u32,
    failures: u32,
    timed: u32,
    slow: u32,
    breaker_open: u32,
}

impl Record {
    pub(super) fn note(
        &mut self,
        now_ms: u64,
        answers: &Answers,
        is_breaker_open: bool,
        settings: &Settings,
    ) {
        self.heard_ms = Some(now_ms);
        self.consecutive_failures = answers.consecutive_failures;
        self.failing_ms = answers.failing_ms;
        if answers.requests > answers.failures {
            self.good_ms = Some(now_ms);
        }
        let quarter = self.quarter(now_ms);
        quarter.requests = quarter.requests.saturating_add(answers.requests);
        quarter.failures = quarter.failures.saturating_add(answers.failures.min(answers.requests));
        quarter.breaker_open += u32::from(is_breaker_open);
        if let Some(latency) = answers.latency {
            quarter.timed += 1;
            quarter.slow += u32::from(is_slow(latency, answers.requests, settings));
        }
    }

    pub(super) fn note_probe(&mut self, now_ms: u64, probe: &Probe, settings: &Settings) {
        let is_failure = probe.outcome != ProbeOutcome::Good;
        let since_ms = match (is_failure, self.failing_since_ms) {
            (false, _) => None,
            (true, Some(since_ms)) => Some(since_ms),
            (true, None) => Some(now_ms.saturating_sub(probe.took_us / 1_000)),
        };
        self.failing_since_ms = since_ms;
        let latency = probe.usual_us.filter(|_| !is_failure).map(|usual_us| Latency {
            p50_us: probe.took_us,
            p99_us: probe.took_us,
            usual_p50_us: usual_us,
            usual_p99_us: usual_us,
        });
        let answers = Answers {
            requests: 1,
            failures: u32::from(is_failure),
            consecutive_failures: if is_failure { self.consecutive_failures.saturating_add(1) } else { 0 },
            failing_ms: since_ms.map_or(0, |since_ms| now_ms.saturating_sub(since_ms)),
            latency,
        };
        self.note(now_ms, &answers, false, settings);
    }

    /// Whether it gets no answers; nothing while it can't tell.
    pub(super) fn no_answers(&self, now_ms: u64, settings: &Settings) -> Option<bool> {
        if !self.is_fresh(now_ms, settings) {
            return None;
        }
        if self.consecutive_failures >= settings.down_failures_min {
            return Some(self.failing_ms >= settings.down_after_ms);
        }
        let good_ms = self.good_ms?;
        (self.consecutive_failures == 0 && now_ms.saturating_sub(good_ms) <= settings.fresh_ms)
            .then_some(false)
    }

    /// Whether it meets errors; nothing while it can't tell.
    pub(super) fn errors(&self, now_ms: u64, settings: &Settings) -> Option<bool> {
        if !self.is_fresh(now_ms, settings) {
            return None;
        }
        let seconds = self.seconds(now_ms);
        let count = |is: fn(&Second) -> bool| seconds.iter().filter(|second| is(second)).count();
        if count(|second| second.breaker_open > 0) >= BAD_SECONDS_MIN {
            return Some(true);
        }
        let requests: u64 = seconds.iter().map(|second| second.requests).sum();
        let failures: u64 = seconds.iter().map(|second| second.failures).sum();
        if count(|second| second.requests > 0) < BAD_SECONDS_MIN
            || requests < u64::from(settings.requests_min)
        {
            return None;
        }
        let bad = seconds.iter().filter(|second| second.is_bad(settings.error_percent)).count();
        let some_failures: u64 = seconds.iter().map(|second| second.some_failures).sum();
        let is_steady = bad >= BAD_SECONDS_MIN && some_failures >= u64::from(FAILURES_MIN);
        Some(is_steady || failures * 100 >= requests * OUTAGE_PERCENT)
    }

    /// Whether answers take too long; nothing while it can't tell.
    pub(super) fn slow(&self, now_ms: u64, settings: &Settings) -> Option<bool> {
        if !self.is_fresh(now_ms, settings) {
            return None;
        }
        let seconds = self.seconds(now_ms);
        let timed = seconds.iter().filter(|second| second.timed > 0).count();
        let slow = seconds.iter().filter(|second| second.slow * 2 > second.timed).count();
        (timed >= BAD_SECONDS_MIN).then_some(slow >= BAD_SECONDS_MIN)
    }

    fn is_fresh(&self, now_ms: u64, settings: &Settings) -> bool {
        self.heard_ms.is_some_and(|heard_ms| now_ms.saturating_sub(heard_ms) <= settings.fresh_ms)
    }

    fn quarter(&mut self, now_ms: u64) -> &mut Quarter {
        let number = now_ms / QUARTER_MS;
        let quarter = &mut self.quarters[number as usize % QUARTERS];
        if quarter.number != number {
            *quarter = Quarter { number, ..Quarter::default() };
        }
        quarter
    }

    /// The last four seconds, newest first, to the quarter that `now_ms` lies in.
    fn seconds(&self, now_ms: u64) -> [Second; QUARTERS / QUARTERS_PER_SECOND] {
        let newest = now_ms / QUARTER_MS;
        let mut by_age = [Quarter::default(); QUARTERS];
        for quarter in &self.quarters {
            if let Some(place) = by_age.get_mut(newest.wrapping_sub(quarter.number) as usize) {
                *place = *quarter;
            }
        }
        let are_outages = outages(&by_age);
        let mut seconds = [Second::default(); QUARTERS / QUARTERS_PER_SECOND];
        for (age, quarter) in by_age.iter().enumerate() {
            let neighbours = &are_outages[age.saturating_sub(1)..QUARTERS.min(age + 2)];
            seconds[age / QUARTERS_PER_SECOND].add(quarter, neighbours.contains(&true));
        }
        seconds
    }
}

/// In which quarters everything failed: from the first to the last failure of a run without a good
/// answer. One failure alone says nothing about everything; two do, also in different quarters: who
/// waits for each probe to end has no more than one in each while nothing answers.
fn outages(quarters: &[Quarter; QUARTERS]) -> [bool; QUARTERS] {
    let mut are_outages = [false; QUARTERS];
    let mut run: Option<(usize, u32)> = None;
    for (age, quarter) in quarters.iter().enumerate() {
        if quarter.failures < quarter.requests {
            run = None;
        } else if quarter.failures > 0 {
            let (first, failures) = run.unwrap_or((age, 0));
            let failures = failures.saturating_add(quarter.failures);
            run = Some((first, failures));
            if failures > 1 {
                are_outages[first..=age].fill(true);
            }
        }
    }
    are_outages
}

#[derive(Clone, Copy, Debug, Default)]
struct Second {
    requests: u64,
    failures: u64,
    /// Without outages.
    some_requests: u64,
    some_failures: u64,
    timed: u32,
    slow: u32,
    breaker_open: u32,
}

impl Second {
    fn add(&mut self, quarter: &Quarter, is_outage: bool) {
        let (requests, failures) = (u64::from(quarter.requests), u64::from(quarter.failures));
        self.requests += requests;
        self.failures += failures;
        if !is_outage {
            self.some_requests += requests;
            self.some_failures += failures;
        }
        self.timed += quarter.timed;
        self.slow += quarter.slow;
        self.breaker_open += quarter.breaker_open;
    }

    fn is_bad(&self, error_percent: u32) -> bool {
        self.some_failures > 0 && self.some_failures * 100 >= self.some_requests * u64::from(error_percent)
    }
}

fn is_slow(latency: Latency, requests: u32, settings: &Settings) -> bool {
    let is_above = |is_us: u64, usual_us: u64, factor: u64| {
        is_us >= settings.slow_floor_us && is_us >= usual_us.saturating_mul(factor)
    };
    is_above(latency.p50_us, latency.usual_p50_us, settings.slow_factor)
        || (requests >= TAIL_REQUESTS_MIN && is_above(latency.p99_us, latency.usual_p99_us, TAIL_FACTOR))
}

#[cfg(test)]
mod tests {
    use tandem_model::route::Chain;

    use super::*;

    /// Probes one after the other, which give up after 300 ms; `is_lost` says which are lost.
    fn probed(until_ms: u64, pause_ms: std::ops::Range<u64>, is_lost: fn(u64) -> bool) -> Record {
        let (settings, mut record, mut now_ms) = (Settings::default(), Record::default(), 0);
        while now_ms < until_ms {
            let is_failure = pause_ms.contains(&now_ms) && now_ms + 300 < pause_ms.end || is_lost(now_ms);
            let took_ms = match (is_failure, pause_ms.contains(&now_ms)) {
                (true, _) => 300,
                (false, true) => pause_ms.end - now_ms,
                (false, false) => 5,
            };
            let outcome = if is_failure { ProbeOutcome::Failed } else { ProbeOutcome::Good };
            let (observer, took_us) = (String::new(), took_ms * 1_000);
            let probe = Probe { observer, chain: Chain::A, outcome, took_us, usual_us: None };
            record.note_probe(now_ms + took_ms, &probe, &settings);
            now_ms += took_ms.max(100);
        }
        record
    }

    #[test]
    fn a_pause_is_no_errors_to_who_waits_for_each_probe() {
        // One probe is lost by chance before, and one after.
        let record = probed(5_900, 4_000..5_000, |now_ms| now_ms == 2_500 || now_ms == 5_500);
        assert_eq!(record.errors(6_000, &Settings::default()), Some(false));
        // One in four lost is what it is for.
        let record = probed(5_900, 0..0, |now_ms| now_ms % 400 == 100);
        assert_eq!(record.errors(6_000, &Settings::default()), Some(true));
    }
}
