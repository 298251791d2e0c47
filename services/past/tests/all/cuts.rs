//! Over nasty logs, at random cuts: a replay of one session is what a chain holds of it there, and the
//! parts of every difference add up to it.

use std::collections::BTreeMap;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tandem_model::decode::decode;
use tandem_model::event::Line;
use tandem_model::{PartitionId, SessionId, Stored};
use tandem_past::{Cause, Explaining, Explanation, Moment, Replay, SAMPLES_MAX, Survey, Then};

use crate::table::{KEY, Live, Log, PARTITIONS, logs};

/// How many logs the test command checks; `TANDEM_SEEDS` asks for more.
const SEEDS: u64 = 300;

fn seeds() -> u64 {
    std::env::var("TANDEM_SEEDS").ok().map_or(SEEDS, |text| text.parse().unwrap())
}

fn survey(session: &SessionId, log: &Log, moments: &[u64]) -> Survey {
    let mut survey = Survey::new(session.clone(), moments.iter().copied().map(Moment::UpTo));
    log.iter().for_each(|(offset, record)| survey.apply(*offset, record));
    survey
}

/// Where a replay begins, as whoever reads the log works it out.
fn start(survey: &Survey) -> u64 {
    survey.start().filter(|start| !survey.reaches_before(*start)).unwrap_or(0)
}

fn between(log: &Log, from: u64, to: u64) -> impl Iterator<Item = &(u64, tandem_model::Record)> {
    log.iter().filter(move |(offset, _)| (from..to).contains(offset))
}

fn replayed(
    session: &SessionId,
    partition: PartitionId,
    log: &Log,
    survey: &Survey,
    next: u64,
) -> Option<Then> {
    let mut replay = Replay::new(session.clone(), partition, PARTITIONS, KEY, survey.verdicts(next));
    between(log, start(survey), next).for_each(|(offset, record)| replay.apply(*offset, record));
    replay.then(next)
}

fn explained(
    session: &SessionId,
    partition: PartitionId,
    log: &Log,
    survey: &Survey,
    (from, to): (u64, u64),
) -> Option<Explanation> {
    let (heard, known) = (survey.verdicts(from), survey.verdicts(to));
    let mut explaining = Explaining::new(session, partition, PARTITIONS, KEY, from, &heard, &known);
    between(log, start(survey), to).for_each(|(offset, record)| explaining.apply(*offset, record));
    explaining.finish(to)
}

fn check_replay(context: &str, session: &SessionId, live: &Live, then: Option<&Then>) {
    let row = live.sessions.get(session);
    assert_eq!(then.map(|then| &then.session), row, "{context}");
    let Some(then) = then else { return };
    assert_eq!(then.cut.clock, live.fold.cut().clock, "{context}");
    let rows: Vec<_> = then.rows.iter().map(|row| (&row.key, row.values, row.offset)).collect();
    let expected: Vec<_> = live
        .rows
        .iter()
        .filter(|((id, _), _)| id == session)
        .map(|((_, key), (values, offset))| (key, *values, *offset))
        .collect();
    assert_eq!(rows, expected, "{context}");
}

fn check_sums(context: &str, explanation: &Explanation) {
    let (from, to) = (explanation.from.room(), explanation.to.room());
    for stored in Stored::ALL {
        let column = *stored as usize;
        let parts = explanation.parts.iter().filter(|((metric, _), _)| metric == stored);
        let sum: i128 = parts.map(|(_, part)| part.difference).sum();
        assert_eq!(sum, i128::from(to[column]) - i128::from(from[column]), "{context}: {}", stored.id());
    }
    for ((stored, cause), part) in &explanation.parts {
        let context = format!("{context}: {} {cause:?}", stored.id());
        assert_eq!(part.samples.len() as u64, part.records.min(SAMPLES_MAX as u64), "{context}");
        // Where all are shown and each has its own figure, they are the part.
        let shown: Option<i128> = part.samples.iter().map(|sample| sample.added).sum();
        if part.records <= SAMPLES_MAX as u64 && shown.is_some() {
            assert_eq!(shown, Some(part.difference), "{context}");
        }
    }
}

#[test]
fn a_replay_is_what_was_there_and_parts_add_up() {
    let mut causes: BTreeMap<Cause, u64> = BTreeMap::new();
    let (mut there, mut absent) = (0, 0);
    for seed in 0..seeds() {
        let mut rng = SmallRng::seed_from_u64(seed);
        for (partition, log) in logs(seed, &mut rng, seed % 2 == 0) {
            let end = log.last().map_or(0, |(offset, _)| offset + 1);
            let sessions: Vec<SessionId> = Live::at(partition, &log, end).sessions.into_keys().collect();
            for session in sessions {
                let survey = survey(&session, &log, &[]);
                let mut cuts = [rng.random_range(0..=end), rng.random_range(0..=end)];
                cuts.sort_unstable();
                let [from, to] = cuts;
                let context =
                    format!("seed {seed}, partition {partition}, session {session}, {from} to {to}");
                let [first, second] = cuts.map(|next| replayed(&session, partition, &log, &survey, next));
                for (next, then) in cuts.into_iter().zip([&first, &second]) {
                    check_replay(&context, &session, &Live::at(partition, &log, next), then.as_ref());
                }
                let explanation = explained(&session, partition, &log, &survey, (from, to));
                let Some(explanation) = explanation else {
                    // A verdict may take away all that there was of a session.
                    assert!(first.is_none() || second.is_none(), "{context}");
                    absent += 1;
                    continue;
                };
                there += 1;
                assert_eq!(
                    (Some(&explanation.from), Some(&explanation.to)),
                    (first.as_ref(), second.as_ref()),
                    "{context}"
                );
                check_sums(&context, &explanation);
                for (_, cause) in explanation.parts.keys() {
                    *causes.entry(*cause).or_default() += 1;
                }
            }
        }
    }
    assert!(there > 200 && absent > 20, "{there} {absent}");
    assert_eq!(causes.len(), Cause::ALL.len(), "{causes:?}");
}

#[test]
fn a_moment_s_cut_lies_behind_the_newest_beat_that_is_not_later() {
    let mut found = 0;
    for seed in 0..100 {
        let mut rng = SmallRng::seed_from_u64(seed);
        for (_, log) in logs(seed, &mut rng, false) {
            let mut clock = 0;
            let mut beats = Vec::new();
            for (offset, record) in log.iter().filter(|(_, record)| record.malformed.is_none()) {
                if let Ok(Line::Beat { ts }) = decode(&record.value)
                    && ts > clock
                {
                    clock = ts;
                    beats.push((ts, *offset));
                }
            }
            let Some((first, _)) = beats.first() else { continue };
            let moments: Vec<u64> =
                (0..8).map(|_| rng.random_range(first.saturating_sub(2_000)..clock + 2)).collect();
            let survey = survey(&SessionId::new("anything").unwrap(), &log, &moments);
            for (moment, cut) in moments.iter().zip(survey.cuts()) {
                let newest = beats.iter().rev().find(|(ts, _)| ts <= moment);
                assert_eq!(cut, newest.map(|(_, offset)| offset + 1), "seed {seed}, {moment}");
                found += u32::from(cut.is_some());
            }
            assert_eq!(survey.is_decided(), moments.iter().all(|moment| *moment < clock));
        }
    }
    assert!(found > 200, "{found}");
}
