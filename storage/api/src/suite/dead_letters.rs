//! What a store of dead letters promises.

use tandem_model::malformed::{Malformed, Problem};
use tandem_model::rejected::{Reason, Rejected, RejectedEvent};
use tandem_model::{PartitionId, Stored};

use super::fixtures::session_id;
use crate::{DeadLetterQuery, DeadLetters, Place};

/// Checks a fresh store.
pub async fn dead_letters(store: &dyn DeadLetters) {
    let all = letters();
    assert!(list(store, query()).await.is_empty());
    // In two parts, out of order, partly twice.
    store.append(&all[4..]).await.expect("append");
    store.append(&all[..6]).await.expect("append");
    store.append(&[]).await.expect("append");
    assert_eq!(list(store, query()).await, all);

    let filters = [
        (Some("d-1"), None),
        (Some("d-1"), Some("late")),
        (Some("d-10"), None),
        (Some("d-"), None),
        (Some("d-1\u{0}"), None),
        (None, Some("late")),
        (None, Some("future")),
        (None, Some("duplicate")),
        (None, Some("malformed")),
    ];
    for (session, reason) in filters {
        let whole = DeadLetterQuery { session_id: session.map(str::to_owned), reason, ..query() };
        let expected: Vec<_> = all.iter().filter(|one| whole.matches(one)).cloned().collect();
        assert_eq!(list(store, whole.clone()).await, expected, "{whole:?}");
        // Page by page gives the same as at once.
        let mut paged: Vec<Rejected> = Vec::new();
        loop {
            let after = paged.last().map(Place::of);
            let page = list(store, DeadLetterQuery { after, limit: 2, ..whole.clone() }).await;
            if page.is_empty() {
                break;
            }
            assert!(page.len() <= 2);
            paged.extend(page);
        }
        assert_eq!(paged, expected, "{whole:?}");
    }
    let after = Some(Place { partition: PartitionId(0), offset: u64::MAX });
    assert_eq!(list(store, DeadLetterQuery { after, ..query() }).await, all[6..]);
    assert!(list(store, DeadLetterQuery { limit: 0, ..query() }).await.is_empty());
    revised(store, all).await;
}

/// A verdict that came later takes a letter out, puts another in its place, or puts it back.
async fn revised(store: &dyn DeadLetters, mut all: Vec<Rejected>) {
    let place = Place::of(&all[0]);
    let of_session = |id: &str| DeadLetterQuery { session_id: Some(id.to_owned()), ..query() };
    let by_session = |all: &[Rejected], id: &str| -> Vec<Rejected> {
        all.iter().filter(|one| of_session(id).matches(one)).cloned().collect()
    };
    for _ in 0..2 {
        store.revise(place, None, 10_000).await.expect("revise");
        assert_eq!(list(store, query()).await, all[1..]);
        assert_eq!(list(store, of_session("d-1")).await, by_session(&all[1..], "d-1"));
    }
    for (session, at) in [(Some("d-2"), 10_001), (None, 10_002), (Some("d-1"), 10_003)] {
        all[0].session_id = session.map(session_id);
        let problem = Problem::Quarantined;
        all[0].reason =
            Reason::Malformed(Malformed { problem, field: None, session_id: all[0].session_id.clone() });
        all[0].event = None;
        store.revise(place, Some(&all[0]), at).await.expect("revise");
        assert_eq!(list(store, query()).await, all, "{session:?}");
        for id in ["d-1", "d-2"] {
            assert_eq!(list(store, of_session(id)).await, by_session(&all, id), "{session:?} {id}");
        }
    }
    // A letter where there was none.
    let new = Rejected { offset: 50, ..all[0].clone() };
    store.revise(Place::of(&new), Some(&new), 10_200).await.expect("revise");
    all.insert(1, new);
    assert_eq!(list(store, query()).await, all);
}

fn query() -> DeadLetterQuery {
    DeadLetterQuery { limit: 1_000, ..DeadLetterQuery::default() }
}

async fn list(store: &dyn DeadLetters, query: DeadLetterQuery) -> Vec<Rejected> {
    store.list(&query).await.expect("list")
}

/// Twelve letters in the order of their places: two partitions, three sessions and none, all
/// reasons.
fn letters() -> Vec<Rejected> {
    let mut letters = Vec::new();
    for number in 0..12_u64 {
        let session = [Some("d-1"), Some("d-10"), None, Some("d-2")][number as usize % 4].map(session_id);
        let reason = match number % 5 {
            0 | 4 => Reason::Late,
            1 => Reason::Future,
            2 => Reason::Duplicate,
            _ => Reason::Malformed(Malformed {
                problem: Problem::NotJson,
                field: None,
                session_id: session.clone(),
            }),
        };
        let event = (number % 5 != 3).then(|| RejectedEvent {
            event_id: format!("e-{number}"),
            event_type: "order_paid".to_owned(),
            ts: 1_700_000_000_000 + number,
            user: (number % 2 == 0).then_some(u128::MAX - u128::from(number)),
            would_add: vec![(Stored::Orders, 1), (Stored::GmvFen, u64::MAX)],
        });
        letters.push(Rejected {
            partition: PartitionId(if number < 6 { 0 } else { 9 }),
            offset: number % 6 * 100,
            clock: number,
            session_id: session,
            reason,
            event,
        });
    }
    letters
}
