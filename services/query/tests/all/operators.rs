//! What gateway, control group and verify read: with the types they read it with.

use tandem_model::route::Chain;
use tandem_model::status::{BEATS_REPORTED, ChainStatus};
use tandem_model::{Breakdown, PartitionId};
use tandem_query::wire::{LogPage, PartitionsPage, RowsPage};
use tandem_storage::memory::MemoryEventLog;
use tandem_storage::{EventLog, Select};

use crate::world::{BEGIN, BEGIN_MS, PARTITIONS, World};

#[tokio::test]
async fn the_log_comes_out_as_it_went_in() {
    let mut world = World::with_session().await;
    world.append("s1", "no json \u{1F4A9}").await;
    for partition in 0..PARTITIONS {
        let expected = world.log.read(PartitionId(partition), 0, 1 << 20).await.unwrap();
        let mut found = Vec::new();
        let mut next = 0;
        loop {
            let answer = world.get(&format!("/v1/log/{partition}?from={next}&bytes=100")).await;
            let page: LogPage = serde_json::from_str(&answer.text).unwrap();
            if page.records.is_empty() {
                assert_eq!((page.next, page.end), (next, expected.last().unwrap().0 + 1));
                break;
            }
            next = page.next;
            found.extend(page.records.into_iter().map(|one| (one.offset, one.into_record().unwrap())));
        }
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn rows_come_out_whole_with_their_cut() {
    let mut world = World::with_session().await;
    for number in 0..5 {
        world.start(&format!("t{number}"), BEGIN_MS + 240_000).await;
    }
    world.flush().await;
    let mut ids = Vec::new();
    let mut path = "/v1/rows?limit=4".to_owned();
    loop {
        let page: RowsPage = serde_json::from_str(&world.get(&path).await.text).unwrap();
        for dump in &page.sessions {
            let id = dump.session_id.as_str();
            let kept = world.stores.rows.session(id, &Select::All).await.unwrap().unwrap();
            assert_eq!(dump.rows.iter().map(|row| row.0.clone()).collect::<Vec<_>>(), kept.rows);
            assert_eq!((&dump.session, dump.partition), (&kept.session, kept.partition.0));
            assert_eq!(dump.cut, world.cut(id).await);
            ids.push(id.to_owned());
        }
        let Some(after) = page.next_after else { break };
        path = format!("/v1/rows?limit=4&after={after}");
    }
    assert_eq!(ids, ["s1", "t0", "t1", "t2", "t3", "t4"]);
    let page: RowsPage = serde_json::from_str(&world.get("/v1/rows").await.text).unwrap();
    assert!(page.sessions[0].rows.iter().any(|row| row.0.key.breakdown == Breakdown::RawSource));
}

#[tokio::test]
async fn partitions_come_with_their_cut() {
    let world = World::with_session().await;
    let page: PartitionsPage = serde_json::from_str(&world.get("/v1/partitions").await.text).unwrap();
    assert_eq!(page.partitions.len(), PARTITIONS as usize);
    for dump in page.partitions {
        let id = PartitionId(dump.partition);
        assert_eq!(Some(dump.cut), world.stores.rows.progress(id).await.unwrap());
        assert_eq!(dump.row, world.stores.rows.partition_row(id).await.unwrap());
    }
}

async fn status(world: &World) -> ChainStatus {
    serde_json::from_str(&world.get("/internal/v1/status").await.text).unwrap()
}

#[tokio::test]
async fn a_chain_tells_how_far_it_is_and_its_latest_digests() {
    let mut world = World::new();
    assert!(status(&world).await.ready, "an empty log is read to its end");
    world.beat(BEGIN).await;
    assert!(!status(&world).await.ready, "not begun yet");
    for second in 1..=40 {
        // As in a replay of a quiet hour: far apart.
        world.beat(BEGIN + second * 100).await;
    }
    world.flush().await;
    world.beat(BEGIN + 5_000).await;
    let status = status(&world).await;
    assert!(status.ready);
    assert!(status.degraded.is_empty());
    assert_eq!((status.chain, status.log), (Chain::A, world.log.id().to_string()));
    for (partition, found) in (0_u32..).zip(&status.partitions) {
        assert_eq!((found.partition, found.next, found.log_end), (partition, 41, 42));
        assert_eq!((found.lag_records, found.hot_next), (1, Some(41)));
        assert_eq!(found.clock, (BEGIN + 4_000) * 1_000);
    }
    assert_eq!(status.beats.len(), BEATS_REPORTED * PARTITIONS as usize);
    let last = status.beats[BEATS_REPORTED - 1].to_digest().unwrap();
    let kept = world.stores.rows.beats(PartitionId(0), 1).await.unwrap();
    assert_eq!(kept, [last]);
}

/// The last offsets of Kafka's log are transaction markers: nothing is there to be read.
#[tokio::test]
async fn a_chain_that_has_read_everything_has_no_lag() {
    let mut world = World::on(MemoryEventLog::with_markers(PARTITIONS, 3));
    world.beat(BEGIN).await;
    assert!(status(&world).await.partitions.iter().all(|part| part.lag_records > 0));
    world.flush().await;
    for _ in 0..2 {
        let status = status(&world).await;
        assert!(status.ready);
        for found in status.partitions {
            assert_eq!((found.next, found.log_end, found.lag_records), (1, 4, 0));
        }
    }
    world.beat(BEGIN + 1).await;
    assert!(status(&world).await.partitions.iter().all(|part| part.lag_records > 0));
}
