//! What a gateway tells the control group of one chain: what its requests met since the report
//! before.

use tandem_failover::{Answers, Histogram, Latency, Typical};

/// Failures after which nothing more was heard or asked for so long say nothing any more, in
/// microseconds. Longer than the breaker's longest pause, so that a chain that is kept out and
/// fails each trial does not come to be unknown.
const FORGET_US: u64 = 15_000_000;

/// What was counted since the last report.
#[derive(Debug, Default)]
pub(super) struct Tally {
    requests: u32,
    failures: u32,
    times: Histogram,
    row: Option<Row>,
    good_us: u64,
}

/// Failures in a row, over as many reports as they last.
#[derive(Clone, Copy, Debug)]
struct Row {
    failures: u32,
    /// When the first was sent.
    since_us: u64,
    last_us: u64,
}

impl Tally {
    /// Notes an answer; `took_us` is absent where it does not tell how fast the chain is.
    pub(super) fn good(&mut self, now_us: u64, took_us: Option<u64>) {
        self.requests = self.requests.saturating_add(1);
        self.alive(now_us);
        if let Some(took_us) = took_us {
            self.times.note(took_us);
        }
    }

    /// Notes that the chain answered a question that was counted before.
    pub(super) fn alive(&mut self, now_us: u64) {
        self.good_us = now_us;
        self.row = None;
    }

    /// Notes a question that was given up on since the other chain was faster: neither good nor
    /// failed, but it would have taken at least so long.
    pub(super) fn slow(&mut self, took_us: u64) {
        self.requests = self.requests.saturating_add(1);
        self.times.note(took_us);
    }

    /// Notes a failure of a question sent at `sent_us`.
    pub(super) fn failed(&mut self, now_us: u64, sent_us: u64) {
        self.requests = self.requests.saturating_add(1);
        self.failed_after_all(now_us, sent_us);
    }

    /// Notes that a question failed which was noted as slow.
    pub(super) fn failed_after_all(&mut self, now_us: u64, sent_us: u64) {
        self.failures = self.failures.saturating_add(1).min(self.requests);
        // At the last good answer the chain was not failing, whenever the question was sent.
        let sent_us = sent_us.max(self.good_us);
        let row = self.row.get_or_insert(Row { failures: 0, since_us: sent_us, last_us: now_us });
        row.failures = row.failures.saturating_add(1);
        row.since_us = row.since_us.min(sent_us);
        row.last_us = now_us;
    }

    /// The report, and begins anew.
    pub(super) fn take(&mut self, now_us: u64, typical: Option<Typical>) -> Answers {
        if self.row.is_some_and(|row| now_us.saturating_sub(row.last_us) > FORGET_US) {
            self.row = None;
        }
        let times = std::mem::take(&mut self.times);
        let latency = typical.filter(|_| times.count() > 0).map(|typical| Latency {
            p50_us: times.quantile_us(50),
            p99_us: times.quantile_us(99),
            usual_p50_us: typical.p50_us,
            usual_p99_us: typical.p99_us,
        });
        Answers {
            requests: std::mem::take(&mut self.requests),
            failures: std::mem::take(&mut self.failures),
            consecutive_failures: self.row.map_or(0, |row| row.failures),
            failing_ms: self.row.map_or(0, |row| now_us.saturating_sub(row.since_us) / 1_000),
            latency,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000;
    const USUAL: Typical = Typical { p50_us: 1_000, p99_us: 3_000 };

    #[test]
    fn a_report_is_given_once_and_a_row_of_failures_until_it_ends() {
        let mut tally = Tally::default();
        tally.good(10 * MS, Some(15));
        tally.good(20 * MS, None);
        tally.slow(7);
        tally.failed(90 * MS, 40 * MS);
        tally.failed(95 * MS, 35 * MS);
        let expected = Answers {
            requests: 5,
            failures: 2,
            consecutive_failures: 2,
            failing_ms: 65,
            latency: Some(Latency { p50_us: 7, p99_us: 15, usual_p50_us: 1_000, usual_p99_us: 3_000 }),
        };
        assert_eq!(tally.take(100 * MS, Some(USUAL)), expected);
        let later = tally.take(200 * MS, Some(USUAL));
        let expected = Answers { consecutive_failures: 2, failing_ms: 165, ..Answers::default() };
        assert_eq!(later, expected);
        tally.good(201 * MS, Some(15));
        let expected = Answers { requests: 1, ..Answers::default() };
        assert_eq!(tally.take(300 * MS, None), expected);
    }

    #[test]
    fn a_chain_is_not_failing_before_its_last_good_answer() {
        let mut tally = Tally::default();
        tally.good(900 * MS, None);
        // Sent long before, and never answered.
        tally.failed(1_000 * MS, 100 * MS);
        assert_eq!(tally.take(1_100 * MS, None).failing_ms, 200);
    }

    #[test]
    fn failures_that_nobody_confirms_are_forgotten() {
        let mut tally = Tally::default();
        tally.failed(1_000 * MS, 900 * MS);
        assert_eq!(tally.take(16_000 * MS, None).consecutive_failures, 1);
        assert_eq!(tally.take(16_001 * MS, None), Answers::default());
    }
}
