//! The yardstick: a sorted set of Redis with the scores of one board.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use redis::{Client, Connection};
use serde::Serialize;
use tandem_boards::Standing;
use tempfile::TempDir;

use super::world::{World, scatter, session};
use super::{ASKED, Percentiles, TOP};
use crate::commands::bench::latency::Latencies;
use crate::terminal::remark;

const KEY: &str = "tandem:bench:boards";
const STARTED_WITHIN: Duration = Duration::from_secs(10);

/// What Redis takes, over a socket of this machine.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Yardstick {
    /// `ZREVRANGE` of as many as a top list has, with scores.
    pub(super) top: Percentiles,
    /// `ZREVRANK`.
    pub(super) rank: Percentiles,
    /// `PING`: what of it is the way there and back.
    pub(super) ping: Percentiles,
}

/// Measures a Redis with the scores of `standing`; nothing where there is none.
///
/// # Errors
///
/// When it fails, or ranks somebody otherwise than the board does.
pub(super) fn measure(
    url: Option<&str>,
    world: &World,
    standing: &Standing,
) -> anyhow::Result<Option<Yardstick>> {
    let (client, _server) = match url {
        Some(url) => (Client::open(url)?, None),
        None => match Server::start()? {
            Some(server) => (Client::open(server.url.as_str())?, Some(server)),
            None => {
                remark("no redis-server is installed: measured without");
                return Ok(None);
            }
        },
    };
    let mut connection = connect(&client)?;
    let outcome = run(&mut connection, world, standing);
    redis::cmd("DEL").arg(KEY).exec(&mut connection)?;
    outcome.map(Some)
}

fn run(connection: &mut Connection, world: &World, standing: &Standing) -> anyhow::Result<Yardstick> {
    redis::cmd("DEL").arg(KEY).exec(connection)?;
    let all = standing.rows(&world.facts, 0, usize::MAX);
    for rows in all.chunks(10_000) {
        let mut add = redis::cmd("ZADD");
        add.arg(KEY);
        rows.iter().for_each(|row| _ = add.arg(row.score.to_number()).arg(&row.subject.id));
        add.exec(connection)?;
    }
    let (mut top, mut rank, mut ping) = (Latencies::default(), Latencies::default(), Latencies::default());
    for number in 0..ASKED {
        let began = Instant::now();
        redis::cmd("PING").exec(connection)?;
        ping.add(began.elapsed());
        let began = Instant::now();
        let rows: Vec<(String, f64)> =
            redis::cmd("ZREVRANGE").arg(KEY).arg(0).arg(TOP - 1).arg("WITHSCORES").query(connection)?;
        top.add(began.elapsed());
        ensure!(rows.len() == TOP, "Redis lists {}", rows.len());
        let id = session(scatter(number) % all.len() as u64);
        let began = Instant::now();
        let above: u64 = redis::cmd("ZREVRANK").arg(KEY).arg(&id).query(connection)?;
        rank.add(began.elapsed());
        // Equal scores share a rank here and do not there: the first of them stands the same.
        let ours = standing.rank(&world.facts, &id).context("it is on the board")?;
        ensure!(ours <= above + 1, "{id} is {ours} here and {} in Redis", above + 1);
    }
    let told = |waits: Latencies| waits.percentiles().context("nobody asked");
    Ok(Yardstick { top: told(top)?, rank: told(rank)?, ping: told(ping)? })
}

fn connect(client: &Client) -> anyhow::Result<Connection> {
    let began = Instant::now();
    loop {
        match client.get_connection() {
            Ok(connection) => return Ok(connection),
            Err(error) if began.elapsed() > STARTED_WITHIN => bail!("Redis does not answer: {error}"),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// A Redis of its own, which goes when this is dropped.
struct Server {
    process: Child,
    url: String,
    _folder: TempDir,
}

impl Server {
    /// Nothing where it is not installed.
    fn start() -> anyhow::Result<Option<Self>> {
        let folder = tempfile::tempdir()?;
        let socket = folder.path().join("redis");
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"]).arg(&socket);
        command.current_dir(folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(process) = command.spawn() else { return Ok(None) };
        let url = format!("unix://{}", socket.display());
        Ok(Some(Self { process, url, _folder: folder }))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
