//! A query node on a port of its own, as its role serves it, and what is asked of it: reports, and
//! how soon an event shows in one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use serde::Serialize;
use tandem_gateway::serve_http;
use tandem_ingest::{Ingest, Post, metronome, wall_ms};
use tandem_model::partition::partition_of;
use tandem_model::route::Chain;
use tandem_model::time::SECOND_MS;
use tandem_model::{Scope, Token, headers};
use tandem_query::Query;
use tandem_storage::{ChainStores, Select};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::site::Site;
use super::traffic::Live;
use crate::client::{Client, ServerUrl};
use crate::commands::bench::NODE_LIMITS;
use crate::commands::bench::latency::{Latencies, Percentiles};

/// Clients that ask at once where a rate is measured; `redis-benchmark` is given as many.
pub(super) const CLIENTS: usize = 16;
/// Live events come in bodies, so many a second.
const BODIES_PER_S: u64 = 20;
/// How often an event is looked for before it counts as lost.
const ASKED_MAX: u32 = 100;
/// The session that is looked at.
const PROBED: &str = "bench-visible";

/// A query node that serves.
pub(super) struct Node {
    pub(super) client: Client,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

/// How soon an event is part of an answer.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Visible {
    /// Beside the probes.
    pub(super) events_per_second: u64,
    /// From the acknowledgement of the log to an answer that counts the event.
    pub(super) from_log: Percentiles,
    /// From the beginning of the append.
    pub(super) from_send: Percentiles,
}

/// Reports over HTTP.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Reads {
    /// One client, one request after the other.
    pub(super) alone: Percentiles,
    /// By [`CLIENTS`] clients.
    pub(super) per_second: u64,
}

impl Node {
    /// Serves chain a of `site` out of `stores`, on a free port of this machine.
    pub(super) async fn start(site: &Site, stores: ChainStores) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("no port is free")?;
        let address = listener.local_addr()?;
        let router = tandem_query::router(Query::new(Chain::A, site.reader.clone(), stores));
        let (stop, mut stopped) = watch::channel(false);
        let until = async move { _ = stopped.wait_for(|stop| *stop).await };
        let serving = tokio::spawn(async move { _ = serve_http(router, NODE_LIMITS, listener, until).await });
        Ok(Self { client: Client::new(ServerUrl::at(address), None), stop, serving })
    }

    pub(super) async fn stop(self) {
        self.stop.send_replace(true);
        _ = self.serving.await;
    }

    /// The reports of the live sessions, with what a live screen shows. Those that are over are in
    /// the hot store only until compute is started again.
    pub(super) async fn reports(&self) -> anyhow::Result<Vec<String>> {
        let listed: serde_json::Value =
            self.client.get_json("/v1/sessions?status=live&limit=100", &[everything()]).await?;
        let sessions = listed["sessions"].as_array().into_iter().flatten();
        let ids = sessions.filter_map(|session| session["id"].as_str());
        let paths: Vec<_> = ids.map(|id| format!("/v1/sessions/{id}/report?breakdowns=source,fan")).collect();
        ensure!(!paths.is_empty(), "no session is live");
        Ok(paths)
    }

    /// The report of the first session whose id begins so.
    pub(super) async fn report_of(&self, prefix: &str) -> anyhow::Result<String> {
        let begin = format!("/v1/sessions/{prefix}");
        let mut paths = self.reports().await?.into_iter();
        paths.find(|path| path.starts_with(&begin)).context("no live session is listed")
    }

    /// Reads `paths` in turn: alone for half of `lasting`, then by many.
    pub(super) async fn read(&self, paths: &[String], lasting: Duration) -> anyhow::Result<Reads> {
        // The first ones find out what there is.
        _ = self.ask(paths, 0, lasting / 10).await?;
        let alone = self.ask(paths, 0, lasting / 2).await?.percentiles().context("no report was read")?;
        let started = Instant::now();
        let many = futures::future::try_join_all((0..CLIENTS).map(|first| {
            let (client, paths) = (self.client.clone(), paths.to_vec());
            let asking = tokio::spawn(async move { ask(&client, &paths, first, lasting / 2).await });
            async { asking.await.context("a client broke off")? }
        }));
        let mut all = Latencies::default();
        many.await?.into_iter().for_each(|of_one| all.join(of_one));
        let took = started.elapsed();
        let count = all.percentiles().context("no report was read")?.samples;
        Ok(Reads { alone, per_second: (count as f64 / took.as_secs_f64()) as u64 })
    }

    async fn ask(&self, paths: &[String], first: usize, lasting: Duration) -> anyhow::Result<Latencies> {
        ask(&self.client, paths, first, lasting).await
    }

    /// Live traffic at `rate` events a second, a metronome, and probes among them.
    pub(super) async fn visible(
        &self,
        site: &Site,
        ingest: Arc<Ingest>,
        (live, rate): (Live, u64),
        lasting: Duration,
    ) -> anyhow::Result<(Visible, Live)> {
        let (stop_time, time_stopped) = watch::channel(false);
        let time = tokio::spawn(metronome(site.writer.clone(), time_stopped, wall_ms));
        let stop = Arc::new(AtomicBool::new(false));
        let traffic = tokio::spawn(traffic(ingest.clone(), live, rate, stop.clone()));
        let probed = self.probe(site, &ingest, lasting).await;
        stop.store(true, Ordering::Relaxed);
        stop_time.send_replace(true);
        _ = time.await;
        let (live, events_per_second) = traffic.await.context("the traffic broke off")??;
        let (from_log, from_send) = probed?;
        Ok((Visible { events_per_second, from_log, from_send }, live))
    }

    async fn probe(
        &self,
        site: &Site,
        ingest: &Ingest,
        lasting: Duration,
    ) -> anyhow::Result<(Percentiles, Percentiles)> {
        let (mut from_log, mut from_send) = (Latencies::default(), Latencies::default());
        let warm = Instant::now() + lasting / 5;
        let (until, mut count) = (Instant::now() + lasting, 0);
        while Instant::now() < until || count < 3 {
            count += 1;
            let line = format!(
                "{{\"event_id\":\"v{count}\",\"type\":\"enter\",\"ts\":{},\"session_id\":\"{PROBED}\",\"user_id\":\"u{count}\"}}\n",
                wall_ms()
            );
            let sent = Instant::now();
            let post = Post { now_ms: wall_ms(), ..Post::default() };
            let accepted = ingest.post(line.into(), post).await.context("a probe was not taken")?;
            let taken = Instant::now();
            let mut token = Token::new(site.reader.id());
            accepted.join_into(&mut token);
            self.see(&token, count).await?;
            if sent > warm || count <= 2 {
                from_log.add(taken.elapsed());
                from_send.add(sent.elapsed());
            }
            // No beat of anything else.
            tokio::time::sleep(Duration::from_millis(17)).await;
        }
        let told = |latencies: Latencies| latencies.percentiles().context("nothing was seen");
        Ok((told(from_log)?, told(from_send)?))
    }

    /// Asks until the report counts `count` views.
    async fn see(&self, token: &Token, count: u64) -> anyhow::Result<()> {
        let with = [
            everything(),
            (HeaderName::from_static(headers::TOKEN), HeaderValue::from_str(&token.encode())?),
            (HeaderName::from_static(headers::WAIT_MS), HeaderValue::from(headers::WAIT_MS_MAX)),
        ];
        for _ in 0..ASKED_MAX {
            let answer = self.client.get(&format!("/v1/sessions/{PROBED}/report"), &with).await?;
            if answer.status.is_success() {
                let report: serde_json::Value = answer.json()?;
                if report["metrics"]["views"].as_u64() == Some(count) {
                    return Ok(());
                }
            }
        }
        anyhow::bail!("event {count} was not visible after {ASKED_MAX} reads")
    }
}

/// Says that who asks may see everything, as gateways do for operators.
pub(super) fn everything() -> (HeaderName, HeaderValue) {
    let scope = HeaderValue::try_from(Scope::All.encode()).expect("base64 is visible ASCII");
    (HeaderName::from_static(headers::SCOPE), scope)
}

async fn ask(
    client: &Client,
    paths: &[String],
    first: usize,
    lasting: Duration,
) -> anyhow::Result<Latencies> {
    let (until, mut latencies) = (Instant::now() + lasting, Latencies::default());
    let with = [everything()];
    for (index, path) in paths.iter().cycle().skip(first % paths.len()).enumerate() {
        let asked = Instant::now();
        if asked >= until && index > 0 {
            break;
        }
        client.get(path, &with).await?.successful()?;
        latencies.add(asked.elapsed());
    }
    Ok(latencies)
}

/// Other rooms' events at a steady rate; answers the rate that was reached.
async fn traffic(
    ingest: Arc<Ingest>,
    mut live: Live,
    rate: u64,
    stop: Arc<AtomicBool>,
) -> anyhow::Result<(Live, u64)> {
    let mut every = tokio::time::interval(Duration::from_millis(SECOND_MS / BODIES_PER_S));
    let (started, mut sent) = (Instant::now(), 0);
    while !stop.load(Ordering::Relaxed) {
        every.tick().await;
        let (mut body, count) = (Vec::new(), (rate / BODIES_PER_S).max(1));
        live.take(count, wall_ms(), &mut body);
        let post = Post { now_ms: wall_ms(), ..Post::default() };
        ingest.post(Bytes::from(body), post).await.context("live events were not taken")?;
        sent += count;
    }
    Ok((live, (sent as f64 / started.elapsed().as_secs_f64()) as u64))
}

/// The stores themselves, without HTTP and JSON: from the hot store, and from the row store.
pub(super) async fn direct(
    stores: &ChainStores,
    partitions: u32,
    lasting: Duration,
) -> anyhow::Result<(Percentiles, Percentiles)> {
    let ids = stores.rows.session_ids(None, 100).await?;
    let (mut hot, mut rows) = (Latencies::default(), Latencies::default());
    let started = Instant::now();
    for (index, id) in ids.iter().cycle().enumerate() {
        if index >= ids.len() && started.elapsed() >= lasting {
            break;
        }
        let asked = Instant::now();
        let found = stores.hot.session(partition_of(id.as_str().as_bytes(), partitions), id.as_str()).await?;
        if found.session.is_some() {
            hot.add(asked.elapsed());
        }
        let asked = Instant::now();
        ensure!(stores.rows.session(id.as_str(), &Select::Totals).await?.is_some(), "{id} is listed only");
        rows.add(asked.elapsed());
    }
    let told = |latencies: Latencies| latencies.percentiles().context("the store holds no session");
    Ok((told(hot)?, told(rows)?))
}
