//! What a store of editions promises.

use tandem_model::calendar::Span;
use tandem_model::catalogue::STORED;
use tandem_model::time::{DAY_MS, MINUTE_MS};
use tandem_model::{Breakdown, EditionPart, EditionSession, PartitionId, Row, RowKey, Step, Table};

use super::fixtures::{definitions, session_id, session_row};
use crate::Editions;

/// The first slot: what is kept for a time only must not be too old by now.
const BEGIN: u64 = 20_000 * DAY_MS - 3 * MINUTE_MS;

/// Checks a fresh store.
pub async fn editions(store: &dyn Editions) {
    let (here, other) = (PartitionId(0), PartitionId(1));
    assert!(store.parts(here, Step::Minute, 0, 10).await.expect("parts").is_empty());
    assert!(store.last_part(here, Step::Minute, u64::MAX).await.expect("part").is_none());
    store.keep(&[], 0).await.expect("keep");

    // Over midnight, with gaps; in two calls that overlap, out of order.
    let five: Vec<_> = [0, 1, 2, 5, 36, 40].map(|number| part(here, Step::FiveSeconds, number, 1)).into();
    let minute: Vec<_> = [0, 1, 3, 4].map(|number| part(here, Step::Minute, number, 2)).into();
    let said: Vec<_> = [0, 2, 40].map(|number| part(here, Step::Sessions, number, 3)).into();
    let judged: Vec<_> = [1, 2, 90].map(|number| part(here, Step::Judged, number, 4)).into();
    let defined: Vec<_> = [0, 3, 50].map(|number| part(here, Step::Defined, number, 5)).into();
    let all = [five.clone(), minute.clone(), said.clone(), judged.clone(), defined.clone()].concat();
    store.keep(&all[4..], 1_000).await.expect("keep");
    store.keep(&all[..7], 1_000).await.expect("keep");
    let strangers = [part(other, Step::FiveSeconds, 3, 9)];
    store.keep(&strangers, 1_000).await.expect("keep");
    let steps = [
        (Step::FiveSeconds, &five),
        (Step::Minute, &minute),
        (Step::Sessions, &said),
        (Step::Judged, &judged),
        (Step::Defined, &defined),
    ];
    for (step, expected) in steps {
        let slots: Vec<u64> = expected.iter().map(|part| part.slot).collect();
        let ends = [0, slots[0] + 1, slots[2], slots[slots.len() - 1], slots[slots.len() - 1] + 1];
        for from in ends {
            let expected: Vec<_> = expected.iter().filter(|part| part.slot >= from).cloned().collect();
            assert_eq!(listed(store, here, step, from, 2).await, expected, "{step:?} from {from}");
            assert_eq!(listed(store, here, step, from, 1_000).await, expected, "{step:?} from {from}");
        }
        for to in [slots[0] - 1, slots[0], slots[1] + 1, slots[2] - 1, u64::MAX] {
            let expected = expected.iter().rev().find(|part| part.slot <= to);
            let last = store.last_part(here, step, to).await.expect("part");
            assert_eq!(last.as_ref(), expected, "{step:?} to {to}");
        }
    }
    assert_eq!(listed(store, other, Step::FiveSeconds, 0, 10).await, strangers);
    assert!(store.parts(here, Step::Minute, 0, 0).await.expect("parts").is_empty());

    // What was known later holds, whichever comes first.
    let anew = part(here, Step::Minute, 1, 7);
    store.keep(std::slice::from_ref(&anew), 1_001).await.expect("keep");
    store.keep(std::slice::from_ref(&minute[1]), 1_000).await.expect("keep");
    let expected = [minute[0].clone(), anew, minute[2].clone(), minute[3].clone()];
    assert_eq!(listed(store, here, Step::Minute, 0, 10).await, expected);
}

/// Page by page.
async fn listed(
    store: &dyn Editions,
    partition: PartitionId,
    step: Step,
    from: u64,
    limit: usize,
) -> Vec<EditionPart> {
    let mut all: Vec<EditionPart> = Vec::new();
    loop {
        let from = all.last().map_or(from, |last| last.slot + 1);
        let page = store.parts(partition, step, from, limit).await.expect("parts");
        if page.is_empty() {
            return all;
        }
        assert!(page.len() <= limit);
        all.extend(page);
    }
}

fn part(partition: PartitionId, step: Step, number: u64, amount: u64) -> EditionPart {
    let slot = BEGIN + number * step.length_ms();
    let from = number * 10;
    let row = |span, breakdown, key: &str, bucket| {
        let key = RowKey { table: Table::Calendar(span), breakdown, key: key.into(), bucket };
        Row { key, values: [amount; STORED], offset: from + 3 }
    };
    let attributes = session_row(from).attributes;
    let sessions = match (step, number % 2) {
        (Step::Sessions, _) => {
            vec![EditionSession { session_id: session_id("e-1"), attributes, rows: Vec::new(), came_at: 0 }]
        }
        (Step::Judged, _) => {
            vec![EditionSession {
                session_id: session_id("e-1"),
                attributes: None,
                rows: Vec::new(),
                came_at: slot,
            }]
        }
        // Nothing happened.
        (Step::Defined, _) => Vec::new(),
        (_, 1) => Vec::new(),
        _ => vec![
            EditionSession {
                session_id: session_id("e-1"),
                attributes: None,
                came_at: 0,
                rows: vec![
                    row(Span::Hour, Breakdown::Room, "room", slot),
                    row(Span::Day, Breakdown::Item, "货~1", 7),
                ],
            },
            EditionSession {
                session_id: session_id("e-2"),
                attributes: None,
                came_at: 0,
                rows: vec![row(Span::Day, Breakdown::Region, "", u64::MAX >> 1)],
            },
        ],
    };
    let definitions = if step == Step::Defined { definitions(number as u32 + 1) } else { Vec::new() };
    EditionPart { partition, step, slot, ts: slot + 777, from, next: from + 10, sessions, definitions }
}
