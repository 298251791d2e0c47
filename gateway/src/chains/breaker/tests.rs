//! The breaker as a table of what happens and what it does.

use super::*;

const MS: u64 = 1_000;
const SECOND: u64 = 1_000 * MS;

/// So many answers, 10 ms apart, each with the verdict that `of` says; when it tripped, if it did.
fn run(breaker: &mut Breaker, from_us: u64, count: u64, of: impl Fn(u64) -> Verdict) -> Option<u64> {
    (0..count).find_map(|index| {
        let now_us = from_us + index * 10 * MS;
        breaker.note(now_us, of(index));
        breaker.is_open().then_some(now_us - from_us)
    })
}

#[test]
fn what_trips_and_how_fast() {
    use Verdict::{Beaten, Failed, Good, Slow, Unbeaten};
    type Of = fn(u64) -> Verdict;
    let cases: [(&str, Of, Option<u64>); 12] = [
        ("all good", |_| Good, None),
        ("all failed", |_| Failed, Some(40)),
        ("1 % of loss", |index| if index % 100 == 0 { Failed } else { Good }, None),
        ("one of three fails", |index| if index % 3 == 0 { Failed } else { Good }, None),
        ("two of three fail", |index| if index % 3 == 0 { Good } else { Failed }, Some(100)),
        ("all slow, and nobody knows whether the other is better", |_| Slow, None),
        ("all slow, and so is the other", |index| [Unbeaten, Beaten][index as usize % 2], None),
        ("all slow, and the other is not", |index| if index % 10 == 0 { Beaten } else { Slow }, Some(200)),
        ("all beaten", |_| Beaten, Some(90)),
        ("half beaten", |index| if index % 2 == 0 { Beaten } else { Good }, None),
        ("four failures between good ones", |index| if index % 40 < 4 { Failed } else { Good }, None),
        ("four in the beginning", |index| if index < 4 { Failed } else { Good }, None),
    ];
    for (name, of, expected_ms) in cases {
        let tripped = run(&mut Breaker::new(), 0, 2_000, of);
        assert_eq!(tripped.map(|us| us / MS), expected_ms, "{name}");
    }
}

#[test]
fn a_failing_half_is_seen_after_good_times() {
    let mut breaker = Breaker::new();
    assert_eq!(run(&mut breaker, 0, 500, |_| Verdict::Good), None);
    let failing = |index| if index % 4 == 0 { Verdict::Good } else { Verdict::Failed };
    let tripped = run(&mut breaker, 5 * SECOND, 400, failing).map(|us| us / MS);
    assert!(tripped.is_some_and(|ms| (1_000..2_000).contains(&ms)), "{tripped:?}");
}

#[test]
fn what_is_old_has_left_the_window() {
    let mut breaker = Breaker::new();
    // Nine slow ones in a row, and a good one: no trip. Three seconds later one more is alone.
    assert_eq!(run(&mut breaker, 0, 9, |_| Verdict::Beaten), None);
    breaker.note(3 * SECOND, Verdict::Beaten);
    assert!(!breaker.is_open());
}

/// A trial that goes so.
fn trial(breaker: &mut Breaker, now_us: u64, verdict: Verdict) {
    assert!(breaker.take_trial(now_us, false), "{now_us}");
    breaker.note_trial(now_us, verdict);
}

#[test]
fn it_returns_slowly_and_one_trial_at_a_time() {
    let mut breaker = Breaker::new();
    breaker.note_silence(0);
    assert_eq!(breaker.state(0), State::Open { since_us: 0, until_us: PAUSE_US_MIN });
    assert!(!breaker.take_trial(PAUSE_US_MIN - 1, false));
    for index in 0..4 {
        let now_us = SECOND + index * TRIAL_EVERY_US;
        assert!(breaker.take_trial(now_us, false));
        assert!(!breaker.take_trial(now_us + TRIAL_EVERY_US, false), "one is under way");
        breaker.note_trial(now_us, Verdict::Good);
        assert!(!breaker.take_trial(now_us + 1, false), "too soon");
        assert!(breaker.is_open());
    }
    trial(&mut breaker, 2 * SECOND, Verdict::Good);
    assert_eq!(breaker.state(2 * SECOND), State::Closed);
}

#[test]
fn pauses_grow_to_a_bound_and_are_forgotten_after_a_good_minute() {
    let mut breaker = Breaker::new();
    breaker.note_silence(0);
    let mut now_us = 0;
    for pause_ms in [500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000] {
        assert_eq!(breaker.state(now_us), State::Open { since_us: now_us, until_us: now_us + pause_ms * MS });
        now_us += pause_ms * MS;
        trial(&mut breaker, now_us, Verdict::Good);
        now_us += TRIAL_EVERY_US;
        trial(&mut breaker, now_us, Verdict::Slow);
    }
    let close = |breaker: &mut Breaker, mut now_us: u64| {
        now_us += 10 * SECOND;
        for _ in 0..TRIALS {
            now_us += TRIAL_EVERY_US;
            trial(breaker, now_us, Verdict::Good);
        }
        now_us
    };
    now_us = close(&mut breaker, now_us);
    // Again within the minute: no better than before.
    breaker.note_silence(now_us + 59 * SECOND);
    now_us += 59 * SECOND;
    assert_eq!(breaker.state(now_us), State::Open { since_us: now_us, until_us: now_us + 10 * SECOND });
    now_us = close(&mut breaker, now_us) + 61 * SECOND;
    breaker.note_silence(now_us);
    assert_eq!(breaker.state(now_us), State::Open { since_us: now_us, until_us: now_us + PAUSE_US_MIN });
}

#[test]
fn a_long_pause_is_cut_short_when_there_is_no_better_chain() {
    let mut breaker = Breaker::new();
    breaker.note_silence(0);
    trial(&mut breaker, PAUSE_US_MIN, Verdict::Failed);
    let reopened_us = PAUSE_US_MIN;
    assert_eq!(
        breaker.state(reopened_us),
        State::Open { since_us: reopened_us, until_us: reopened_us + 2 * PAUSE_US_MIN }
    );
    assert!(!breaker.take_trial(reopened_us + PAUSE_US_MIN, false));
    assert!(!breaker.take_trial(reopened_us + PAUSE_US_MIN - 1, true));
    assert!(breaker.take_trial(reopened_us + PAUSE_US_MIN, true));
}

#[test]
fn what_comes_in_late_neither_closes_nor_prolongs() {
    let mut breaker = Breaker::new();
    breaker.note_silence(0);
    run(&mut breaker, 0, 50, |_| Verdict::Good);
    run(&mut breaker, 0, 50, |_| Verdict::Failed);
    breaker.note_silence(PAUSE_US_MIN / 2);
    assert_eq!(breaker.state(PAUSE_US_MIN / 2), State::Open { since_us: 0, until_us: PAUSE_US_MIN });
    // A trial that ended without a word gives its place back; one nobody sent counts for nothing.
    breaker.note_trial(SECOND, Verdict::Failed);
    assert!(breaker.take_trial(SECOND, false));
    breaker.cancel_trial();
    assert!(breaker.take_trial(2 * SECOND, false));
}
