//! Verdicts: each way of not passing, from one run that passes.

use std::sync::Arc;

use tandem_model::{LogId, PartitionId, Token};

use super::*;
use crate::drill::{ErrorBudget, LoadPlan, Timing, by_id};
use crate::evidence::{ChainSample, Counts, DecisionMark, Marks, Strike};
use crate::fault::Fault;
use crate::history::{Action, Entry, History};
use crate::oracle::Final;

const MS: u64 = 1_000;

fn token(next: u64) -> Option<Arc<str>> {
    let mut token = Token::new(LogId([1; 16]));
    token.advance(PartitionId(0), next);
    Some(token.encode().into())
}

/// A crash of chain a at 1 s, hidden at once, decided at 1.4 s, healed at 2 s, well at 3 s.
pub(crate) fn crash() -> Evidence {
    let entry = |client: u32, at_us: u64, action: Action| {
        let is_away = at_us > 1_000 * MS;
        Entry {
            client,
            action,
            sent_us: at_us - MS,
            answered_us: at_us,
            outcome: Outcome::Good,
            status: Some(200),
            chain: Some(if is_away { Chain::B } else { Chain::A }),
            epoch: Some(if at_us > 1_450 * MS { 8 } else { 7 }),
            token_sent: None,
            token: token(at_us),
        }
    };
    let figures = [4, 4, 0, 0, 0, 0];
    let mut entries = vec![entry(0, 20 * MS, Action::Write { body: 1, adds: vec![(0, figures)] })];
    for at_us in (100 * MS..4_000 * MS).step_by(10 * MS as usize) {
        let action = Action::Read { session: 0, figures: Some(figures), as_of_ms: at_us };
        entries.push(entry(1, at_us + 5 * MS, action));
    }
    let sample = |at_us: u64, verdict: &str, errors: u64| Sample {
        at_us,
        gateway: 0,
        epoch: if at_us > 1_450 * MS { 8 } else { 7 },
        active: Some(if at_us > 1_450 * MS { Chain::B } else { Chain::A }),
        counts: Counts { requests: at_us / MS, failovers: errors, ..Counts::default() },
        chains: [errors, 0].map(|errors| ChainSample {
            ready: verdict == "equal",
            next: vec![9],
            errors,
            ..ChainSample::default()
        }),
        verdict: verdict.to_owned(),
        beat_ms: Some(1),
    };
    Evidence {
        drill: by_id("crash").expect("it is in the catalogue"),
        struck: Chain::A,
        seed: 3,
        stand: "made up".to_owned(),
        timing: Timing::BRIEF,
        load: LoadPlan::default(),
        budget: ErrorBudget { reads_max: 10 },
        began_wall_ms: 0,
        marks: Marks {
            steady_us: 100 * MS,
            began_us: 1_000 * MS,
            in_force_us: 1_000 * MS,
            healed_us: Some(2_000 * MS),
            settled_us: Some(3_000 * MS),
            ended_us: 4_000 * MS,
        },
        strikes: vec![Strike {
            fault: Fault::Crash,
            chain: Some(Chain::A),
            from_us: 1_000 * MS,
            to_us: Some(2_000 * MS),
            struck: Some(5),
        }],
        ending: Ending::Done,
        history: History { entries, dropped: 0 },
        finals: Chain::ALL.map(|chain| Final { chain, session: 0, figures: Some(figures) }).into(),
        samples: vec![
            sample(200 * MS, "equal", 0),
            sample(900 * MS, "equal", 0),
            sample(1_500 * MS, "indeterminate", 5),
            sample(3_500 * MS, "equal", 5),
        ],
        decisions: vec![DecisionMark {
            epoch: 8,
            active: Chain::B,
            reason: "a is down".to_owned(),
            at_us: 1_400 * MS,
        }],
        rules: Vec::new(),
    }
}

fn judged(change: impl FnOnce(&mut Evidence)) -> Report {
    let mut evidence = crash();
    change(&mut evidence);
    judge(&evidence, "1.2.3", "abc")
}

fn check_verdict(verdict: Verdict, told: &str, change: impl FnOnce(&mut Evidence)) {
    let report = judged(change);
    assert_eq!(report.verdict, verdict, "{told}: {:#?}", report.reasons);
    let reasons = report.reasons.join("\n");
    assert!(reasons.contains(told), "{told:?} in {reasons:?}");
}

#[test]
fn a_run_in_which_everything_holds_passes() {
    let report = judged(|_| {});
    assert_eq!(report.verdict, Verdict::Pass, "{:#?}", report.reasons);
    let measured = &report.measured;
    assert_eq!(measured.decided_us, Some(400 * MS));
    assert_eq!(measured.hidden_us, Some(5 * MS), "the first that was sent after it");
    assert_eq!(measured.adopted_us, Some(445 * MS));
    assert_eq!((report.hidden.retried, report.totals.during.by_chain), (5, [0, 200]));
    assert_eq!(report.lag_at_switch, Some([Some(0), Some(0)]));
    assert!(report.timeline.is_sorted_by_key(|moment| moment.at_us));
    assert!(report.timeline.iter().any(|moment| moment.what.contains("epoch 8, chain b")));
    assert_eq!(report.buckets.len(), 40);
    assert_eq!(report.buckets.iter().map(|bucket| bucket.a + bucket.b).sum::<u32>(), 390);
}

#[test]
fn what_must_always_hold_fails_the_drill_however_it_ended() {
    check_verdict(Verdict::Fail, "older than the client", |evidence| {
        evidence.history.entries[9].token = token(1);
        evidence.ending = Ending::Interrupted("broken off".to_owned());
    });
    check_verdict(Verdict::Fail, "lost", |evidence| evidence.finals[1].figures = Some([3, 3, 0, 0, 0, 0]));
    check_verdict(Verdict::Fail, "twice", |evidence| evidence.finals[0].figures = Some([5, 5, 0, 0, 0, 0]));
    check_verdict(Verdict::Fail, "not", |evidence| evidence.strikes[0].to_us = None);
    check_verdict(Verdict::Fail, "in one epoch", |evidence| evidence.samples[2].active = Some(Chain::A));
    check_verdict(Verdict::Fail, "differ", |evidence| evidence.samples[2].verdict = "different".to_owned());
    check_verdict(Verdict::Fail, "to the struck chain", |evidence| {
        let back = DecisionMark { epoch: 9, active: Chain::A, at_us: 1_800 * MS, reason: "?".to_owned() };
        evidence.decisions.push(back);
    });
}

#[test]
fn aims_that_are_missed_fail_it() {
    check_verdict(Verdict::Fail, "switch of the route", |evidence| evidence.decisions.clear());
    check_verdict(Verdict::Fail, "switch of the route", |evidence| evidence.decisions[0].at_us = 2_600 * MS);
    check_verdict(Verdict::Fail, "longest gap", |evidence| {
        evidence.history.entries.retain(|entry| !(1_500 * MS..2_700 * MS).contains(&entry.answered_us));
    });
    check_verdict(Verdict::Fail, "errors in the fault minute", |evidence| {
        evidence.history.entries[150].outcome = Outcome::Unavailable;
    });
    // Under way when the fault began: its work, and no want of calm before.
    check_verdict(Verdict::Fail, "errors in the fault minute", |evidence| {
        let first = evidence.history.entries.iter().position(|entry| entry.answered_us > 1_000 * MS);
        let entry = &mut evidence.history.entries[first.expect("there are later ones")];
        (entry.sent_us, entry.outcome) = (990 * MS, Outcome::Unavailable);
    });
    check_verdict(Verdict::Fail, "digests at the end", |evidence| evidence.marks.settled_us = None);
}

#[test]
fn a_drill_that_shows_nothing_is_not_passed() {
    check_verdict(Verdict::Inconclusive, "bit chain a", |evidence| evidence.strikes[0].struck = Some(0));
    check_verdict(Verdict::Inconclusive, "reads to judge by", |evidence| {
        evidence.history.entries.truncate(20);
    });
    check_verdict(Verdict::Inconclusive, "switches before the fault", |evidence| {
        evidence.decisions[0].at_us = 600 * MS;
    });
    check_verdict(Verdict::Inconclusive, "the end was counted", |evidence| evidence.finals.clear());
    check_verdict(Verdict::Inconclusive, "written down", |evidence| evidence.history.dropped = 1);
    check_verdict(Verdict::Blocked, "no gateway", |evidence| {
        evidence.ending = Ending::Blocked("no gateway".to_owned());
    });
    check_verdict(Verdict::Interrupted, "broken off", |evidence| {
        evidence.ending = Ending::Interrupted("broken off".to_owned());
    });
    check_verdict(Verdict::Fail, "budget", |evidence| evidence.ending = Ending::BudgetSpent(11));
}

#[test]
fn an_empty_run_is_judged_too() {
    let report = judged(|evidence| {
        evidence.history = History::default();
        evidence.finals.clear();
        evidence.samples.clear();
        evidence.marks = Marks::default();
    });
    assert_eq!(report.verdict, Verdict::Inconclusive);
}
