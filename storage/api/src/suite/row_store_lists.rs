//! What a row store promises: lists of sessions, and beats.

use tandem_model::row::SessionState;
use tandem_model::{PartitionId, SessionChange, SessionId, SessionRow};

use super::fixtures::{beat, changes, session_id, started};
use crate::{BEATS_KEPT, RowStore, SessionQuery};

const PARTITION: u32 = 6;
/// Sessions of these checks start from here on, those of others before.
const START: u64 = 1_700_000_000_000;

pub(super) async fn lists(store: &dyn RowStore) {
    sessions_are_listed_newest_first(store).await;
    a_session_moves_when_its_row_changes(store).await;
    ids_are_paged(store).await;
    beats_are_kept(store).await;
}

async fn apply(store: &dyn RowStore, next: u64, sessions: Vec<(SessionId, SessionRow)>) {
    let mut all = changes(PARTITION, next, next);
    all.sessions = sessions
        .into_iter()
        .map(|(session_id, row)| SessionChange { session_id, session: Some(row), rows: Vec::new() })
        .collect();
    store.apply(&all).await.expect("apply");
}

async fn list(store: &dyn RowStore, query: SessionQuery) -> Vec<String> {
    let found = store.sessions(&query).await.expect("sessions");
    found.into_iter().map(|(id, _)| id.as_str().to_owned()).collect()
}

/// Lists of the sessions of these checks only.
fn query() -> SessionQuery {
    SessionQuery { from: Some(START), limit: 100, ..SessionQuery::default() }
}

async fn sessions_are_listed_newest_first(store: &dyn RowStore) {
    use SessionState::{Corrected, Final, Live};
    let all = [
        ("l-a", 3, "anchor-1", Live),
        ("l-b", 1, "anchor-2", Final),
        ("l-c", 2, "anchor-1", Final),
        ("l-d", 2, "anchor-1", Live),
        ("l-e", 2, "anchor-10", Corrected),
    ];
    let rows = all.map(|(id, ts, anchor, state)| (session_id(id), started(START + ts, anchor, state, 1)));
    let mut unstarted = SessionRow { first_ts: Some(START), ..SessionRow::default() };
    unstarted.offset = 1;
    apply(store, 10, rows.into_iter().chain([(session_id("l-f"), unstarted)]).collect()).await;

    assert_eq!(list(store, query()).await, ["l-a", "l-c", "l-d", "l-e", "l-b", "l-f"]);
    let anchor = |id: &str| SessionQuery { anchor_id: Some(id.to_owned()), ..query() };
    assert_eq!(list(store, anchor("anchor-1")).await, ["l-a", "l-c", "l-d"]);
    assert!(list(store, anchor("anchor-")).await.is_empty());
    assert!(list(store, anchor("anchor-1\u{0}")).await.is_empty());
    let state = |state| SessionQuery { state: Some(state), ..query() };
    assert_eq!(list(store, state(Live)).await, ["l-a", "l-d", "l-f"]);
    assert_eq!(list(store, state(Corrected)).await, ["l-e"]);
    let both = SessionQuery { state: Some(Final), ..anchor("anchor-1") };
    assert_eq!(list(store, both).await, ["l-c"]);
    let between = SessionQuery { from: Some(START + 1), to: Some(START + 3), ..query() };
    assert_eq!(list(store, between.clone()).await, ["l-c", "l-d", "l-e", "l-b"]);
    assert_eq!(list(store, SessionQuery { limit: 2, ..between }).await, ["l-c", "l-d"]);
    assert!(list(store, SessionQuery { limit: 0, ..query() }).await.is_empty());
    let empty = SessionQuery { from: Some(START + 3), to: Some(START + 1), ..query() };
    assert!(list(store, empty).await.is_empty());

    // Page by page, with and without a filter, gives the same as at once.
    for whole in [query(), anchor("anchor-1"), state(Live)] {
        let expected = list(store, whole.clone()).await;
        let mut paged = Vec::new();
        let mut page = SessionQuery { limit: 1, ..whole };
        while let Some((id, row)) = store.sessions(&page).await.expect("sessions").pop() {
            paged.push(id.as_str().to_owned());
            page.after = Some((row.sort_ts(), id));
            assert!(paged.len() <= expected.len(), "a page came again");
        }
        assert_eq!(paged, expected);
    }
    // A cursor need not be a session's place.
    let after = Some((START + 2, session_id("l-cc")));
    assert_eq!(list(store, SessionQuery { after, ..query() }).await, ["l-d", "l-e", "l-b", "l-f"]);
}

async fn a_session_moves_when_its_row_changes(store: &dyn RowStore) {
    let moved = started(START + 9, "anchor-3", SessionState::Final, 15);
    apply(store, 20, vec![(session_id("l-c"), moved.clone())]).await;
    assert_eq!(list(store, query()).await, ["l-c", "l-a", "l-d", "l-e", "l-b", "l-f"]);
    let anchor = |id: &str| SessionQuery { anchor_id: Some(id.to_owned()), ..query() };
    assert_eq!(list(store, anchor("anchor-1")).await, ["l-a", "l-d"]);
    assert_eq!(store.sessions(&anchor("anchor-3")).await.expect("sessions"), [(session_id("l-c"), moved)]);
    // An older row neither brings it back nor lists it twice.
    let older = started(START + 2, "anchor-1", SessionState::Final, 1);
    apply(store, 15, vec![(session_id("l-c"), older)]).await;
    assert_eq!(list(store, query()).await, ["l-c", "l-a", "l-d", "l-e", "l-b", "l-f"]);
    // Only its state changes.
    let corrected = started(START + 9, "anchor-3", SessionState::Corrected, 25);
    apply(store, 30, vec![(session_id("l-c"), corrected)]).await;
    let state = |state| SessionQuery { state: Some(state), ..query() };
    assert_eq!(list(store, state(SessionState::Corrected)).await, ["l-c", "l-e"]);
    assert_eq!(list(store, state(SessionState::Final)).await, ["l-b"]);
}

async fn ids_are_paged(store: &dyn RowStore) {
    let whole = store.session_ids(None, 1_000).await.expect("ids");
    assert!(whole.len() > 6 && whole.is_sorted_by(|left, right| left < right));
    let mut paged: Vec<SessionId> = Vec::new();
    loop {
        let after = paged.last().map(|id| id.as_str().to_owned());
        let page = store.session_ids(after.as_deref(), 4).await.expect("ids");
        assert!(page.len() <= 4);
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert_eq!(paged, whole);
    assert!(store.session_ids(None, 0).await.expect("ids").is_empty());
}

async fn beats_are_kept(store: &dyn RowStore) {
    let partition = PartitionId(PARTITION);
    let kept = BEATS_KEPT as u64;
    let seconds = async |limit| {
        let beats = store.beats(partition, limit).await.expect("beats");
        assert!(beats.iter().all(|one| *one == beat(PARTITION, one.offset)));
        beats.into_iter().map(|one| one.offset).collect::<Vec<_>>()
    };
    let mut all = changes(PARTITION, 1_000, 1_000);
    all.beats = (10..20).map(|second| beat(PARTITION, second)).collect();
    store.apply(&all).await.expect("apply");
    store.apply(&all).await.expect("apply");
    assert_eq!(seconds(100).await, (10..20).collect::<Vec<_>>());
    assert_eq!(seconds(3).await, [17, 18, 19]);
    assert_eq!(seconds(1).await, [19]);
    assert!(seconds(0).await.is_empty());
    assert!(store.beats(PartitionId(PARTITION + 1), 100).await.expect("beats").is_empty());

    let mut more = changes(PARTITION, 2_000, 2_000);
    more.beats = (20..20 + kept).map(|second| beat(PARTITION, second)).collect();
    store.apply(&more).await.expect("apply");
    let latest = seconds(usize::MAX).await;
    assert!(latest.len() >= BEATS_KEPT, "{} beats are kept", latest.len());
    assert!(latest.ends_with(&(20..20 + kept).collect::<Vec<_>>()));
    assert_eq!(seconds(2).await, [18 + kept, 19 + kept]);
}
