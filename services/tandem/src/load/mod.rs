//! A file of events on its way to a server.
//!
//! ```text
//! file or stdin ─► source (unpacked) ─► lines ─► bodies (beats among them) ─► sender
//!            a thread of its own, blocking       │ a queue of two │          async, one in flight
//! ```
//!
//! Memory is bounded whatever the file: the queue holds two bodies, a body at most
//! [`bodies::BODY_BYTES_MAX`] and a little more than one line. Order is kept: the next body is
//! sent only when the one before was answered. Nothing counts twice: each body has a key of its
//! own, and a body whose answer got lost is sent again with the same key, so the server can tell.

mod answer;
pub mod bodies;
mod lines;
mod reader;
mod sender;
mod source;

use std::time::{Duration, Instant};

use anyhow::Context;
use tandem_model::Token;

use crate::client::Client;
use crate::failure::Failure;
use crate::progress::Progress;

pub use answer::{Posted, RefusedLine};
pub use source::Source;

use reader::Reader;
use sender::Sender;

/// What moves time while the file is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beats {
    /// The file's own timestamps: beats are worked out and sent among the lines.
    Replay,
    /// The server's metronome: lines are sent as they are.
    Live,
}

/// How to load.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What moves time.
    pub beats: Beats,
    /// At most so many events per second; no limit where absent.
    pub events_per_s: Option<u32>,
    /// How long to wait for a server that does not take a body, before giving up.
    pub wait: Duration,
}

/// What became of a file.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Lines that are events.
    pub events: u64,
    /// Beats that were worked out and sent.
    pub beats: u64,
    /// Lines that are no events.
    pub malformed: u64,
    /// `beat` lines of the file, which were skipped.
    pub beat_lines: u64,
    /// The first of the malformed lines.
    pub refused: Vec<RefusedLine>,
    /// How long it took.
    pub took: Duration,
    /// How far the log reaches with it.
    pub token: Option<Token>,
}

/// How many malformed lines a summary names.
pub const REFUSED_NAMED_MAX: usize = 10;

/// Loads all of `source`.
///
/// # Errors
///
/// When the source can't be read to its end, the server refuses, or does not answer for too long.
/// What was loaded until then stays loaded; the error says how far that is.
pub async fn load(
    source: Source,
    client: Client,
    settings: Settings,
    progress: &Progress,
) -> Result<Summary, Failure> {
    let started = Instant::now();
    let name = source.name().to_owned();
    let mut reader = Reader::start(source, settings.beats, settings.events_per_s)?;
    let mut sender = Sender::new(client, settings.beats, settings.wait);
    let mut summary = Summary::default();
    let mut last_line = 0;
    while let Some(body) = reader.next().await {
        let body = body.with_context(|| {
            format!("can't read {name} after line {last_line}; all lines before it are loaded")
        })?;
        if let Some(rate) = settings.events_per_s {
            let due = Duration::from_secs_f64((summary.events + summary.malformed) as f64 / f64::from(rate));
            tokio::time::sleep_until((started + due).into()).await;
        }
        let posted = sender
            .send(&body, progress)
            .await
            .map_err(|failure| failure.context(format!("{name}: {}", loaded(last_line))))?;
        last_line = body.last_line().unwrap_or(last_line);
        summary.add(&posted, &body);
        progress.advance(body.read_bytes, summary.events + summary.malformed);
    }
    summary.beat_lines = reader.beat_lines();
    summary.took = started.elapsed();
    summary.token = sender.token().cloned();
    Ok(summary)
}

/// How far a file is loaded that won't be loaded any further.
fn loaded(last_line: u64) -> String {
    match last_line {
        0 => "nothing of it is loaded".to_owned(),
        line => format!("it is loaded up to line {line} and no further"),
    }
}

impl Summary {
    fn add(&mut self, posted: &Posted, body: &bodies::Body) {
        self.events += posted.events;
        self.beats += posted.beats;
        self.malformed += posted.malformed;
        let room = REFUSED_NAMED_MAX - self.refused.len();
        self.refused.extend(posted.errors.iter().take(room).map(|error| body.in_file(error)));
    }
}
