//! What things cost that are only there: a process, an idle connection, an open stream, a key of the
//! limiter. Each on a process that has done nothing else, since memory that was freed hides what is
//! taken next.

use std::hint::black_box;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde::Serialize;
use tandem_limits::{Rate, Table};

use super::load::{Question, Wire};
use super::process::Process;

/// Sessions that streams are of.
const SESSIONS: usize = 50;
/// How long streams are watched.
const STREAMED: Duration = Duration::from_secs(4);
/// Keys of the limiter, and decisions about them.
const KEYS: u64 = 1_000_000;
const DECISIONS: u64 = 4_000_000;

/// What connections cost a server.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Idle {
    /// Before the first request.
    pub(super) resident_bytes: u64,
    pub(super) anonymous_bytes: u64,
    pub(super) connections: usize,
    /// Each has asked once and keeps still.
    pub(super) bytes_per_connection: u64,
}

/// What streams cost the gateway: each gets a change a second.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Streams {
    pub(super) streams: usize,
    pub(super) sessions: usize,
    pub(super) bytes_per_stream: u64,
    pub(super) cpu_us_per_stream_and_second: f64,
}

/// The limiter alone, on one thread.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Keys {
    pub(super) keys: u64,
    /// Of its table; it never takes more.
    pub(super) table_bytes: u64,
    /// By how much the process had grown with all keys in it.
    pub(super) grown_bytes: u64,
    pub(super) decisions_per_second: u64,
}

/// Opens connections that ask once.
pub(super) fn idle(
    process: &Process,
    address: SocketAddr,
    question: &Question,
    connections: usize,
) -> anyhow::Result<Idle> {
    let fresh = process.memory()?;
    // What the first one brings is not its own.
    let mut open = vec![asked(address, question)?];
    let before = process.memory()?.anonymous;
    for _ in 0..connections {
        open.push(asked(address, question)?);
    }
    std::thread::sleep(Duration::from_millis(300));
    let grown = process.memory()?.anonymous.saturating_sub(before);
    Ok(Idle {
        resident_bytes: fresh.resident,
        anonymous_bytes: fresh.anonymous,
        connections,
        bytes_per_connection: grown / connections as u64,
    })
}

fn asked(address: SocketAddr, question: &Question) -> anyhow::Result<Wire> {
    let mut wire = Wire::connect(address)?;
    wire.ask(question)?;
    wire.rests();
    Ok(wire)
}

/// Opens streams and lets them run.
pub(super) fn streams(
    process: &Process,
    address: SocketAddr,
    question: &Question,
    streams: usize,
) -> anyhow::Result<Streams> {
    asked(address, question)?;
    let before = process.memory()?.anonymous;
    let mut open = Vec::with_capacity(streams);
    for stream in 0..streams {
        let mut wire = Wire::connect(address)?;
        wire.open_stream(question, stream % SESSIONS)?;
        open.push(wire);
    }
    let (begun, spent) = (Instant::now(), process.cpu_us()?);
    // Somebody must take what is sent.
    let mut bytes = 0;
    while begun.elapsed() < STREAMED {
        for wire in &mut open {
            bytes += wire.take()?;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    ensure!(bytes > 0, "nothing came on any stream");
    let (took, spent) = (begun.elapsed(), process.cpu_us()? - spent);
    let grown = process.memory()?.anonymous.saturating_sub(before);
    Ok(Streams {
        streams,
        sessions: SESSIONS.min(streams),
        bytes_per_stream: grown / streams as u64,
        cpu_us_per_stream_and_second: spent as f64 / streams as f64 / took.as_secs_f64(),
    })
}

/// Fills a limiter's table and asks it, at random.
pub(super) fn keys() -> anyhow::Result<Keys> {
    let before = resident_bytes();
    let table = Table::new(KEYS as usize, [1, 2]);
    // Wide enough that everything is let through, which costs the most.
    let rate = Rate::new(1_000_000_000, 10_000_000_000, 1_000_000_000, false)?;
    let decide = |key: u64| table.charge(table.hash(1, &key.to_le_bytes()), &rate, 1_000_000_000, 1).is_ok();
    ensure!((0..KEYS).all(decide), "everything should be let through");
    let grown_bytes = resident_bytes().saturating_sub(before);
    let (begun, mut key) = (Instant::now(), 1_u64);
    for _ in 0..DECISIONS {
        // A full-period generator (Knuth's MMIX constants); its upper bits are random enough.
        key = key.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        black_box(decide((key >> 32) % KEYS));
    }
    let decisions_per_second = (DECISIONS as f64 / begun.elapsed().as_secs_f64()) as u64;
    Ok(Keys { keys: KEYS, table_bytes: table.bytes() as u64, grown_bytes, decisions_per_second })
}

fn resident_bytes() -> u64 {
    super::process::memory_of(Path::new("/proc/self/smaps_rollup")).map_or(0, |memory| memory.resident)
}
