//! Boards as users get them: a `tandem gateway` process with everything on, and behind it a query node that
//! has the same rows in memory.
//!
//! One client asks, one request after the other, over one connection, for all boards in turn, once they stand.
//! Every answer is made anew: tops by asking for fresh ones, ranks because each is somebody else's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use http::{HeaderName, HeaderValue};
use serde::Serialize;
use serde_json::Value;
use tandem_boards::Standing;
use tandem_gateway::serve_http;
use tandem_model::catalogue::BOARDS;
use tandem_model::route::Chain;
use tandem_model::{Changes, Cut, EditionPart, EditionSession, PartitionId, Step};
use tandem_query::Query;
use tandem_storage::ChainStores;
use tandem_storage::memory::{self, MemoryEventLog};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::world::World;
use super::{CHANGED, Percentiles, TOP};
use crate::client::{Client, ServerUrl};
use crate::commands::bench::NODE_LIMITS;
use crate::commands::bench::gateway::{Caller, Cores, OPERATOR_KEY, start_gateway};
use crate::commands::bench::latency::Latencies;
use crate::key::Key;

/// How often each is asked for.
const ASKED: u64 = 2_000;
/// Sessions that are written at once.
const AT_ONCE: u64 = 10_000;
/// How long the node may take to read all rows.
const PATIENCE: Duration = Duration::from_secs(120);
/// Room for all boards of a day of a million subjects.
const BOARDS_BYTES_MAX: usize = 4 << 30;
/// The board that answers are held against.
const HELD: &str = "session.gmv";

/// What users wait for, over a socket of this machine.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Served {
    /// From the first question until the node has read all rows and worked out all boards.
    pub(super) begin_ms: f64,
    /// The top hundred.
    pub(super) top: Percentiles,
    /// Somebody's own rank, percentile and distance to the next.
    pub(super) own: Percentiles,
}

/// Measures the boards of `world` through a gateway; `gmv` is the one of sessions' GMV.
///
/// # Errors
///
/// When a server can't be started, or answers otherwise than the board says.
pub(super) fn measure(world: &World, gmv: &Standing) -> anyhow::Result<Served> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(run(world, gmv))
}

async fn run(world: &World, gmv: &Standing) -> anyhow::Result<Served> {
    let stores = memory::chain_stores();
    fill(&stores, world).await?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("no port is free")?;
    let address = listener.local_addr()?;
    let query = Query::new(Chain::A, Arc::new(MemoryEventLog::new(1)), stores);
    let router = tandem_query::router(query.keeping_boards(BOARDS_BYTES_MAX));
    let (stop, mut stopped) = watch::channel(false);
    let until = async move { _ = stopped.wait_for(|stop| *stop).await };
    let serving = tokio::spawn(async move { _ = serve_http(router, NODE_LIMITS, listener, until).await });

    let folder = tempfile::Builder::new().prefix("tandem-bench-").tempdir()?;
    let gateway = start_gateway(&Cores::part()?, address, &Caller::random()?, folder.path())?;
    let key = Key::new(OPERATOR_KEY).context("the operator's key")?;
    let outcome = ask(&Client::new(ServerUrl::at(gateway.address), Some(key)), world, gmv).await;
    drop(gateway);
    stop.send_replace(true);
    _ = serving.await;
    outcome
}

async fn ask(client: &Client, world: &World, gmv: &Standing) -> anyhow::Result<Served> {
    let began = Instant::now();
    for board in BOARDS {
        let board = board.id;
        // It says that it is not ready while it reads.
        while client.get(&top(board, world), &[]).await?.successful().is_err() {
            ensure!(began.elapsed() < PATIENCE, "the node has not read all rows within {PATIENCE:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let begin_ms = began.elapsed().as_secs_f64() * 1e3;

    let answer: Value = client.get_json(&top(HELD, world), &[]).await?;
    let ids = answer["rows"].as_array().into_iter().flatten().map(|row| row["subject"]["id"].as_str());
    let expected = gmv.rows(&world.facts, 0, TOP);
    let expected = expected.iter().map(|place| Some(place.subject.id.as_str()));
    ensure!(ids.eq(expected), "the gateway has another top list than the board");

    let fresh = [(HeaderName::from_static("prefer"), HeaderValue::from_static("fresh"))];
    let (mut tops, mut owns) = (Latencies::default(), Latencies::default());
    for number in 0..ASKED {
        let board = &BOARDS[number as usize % BOARDS.len()];
        let began = Instant::now();
        let answer = client.get(&top(board.id, world), &fresh).await?.successful()?;
        tops.add(began.elapsed());
        drop(answer);
        let id = world.somebody(board, number);
        let path = format!("/v1/rankings/{}/subjects/{id}?period=day&at={}", board.id, world.moment - 1);
        let began = Instant::now();
        let answer = client.get(&path, &[]).await?.successful()?;
        owns.add(began.elapsed());
        let answer: Value = answer.json()?;
        if board.id == HELD {
            let rank = gmv.rank(&world.facts, &id);
            ensure!(answer["rank"].as_u64() == rank, "{id} has rank {rank:?}: {answer}");
        }
    }
    let nobody = || anyhow::anyhow!("nobody asked");
    Ok(Served {
        begin_ms,
        top: tops.percentiles().ok_or_else(nobody)?,
        own: owns.percentiles().ok_or_else(nobody)?,
    })
}

fn top(board: &str, world: &World) -> String {
    format!("/v1/rankings/{board}?period=day&limit={TOP}&at={}", world.moment - 1)
}

/// Puts the rows where a node looks for them: all of them from before the one cut there is.
async fn fill(stores: &ChainStores, world: &World) -> anyhow::Result<()> {
    let (partition, clock, last) = (PartitionId(0), world.moment, world.subjects());
    let mut told = Vec::new();
    for first in (0..last).step_by(AT_ONCE as usize) {
        let end = last.min(first + AT_ONCE);
        let mut sessions: Vec<_> = (first..end).map(|number| world.session_change(number, CHANGED)).collect();
        sessions.sort_unstable_by(|left, right| left.session_id.cmp(&right.session_id));
        told.extend(sessions.iter().map(|change| EditionSession {
            session_id: change.session_id.clone(),
            attributes: change.session.as_ref().and_then(|row| row.attributes.clone()),
            rows: Vec::new(),
            came_at: 0,
        }));
        let changes = Changes {
            partition,
            cut: Cut { next: end, clock },
            partition_row: Default::default(),
            sessions,
            rejected: Vec::new(),
            beats: Vec::new(),
            editions: Vec::new(),
        };
        stores.rows.apply(&changes).await?;
    }
    told.sort_unstable_by(|left, right| left.session_id.cmp(&right.session_id));
    let part = |step: Step, from, sessions| EditionPart {
        partition,
        step,
        slot: step.slot(clock),
        ts: clock,
        from,
        next: last,
        sessions,
        definitions: Vec::new(),
    };
    let parts = [part(Step::Sessions, 0, told), part(Step::FiveSeconds, last, Vec::new())];
    Ok(stores.editions.keep(&parts, last).await?)
}
