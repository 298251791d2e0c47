//! Every promise, compared with what was seen.

use std::collections::BTreeMap;

use tandem_model::route::Chain;

use crate::drill::{Switch, Target};
use crate::evidence::{Ending, Evidence};
use crate::fault::Fault;
use crate::oracle::Violations;
use crate::report::{Check, Class, Report};

/// Hedges when all is well, per million reads: 3 %.
const HEDGES_PPM_MAX: u64 = 30_000;

pub(super) fn checks(evidence: &Evidence, report: &Report) -> Vec<Check> {
    if matches!(evidence.ending, Ending::Blocked(_)) {
        return Vec::new();
    }
    let mut checks = safety(evidence, report);
    checks.extend(coverage(evidence, report));
    checks.extend(aims(evidence, report));
    checks
}

fn check(
    class: Class,
    name: &str,
    expected: impl Into<String>,
    observed: impl Into<String>,
    held: bool,
) -> Check {
    Check { name: name.to_owned(), class, expected: expected.into(), observed: observed.into(), held }
}

fn none(name: &str, violations: &Violations) -> Check {
    let observed = match violations.told.first() {
        Some(first) => format!("{}, first: {first}", violations.count),
        None => "none".to_owned(),
    };
    check(Class::Safety, name, "none", observed, violations.is_none())
}

/// What must hold, whatever happens.
fn safety(evidence: &Evidence, report: &Report) -> Vec<Check> {
    let counted = &report.counted;
    let mut checks = vec![
        none("answers older than the client had seen", &report.backwards),
        none("acknowledged events that are lost", &counted.lost),
        none("events that are counted twice", &counted.doubled),
        none("answers with more than was sent", &counted.ahead),
        none("own writes that a fresh answer lacks", &counted.unread),
        one_chain_per_epoch(evidence),
    ];
    if evidence.drill.target != Target::Everybody {
        checks.push(nobody_to_the_struck(evidence));
    }
    if !evidence.drill.is_wrong_on_purpose() {
        let ever = evidence.samples.iter().filter(|sample| sample.verdict == "different").count();
        let observed = if ever == 0 { "never".to_owned() } else { format!("in {ever} looks") };
        checks.push(check(Class::Safety, "chains told to differ", "never", observed, ever == 0));
    }
    let open = evidence.strikes.iter().filter(|strike| strike.to_us.is_none()).count();
    let observed = if open == 0 { "all".to_owned() } else { format!("{open} not") };
    checks.push(check(Class::Safety, "faults that were ended", "all", observed, open == 0));
    checks
}

fn one_chain_per_epoch(evidence: &Evidence) -> Check {
    let mut chains: BTreeMap<u64, Chain> = BTreeMap::new();
    let seen = evidence.samples.iter().filter_map(|sample| Some((sample.epoch, sample.active?)));
    let decided = evidence.decisions.iter().map(|decision| (decision.epoch, decision.active));
    let mut twice = Vec::new();
    for (epoch, chain) in seen.chain(decided) {
        if *chains.entry(epoch).or_insert(chain) != chain && !twice.contains(&epoch) {
            twice.push(epoch);
        }
    }
    let observed = if twice.is_empty() { "one each".to_owned() } else { format!("two in epochs {twice:?}") };
    check(Class::Safety, "chains that serve in one epoch", "one each", observed, twice.is_empty())
}

/// Whoever decides by itself must not choose the chain that is struck.
fn nobody_to_the_struck(evidence: &Evidence) -> Check {
    let is_asked = evidence.drill.expect.switch == Switch::Asked;
    let during = |at_us: u64| {
        let of_it = |strike: &&crate::evidence::Strike| strike.chain == Some(evidence.struck);
        let is_in_force = |strike: &crate::evidence::Strike| {
            // One that began in the same moment was decided without knowing.
            strike.from_us + 1_000 < at_us && strike.to_us.is_none_or(|to_us| at_us < to_us)
        };
        evidence.strikes.iter().filter(of_it).any(is_in_force)
    };
    let wrong = evidence
        .decisions
        .iter()
        .find(|decision| !is_asked && decision.active == evidence.struck && during(decision.at_us));
    let observed = wrong.map_or("none".to_owned(), |decision| format!("epoch {}", decision.epoch));
    check(Class::Safety, "switches to the struck chain", "none", observed, wrong.is_none())
}

/// Whether the drill shows anything.
fn coverage(evidence: &Evidence, report: &Report) -> Vec<Check> {
    let mut checks = Vec::new();
    for strike in &evidence.strikes {
        let whom = strike.chain.map_or("everybody".to_owned(), |chain| format!("chain {chain}"));
        let effects = effects(evidence, strike.chain);
        let struck = match strike.struck {
            Some(calls) => format!("{calls} calls disturbed"),
            None => "calls not counted".to_owned(),
        };
        // Where calls are counted they are the proof; else something must have changed.
        let held = strike.struck.map_or(!effects.is_empty(), |calls| calls > 0);
        let observed = match effects.is_empty() {
            true => struck,
            false => format!("{struck}; {}", effects.join(", ")),
        };
        let name = format!("{} bit {whom}", strike.fault);
        checks.push(check(Class::Coverage, &name, "calls disturbed", observed, held));
    }
    let (before, during) = (report.totals.before, report.totals.during);
    // Readers that hang ask little: that is no want of load. Each must have asked.
    let (least, readers) = (evidence.drill.expect.reads_min, u64::from(evidence.load.readers));
    let expected = format!("at least {least} good before, {readers} during");
    let observed = format!("{} good before, {} during", before.good, during.reads);
    let is_enough = before.good >= least && during.reads >= readers;
    checks.push(check(Class::Coverage, "reads to judge by", expected, observed, is_enough));
    let steady = format!("{} errors", before.errors());
    checks.push(check(Class::Coverage, "steady before the fault", "0 errors", steady, before.errors() == 0));
    // Who has left the chain by itself is not struck by what comes.
    let early = evidence.decisions.iter().find(|decision| decision.at_us + 1_000 < evidence.marks.began_us);
    let observed = early.map_or("none".to_owned(), |decision| {
        format!("epoch {}, chain {} ({})", decision.epoch, decision.active, decision.reason)
    });
    checks.push(check(Class::Coverage, "switches before the fault", "none", observed, early.is_none()));
    let is_equal = report.parity_before == "equal";
    checks.push(check(Class::Coverage, "digests before", "equal", &report.parity_before, is_equal));
    if evidence.history.dropped > 0 {
        let dropped = format!("{} had no room", evidence.history.dropped);
        checks.push(check(Class::Coverage, "every answer was written down", "all", dropped, false));
    }
    if evidence.ending == Ending::Done {
        let written = evidence.finals.len();
        let observed = format!("{written} reports, {} bodies open", report.counted.bodies_open);
        let held = written > 0 && report.counted.bodies_open == 0;
        checks.push(check(Class::Coverage, "the end was counted", "all bodies, both chains", observed, held));
    }
    checks
}

/// What changed for a chain, as the gateway's counters and the chain's own words tell.
fn effects(evidence: &Evidence, chain: Option<Chain>) -> Vec<String> {
    let Some(chain) = chain else { return Vec::new() };
    let of = |sample: &crate::evidence::Sample| sample.chains[usize::from(chain == Chain::B)].clone();
    let marks = &evidence.marks;
    let to_us = marks.settled_us.unwrap_or(marks.ended_us);
    let before = super::last_before(evidence, marks.began_us).map(of).unwrap_or_default();
    let during: Vec<_> = evidence
        .samples
        .iter()
        .filter(|sample| (marks.began_us..=to_us).contains(&sample.at_us))
        .map(of)
        .collect();
    let mut effects = Vec::new();
    let Some(last) = during.last() else { return effects };
    let errors = last.errors.saturating_sub(before.errors);
    let slow = last.slow.saturating_sub(before.slow);
    if errors > 0 {
        effects.push(format!("{errors} questions to it failed"));
    }
    if slow > 0 {
        effects.push(format!("{slow} were slow"));
    }
    if during.iter().any(|sample| !sample.ready) {
        effects.push("not ready".to_owned());
    }
    if let Some(sample) = during.iter().find(|sample| !sample.degraded.is_empty()) {
        effects.push(format!("without {}", sample.degraded.join(", ")));
    }
    let lag = during.iter().map(|sample| sample.lag_records).max().unwrap_or(0);
    if lag > before.lag_records {
        effects.push(format!("{lag} records behind at most"));
    }
    effects
}

/// How well it went.
fn aims(evidence: &Evidence, report: &Report) -> Vec<Check> {
    let (expect, measured) = (&evidence.drill.expect, &report.measured);
    let mut checks = vec![switch(evidence, report)];
    let mut at_most_ms = |name: &str, limit_ms: Option<u64>, measured_us: Option<u64>| {
        if let Some(limit_ms) = limit_ms {
            let held = measured_us.is_some_and(|us| us <= limit_ms * 1_000);
            checks.push(check(Class::Aim, name, format!("≤ {limit_ms} ms"), ms(measured_us), held));
        }
    };
    at_most_ms("longest gap of any reader", expect.gap_ms_max, measured.gap.map(|gap| gap.lasted_us));
    at_most_ms("hidden by the gateway after", expect.hidden_ms_max, measured.hidden_us);
    at_most_ms("told to differ after", expect.difference_ms_max, measured.difference_us);
    if let Some(limit) = expect.errors_ppm_max {
        let observed = format!("{} ppm", measured.errors_ppm);
        let held = measured.errors_ppm <= limit;
        checks.push(check(
            Class::Aim,
            "errors in the fault minute",
            format!("≤ {limit} ppm"),
            observed,
            held,
        ));
    }
    if let Some(limit) = expect.p99_percent_max
        && let (Some(before), Some(during)) = (measured.latency_before, measured.latency_during)
    {
        let percent = during.p99_us * 100 / before.p99_us.max(1);
        let observed = format!("{percent} % ({} after {})", ms(Some(during.p99_us)), ms(Some(before.p99_us)));
        checks.push(check(Class::Aim, "p99 of before", format!("≤ {limit} %"), observed, percent <= limit));
    }
    if let Some(hedges) = measured.hedges_ppm_before {
        let observed = format!("{:.2} %", hedges as f64 / 1e4);
        checks.push(check(
            Class::Aim,
            "hedges when all is well",
            "≤ 3 %",
            observed,
            hedges <= HEDGES_PPM_MAX,
        ));
    }
    if evidence.ending == Ending::Done && !evidence.drill.is_wrong_on_purpose() {
        let is_equal = evidence.marks.settled_us.is_some() && report.parity_after == "equal";
        let observed = match evidence.marks.settled_us {
            Some(_) => report.parity_after.clone(),
            None => format!("not well in time, {}", report.parity_after),
        };
        checks.push(check(Class::Aim, "digests at the end", "equal", observed, is_equal));
    }
    checks
}

fn switch(evidence: &Evidence, report: &Report) -> Check {
    let name = "switch of the route";
    let decided = &report.measured.decided_us;
    let count = evidence.decisions.len();
    let observed = match (decided, count) {
        (Some(us), 1) => format!("after {}", ms(Some(*us))),
        (Some(us), _) => format!("after {}, {count} decisions in all", ms(Some(*us))),
        (None, 0) => "none".to_owned(),
        (None, _) => format!("{count} decisions, none away from the struck chain"),
    };
    match evidence.drill.expect.switch {
        Switch::Within(limit_ms) => {
            let held = decided.is_some_and(|us| us <= limit_ms * 1_000) && count == 1;
            check(Class::Aim, name, format!("one, within {limit_ms} ms"), observed, held)
        }
        Switch::Never => check(Class::Aim, name, "none", observed, count == 0),
        Switch::Asked => check(Class::Aim, name, "the one that was asked for", observed, count == 1),
        // One that goes and comes back flaps.
        Switch::May => check(Class::Aim, name, "one at most", observed, count <= may(evidence)),
    }
}

/// How many switches are no flapping: in a restart of both, one per chain.
fn may(evidence: &Evidence) -> usize {
    evidence.strikes.iter().filter(|strike| strike.fault == Fault::Crash).count().max(1)
}

fn ms(us: Option<u64>) -> String {
    us.map_or("never".to_owned(), |us| format!("{:.1} ms", us as f64 / 1e3))
}
