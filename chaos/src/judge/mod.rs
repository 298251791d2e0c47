//! From evidence to a report: pure, so that a kept history can be judged again.
//!
//! # Verdict
//! What broke a promise that must always hold is a FAIL, however the run ended. Else a run that
//! did not begin is BLOCKED, one that was broken off INTERRUPTED; one whose fault did not bite, or
//! with too little load to tell, INCONCLUSIVE: silence proves nothing. Only then do aims decide.

mod checks;
mod timeline;

use tandem_model::route::Chain;

use crate::drill::Target;
use crate::evidence::{Ending, Evidence, Sample};
use crate::history::Outcome;
use crate::oracle::{Window, backwards, counted, latency, longest_gap, totals};
use crate::report::{Bucket, Class, FORMAT, Hidden, Measured, Parts, Report, Verdict};

/// The fault minute.
const MINUTE_US: u64 = 60_000_000;
/// A bucket of the picture, and most of them.
const BUCKET_US: u64 = 100_000;
const BUCKETS_MAX: u64 = 1_200;

/// Judges a run. `version` and `commit` are of the program under test.
pub fn judge(evidence: &Evidence, version: &str, commit: &str) -> Report {
    let Evidence { drill, marks, history, .. } = evidence;
    let wrong = if drill.is_wrong_on_purpose() { vec![evidence.struck] } else { Vec::new() };
    let (bucket_us, buckets) = buckets(evidence);
    let parts = Parts {
        before: totals(history, before(evidence)),
        during: totals(history, during(evidence)),
        after: totals(history, Window { from_us: during(evidence).to_us, to_us: marks.ended_us }),
    };
    let mut report = Report {
        format: FORMAT,
        drill: drill.id.clone(),
        does: does(evidence),
        hypothesis: drill.hypothesis.clone(),
        struck: evidence.struck,
        seed: evidence.seed,
        stand: evidence.stand.clone(),
        version: version.to_owned(),
        commit: commit.to_owned(),
        began_wall_ms: evidence.began_wall_ms,
        timing: evidence.timing,
        load: evidence.load,
        budget: evidence.budget,
        verdict: Verdict::Inconclusive,
        reasons: Vec::new(),
        ending: evidence.ending.clone(),
        marks: *marks,
        strikes: evidence.strikes.clone(),
        timeline: Vec::new(),
        measured: measured(evidence),
        totals: parts,
        hidden: hidden(evidence),
        decisions: evidence.decisions.clone(),
        lag_at_switch: lag_at_switch(evidence),
        parity_before: verdict_of(last_before(evidence, marks.began_us)),
        parity_after: verdict_of(evidence.samples.last()),
        rules: evidence.rules.clone(),
        backwards: backwards(history),
        counted: counted(history, &evidence.finals, &wrong),
        checks: Vec::new(),
        bucket_us,
        buckets,
    };
    report.timeline = timeline::timeline(evidence, &report.measured);
    report.checks = checks::checks(evidence, &report);
    conclude(&mut report);
    report
}

fn conclude(report: &mut Report) {
    let failed =
        |class| {
            let is_failed = move |check: &&crate::report::Check| check.class == class && !check.held;
            report.checks.iter().filter(is_failed).map(|check| {
                format!("{}: expected {}, observed {}", check.name, check.expected, check.observed)
            })
        };
    let mut reasons: Vec<String> = failed(Class::Safety).collect();
    let is_unsafe = !reasons.is_empty();
    match &report.ending {
        Ending::Done => {}
        Ending::Blocked(why) | Ending::Interrupted(why) => reasons.push(why.clone()),
        Ending::BudgetSpent(errors) => reasons.push(format!(
            "the error budget of {} failed reads was spent ({errors}): the drill was ended at once",
            report.budget.reads_max
        )),
    }
    let is_uncovered = !report.holds(Class::Coverage);
    reasons.extend(failed(Class::Coverage));
    reasons.extend(failed(Class::Aim));
    report.verdict = match &report.ending {
        _ if is_unsafe => Verdict::Fail,
        Ending::Blocked(_) => Verdict::Blocked,
        Ending::Interrupted(_) => Verdict::Interrupted,
        Ending::BudgetSpent(_) => Verdict::Fail,
        Ending::Done if is_uncovered => Verdict::Inconclusive,
        Ending::Done if !report.holds(Class::Aim) => Verdict::Fail,
        Ending::Done => Verdict::Pass,
    };
    report.reasons = reasons;
}

fn does(evidence: &Evidence) -> String {
    use crate::drill::Kind;
    let what = match evidence.drill.kind {
        Kind::Fault(fault) => fault.title(),
        Kind::CrashWithoutLeader => "The chain crashes, and the control node that leads in the same moment.",
        Kind::BothAtOnce => "Both chains crash at the same moment.",
        Kind::Switch => "An operator lets the other chain serve.",
        Kind::RollingRestart => "Each chain is restarted in turn, while it may be the one that serves.",
        Kind::Release => "The standby is restarted, an operator switches to it, then the other is restarted.",
    };
    let whom = match evidence.drill.target {
        Target::Active => format!(" It strikes chain {}, which serves.", evidence.struck),
        Target::Standby => format!(" It strikes chain {}, the standby.", evidence.struck),
        Target::Everybody => format!(" Chain {} serves.", evidence.struck),
    };
    format!("{what}{whom}")
}

/// Steady load before the fault.
fn before(evidence: &Evidence) -> Window {
    Window { from_us: evidence.marks.steady_us, to_us: evidence.marks.began_us }
}

/// From the first step until everything is well again, or the end.
fn during(evidence: &Evidence) -> Window {
    let marks = &evidence.marks;
    Window { from_us: marks.began_us, to_us: marks.settled_us.unwrap_or(marks.ended_us) }
}

fn measured(evidence: &Evidence) -> Measured {
    let Evidence { marks, history, drill, .. } = evidence;
    let began_us = marks.began_us;
    let since = |at_us: u64| at_us.saturating_sub(began_us);
    let minute = Window { from_us: began_us, to_us: marks.ended_us.min(began_us + MINUTE_US) };
    let first_of_other = history.entries.iter().find(|entry| {
        let is_other = entry.chain == Some(evidence.struck.other());
        entry.is_read() && entry.outcome == Outcome::Good && is_other && entry.sent_us >= began_us
    });
    let away = first_away(evidence);
    // Only answers tell what every gateway and client really follows.
    let last_old = away.and_then(|decision| {
        let is_old = |epoch: Option<u64>| epoch.is_some_and(|epoch| epoch < decision.epoch);
        history.entries.iter().rev().find(|entry| is_old(entry.epoch)).map(|entry| entry.answered_us)
    });
    // Where nothing has to be hidden, the other chain's answers are the usual hedges.
    let has_hidden = drill.expect.hidden_ms_max.is_some();
    let first_different = |sample: &&Sample| sample.at_us >= began_us && sample.verdict == "different";
    Measured {
        hidden_us: first_of_other.filter(|_| has_hidden).map(|entry| since(entry.answered_us)),
        decided_us: away.map(|decision| since(decision.at_us)),
        adopted_us: away.and(last_old).map(since),
        difference_us: evidence.samples.iter().find(first_different).map(|sample| since(sample.at_us)),
        gap: longest_gap(history, Window { from_us: began_us, to_us: marks.ended_us }),
        errors_ppm: totals(history, minute).errors_ppm(),
        hedges_ppm_before: hedges_before(evidence),
        latency_before: latency(history, before(evidence)),
        latency_during: latency(history, during(evidence)),
    }
}

/// The first decision that lets the other chain serve.
fn first_away(evidence: &Evidence) -> Option<&crate::evidence::DecisionMark> {
    let serves = evidence.drill.serves_first(evidence.struck);
    // Decisions know milliseconds only.
    let from_us = evidence.marks.began_us.saturating_sub(1_000);
    evidence.decisions.iter().find(|decision| decision.at_us >= from_us && decision.active != serves)
}

fn hedges_before(evidence: &Evidence) -> Option<u64> {
    let window = before(evidence);
    let within: Vec<&Sample> =
        evidence.samples.iter().filter(|sample| sample.gateway == 0 && window.has(sample.at_us)).collect();
    let (first, last) = (within.first()?.counts, within.last()?.counts);
    let requests = last.requests.saturating_sub(first.requests);
    (requests > 0).then(|| last.hedges.saturating_sub(first.hedges) * 1_000_000 / requests)
}

fn hidden(evidence: &Evidence) -> Hidden {
    let gateways = evidence.samples.iter().map(|sample| sample.gateway).max().map_or(0, |last| last + 1);
    let mut hidden = Hidden::default();
    for gateway in 0..gateways {
        let of_it = |sample: &&Sample| sample.gateway == gateway;
        let from = evidence
            .samples
            .iter()
            .rev()
            .filter(of_it)
            .find(|sample| sample.at_us <= evidence.marks.began_us)
            .map(|sample| sample.counts)
            .unwrap_or_default();
        if let Some(last) = evidence.samples.iter().rev().find(of_it) {
            hidden.hedged += last.counts.hedges.saturating_sub(from.hedges);
            hidden.retried += last.counts.failovers.saturating_sub(from.failovers);
            hidden.waited += last.counts.waited.saturating_sub(from.waited);
        }
    }
    hidden
}

fn lag_at_switch(evidence: &Evidence) -> Option<[Option<u64>; 2]> {
    let decision = first_away(evidence)?;
    let sample = last_before(evidence, decision.at_us)?;
    let [a, b] = &sample.chains;
    Some([a, b].map(|chain| (!chain.next.is_empty()).then_some(chain.lag_records)))
}

fn last_before(evidence: &Evidence, at_us: u64) -> Option<&Sample> {
    evidence.samples.iter().rev().find(|sample| sample.at_us <= at_us)
}

fn verdict_of(sample: Option<&Sample>) -> String {
    sample.map_or_else(|| "not seen".to_owned(), |sample| sample.verdict.clone())
}

/// Reads by outcome over time, in at most [`BUCKETS_MAX`] buckets.
fn buckets(evidence: &Evidence) -> (u64, Vec<Bucket>) {
    let lasted_us = evidence.marks.ended_us;
    let bucket_us = BUCKET_US * lasted_us.div_ceil(BUCKET_US * BUCKETS_MAX).max(1);
    let mut buckets = vec![Bucket::default(); lasted_us.div_ceil(bucket_us) as usize];
    for entry in evidence.history.entries.iter().filter(|entry| entry.is_read()) {
        let Some(bucket) = buckets.get_mut((entry.answered_us / bucket_us) as usize) else { continue };
        match (entry.outcome, entry.chain) {
            (Outcome::Good, Some(Chain::B)) => bucket.b += 1,
            (Outcome::Good, _) => bucket.a += 1,
            (Outcome::Stale, _) => bucket.stale += 1,
            (Outcome::Unknown, _) => {}
            _ => bucket.errors += 1,
        }
    }
    (bucket_us, buckets)
}

#[cfg(test)]
pub(crate) mod tests;
