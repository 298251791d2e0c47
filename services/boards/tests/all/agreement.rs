//! Every board, under every filter, in every kind of period.

use tandem_boards::{Facts, FanTier, Filter, Past};
use tandem_fold::Fold;
use tandem_model::calendar::Period;
use tandem_model::catalogue::BOARDS;
use tandem_model::time::{DAY_MS, MINUTE_MS};
use tandem_model::{Calendar, EditionPart, PartitionId, PseudonymKey, Record, Step};

use crate::events::{DAYS, START, World, world};
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
                Step::Sessions => false,
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
