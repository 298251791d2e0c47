//! The demo in real time: what the studios send goes through the ingest, as everything does.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tandem_ingest::{Ingest, Post, wall_ms};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::{Demo, SECOND_MS};

/// How often what has come up is sent.
const TICK: Duration = Duration::from_millis(250);
/// A gap longer than this (the machine slept) is not made up for: the rooms close and new ones
/// open. In milliseconds.
const GAP_MS_MAX: u64 = 30 * SECOND_MS;
/// How many lines go into one body.
const LINES_MAX: usize = 5_000;

/// Sends traffic until `stop` holds true or its sender is gone, then takes all rooms off air.
pub async fn drive(ingest: Arc<Ingest>, seed: u64, mut stop: watch::Receiver<bool>) {
    let mut last_ms = wall_ms();
    let mut demo = Demo::new(seed, last_ms);
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            _ = ticks.tick() => {}
        }
        let now_ms = wall_ms();
        if now_ms.abs_diff(last_ms) > GAP_MS_MAX {
            send(&ingest, demo.close(last_ms)).await;
            demo = Demo::new(seed, now_ms);
        }
        last_ms = now_ms;
        send(&ingest, demo.advance(now_ms)).await;
    }
    send(&ingest, demo.close(last_ms)).await;
}

async fn send(ingest: &Ingest, lines: Vec<Bytes>) {
    for lines in lines.chunks(LINES_MAX) {
        let body = Bytes::from(lines.join(&b'\n'));
        let post = Post { scope: "demo".to_owned(), now_ms: wall_ms(), ..Post::default() };
        // A demo need not be complete; whatever is wrong with the log concerns real events more.
        if let Err(error) = ingest.post(body, post).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                lines = lines.len(),
                "demo events were not taken"
            );
        }
    }
}
