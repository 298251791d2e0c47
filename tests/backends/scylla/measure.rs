//! How fast it is, on whatever this runs on: prints, and asserts nothing.

use std::time::{Duration, Instant};

use tandem_storage::suite::fixtures::{change, changes};
use tandem_storage::{RowStore, Select};

use super::support::{fresh, gone, open};

fn quantiles(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    format!("p50 {:?}, p99 {:?}, worst {:?}", at(50), at(99), at(100))
}

/// Flushes of many sessions, as compute makes them.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn speed_of_apply() {
    let settings = fresh("speed").await;
    let store = open(&settings).await;
    let mut next = 0;
    for (sessions, keys, flushes) in
        [(100, 12, 80), (100, 12, 80), (400, 12, 20), (20, 60, 80), (4, 500, 50), (1, 12, 300)]
    {
        let mut times = Vec::new();
        let begun = Instant::now();
        for _ in 0..flushes {
            next += 100;
            let mut all = changes(0, next, next);
            all.sessions =
                (0..sessions).map(|session| change(&format!("s-{session:04}"), next - 1, keys)).collect();
            let begun = Instant::now();
            store.apply(&all).await.expect("apply");
            times.push(begun.elapsed());
        }
        let rows = sessions * (1 + 2 * keys) * flushes;
        let rate = rows as f64 / begun.elapsed().as_secs_f64();
        eprintln!("{sessions} sessions of {} rows: {rate:.0} rows/s, {}", 1 + 2 * keys, quantiles(times));
    }
    for (name, select) in [("header", Select::Session), ("totals", Select::Totals), ("all", Select::All)] {
        let mut times = Vec::new();
        let mut rows = 0;
        for round in 0..500 {
            let begun = Instant::now();
            let read = store
                .session(&format!("s-{:04}", 100 + round % 300), &select)
                .await
                .expect("read")
                .expect("there");
            times.push(begun.elapsed());
            rows = read.rows.len();
        }
        eprintln!("reading {name}, {rows} rows: {}", quantiles(times));
    }
    eprintln!("{:?}", store.counts());
    gone(&settings).await;
}
