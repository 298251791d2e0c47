//! What a row store promises about repairs.

use tandem_model::row::{BeatDigest, PartitionRow, SessionState};
use tandem_model::{Breakdown, Cut, PartitionId, Table};

use super::fixtures::{change, changes, row, rows, session_id, started};
use crate::{
    BEATS_KEPT, Repair, RepairOrder, RepairState, Replacement, RowStore, Select, SessionQuery, SessionRows,
};

const PARTITION: PartitionId = PartitionId(8);
const CUT: Cut = Cut { next: 900, clock: 8_000 };

/// Checks orders and replacements.
pub(super) async fn repairs(store: &dyn RowStore) {
    orders_are_kept_until_they_are_done(store).await;
    what_is_right_takes_the_place_of_what_is_there(store).await;
    the_partitions_own_row_and_beats_are_replaced(store).await;
}

async fn orders_are_kept_until_they_are_done(store: &dyn RowStore) {
    let order = RepairOrder {
        partition: PARTITION,
        session_id: Some(session_id("repaired")),
        reason: "直播: a \"test\"".to_owned(),
        ordered_ms: 7,
    };
    let kept = async || store.repair_order(PARTITION).await.expect("order");
    assert_eq!(kept().await, None);
    store.order_repair(&order).await.expect("kept");
    assert_eq!(kept().await, Some(order.clone()));
    assert_eq!(store.repair_order(PartitionId(0)).await.expect("order"), None);
    let wider = RepairOrder { session_id: None, ordered_ms: 8, ..order.clone() };
    store.order_repair(&wider).await.expect("kept");
    // The earlier one is done; the other one is not.
    store.end_repair(&order, &RepairState::Done).await.expect("ended");
    assert_eq!(kept().await, Some(wider.clone()));
    let latest = async || store.repair(PARTITION).await.expect("repair");
    assert_eq!(latest().await, Some(Repair { order: wider.clone(), state: RepairState::Ordered }));
    let failed = RepairState::Failed("“refused”: a \"test\"".to_owned());
    for _ in 0..2 {
        store.end_repair(&wider, &failed).await.expect("ended");
        assert_eq!(kept().await, None);
        assert_eq!(latest().await, Some(Repair { order: wider.clone(), state: failed.clone() }));
    }
    // An order may be given again, also one that reads like one before; how that one ended is past.
    let again = RepairOrder { ordered_ms: 9, ..order };
    store.order_repair(&again).await.expect("kept");
    assert_eq!(kept().await, Some(again.clone()));
    store.end_repair(&wider, &failed).await.expect("ended");
    assert_eq!(latest().await, Some(Repair { order: again.clone(), state: RepairState::Ordered }));
    store.end_repair(&again, &RepairState::Done).await.expect("ended");
    assert_eq!(kept().await, None);
    assert_eq!(latest().await, Some(Repair { order: again, state: RepairState::Done }));
}

fn right(id: &str, value: u64, sort_ts: u64) -> SessionRows {
    SessionRows {
        session_id: session_id(id),
        partition: PARTITION,
        cut: CUT,
        session: started(sort_ts, "repaired-anchor", SessionState::Live, value),
        rows: rows(value, 2),
    }
}

async fn listed(store: &dyn RowStore) -> Vec<String> {
    let query =
        SessionQuery { anchor_id: Some("repaired-anchor".to_owned()), limit: 10, ..SessionQuery::default() };
    let found = store.sessions(&query).await.expect("sessions");
    found.into_iter().map(|(id, _)| id.to_string()).collect()
}

async fn what_is_right_takes_the_place_of_what_is_there(store: &dyn RowStore) {
    let mut wrong = changes(PARTITION.0, CUT.next, CUT.clock);
    wrong.sessions = ["repaired-1", "repaired-2", "repaired-3"].map(|id| change(id, 899, 4)).into();
    store.apply(&wrong).await.expect("apply");
    let replace = async |sessions| {
        let replacement = Replacement { partition: PARTITION, cut: CUT, sessions, partition_row: None };
        for _ in 0..2 {
            store.replace(&replacement).await.expect("replace");
        }
    };
    let read = async |id: &str| store.session(id, &Select::All).await.expect("session");
    // Each time of another value, older versions among them: no version counts.
    for value in [300, 899, 20] {
        let sessions = ["repaired-1", "repaired-3"].map(|id| (session_id(id), Some(right(id, value, value))));
        replace(sessions.into()).await;
        for id in ["repaired-1", "repaired-3"] {
            assert_eq!(read(id).await, Some(right(id, value, value)), "{id}, {value}");
        }
        assert_eq!(listed(store).await, ["repaired-1", "repaired-3"], "{value}");
    }
    assert_eq!(read("repaired-2").await.map(|session| session.rows), Some(rows(899, 4)), "it is left alone");
    replace(vec![(session_id("repaired-3"), None), (session_id("repaired-never"), None)]).await;
    assert_eq!((read("repaired-3").await, read("repaired-never").await), (None, None));
    assert_eq!(listed(store).await, ["repaired-1"]);
    let ids = store.session_ids(Some("repaired-"), 3).await.expect("ids");
    assert_eq!(&ids[..2], [session_id("repaired-1"), session_id("repaired-2")]);
    assert!(!ids.contains(&session_id("repaired-3")), "{ids:?}");

    // Life goes on: what changes later wins, and a row that was taken out may come back.
    let mut later = changes(PARTITION.0, CUT.next + 1, CUT.clock);
    later.sessions = vec![change("repaired-1", CUT.next, 0), change("repaired-3", CUT.next, 0)];
    let back = row(Table::Total, Breakdown::Item, "key-3", 0, CUT.next);
    later.sessions[0].rows.push(back.clone());
    store.apply(&later).await.expect("apply");
    let session = read("repaired-1").await.expect("present");
    assert_eq!(session.cut.next, CUT.next + 1);
    assert!(session.rows.contains(&back) && session.rows.contains(&rows(CUT.next, 0)[0]), "{session:?}");
    assert_eq!(session.rows.len(), rows(0, 2).len() + 1);
    assert_eq!(read("repaired-3").await.map(|session| session.rows), Some(rows(CUT.next, 0)));
}

async fn the_partitions_own_row_and_beats_are_replaced(store: &dyn RowStore) {
    let cut = Cut { next: CUT.next + 1, clock: CUT.clock };
    let beat = |ts: u64, value: u128| BeatDigest {
        partition: PARTITION,
        ts,
        offset: ts / 10,
        digests: tandem_model::digest::Digests([value; tandem_model::digest::TABLES.len()]),
    };
    let mut wrong = changes(PARTITION.0, cut.next, cut.clock);
    wrong.beats = (1..=5).map(|second| beat(second * 1_000, 1)).collect();
    store.apply(&wrong).await.expect("apply");
    for value in [2, 3] {
        let beats: Vec<BeatDigest> = [1, 2, 4, 5, 6].map(|second| beat(second * 1_000, value)).into();
        let row = PartitionRow {
            clock: cut.clock,
            late_events: value as u64,
            offset: 3,
            ..PartitionRow::default()
        };
        let partition_row = Some((row, beats.clone()));
        let replacement = Replacement { partition: PARTITION, cut, sessions: Vec::new(), partition_row };
        for _ in 0..2 {
            store.replace(&replacement).await.expect("replace");
        }
        assert_eq!(store.progress(PARTITION).await.expect("progress"), Some(cut));
        assert_eq!(store.partition_row(PARTITION).await.expect("row"), Some(row));
        assert_eq!(store.beats(PARTITION, BEATS_KEPT).await.expect("beats"), beats);
    }
    let mut later = changes(PARTITION.0, cut.next + 10, 9_000);
    // A later beat stands later in the log.
    later.beats = vec![BeatDigest { offset: cut.next + 5, ..beat(9_000, 4) }];
    store.apply(&later).await.expect("apply");
    assert_eq!(store.partition_row(PARTITION).await.expect("row"), Some(later.partition_row));
    assert_eq!(store.beats(PARTITION, 1).await.expect("beats"), later.beats);
}
