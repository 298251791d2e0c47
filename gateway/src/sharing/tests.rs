//! Sharing in front of a router over fake chains, in virtual time.

use std::sync::atomic::Ordering;

use http::HeaderValue;
use tandem_model::PartitionId;
use tokio::task::JoinSet;

use super::*;
use crate::config::{ClockMode, GatewayConfig};
use crate::counters::ReadCounts;
use crate::testing::{KEY, Reporter, TAKES, World, json_of, read_up_to};

/// A gateway whose chain a is the fake and serves.
fn world(fake: &Reporter, status: u16) -> Arc<World> {
    let config = GatewayConfig {
        standby_percent: 0,
        // No hedges: what is counted is what was asked.
        hedge_delay_min: Duration::from_millis(200),
        hedge_delay: Duration::from_millis(200),
        ..GatewayConfig::new(KEY)
    };
    Arc::new(World::with(config, [fake.service(status), fake.service(status)], ClockMode::Live))
}

fn counts(world: &World) -> ReadCounts {
    world.gateway.counts().reads
}

async fn read(world: &World, target: &str, sent: Option<&Token>) -> Answer {
    let text = sent.map(Token::encode);
    let headers: Vec<(&'static str, &str)> =
        text.iter().map(|text| (tandem_model::headers::TOKEN, text.as_str())).collect();
    world.ask(http::Method::GET, target, &headers).await
}

fn told(answer: &Answer) -> Token {
    let body = json_of(answer);
    let text = body["meta"]["token"].as_str().unwrap();
    assert_eq!(answer.headers()[TOKEN], HeaderValue::from_str(text).unwrap());
    Token::decode(text).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_thousand_who_ask_at_once_are_one_question() {
    let fake = Reporter::default();
    let world = world(&fake, 200);
    fake.next.store(10, Ordering::Relaxed);
    let mut readers = JoinSet::new();
    for number in 0..1_000 {
        let world = Arc::clone(&world);
        let mut own = read_up_to(number % 11);
        own.advance(PartitionId(2), number);
        readers.spawn(async move { (own.clone(), read(&world, "/v1/sessions/s1/report", Some(&own)).await) });
    }
    while let Some(done) = readers.join_next().await {
        let (mut own, answer) = done.unwrap();
        own.join(&read_up_to(10));
        assert_eq!((answer.status().as_u16(), told(&answer)), (200, own), "each gets back its own join");
    }
    let counts = counts(&world);
    assert_eq!((fake.asked(), counts.requests, counts.shared), (1, 1, 999));
}

#[tokio::test(start_paused = true)]
async fn an_answer_serves_for_a_moment_and_never_one_who_has_seen_more() {
    let fake = Reporter::default();
    let world = world(&fake, 200);
    fake.next.store(10, Ordering::Relaxed);
    read(&world, "/v1/sessions/x", None).await;
    fake.next.store(20, Ordering::Relaxed);
    assert_eq!(
        told(&read(&world, "/v1/sessions/x", Some(&read_up_to(10))).await),
        read_up_to(10),
        "from memory"
    );
    assert_eq!((fake.asked(), counts(&world).from_memory), (1, 1));
    // Who has seen more gets more, and so do the next ones.
    assert_eq!(told(&read(&world, "/v1/sessions/x", Some(&read_up_to(15))).await), read_up_to(20));
    assert_eq!(told(&read(&world, "/v1/sessions/x", None).await), read_up_to(20));
    assert_eq!(fake.asked(), 2);
    // Nobody has read so far: who asks alone is told, and the others are not held up.
    let behind = read(&world, "/v1/sessions/x", Some(&read_up_to(99))).await;
    assert!(behind.status().as_u16() == 503 || json_of(&behind)["next"] == 20, "{behind:?}");
    let asked = fake.asked();
    assert_eq!(told(&read(&world, "/v1/sessions/x", None).await), read_up_to(20));
    assert_eq!(fake.asked(), asked);
    tokio::time::sleep(Duration::from_millis(251)).await;
    fake.next.store(30, Ordering::Relaxed);
    assert_eq!(told(&read(&world, "/v1/sessions/x", None).await), read_up_to(30), "a moment is over");
    // Other questions have other answers.
    assert_eq!(json_of(&read(&world, "/v1/sessions/x?y=1", None).await)["target"], "/v1/sessions/x?y=1");
}

#[tokio::test(start_paused = true)]
async fn the_first_may_hang_up_and_when_all_have_the_question_is_dropped() {
    let fake = Reporter::default();
    let world = world(&fake, 200);
    let ask = || {
        let world = Arc::clone(&world);
        tokio::spawn(async move { read(&world, "/v1/sessions/x", None).await })
    };
    let first = ask();
    tokio::time::sleep(TAKES / 4).await;
    let second = ask();
    tokio::time::sleep(TAKES / 4).await;
    first.abort();
    assert_eq!(second.await.unwrap().status(), 200);
    assert_eq!((fake.asked(), fake.dropped.load(Ordering::Relaxed)), (1, 0));

    tokio::time::sleep(Duration::from_secs(1)).await;
    let (first, second) = (ask(), ask());
    tokio::time::sleep(TAKES / 2).await;
    first.abort();
    second.abort();
    tokio::time::sleep(TAKES / 4).await;
    assert_eq!((fake.asked(), fake.dropped.load(Ordering::Relaxed)), (2, 1), "nobody waits for it");
    assert_eq!(ask().await.unwrap().status(), 200, "and it is asked anew");
    assert!(world.shared.reads.questions.lock().by_key.is_empty(), "no question stays on the list");
}

#[tokio::test(start_paused = true)]
async fn failures_are_shared_while_under_way_but_not_kept() {
    let fake = Reporter::default();
    let world = world(&fake, 404);
    for _ in 0..2 {
        let answers = futures::future::join_all((0..5).map(|_| read(&world, "/v1/sessions/x", None))).await;
        assert!(answers.iter().all(|answer| answer.status() == 404));
    }
    assert_eq!((fake.asked(), counts(&world).from_memory, counts(&world).shared), (2, 0, 8));
}

/// Who verifies the system compares positions of several reads.
#[tokio::test(start_paused = true)]
async fn what_operators_verify_by_is_exact_to_the_moment() {
    let fake = Reporter::default();
    let world = world(&fake, 200);
    for path in ["/v1/log/0", "/v1/rows", "/v1/partitions", "/v1/deadletters"] {
        for next in [1, 2] {
            fake.next.store(next, Ordering::Relaxed);
            assert_eq!(json_of(&read(&world, path, None).await)["next"], next, "{path}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_names_a_chain_or_sends_nonsense_shares_nothing() {
    let fake = Reporter::default();
    let world = world(&fake, 200);
    for headers in [&[("tandem-chain", "a")][..], &[("tandem-token", "nonsense")]] {
        let asked = fake.asked();
        for _ in 0..2 {
            let _ = tokio::time::timeout(
                Duration::from_secs(60),
                world.ask(http::Method::GET, "/v1/sessions/x", headers),
            )
            .await;
        }
        assert_eq!(counts(&world).from_memory + counts(&world).shared, 0, "{headers:?}");
        assert!(headers[0].0 == "tandem-token" || fake.asked() == asked + 2, "{headers:?}");
    }
}
