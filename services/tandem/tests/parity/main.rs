//! Seeded corruptions: each is found, the right chain and the row are named, and it is repaired.

mod poison;
mod world;

use std::time::Duration;

use serde_json::json;
use tandem_failover::DigestVerdict;
use tandem_model::route::Chain;
use tandem_parity::{Culprit, Level, Store};

use world::{World, partition};

fn culprit(chain: Chain) -> Culprit {
    Culprit::of(Chain::ALL.map(|one| one == chain)).expect("one chain")
}

/// A figure of `s3` is 1,000 short in `chain` only, and that is what is said.
fn check(finding: &tandem_parity::Finding, chain: Chain, right: u64) {
    assert_eq!(finding.wrong, culprit(chain), "{finding}");
    assert_eq!(finding.partition, partition("s3").0, "{finding}");
    assert_eq!(finding.session_id.as_ref().map(|id| id.as_str()), Some("s3"), "{finding}");
    let wrong = right - 1_000;
    let [a, b] = Chain::ALL.map(|one| if one == chain { wrong } else { right });
    assert_eq!(
        [&finding.a, &finding.b, &finding.log],
        [&a.to_string(), &b.to_string(), &right.to_string()],
        "{finding}"
    );
    assert_eq!(finding.column, Some("gmv_fen"), "{finding}");
    assert_eq!(finding.rows.log.as_ref().and_then(|row| row.get("gmv_fen")), Some(&right));
}

/// 18 orders of 10,900 in the three minutes at the beginning.
const GMV: u64 = 18 * 10_900;

#[tokio::test(flavor = "multi_thread")]
async fn a_row_changed_in_a_store_is_found_named_and_repaired() {
    let mut world = World::new().await;
    for (chain, store) in Chain::ALL.into_iter().flat_map(|chain| [(chain, Store::Rows), (chain, Store::Hot)])
    {
        match store {
            Store::Rows => world.corrupt_rows(chain, "s3").await,
            Store::Hot => world.corrupt_hot(chain, "s3").await,
        }
        let found = world.until_found().await;
        check(&found, chain, GMV);
        assert_eq!((found.level, found.store), (Level::Stored, Some(store)), "{found}");
        // A row that should not be counts, too.
        assert_eq!(found.places, if store == Store::Rows { 2 } else { 1 }, "{found}");
        let report = world.system.parity().borrow().clone();
        assert_eq!(report.digest_verdict(), DigestVerdict::Wrong(chain));
        let parity = world.until_shown("different").await;
        assert_eq!((&parity["level"], &parity["wrong"]), (&json!("stored"), &json!(chain)));
        assert_eq!(parity["findings"][0]["session_id"], "s3", "{parity}");
        world.repair(json!({"chain": chain, "session_id": "s3", "reason": "test"})).await;
        world.until_equal().await;
    }
    // Life goes on for the row that was repaired.
    world.minute().await;
    world.until_equal().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_state_of_the_fold_is_found_named_and_repaired() {
    for chain in Chain::ALL {
        let mut world = World::new().await.corrupt_fold(chain, "s3").await;
        // Before any event digests tell; the rows are still those that were right.
        world.beat().await;
        let found = world.until_found().await;
        assert_eq!(
            (found.wrong, found.level, found.store),
            (culprit(chain), Level::Computed, None),
            "{found}"
        );
        assert_eq!(found.partition, partition("s3").0);
        world.minute().await;
        let report = world
            .until("a row is named", |report| {
                report
                    .findings
                    .iter()
                    .any(|finding| finding.session_id.is_some() && finding.level == Level::Stored)
                    || report
                        .findings
                        .iter()
                        .any(|finding| finding.beat.is_some() && finding.session_id.is_some())
            })
            .await;
        let named = report.findings.iter().next().expect("one");
        assert_eq!(named.session_id.as_ref().map(|id| id.as_str()), Some("s3"), "{named}");
        assert!(report.findings.iter().all(|finding| finding.wrong == culprit(chain)), "{report:?}");
        assert_eq!(report.digest_verdict(), DigestVerdict::Wrong(chain));
        world.repair(json!({"chain": chain, "partition": partition("s3").0, "reason": "test"})).await;
        world.until("digests are equal", |report| report.findings.iter().next().is_none()).await;
        world.beat().await;
        world.until_equal().await;
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_mismatch_names_nobody_who_is_only_behind() {
    let mut world = World::new().await;
    // The chains flush at different moments; the scan runs into the middle of that all the time.
    for _ in 0..10 {
        world.minute().await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    world.until_equal().await;
    let report = world.system.parity().borrow().clone();
    assert_eq!((report.scan.suspicions, report.scan.votes), (0, 0), "{report:?}");
    world.end().await;
}
