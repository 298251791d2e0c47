//! The suites of `storage/api`.

use std::sync::Arc;

use tandem_scylla::Settings;
use tandem_storage::suite;

use super::support::{fresh, gone, open};

#[tokio::test(flavor = "multi_thread")]
async fn rows_pass_the_suite() {
    let settings = fresh("rows").await;
    suite::row_store(Arc::new(open(&settings).await)).await;
    gone(&settings).await;
}

/// Everything in parts and pages, nothing remembered for long.
#[tokio::test(flavor = "multi_thread")]
async fn rows_pass_the_suite_in_small_parts() {
    let settings = Settings {
        batch_bytes_max: 8 * 1_024,
        page_rows: 10,
        known_sessions_max: 1_000,
        requests_max: 4,
        ..fresh("parts").await
    };
    let store = open(&settings).await;
    suite::row_store(Arc::new(store.clone())).await;
    assert!(store.counts().sessions_split > 100, "{:?}", store.counts());
    gone(&settings).await;
}

#[tokio::test]
async fn dead_letters_pass_the_suite() {
    let settings = fresh("letters").await;
    suite::dead_letters(&open(&settings).await).await;
    gone(&settings).await;
}
