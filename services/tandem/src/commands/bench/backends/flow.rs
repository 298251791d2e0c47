//! The way of the data, as fast as it goes: into the log, out of it, and through both stores.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use serde::Serialize;
use tandem_ingest::{Ingest, Post, wall_ms};
use tandem_model::time::SECOND_MS;
use tandem_model::{PartitionId, Token, headers};
use tandem_storage::EventLog;

use super::node::{Node, everything};
use super::site::Site;
use super::traffic::Live;
use crate::commands::bench::clock::{Meter, Took};

/// What is read from the log at once; compute reads as much.
const READ_BYTES: usize = 512 * 1024;
/// How long records that were appended may take to be readable.
const READABLE_WITHIN: Duration = Duration::from_secs(30);

/// So many of something in so much time.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Throughput {
    /// Beats not among them.
    pub(super) events: u64,
    pub(super) seconds: f64,
    pub(super) events_per_second: u64,
    /// By the time this process was on CPUs, all its threads; that of servers is not in it.
    pub(super) events_per_cpu_second: Option<u64>,
}

impl Throughput {
    fn of(events: u64, took: Took) -> Self {
        Self {
            events,
            seconds: took.wall.as_secs_f64(),
            events_per_second: took.per_second(events),
            events_per_cpu_second: took.per_cpu_second(events),
        }
    }

    /// How many times as fast it is.
    pub(super) fn per(self, other: Self) -> f64 {
        self.events_per_second as f64 / other.events_per_second.max(1) as f64
    }
}

/// A restart, with a backlog in the log.
#[derive(Clone, Debug, Serialize)]
pub(super) struct CatchUp {
    live_events_per_second: u64,
    /// How long compute was away, by the time in the log.
    pub(super) away_seconds: u64,
    #[serde(flatten)]
    pub(super) throughput: Throughput,
    /// Seconds in the log for each second it took.
    pub(super) times_live: f64,
    /// From the start until a report was served that counts everything that was in the log.
    pub(super) first_answer_seconds: f64,
}

/// What is in the log.
pub(super) struct Filled {
    pub(super) events: u64,
    /// Per partition.
    pub(super) ends: Vec<u64>,
}

/// Puts bodies into the log, one after the other, and waits until they can be read.
pub(super) async fn fill(
    site: &Site,
    ingest: &Ingest,
    bodies: Vec<Bytes>,
) -> anyhow::Result<(Filled, Throughput)> {
    let mut ends = BTreeMap::new();
    let (meter, mut events) = (Meter::start(), 0);
    for body in bodies {
        let post = Post { replay: true, now_ms: wall_ms(), ..Post::default() };
        let accepted = ingest.post(body, post).await.context("the log takes no events")?;
        ensure!(accepted.malformed == 0, "the log was given malformed lines: {:?}", accepted.errors);
        events += accepted.events;
        ends.extend(accepted.next);
    }
    let throughput = Throughput::of(events, meter.took());
    let ends: Vec<u64> = (0..site.reader.partitions())
        .map(|partition| ends.get(&PartitionId(partition)).copied().unwrap_or(0))
        .collect();
    let mut readable = site.reader.ends();
    let are_readable = readable.wait_for(|now| now.iter().zip(&ends).all(|(now, end)| now >= end));
    let waited = tokio::time::timeout(READABLE_WITHIN, are_readable).await;
    drop(waited.context("what was appended can't be read")?.context("the log was closed")?);
    Ok((Filled { events, ends }, throughput))
}

/// The yardstick: reads the log from its beginning and does nothing with it.
pub(super) async fn consume(site: &Site, filled: &Filled) -> anyhow::Result<Throughput> {
    let meter = Meter::start();
    let readers: Vec<_> = (0..)
        .map(PartitionId)
        .zip(filled.ends.clone())
        .map(|(partition, end)| {
            let log = site.reader.clone();
            tokio::spawn(async move { read_to(&*log, partition, end).await })
        })
        .collect();
    for reader in readers {
        reader.await.context("a reader broke off")??;
    }
    Ok(Throughput::of(filled.events, meter.took()))
}

async fn read_to(log: &dyn EventLog, partition: PartitionId, end: u64) -> anyhow::Result<()> {
    let mut next = 0;
    while next < end {
        let records = log.read(partition, next, READ_BYTES).await?;
        // Behind the last record there may be offsets without any.
        let Some((last, _)) = records.last() else { break };
        next = last + 1;
        std::hint::black_box(records);
    }
    Ok(())
}

/// Computes what is in the log from its beginning; answers the rows that were written, too.
pub(super) async fn through(site: &Site, filled: &Filled) -> anyhow::Result<(Throughput, u64)> {
    let meter = Meter::start();
    let running = site.compute()?;
    let rows = running.reached(&filled.ends).await?;
    let throughput = Throughput::of(filled.events, meter.took());
    running.stop().await;
    Ok((throughput, rows))
}

/// Lets the log go on for `away_seconds` while nobody computes, then starts again.
pub(super) async fn catch_up(
    site: &Site,
    ingest: &Ingest,
    node: &Node,
    live: &mut Live,
    (rate, away_seconds): (u64, u64),
) -> anyhow::Result<CatchUp> {
    // Behind the last beat of the metronome.
    let bodies = live.seconds(wall_ms() / SECOND_MS + 1, away_seconds, rate);
    let (filled, _) = fill(site, ingest, bodies).await?;
    let mut token = Token::new(site.reader.id());
    (0..).map(PartitionId).zip(&filled.ends).for_each(|(partition, end)| token.advance(partition, *end));
    let token = HeaderValue::from_str(&token.encode()).context("a token is no header")?;
    let path = node.report_of("live-").await?;

    let (meter, started) = (Meter::start(), Instant::now());
    let running = site.compute()?;
    let first = async {
        loop {
            let wait = HeaderValue::from(headers::WAIT_MS_MAX);
            let with = [
                everything(),
                (HeaderName::from_static(headers::TOKEN), token.clone()),
                (HeaderName::from_static(headers::WAIT_MS), wait),
            ];
            // Behind, it answers that it is.
            if node.client.get(&path, &with).await?.status.is_success() {
                return anyhow::Ok(started.elapsed());
            }
        }
    };
    let whole = async {
        running.reached(&filled.ends).await?;
        anyhow::Ok(meter.took())
    };
    let (first, took) = tokio::try_join!(first, whole)?;
    running.stop().await;
    let throughput = Throughput::of(filled.events, took);
    Ok(CatchUp {
        live_events_per_second: rate,
        away_seconds,
        times_live: away_seconds as f64 / took.wall.as_secs_f64(),
        throughput,
        first_answer_seconds: first.as_secs_f64(),
    })
}
