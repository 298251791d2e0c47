//! What a topic of summaries promises.

use std::sync::Arc;

use tandem_model::catalogue::DEFINITIONS;
use tandem_model::route::Chain;
use tandem_model::row::Table;
use tandem_model::summary::{Marker, Message, Schema};
use tandem_model::{Breakdown, Cut, LogId, PartitionId};

use super::fixtures::{row, session_id, session_row};
use crate::{PublishError, SummaryTopic};

/// Checks a fresh topic of at least 3 partitions. `read` answers all committed messages of a
/// partition in their order, uncompacted.
///
/// # Panics
///
/// Where a promise is not kept.
pub async fn summaries(topic: Arc<dyn SummaryTopic>, read: impl AsyncFn(PartitionId) -> Vec<Message>) {
    transactions_stand_in_order(&*topic, &read).await;
    the_fenced_commit_nothing(&*topic, &read).await;
    writers_race(topic, &read).await;
}

/// The marker of beat `second`, written by `chain` under `epoch`.
fn marker(partition: PartitionId, second: u64, chain: Chain, epoch: u64) -> Marker {
    Marker {
        log: LogId([7; 16]),
        generation: 0,
        partition,
        cut: Cut { next: second * 10, clock: second * 1_000 },
        chain,
        epoch,
        definitions: DEFINITIONS,
    }
}

/// A session's row and `count` rows of figures, as of `marker`.
fn messages(marker: &Marker, count: u64) -> Vec<Message> {
    let id = session_id("summarised");
    let rows = (0..count).map(|index| {
        let key = format!("channel-{index} 直播");
        marker.row_message(&id, &row(Table::Total, Breakdown::Channel, &key, 0, marker.cut.next))
    });
    rows.chain([marker.session_message(&id, &session_row(marker.cut.next))]).collect()
}

/// What a reader sees of a transaction.
fn whole(marker: &Marker, messages: &[Message]) -> Vec<Message> {
    messages.iter().cloned().chain([marker.message()]).collect()
}

async fn transactions_stand_in_order(
    topic: &dyn SummaryTopic,
    read: &impl AsyncFn(PartitionId) -> Vec<Message>,
) {
    let [first, second] = [PartitionId(0), PartitionId(1)];
    assert_eq!(topic.last(first).await.expect("last"), None);
    let (mut writer, last) = topic.begin(first).await.expect("begin");
    assert_eq!(last, None);
    assert_eq!(topic.last(first).await.expect("last"), None, "beginning publishes nothing");

    let mut expected = Vec::new();
    for beat in 1..=5 {
        let marker = marker(first, beat, Chain::A, 1);
        // From none at all to more than fit into one request.
        let messages = if beat == 2 { Vec::new() } else { messages(&marker, beat * beat * 40) };
        writer.publish(&marker, messages.clone()).await.expect("publish");
        expected.extend(whole(&marker, &messages));
        assert_eq!(topic.last(first).await.expect("last"), Some(marker));
    }
    // A row that is withdrawn.
    let marker = marker(first, 6, Chain::A, 1);
    let key = Message::session_key(&session_id("summarised"));
    let withdrawn = vec![Message::withdrawn(Schema::Session, key)];
    writer.publish(&marker, withdrawn.clone()).await.expect("publish");
    expected.extend(whole(&marker, &withdrawn));
    assert_eq!(read(first).await, expected);
    assert_eq!(topic.last(second).await.expect("last"), None, "other partitions have their own");
    assert!(read(second).await.is_empty());

    drop(writer);
    let (_, last) = topic.begin(first).await.expect("begin");
    assert_eq!(last, Some(marker), "the next writer goes on from there");
    assert_eq!(read(first).await, expected);
}

async fn the_fenced_commit_nothing(
    topic: &dyn SummaryTopic,
    read: &impl AsyncFn(PartitionId) -> Vec<Message>,
) {
    let partition = PartitionId(1);
    let mut expected = Vec::new();
    let mut last = None;
    let (mut zombie, _) = topic.begin(partition).await.expect("begin");
    for round in 1..=4 {
        let chain = Chain::ALL[round as usize % 2];
        let (mut writer, found) = topic.begin(partition).await.expect("begin");
        assert_eq!(found, last);
        // Before and after the new writer's first transaction, and again.
        let stale = marker(partition, round * 10 + 9, chain.other(), round);
        if round % 2 == 0 {
            let outcome = zombie.publish(&stale, messages(&stale, 3)).await;
            assert_eq!(outcome, Err(PublishError::Fenced));
        }
        for beat in 1..=2 {
            let marker = marker(partition, round * 10 + beat, chain, round + 1);
            let published = messages(&marker, 2);
            writer.publish(&marker, published.clone()).await.expect("the fenced do not disturb");
            expected.extend(whole(&marker, &published));
            last = Some(marker);
            for _ in 0..2 {
                let outcome = zombie.publish(&stale, messages(&stale, 1)).await;
                assert_eq!(outcome, Err(PublishError::Fenced));
            }
        }
        zombie = writer;
    }
    assert_eq!(read(partition).await, expected);
}

/// Several at once who each begin again when they are fenced: what one of them committed is there
/// once, in order, and each goes on from the last marker.
async fn writers_race(topic: Arc<dyn SummaryTopic>, read: &impl AsyncFn(PartitionId) -> Vec<Message>) {
    const BEATS: u64 = 12;
    let partition = PartitionId(2);
    let racers = (0..3_u64).map(|racer| {
        let topic = Arc::clone(&topic);
        tokio::spawn(async move {
            let chain = Chain::ALL[racer as usize % 2];
            'begin: loop {
                let (mut writer, last) = topic.begin(partition).await.expect("begin");
                let done = last.map_or(0, |last| last.cut.clock / 1_000);
                for beat in done + 1..=BEATS {
                    let marker = marker(partition, beat, chain, 1);
                    match writer.publish(&marker, messages(&marker, 2)).await {
                        Ok(()) => {}
                        Err(PublishError::Fenced) => continue 'begin,
                        Err(error) => panic!("{error}"),
                    }
                    tokio::task::yield_now().await;
                }
                return;
            }
        })
    });
    for racer in racers.collect::<Vec<_>>() {
        let ended = tokio::time::timeout(super::PATIENCE * 6, racer).await;
        ended.expect("they come to an end").expect("none fails");
    }
    let read = read(partition).await;
    let mut expected = Vec::new();
    for marker in read.iter().filter(|message| message.schema == Schema::Marker) {
        let value = marker.value.as_ref().expect("a marker is never withdrawn");
        let marker = Marker::parse(value).expect("a marker");
        expected.extend(whole(&marker, &messages(&marker, 2)));
    }
    assert_eq!(read, expected, "whole transactions, nothing between them");
    let beats: Vec<u64> = read
        .iter()
        .filter(|message| message.schema == Schema::Marker)
        .filter_map(|message| Marker::parse(message.value.as_ref()?).ok())
        .map(|marker| marker.cut.clock / 1_000)
        .collect();
    assert_eq!(beats, (1..=BEATS).collect::<Vec<_>>(), "each beat once, in order");
}
