//! A stream as a WebSocket (RFC 6455), from the 101 on.
//!
//! # Protocol `tandem.v1`
//! Text frames with one JSON object each; what is in them is what server-sent events would say.
//!
//! | `type` | with | what |
//! |---|---|---|
//! | `report` `change` | `id`, `data` | the whole report; what changed in it |
//! | `error` | `problem` | there is nothing more to come of this session |
//! | `bye` | `reason`, `id`, `retry_ms` | the connection ends: come back after so long, with the id |
//!
//! On `/v1/stream` each of the first three has `session` too, and the client may say:
//!
//! | `type` | with | answered by |
//! |---|---|---|
//! | `subscribe` | `sessions`, `id` (that of the last event, to go on there) | `subscribed` or `error`, for each session |
//! | `unsubscribe` | `sessions` | `unsubscribed`, for each session; nothing of it comes after that |
//!
//! Codes of the end: 1012 come back, 1008 do not (a key that was revoked, a client that says what it may not),
//! 1002, 1007, 1009 as RFC 6455 has them.
//!
//! # Limits
//! What a client sends is small and rare, and a client that floods is let go. It is asked every 10 s whether it
//! is there; one that says nothing for 30 s is not, and one that does not take a message for as long as any
//! other answer may take. Compression is not offered: what saves a little on the way costs a window of memory
//! for each stream. WebSockets over HTTP/2 (RFC 8441) are not offered either: there, server-sent events share
//! the connection already.

mod handshake;
mod orders;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use tandem_model::problem::Problem;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use self::orders::{Order, Pace};
use self::wire::{Heard, Socket, WireLimits};
use super::desk::{Asked, Desk};
use super::ends::Why;
use super::screen::{Event, Screen};
use super::seen::{Last, Seen};
use super::wanted;

pub(super) use handshake::Handshake;

/// How often a client is asked whether it is there.
const PING_EVERY: Duration = Duration::from_secs(10);
/// How many sessions one message may name: as many as any stream may follow.
const NAMED_AT_ONCE_MAX: usize = 256;
/// After how long without a word it is not.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// What a client and a gateway talk about.
pub(super) struct Conversation {
    pub(super) screen: Screen,
    pub(super) desk: Arc<Desk>,
    pub(super) asked: Asked,
    /// How many sessions may be followed at one time.
    pub(super) sessions_max: usize,
    /// How long a client may take to begin to take a message.
    pub(super) send_timeout: Duration,
}

/// How it ends.
type End = Option<(CloseCode, String)>;

impl Conversation {
    /// Talks until one of both ends it.
    pub(super) async fn hold<IO: AsyncRead + AsyncWrite + Unpin>(mut self, io: IO) {
        let limits = WireLimits { send_timeout: self.send_timeout, ..WireLimits::SMALL };
        let mut socket = Socket::new(io, limits).await;
        let end = self.talk(&mut socket).await;
        // Its place is free for others while the last words are exchanged.
        drop(self);
        if let Some(end) = end {
            socket.end(end).await;
        }
    }

    /// Nothing where the client is not there any more.
    async fn talk<IO: AsyncRead + AsyncWrite + Unpin>(&mut self, socket: &mut Socket<IO>) -> Option<End> {
        let mut ping = Instant::now() + PING_EVERY;
        let mut heard = Instant::now();
        let mut pace = Pace::new(heard);
        loop {
            let event = tokio::select! {
                biased;
                word = socket.hear() => {
                    heard = Instant::now();
                    let word = match word {
                        Heard::Gone => return None,
                        Heard::Closed => return Some(None),
                        Heard::Fault(code, reason) => return Some(Some((code, reason))),
                        Heard::Control => None,
                        Heard::Text(text) => Some(text),
                        Heard::Binary(_) => return refused("tandem.v1 has no binary messages"),
                    };
                    if !pace.take(heard) {
                        return refused("that is too many messages at once");
                    }
                    match word {
                        None => continue,
                        Some(text) => match Order::parse(&text, self.screen.is_several()) {
                            Err(reason) => return refused(reason),
                            Ok(order) => match self.carry_out(order).await {
                                Err(reason) => return refused(reason),
                                Ok(answers) => {
                                    for answer in answers {
                                        if !socket.say(answer).await {
                                            return None;
                                        }
                                    }
                                    continue;
                                }
                            },
                        },
                    }
                }
                event = self.screen.next() => event,
                () = sleep_until(ping) => {
                    ping += PING_EVERY;
                    if heard.elapsed() >= SILENCE_MAX || !socket.ping().await {
                        return None;
                    }
                    continue;
                }
            };
            if !socket.say(written(&event)).await {
                return None;
            }
            match event {
                Event::Told { .. } => {}
                Event::Over { .. } if self.screen.is_several() => {}
                Event::Over { .. } => return refused("there is nothing more to come"),
                Event::Bye { why: Why::Key, .. } => {
                    return refused("what was shown when the stream began does not hold any more");
                }
                Event::Bye { .. } => return Some(Some((CloseCode::Restart, "come back".to_owned()))),
            }
        }
    }

    /// Does what a client says; what to answer, or why it is let go.
    async fn carry_out(&mut self, order: Order) -> Result<Vec<String>, &'static str> {
        let (Order::Subscribe { sessions, .. } | Order::Unsubscribe { sessions }) = &order;
        // Each of them is answered.
        if sessions.len() > NAMED_AT_ONCE_MAX {
            return Err("that names too many sessions at once");
        }
        match order {
            Order::Unsubscribe { sessions } => {
                let left = |session: &String| {
                    self.screen.leave(session);
                    message("unsubscribed", session, "")
                };
                Ok(sessions.iter().filter(|session| wanted::check(session).is_ok()).map(left).collect())
            }
            Order::Subscribe { mut sessions, id } => {
                let mut answers = Vec::new();
                let seen = match id.as_deref().map(Last::decode).transpose() {
                    Ok(last) => Seen { token: last.as_ref().map(|last| last.token.clone()), last },
                    Err(_) => return Err("the `id` is not the id of an event"),
                };
                sessions.sort_unstable();
                sessions.dedup();
                let mut new = Vec::new();
                for session in sessions {
                    if wanted::check(&session).is_err() {
                        return Err("the id of a session is 1 to 64 characters out of A-Z a-z 0-9 . _ : -");
                    }
                    if self.screen.follows(&session) {
                        answers.push(message("subscribed", &session, ""));
                    } else if self.screen.len() + new.len() >= self.sessions_max {
                        let problem = Desk::too_many(self.sessions_max);
                        answers.push(message("error", &session, &problem_member(&problem)));
                    } else {
                        new.push(session);
                    }
                }
                let has_seat = self.screen.len() == 0;
                let found = self.desk.follow_all(&self.asked, new, &seen, has_seat, true).await;
                for (session, outcome) in found {
                    match outcome {
                        Ok(follower) => {
                            answers.push(message("subscribed", &session, ""));
                            self.screen.follow_seen(follower, &seen);
                        }
                        Err(answer) => {
                            let problem = super::follower::problem_in(&answer);
                            let member = format!(",\"problem\":{}", String::from_utf8_lossy(&problem));
                            answers.push(message("error", &session, &member));
                        }
                    }
                }
                Ok(answers)
            }
        }
    }
}

fn refused(reason: &str) -> Option<End> {
    Some(Some((CloseCode::Policy, reason.to_owned())))
}

/// A message about a session, whose id needs no quoting.
fn message(kind: &str, session: &str, more: &str) -> String {
    format!("{{\"type\":\"{kind}\",\"session\":\"{session}\"{more}}}")
}

fn problem_member(problem: &Problem) -> String {
    format!(",\"problem\":{}", String::from_utf8_lossy(&problem.to_json()))
}

/// An event as a message.
fn written(event: &Event) -> String {
    let of = |session: &Option<Arc<str>>| {
        session.as_ref().map(|session| format!(",\"session\":\"{session}\"")).unwrap_or_default()
    };
    match event {
        Event::Told { session, kind, id, data } => {
            let mut text = String::with_capacity(data.len() + id.len() + 160);
            text.push_str(&format!(
                "{{\"type\":\"{}\"{},\"id\":\"{id}\",\"data\":",
                kind.name(),
                of(session)
            ));
            text.push_str(&String::from_utf8_lossy(data));
            text.push('}');
            text
        }
        Event::Over { session, problem } => {
            let problem = String::from_utf8_lossy(problem);
            format!("{{\"type\":\"error\"{},\"problem\":{problem}}}", of(session))
        }
        Event::Bye { why, id, return_ms } => {
            let id = id.as_ref().map(|id| format!(",\"id\":\"{id}\"")).unwrap_or_default();
            let retry = return_ms.map(|ms| format!(",\"retry_ms\":{ms}")).unwrap_or_default();
            format!("{{\"type\":\"bye\",\"reason\":\"{}\"{id}{retry}}}", why.name())
        }
    }
}

/// Says everything back.
#[cfg(test)]
pub(super) async fn echo<IO: AsyncRead + AsyncWrite + Unpin>(io: IO) {
    use tokio_tungstenite::tungstenite::Message;
    let limits = WireLimits { message_bytes_max: 17 << 20, ..WireLimits::SMALL };
    let mut socket = Socket::new(io, limits).await;
    let end = loop {
        let message = match socket.hear().await {
            Heard::Gone => return,
            Heard::Closed => break None,
            Heard::Fault(code, reason) => break Some((code, reason)),
            Heard::Control => continue,
            Heard::Text(text) => Message::Text(text),
            Heard::Binary(bytes) => Message::Binary(bytes),
        };
        if !socket.send(message).await {
            return;
        }
    };
    socket.end(end).await;
}

#[cfg(test)]
mod tests;
