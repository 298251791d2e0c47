//! A stream as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures::stream;
use http_body_util::{BodyExt, StreamBody as Streamed};
use hyper::body::Frame;
use tandem_model::problem::Problem;
use tokio::time::{Instant, timeout_at};

use super::StreamBody;
use super::ends::{RETURN_MS, Why};
use super::screen::{Event, Screen};

/// A line that says nothing comes at least so often: whoever hears less knows that the connection is gone.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(10);
const HEARTBEAT: &[u8] = b":\n\n";

/// What one client is told, as it goes over the wire.
pub(super) struct Events {
    screen: Screen,
    heartbeat: Instant,
    is_new: bool,
    is_over: bool,
}

impl Events {
    pub(super) fn new(screen: Screen) -> Self {
        Self { screen, heartbeat: Instant::now() + HEARTBEAT_EVERY, is_new: true, is_over: false }
    }

    pub(super) fn into_body(self) -> StreamBody {
        let frames = stream::unfold(self, |mut events| async move {
            let bytes = events.next().await?;
            Some((Ok::<_, Infallible>(Frame::data(bytes)), events))
        });
        Streamed::new(frames).boxed_unsync()
    }

    /// What comes next; nothing after the end.
    async fn next(&mut self) -> Option<Bytes> {
        if self.is_over {
            return None;
        }
        // The head of the stream: what the client should do when it loses it.
        if std::mem::take(&mut self.is_new) {
            return Some(format!("retry: {}\n\n", RETURN_MS.start).into());
        }
        let Ok(event) = timeout_at(self.heartbeat, self.screen.next()).await else {
            self.heartbeat += HEARTBEAT_EVERY;
            return Some(Bytes::from_static(HEARTBEAT));
        };
        self.heartbeat = Instant::now() + HEARTBEAT_EVERY;
        let is_last = match &event {
            Event::Told { .. } => false,
            // Of one session that is the end, of several it is once none is left.
            Event::Over { .. } => self.screen.len() == 0,
            Event::Bye { .. } => true,
        };
        self.is_over = is_last;
        Some(written(&event))
    }
}

/// An event over the wire. Our JSON has no line ends in it, and ids of sessions need no quoting.
fn written(event: &Event) -> Bytes {
    match event {
        Event::Told { session, kind, id, data } => {
            let mut bytes = BytesMut::with_capacity(data.len() + id.len() + 160);
            bytes.put_slice(format!("event: {}\nid: {id}\ndata: ", kind.name()).as_bytes());
            match session {
                None => bytes.put_slice(data),
                Some(session) => {
                    bytes.put_slice(format!("{{\"session\":\"{session}\",\"data\":").as_bytes());
                    bytes.put_slice(data);
                    bytes.put_u8(b'}');
                }
            }
            bytes.put_slice(b"\n\n");
            bytes.freeze()
        }
        Event::Over { session, problem } => {
            let problem = String::from_utf8_lossy(problem);
            match session {
                None => format!("event: error\ndata: {problem}\n\n").into(),
                Some(session) => {
                    format!("event: error\ndata: {{\"session\":\"{session}\",\"problem\":{problem}}}\n\n")
                        .into()
                }
            }
        }
        Event::Bye { why: Why::Key, .. } => {
            let problem = Problem::unauthorized(OVER);
            let problem = String::from_utf8_lossy(&problem.to_json()).into_owned();
            format!("event: error\ndata: {problem}\n\n").into()
        }
        Event::Bye { why, id, return_ms } => {
            let retry = return_ms.map(|ms| format!("retry: {ms}\n\n")).unwrap_or_default();
            let id = id.as_ref().map(|id| format!("id: {id}\n")).unwrap_or_default();
            format!("{retry}event: goodbye\n{id}data: {{\"reason\":\"{}\"}}\n\n", why.name()).into()
        }
    }
}

/// Told to whoever followed with something that does not hold any more.
const OVER: &str =
    "what was shown when the stream began does not hold any more: come back with another key or token";
