//! Every board, under every filter, in every kind of period.

use std::collections::BTreeMap;

use tandem_boards::{Facts, FanTier, Filter, Fraction, Moved, Past, Place, Replaced, Standing};
use tandem_fold::Fold;
use tandem_model::calendar::Period;
use tandem_model::catalogue::BOARDS;
use tandem_model::row::Attributes;
use tandem_model::time::{DAY_MS, MINUTE_MS};
use tandem_model::{Calendar, EditionPart, PartitionId, PseudonymKey, Record, Row, Step};

use crate::events::{DAYS, Event, START, World, world};
use crate::oracle::Question;

fn facts(world: &World) -> Facts {
    let mut fold = Fold::new(PartitionId(0), 1, PseudonymKey::new([1; 16]));
    let mut facts = Facts::new(Calendar::default());
    for (offset, line) in (0..).zip(world.lines()) {
        fold.apply(offset, &Record::line(line.into_bytes().into()));
        if offset % 1_000 == 0 {
            take(&mut fold, &mut facts);
        }
    }
    take(&mut fold, &mut facts);
    facts
}

fn take(fold: &mut Fold, facts: &mut Facts) {
    let changes = fold.take_changes();
    assert!(changes.rejected.is_empty(), "all of it counts: {:?}", changes.rejected.first());
    for change in changes.sessions {
        if let Some(attributes) = change.session.as_ref().and_then(|session| session.attributes.as_ref()) {
            facts.note(0, change.session_id.as_str(), attributes);
        }
        facts.apply(change.session_id.as_str(), &change.rows);
    }
}

fn filters() -> Vec<Filter> {
    let category = |name: &str| Filter { category: Some(name.to_owned()), ..Filter::default() };
    vec![
        Filter::default(),
        category("beauty"),
        category("nobody has it"),
        Filter { fan_tier: Some(FanTier::Nano), ..Filter::default() },
        Filter { content_type: Some("talk".to_owned()), ..Filter::default() },
        Filter { region: Some("zj".to_owned()), ..Filter::default() },
        Filter {
            category: Some("food".to_owned()),
            fan_tier: Some(FanTier::Micro),
            content_type: Some("sale".to_owned()),
            region: Some("gd".to_owned()),
        },
    ]
}

#[test]
fn boards_are_what_a_recomputation_from_the_events_says() {
    let mut listed = vec![0; BOARDS.len()];
    for seed in 0..3 {
        let world = world(seed);
        let facts = facts(&world);
        // In the middle of the log's second week, on its last day, and before it began.
        for ts in
            [START + (DAYS - 3) * DAY_MS + 22 * 60 * MINUTE_MS + 5, START + DAYS * DAY_MS - 1, START - 1]
        {
            for period in Period::ALL {
                let (from, to) = Calendar::default().period(period, ts);
                for moment in [ts, to] {
                    for filter in filters() {
                        let question = Question { world: &world, period, from, to, moment, filter: &filter };
                        for (board, listed) in BOARDS.iter().zip(&mut listed) {
                            let standing = facts.at(0, None).standing(board, period, ts, moment, &filter);
                            *listed += standing.listed();
                            let Some(scores) = question.scores(board.id) else { continue };
                            let context =
                                format!("seed {seed}, {}, {} at {ts}, {filter:?}", board.id, period.name());
                            let mut expected: Vec<_> = scores.into_iter().collect();
                            expected.sort_by(|(left_id, left), (right_id, right)| {
                                let order = (right.0 * left.1).cmp(&(left.0 * right.1));
                                order.then_with(|| left_id.cmp(right_id))
                            });
                            let found = standing.rows(&facts, 0, usize::MAX);
                            let ids: Vec<_> = found.iter().map(|row| row.subject.id.clone()).collect();
                            let expected_ids: Vec<_> = expected.iter().map(|(id, _)| id.clone()).collect();
                            assert_eq!(ids, expected_ids, "{context}");
                            for (row, (id, (numerator, denominator))) in found.iter().zip(&expected) {
                                let score =
                                    tandem_boards::Fraction::new(*numerator, denominator.unsigned_abs());
                                assert_eq!(Some(row.score), score, "{context}: {id}");
                                let higher = expected
                                    .iter()
                                    .filter(|(_, (n, d))| n * denominator > numerator * d)
                                    .count() as u64;
                                assert_eq!(row.rank, higher + 1, "{context}: {id}");
                                let own = standing.own(&facts, id);
                                assert_eq!(own.place.as_ref(), Some(row), "{context}: {id}");
                            }
                        }
                    }
                }
            }
        }
    }
    for (board, listed) in BOARDS.iter().zip(listed) {
        assert!(listed > 0, "{} listed nobody: the test says nothing about it", board.id);
    }
}

#[test]
fn who_is_not_listed_has_no_place_and_the_first_has_nobody_above() {
    let world = world(1);
    let facts = facts(&world);
    let board = tandem_model::catalogue::Board::from_id("session.gmv").expect("a board");
    let ts = START + 9 * DAY_MS;
    let standing = facts.at(0, None).standing(board, Period::Month, ts, ts, &Filter::default());
    let first = &standing.rows(&facts, 0, 1)[0];
    let own = standing.own(&facts, &first.subject.id);
    assert_eq!((own.percentile, own.to_next), (Some(1.0), None));
    let second = &standing.rows(&facts, 1, 1)[0];
    let own = standing.own(&facts, &second.subject.id);
    assert_eq!(own.to_next, Some(first.score.to_number() - second.score.to_number()));
    assert_eq!(standing.own(&facts, "nobody").place, None);
    assert_eq!(standing.rows(&facts, standing.listed(), 10), []);
}

/// A world in which something of some sessions never happened: events of one, all of another, what a third said of
/// itself.
fn otherwise(world: &World) -> World {
    let mut number = 0;
    let happened = |event: &&Event| match event.session % 9 {
        0 => {
            number += 1;
            number % 3 != 0
        }
        4 => false,
        _ => true,
    };
    let events = world.events.iter().filter(happened).cloned().collect();
    let mut sessions = world.sessions.clone();
    sessions.iter_mut().step_by(11).for_each(|session| session.attributes = None);
    World { sessions, events }
}

/// Boards where some sessions are replaced by what they were are those of a world where they are that; and what moved
/// is what differs.
#[test]
fn replaced_sessions_stand_in_for_what_is_known_of_them() {
    let mut moves = 0;
    for seed in 0..3 {
        let world = world(seed);
        let other = otherwise(&world);
        let mut facts = facts(&world);
        let other_facts = self::facts(&other);
        let mut replaced = Replaced::default();
        let mut rows = rows(&other);
        for session in &world.sessions {
            // Most of them say the same; no harm in that.
            let (attributes, rows) = rows.remove(&session.id).unwrap_or_default();
            facts.replace(&mut replaced, &session.id, attributes.as_ref(), &rows);
        }
        for period in Period::ALL {
            for board in BOARDS {
                for (day, filter) in filters().iter().enumerate() {
                    let ts = START + (9 + day as u64) * DAY_MS + 21 * 60 * MINUTE_MS;
                    let expected = other_facts.at(0, None).standing(board, period, ts, ts, filter);
                    let found =
                        facts.at(0, None).with(Some(&replaced)).standing(board, period, ts, ts, filter);
                    let context = format!("seed {seed}, {} by {} on day {day}", board.id, period.name());
                    let spelt = |standing: &Standing, facts: &Facts| {
                        let rows = standing.rows(facts, 0, usize::MAX).into_iter();
                        rows.map(|row| (row.rank, row.subject.id, row.score, row.parts)).collect::<Vec<_>>()
                    };
                    let was = spelt(&found, &facts);
                    assert_eq!(was, spelt(&expected, &other_facts), "{context}");
                    let now = facts.at(0, None).standing(board, period, ts, ts, filter);
                    assert_eq!(now.moved(&now, &facts), [], "{context}");
                    let moved = now.moved(&found, &facts);
                    check_moved(&context, &moved, &spelt(&now, &facts), &was);
                    moves += moved.len();
                }
            }
        }
    }
    assert!(moves > 1_000, "only {moves} moved");
}

/// One row: rank, id, score, parts.
type Spelt = (u64, String, Fraction, Vec<(String, i128)>);

fn check_moved(context: &str, moved: &[Moved], now: &[Spelt], was: &[Spelt]) {
    let spelt = |place: &Option<Place>| {
        let place = place.clone()?;
        Some((place.rank, place.subject.id, place.score, place.parts))
    };
    let mut of: BTreeMap<String, (Option<Spelt>, Option<Spelt>)> = BTreeMap::new();
    was.iter().for_each(|row| of.entry(row.1.clone()).or_default().0 = Some(row.clone()));
    now.iter().for_each(|row| of.entry(row.1.clone()).or_default().1 = Some(row.clone()));
    of.retain(|_, (before, after)| before != after);
    assert_eq!(moved.len(), of.len(), "{context}");
    for one in moved {
        let pair = (spelt(&one.before), spelt(&one.after));
        let id = pair.1.as_ref().or(pair.0.as_ref()).map(|row| row.1.clone()).expect("somebody");
        assert_eq!(of.get(&id), Some(&pair), "{context}");
    }
    assert!(moved.is_sorted_by_key(Moved::is_pushed), "{context}");
}

/// What each session says of itself in the end, and its rows.
fn rows(world: &World) -> BTreeMap<String, (Option<Attributes>, Vec<Row>)> {
    let mut fold = Fold::new(PartitionId(0), 1, PseudonymKey::new([1; 16]));
    let mut rows = BTreeMap::<String, (Option<Attributes>, Vec<Row>)>::new();
    for (offset, line) in (0..).zip(world.lines()) {
        fold.apply(offset, &Record::line(line.into_bytes().into()));
    }
    for change in fold.take_changes().sessions {
        let entry = rows.entry(change.session_id.to_string()).or_default();
        entry.0 = change.session.and_then(|session| session.attributes);
        entry.1.extend(change.rows);
    }
    rows
}

/// The parts of all cuts of a world.
fn parts(world: &World) -> Vec<EditionPart> {
    let mut fold = Fold::new(PartitionId(0), 1, PseudonymKey::new([1; 16]));
    for (offset, line) in (0..).zip(world.lines()) {
        fold.apply(offset, &Record::line(line.into_bytes().into()));
    }
    fold.take_changes().editions
}

fn apply(facts: &mut Facts, part: &EditionPart) {
    for session in &part.sessions {
        if let Some(attributes) = &session.attributes {
            facts.note(part.slot, session.session_id.as_str(), attributes);
        }
        facts.apply(session.session_id.as_str(), &session.rows);
    }
}

/// A moment that is past, put together from the parts since its hours and days began, is what it was.
#[test]
fn the_past_is_as_it_was() {
    let (mut checked, mut differed) = (0, 0);
    for seed in 0..2 {
        let world = world(seed);
        let parts = parts(&world);
        let cuts: Vec<u64> =
            parts.iter().filter(|part| part.step == Step::FiveSeconds).map(|part| part.slot).collect();
        let chosen: Vec<u64> = cuts.iter().copied().skip(9).step_by(cuts.len() / 40).collect();
        let mut facts = Facts::new(Calendar::default());
        let mut then = Vec::new();
        for part in parts.iter().filter(|part| part.step != Step::Minute) {
            apply(&mut facts, part);
            if part.step == Step::FiveSeconds && chosen.contains(&part.slot) {
                then.push((part.slot, facts.clone()));
            }
        }
        for (slot, then) in then {
            let mut past = Past::at(&Calendar::default(), slot);
            let minute = Step::Minute.slot(slot);
            let is_needed = |part: &&EditionPart| match part.step {
                Step::Sessions | Step::Judged | Step::Defined => false,
                Step::Minute => (past.begins_at()..=minute).contains(&part.slot),
                Step::FiveSeconds => (minute + 1..=slot).contains(&part.slot),
            };
            let needed: Vec<_> = parts.iter().filter(is_needed).collect();
            for session in needed.iter().flat_map(|part| &part.sessions) {
                facts.apply_past(&mut past, session.session_id.as_str(), &session.rows);
            }
            for period in Period::ALL {
                for board in BOARDS {
                    for filter in filters().iter().take(3) {
                        let expected = then.at(slot, None).standing(board, period, slot, slot, filter);
                        let found = facts.at(slot, Some(&past)).standing(board, period, slot, slot, filter);
                        let context = format!("seed {seed}, {} by {} at {slot}", board.id, period.name());
                        let expected = expected.rows(&then, 0, usize::MAX);
                        assert_eq!(found.rows(&facts, 0, usize::MAX), expected, "{context}");
                        let now = facts.at(u64::MAX, None).standing(board, period, slot, slot, filter);
                        differed += usize::from(now.rows(&facts, 0, usize::MAX) != expected);
                        checked += expected.len();
                    }
                }
            }
        }
    }
    assert!(checked > 1_000 && differed > 100, "{checked} rows, {differed} boards that went on");
}
