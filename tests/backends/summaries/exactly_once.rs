//! Each change is published once: publishers of both chains on a real topic.

use std::sync::Arc;
use std::time::Duration;

use tandem_kafka::{KafkaSummaries, Settings};
use tandem_model::route::Chain;
use tandem_tests::services::Services;

use super::topic::{TopicReader, prepared};
use super::world::{PARTITIONS, World, partitions, settings};
use super::{chaos, oracle};

fn world(kafka: &Settings, hole: u64) -> World {
    let topic = KafkaSummaries::new(kafka.clone()).expect("settings that work");
    World::on(hole, Arc::new(topic), Arc::new(TopicReader(kafka.clone())))
}

/// Switches, kills, zombies and lost answers at random.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_happens() {
    let first = std::env::var("TANDEM_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    let count = std::env::var("TANDEM_SEEDS").ok().and_then(|count| count.parse().ok()).unwrap_or(3);
    let (mut rows, mut changes) = (0, 0);
    for seed in first..first + count {
        let kafka = prepared(&Services::shared().addresses().kafka, PARTITIONS).await;
        let mut world = world(&kafka, seed % 3);
        let seen = chaos::run(&mut world, seed, Duration::from_millis(400)).await;
        rows += seen.rows;
        changes += seen.changes;
    }
    // Not a check of nothing.
    assert!(rows > 50 * count as usize && changes > 0, "{rows} rows, {changes} changes");
}

/// Kafka ends and comes back, in good order and not, while a chain publishes.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn while_kafka_ends_and_comes_back() {
    let services = tokio::task::spawn_blocking(|| Services::start_only(&["kafka"]).expect("a Kafka"));
    let services = Arc::new(services.await.expect("started"));
    let kafka = prepared(&services.addresses().kafka, PARTITIONS).await;
    let world = world(&kafka, 1);
    let process = world.start(Chain::A, &settings());
    world.group.tell(Chain::A);
    let all = chaos::records(31);
    let pieces: Vec<_> = all.chunks(all.len() / 12 + 1).collect();
    for (index, piece) in pieces.into_iter().enumerate() {
        world.append(piece.to_vec()).await;
        tokio::time::sleep(Duration::from_millis(30)).await;
        let services = Arc::clone(&services);
        let disturbed = tokio::task::spawn_blocking(move || match index {
            2 => services.stop("kafka").and_then(|()| services.start_again("kafka")),
            5 => services.kill("kafka").and_then(|()| services.start_again("kafka")),
            8 => services.pause("kafka").and_then(|()| {
                std::thread::sleep(Duration::from_secs(2));
                services.resume("kafka")
            }),
            _ => Ok(()),
        });
        disturbed.await.expect("disturbed").expect("the server obeys");
    }
    world.published().await;
    oracle::check(&world, "after Kafka came back").await;
    let status = process.publisher.status();
    assert!(status.iter().all(|status| status.transactions > 0), "{status:?}");
    assert_eq!(partitions().count(), status.len());
    process.publisher.stop().await;
}
