//! Every answer is exactly what the log says at its cut, also while the stores are being written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tandem_model::partition::partition_of;
use tandem_model::{Changes, Token};
use tandem_storage::faulty::Fault;

use crate::world::{Answer, BEGIN, BEGIN_MS, PARTITIONS, World};

const STEPS: u64 = 150;

/// Where the token of an answer stands in the partition of `s1`.
fn next(answer: &Answer) -> u64 {
    let token = Token::decode(answer.header("tandem-token")).unwrap();
    token.next[&partition_of(b"s1", PARTITIONS)]
}

fn views(answer: &Value) -> u64 {
    match answer.get("series") {
        None => answer["metrics"]["views"].as_u64().unwrap(),
        Some(series) => {
            let points = series[0]["points"].as_array().unwrap();
            points.iter().map(|point| point["views"].as_u64().unwrap()).sum()
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_see_exactly_their_cut_and_never_go_back() {
    // With a pause before one of the two reads of an answer, writes come in between for sure.
    for slow in ["nothing", "progress", "session"] {
        check(slow).await;
    }
}

async fn check(slow: &'static str) {
    let mut world = World::new();
    // Every second step is a view of `s1`, the others move its partition without it.
    let mut steps: Vec<Vec<Changes>> = Vec::new();
    world.beat(BEGIN).await;
    world.start("s1", BEGIN_MS).await;
    world.flush().await;
    let first = world.cut("s1").await.next;
    for step in 0..STEPS {
        match step % 2 {
            0 => {
                let enter = json!({"type": "enter", "user_id": format!("u{step}")});
                world.event("s1", BEGIN_MS + step * 1_000, enter).await;
            }
            _ => world.beat(BEGIN + step).await,
        }
        steps.push(world.fold().await);
    }
    for plan in [&world.plans.rows, &world.plans.hot] {
        plan.add(Fault::slow(Duration::from_millis(3)).on(slow));
    }
    let world = Arc::new(world);
    let is_done = Arc::new(AtomicBool::new(false));
    let mut readers = Vec::new();
    for path in
        ["/v1/sessions/s1/report", "/v1/sessions/s1/trend", "/v1/sessions/s1/trend?by=source&metrics=views"]
    {
        let (world, is_done) = (world.clone(), is_done.clone());
        readers.push(tokio::spawn(async move {
            let (mut token, mut highest, mut count) = (world.token("s1", 0), 0, 0_u64);
            while !is_done.load(Ordering::Relaxed) || count == 0 {
                let answer =
                    world.get_with(path, &[("tandem-token", &token), ("tandem-wait-ms", "300")]).await;
                assert_eq!(answer.status, 200, "{answer:?}");
                let next = next(&answer);
                assert!(next >= highest, "{path}: {next} after {highest}");
                // A view, a beat, a view, …
                assert_eq!(views(&answer.json()), (next - first).div_ceil(2), "{path} at {next}");
                (highest, token) = (next, answer.header("tandem-token").to_owned());
                count += 1;
            }
            count
        }));
    }
    for step in &steps {
        for changes in step {
            world.write_rows(changes).await;
            world.write_hot(changes).await;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    is_done.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(reader.await.unwrap() > 0);
    }
}
