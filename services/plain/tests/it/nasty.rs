//! The made-up logs reach what they are made to reach, and Plain holds what rows promise.

use std::collections::{BTreeMap, BTreeSet};

use tandem_model::catalogue::{Kind, OVERFLOW};
use tandem_model::decode::decode;
use tandem_model::event::{EventType, Line};
use tandem_model::malformed::Problem;
use tandem_model::rejected::Reason;
use tandem_model::row::SessionState;
use tandem_model::time::Window;
use tandem_model::{Breakdown, PartitionId, PseudonymKey, RowKey, Stored, Table};
use tandem_plain::{Figures, Plain, nasty};

const SEEDS: u64 = 256;

fn run(seed: u64, partitions: u32) -> Vec<Plain> {
    let key = PseudonymKey::new([1; 16]);
    let mut plains: Vec<_> =
        (0..partitions).map(|index| Plain::new(PartitionId(index), partitions, key)).collect();
    let log = nasty::log(&nasty::generate(seed), seed, partitions);
    for (offset, (partition, record)) in log.iter().enumerate() {
        // offsets may have gaps
        plains[partition.0 as usize].apply(3 * offset as u64, record);
    }
    plains
}

fn figures(plain: &Plain) -> Vec<(String, Figures)> {
    plain.sessions().map(|id| (id.to_string(), plain.session(id.as_str()).expect("has rows"))).collect()
}

#[test]
fn every_type_and_every_problem_of_a_line_occurs() {
    let (mut types, mut problems) = (BTreeSet::new(), BTreeSet::new());
    for line in (0..SEEDS).flat_map(nasty::generate) {
        assert!(!line.contains(&b'\n') && !line.trim_ascii().is_empty() && !line.ends_with(b"\r"));
        match decode(&line) {
            Ok(Line::Beat { .. }) => _ = types.insert(EventType::Beat),
            Ok(line @ (Line::Verdict(_) | Line::Definition(_))) => panic!("{line:?}"),
            Ok(Line::Event(event)) => _ = types.insert(event.kind.event_type()),
            Err(malformed) => _ = problems.insert(malformed.problem),
        }
    }
    assert_eq!(types, EventType::ALL.iter().copied().collect());
    assert_eq!(problems.len(), 13, "all but beat_not_allowed and misplaced: {problems:?}");
}

#[test]
fn everything_that_can_become_of_a_line_occurs() {
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    let mut see = |what: String| *seen.entry(what).or_default() += 1;
    for plain in (0..SEEDS).flat_map(|seed| run(seed, 1 + seed as u32 % 3)) {
        for rejected in plain.rejected() {
            let whose = if rejected.session_id.is_some() { "session" } else { "partition" };
            match &rejected.reason {
                Reason::Malformed(malformed) => see(format!("{whose} {}", malformed.problem.name())),
                reason => see(format!("{whose} {}", reason.name())),
            }
        }
        for (_, figures) in figures(&plain) {
            see(format!("state {}", figures.session.state.name()));
            for (key, (values, _)) in &figures.rows {
                if &*key.key == OVERFLOW {
                    see(format!("overflow {}", key.breakdown.name()));
                }
                Stored::ALL.iter().filter(|stored| values[**stored as usize] > 0).for_each(|stored| {
                    see(format!("{} {}", key.breakdown.name(), stored.id()));
                    if values[*stored as usize] == u64::MAX {
                        see("saturated".to_owned());
                    }
                    if stored.kind() == Kind::Distinct && values[*stored as usize] > 4096 {
                        see("over 4096 users".to_owned());
                    }
                });
            }
        }
        let row = plain.partition_row();
        for (name, count) in [("ignored beats", row.ignored_beats), ("beats", row.beats)] {
            (0..count).for_each(|_| see(name.to_owned()));
        }
    }
    let fixed = ["beats", "ignored beats", "saturated", "over 4096 users", "partition late"];
    let states = [SessionState::Live, SessionState::Final, SessionState::Corrected]
        .map(|state| format!("state {}", state.name()));
    let reasons = ["session late", "session future", "session duplicate"];
    let problems = PROBLEMS.map(|problem| match problem {
        // what is not JSON or not an object can't name a session
        Problem::NotJson | Problem::NotAnObject | Problem::BeatNotAllowed | Problem::Misplaced => {
            format!("partition {}", problem.name())
        }
        _ => format!("session {}", problem.name()),
    });
    // not `source`: what is not listed there is `other`
    let overflows =
        ["item", "channel", "raw_source", "region", "device"].map(|name| format!("overflow {name}"));
    let columns = Stored::ALL.iter().map(|stored| format!("room {}", stored.id()));
    let all = fixed.into_iter().chain(reasons).map(str::to_owned);
    let all = all.chain(states).chain(problems).chain(overflows).chain(columns);
    let missing: Vec<_> = all.filter(|what| !seen.contains_key(what)).collect();
    assert!(missing.is_empty(), "never seen: {missing:?} in {seen:#?}");
}

const PROBLEMS: [Problem; 15] = [
    Problem::NotJson,
    Problem::NotAnObject,
    Problem::LineTooLong,
    Problem::Missing,
    Problem::NotAString,
    Problem::NotAnInteger,
    Problem::NotABoolean,
    Problem::NotAFraction,
    Problem::BadId,
    Problem::BadLabel,
    Problem::TextTooLong,
    Problem::UnknownType,
    Problem::BadBeat,
    Problem::BeatNotAllowed,
    Problem::Misplaced,
];

/// Rules 6 and 9: each window's buckets add up to those of the next coarser one and, unless a
/// sum counts what has no bucket, to the total.
#[test]
fn fine_buckets_add_up_to_coarse_ones() {
    for seed in 0..SEEDS {
        for (id, figures) in run(seed, 1).iter().flat_map(figures) {
            check_sums(&figures, &format!("seed {seed} session {id}"));
        }
    }
}

fn check_sums(figures: &Figures, at: &str) {
    let coarser = [Some(Window::Minute), Some(Window::FiveMinutes), None];
    for (fine, coarse) in Window::ALL.into_iter().zip(coarser) {
        let mut sums: BTreeMap<RowKey, [u64; Stored::ALL.len()]> = BTreeMap::new();
        for (key, (values, _)) in figures.rows.iter().filter(|(key, _)| key.table == Table::Trend(fine)) {
            let table = coarse.map_or(Table::Total, Table::Trend);
            let bucket = coarse.map_or(0, |window| window.bucket(key.bucket));
            let sum = sums.entry(RowKey { table, bucket, ..key.clone() }).or_insert([0; _]);
            for stored in sums_of(figures, coarse.is_none()) {
                sum[stored as usize] = sum[stored as usize].saturating_add(values[stored as usize]);
            }
        }
        for (key, sum) in sums {
            let (values, _) = figures.rows.get(&key).unwrap_or_else(|| panic!("{at}: no {key:?}"));
            for stored in sums_of(figures, coarse.is_none()) {
                assert_eq!(values[stored as usize], sum[stored as usize], "{at}: {key:?} {stored:?}");
            }
        }
    }
}

/// The sums that must add up; to totals not those that follow-ups add to.
fn sums_of(figures: &Figures, to_total: bool) -> impl Iterator<Item = Stored> {
    let corrected = figures.session.state == SessionState::Corrected;
    Stored::ALL.iter().copied().filter(move |stored| {
        let followed_up = matches!(
            stored,
            Stored::Refunds | Stored::RefundFen | Stored::Balances | Stored::BalanceFen | Stored::Events
        );
        stored.kind() == Kind::Sum && stored.has_trend() && !(to_total && corrected && followed_up)
    })
}

/// What breakdowns of viewer events by one attribute have in common: together they hold what the
/// room holds.
#[test]
fn the_keys_of_a_breakdown_add_up_to_the_room() {
    for seed in (0..SEEDS).filter(|seed| seed % 64 != 31) {
        for (id, figures) in run(seed, 1).iter().flat_map(figures) {
            let total = |breakdown, stored: Stored| -> u64 {
                let rows = figures.rows.iter();
                rows.filter(|(key, _)| key.table == Table::Total && key.breakdown == breakdown)
                    .fold(0, |sum, (_, (values, _))| sum.saturating_add(values[stored as usize]))
            };
            let sums = sums_of(&figures, false).filter(|stored| !stored.is_room_only());
            for stored in sums {
                let room = total(Breakdown::Room, stored);
                for breakdown in Breakdown::PUBLIC.into_iter().filter(|other| *other != Breakdown::Item) {
                    assert_eq!(total(breakdown, stored), room, "seed {seed} {id} {breakdown:?} {stored:?}");
                }
            }
        }
    }
}
