//! What every shared store of quotas must pass, whatever it is made of. Time passes in the store's
//! own clock: `pass` lets at least that many milliseconds of it go by.

#![allow(clippy::unwrap_used, reason = "a suite that can't go on fails")]

use crate::lease::{Ask, Granted};
use crate::rate::Rate;
use crate::shared::{SharedQuota, Taking};

const SECOND_NS: u64 = 1_000_000_000;

/// Runs the suite on a store that knows nothing.
///
/// # Panics
///
/// When the store does something else than it should.
pub async fn shared_quota(store: &dyn SharedQuota, mut pass: impl AsyncFnMut(u64)) {
    grants_what_there_is(store, &mut pass).await;
    debts_count_and_are_bounded(store, &mut pass).await;
    nothing_is_granted_where_it_would_not_do(store).await;
    gateways_are_counted(store).await;
    many_at_once_share_one_limit(store).await;
}

fn rate(requests: u64, window_s: u64, burst: u64) -> Rate {
    Rate::new(requests, window_s * SECOND_NS, burst, false).unwrap()
}

fn ask(key: u128, rate: Rate, want: u64, debt: u64) -> Ask {
    Ask { key, rate, want, least: 1, debt, number: 1 }
}

async fn one(store: &dyn SharedQuota, ask: Ask) -> Granted {
    store.take("a", &[ask]).await.unwrap().granted[0]
}

async fn grants_what_there_is(store: &dyn SharedQuota, pass: &mut impl AsyncFnMut(u64)) {
    // So slow that nothing comes back while this runs.
    let slow = rate(10, 100_000, 10);
    assert_eq!(one(store, ask(1, slow, 7, 0)).await, Granted { units: 7, wait_ns: 0 });
    assert_eq!(one(store, ask(1, slow, 7, 0)).await, Granted { units: 3, wait_ns: 0 });
    let Granted { units, wait_ns } = one(store, ask(1, slow, 7, 0)).await;
    assert_eq!(units, 0);
    assert!((9_000 * SECOND_NS..=10_000 * SECOND_NS).contains(&wait_ns), "{wait_ns}");
    assert_eq!(one(store, ask(2, slow, 1, 0)).await.units, 1, "another key is another key");

    let quick = rate(10, 1, 10);
    assert_eq!(one(store, ask(3, quick, 10, 0)).await.units, 10);
    pass(550).await;
    let came_back = one(store, ask(3, quick, 10, 0)).await.units;
    assert!((5..=10).contains(&came_back), "{came_back} after half a second at ten a second");
}

async fn debts_count_and_are_bounded(store: &dyn SharedQuota, pass: &mut impl AsyncFnMut(u64)) {
    let slow = rate(10, 100_000, 10);
    assert_eq!(one(store, ask(4, slow, 10, 4)).await, Granted { units: 6, wait_ns: 0 });
    let Granted { units, wait_ns } = one(store, ask(4, slow, 1, 5)).await;
    assert_eq!(units, 0);
    assert!((59_000 * SECOND_NS..=60_000 * SECOND_NS).contains(&wait_ns), "{wait_ns}: five more and one");
    // Whatever is told, a key is not shut out for longer than it takes to come back twice.
    let quick = rate(100, 1, 20);
    let Granted { units, wait_ns } = one(store, ask(5, quick, 1, 1_000_000)).await;
    assert_eq!(units, 0);
    assert!(wait_ns <= SECOND_NS / 100 * 21, "{wait_ns}");
    pass(250).await;
    assert!(one(store, ask(5, quick, 1, 0)).await.units == 1);
}

async fn nothing_is_granted_where_it_would_not_do(store: &dyn SharedQuota) {
    let slow = rate(10, 100_000, 10);
    assert_eq!(one(store, ask(6, slow, 5, 0)).await.units, 5);
    let dear = Ask { least: 6, ..ask(6, slow, 8, 0) };
    let Granted { units, wait_ns } = one(store, dear).await;
    assert_eq!(units, 0);
    assert!((9_000 * SECOND_NS..=10_000 * SECOND_NS).contains(&wait_ns), "{wait_ns}");
    let fitting = Ask { least: 5, ..ask(6, slow, 8, 0) };
    assert_eq!(one(store, fitting).await.units, 5, "what was refused was not taken");
}

async fn gateways_are_counted(store: &dyn SharedQuota) {
    // "a" was here a moment ago.
    for (gateway, expected) in [("b", 2), ("c", 3), ("b", 3), ("a", 3)] {
        let Taking { gateways, granted } = store.take(gateway, &[]).await.unwrap();
        assert_eq!((gateways, granted.len()), (expected, 0), "{gateway}");
    }
}

async fn many_at_once_share_one_limit(store: &dyn SharedQuota) {
    let slow = rate(1_000, 10_000_000, 1_000);
    let mut units = 0;
    for round in 0..20 {
        let asks: Vec<Ask> = (0..50).map(|index| ask(100 + index % 2, slow, 3, 0)).collect();
        let taking = store.take(["a", "b", "c"][round % 3], &asks).await.unwrap();
        assert_eq!(taking.granted.len(), 50);
        units += taking.granted.iter().map(|granted| granted.units).sum::<u64>();
    }
    assert_eq!(units, 2_000);
}
