//! The thread that reads: files and decoders block, so they get a thread of their own.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use super::Beats;
use super::bodies::{BODY_LINES_MAX, Bodies, Body};
use super::lines::Lines;
use super::source::Source;
use crate::failure::Failure;

/// How many bodies are read ahead.
const AHEAD: usize = 2;
/// With a rate, a body holds what may be sent in this part of a second.
const BODIES_PER_S: u32 = 4;

/// Gives out bodies in the order of the file.
pub(super) struct Reader {
    bodies: mpsc::Receiver<io::Result<Body>>,
    beat_lines: Arc<AtomicU64>,
}

impl Reader {
    /// Starts reading. The thread ends with the source, or when the reader is dropped.
    pub(super) fn start(source: Source, beats: Beats, events_per_s: Option<u32>) -> Result<Self, Failure> {
        let lines_max = events_per_s.map_or(BODY_LINES_MAX, |rate| {
            usize::try_from(rate / BODIES_PER_S).unwrap_or(BODY_LINES_MAX).clamp(1, BODY_LINES_MAX)
        });
        let (sender, bodies) = mpsc::channel(AHEAD);
        let beat_lines = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&beat_lines);
        let make = Bodies::new(beats, lines_max);
        std::thread::Builder::new()
            .name("load".to_owned())
            .spawn(move || read(source, make, &counter, &sender))
            .map_err(|error| Failure::failed(anyhow::Error::new(error).context("can't start a thread")))?;
        Ok(Self { bodies, beat_lines })
    }

    /// The next body; nothing after the last one.
    pub(super) async fn next(&mut self) -> Option<io::Result<Body>> {
        self.bodies.recv().await
    }

    /// How many `beat` lines were skipped; complete after the last body.
    pub(super) fn beat_lines(&self) -> u64 {
        self.beat_lines.load(Ordering::Acquire)
    }
}

/// Ends early when nobody wants bodies any more.
fn read(
    mut source: Source,
    mut bodies: Bodies,
    beat_lines: &AtomicU64,
    out: &mpsc::Sender<io::Result<Body>>,
) {
    let mut lines = Lines::default();
    loop {
        match lines.next(source.reader()) {
            Ok(Some((number, line))) => bodies.push(number, line),
            Ok(None) => break,
            Err(error) => {
                // What was read before the damage is good, so it is sent first.
                let _ = send_rest(&mut bodies, &source, out);
                let _ = out.blocking_send(Err(error));
                return;
            }
        }
        let is_due = bodies.is_full() || (!bodies.is_empty() && source.would_wait());
        if is_due && out.blocking_send(Ok(bodies.take(source.read_bytes()))).is_err() {
            return;
        }
    }
    bodies.finish();
    beat_lines.store(bodies.beat_lines(), Ordering::Release);
    let _ = send_rest(&mut bodies, &source, out);
}

fn send_rest(
    bodies: &mut Bodies,
    source: &Source,
    out: &mpsc::Sender<io::Result<Body>>,
) -> Result<(), mpsc::error::SendError<io::Result<Body>>> {
    if bodies.is_empty() { Ok(()) } else { out.blocking_send(Ok(bodies.take(source.read_bytes()))) }
}
