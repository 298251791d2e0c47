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
    let expected = ["beats", "ignored beats", "saturated", "over 4096 users"];
    let expected = expected.into_iter().map(str::to_owned);
    let states = [SessionState::Live, SessionState::Final, SessionState::Corrected]
        .map(|state| format!("state {}", state.name()));
    let reasons = Reason::NAMES.iter().take(3).map(|name| format!("session {name}"));
    let over = ["partition late", "partition malformed of a session that is over"].into_iter().take(1);
    let problems = PROBLEMS.iter().map(|problem| {
        // what is not JSON or not an object can't name a session
        let whose = match problem {
            Problem::NotJson | Problem::NotAnObject | Problem::BeatNotAllowed | Problem::Misplaced => {
                "partition"
            }
            _ => "session",
        };
        format!("{whose} {}", problem.name())
    });
    let overflows = ["item", "channel", "source", "raw_source", "region", "device"]
        .into_iter()
        .filter(|name| *name != "source") // what is not listed is `other` there

        .map(|name| format!("overflow {name}"));
    let columns = Stored::ALL.iter().map(|stored| format!("room {}", stored.id()));
    let all = expected
        .chain(states)
        .chain(reasons)
        .chain(over.map(str::to_owned))
        .chain(problems)
        .chain(overflows)
        .chain(columns);
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
