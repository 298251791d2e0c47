//! Streams: reports that keep themselves up to date.
//!
//! `GET /v1/sessions/{id}/stream` answers as `…/report` would, with the same parameters, and goes on:
//! first the whole report, then what changes ([`changes`]). `GET /v1/stream?sessions=…` does so for
//! several sessions, each of whose events says whose it is. Both are server-sent events
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>, [`sse`]) or, for who asks for it, a
//! WebSocket ([`socket`]), over which sessions may come and go.
//!
//! Each event's id is a token ([`seen`]); whoever comes back with the last one, in `Last-Event-ID` or, where
//! no header can be set, in the parameter `last_event_id`, goes on there: with the changes since, where this
//! gateway still has that report, else with the whole one. A `Tandem-Token`, or the parameter `token`, says how
//! far the client has read, but not that it has the report: it gets the whole, and not before that. All this on
//! either chain, through any gateway, and never with less than was seen.
//!
//! - Nobody queues. A client that reads slowly gets the newest report's changes against what it was
//!   told last, however much lies between ([`screen`]).
//! - Equal streams are read once: whoever follows the same report in the same scope shares a feed ([`feed`]).
//! - A chain that fails does not end a stream, nor does a switch: they are behind the reads that the
//!   feed makes.
//! - A stream ends after an hour, with a goodbye: whoever comes back shows a key that still holds. It ends at
//!   once when the key is revoked, its token ends, or its caller may see something else ([`ends`]).
//! - A gateway that drains says goodbye: with the token to go on with, and a pause of its own for each
//!   client, so that not all come back at once.

mod changes;
mod desk;
mod ends;
mod feed;
mod follower;
mod open;
mod screen;
mod seen;
mod socket;
mod sse;
mod wanted;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue};
use http::request::Parts;
use http_body_util::combinators::UnsyncBoxBody;
use hyper_util::rt::TokioIo;
use parking_lot::{Mutex, RwLock};
use tandem_identity::Caller;
use tandem_limits::NOWHERE;
use tandem_model::problem::Problem;
use tokio::sync::watch;

use self::desk::{Asked, Desk};
use self::ends::Ends;
use self::open::Open;
use self::screen::Screen;
use self::seen::Seen;
use self::socket::{Conversation, Handshake};
use self::sse::Events;
use crate::answer::{self, Answer, problem};
use crate::callers::{Callers, Shown};
use crate::client_address::ClientAddress;
use crate::config::GatewayConfig;
use crate::headers::CHAIN;
use crate::limits::Limits;
use crate::sharing::Sharing;

pub(crate) use wanted::{Wanted, asks_for_socket, wanted};

/// The body of an answer that goes on; stands among the answer's extensions until it is sent.
#[derive(Clone)]
pub(crate) struct Body(Arc<Mutex<Option<StreamBody>>>);

/// What such a body sends.
pub(crate) type StreamBody = UnsyncBoxBody<Bytes, std::convert::Infallible>;

/// What is done with a connection that is HTTP no longer; stands among the answer's extensions until that is
/// sent.
#[derive(Clone)]
pub(crate) struct Upgrade(Arc<Mutex<Option<BoxFuture<'static, ()>>>>);

/// All streams of a gateway.
pub(crate) struct Streams {
    desk: Arc<Desk>,
    callers: Arc<Callers>,
    settings: RwLock<Settings>,
    /// Counts all that ever were.
    count: AtomicU64,
    /// Whether the gateway ends.
    is_draining: watch::Sender<bool>,
}

/// What may change while it runs; new streams have the new values.
#[derive(Clone)]
struct Settings {
    sessions_max: usize,
    origins: Arc<[String]>,
    send_timeout: Duration,
}

impl Settings {
    fn of(config: &GatewayConfig) -> Self {
        Self {
            sessions_max: config.stream_sessions_max,
            origins: config.cors_origins.clone().into(),
            send_timeout: config.send_timeout,
        }
    }
}

impl Streams {
    pub(crate) fn new(
        config: &GatewayConfig,
        reads: Arc<Sharing>,
        limits: Arc<Limits>,
        callers: Arc<Callers>,
    ) -> Self {
        let open = Open::new(config.streams_max, config.streams_per_tenant_max);
        Self {
            desk: Arc::new(Desk::new(reads, open, limits)),
            callers,
            settings: RwLock::new(Settings::of(config)),
            count: AtomicU64::new(0),
            is_draining: watch::Sender::new(false),
        }
    }

    /// Keeps to these limits from now on; streams that are open stay.
    pub(crate) fn configure(&self, config: &GatewayConfig) {
        self.desk.open.set_max(config.streams_max, config.streams_per_tenant_max);
        *self.settings.write() = Settings::of(config);
    }

    /// How many are open.
    pub(crate) fn count(&self) -> usize {
        self.desk.open.count()
    }

    /// Ends all streams in good order.
    pub(crate) fn drain(&self) {
        self.is_draining.send_replace(true);
    }

    /// Answers a request for a stream.
    pub(crate) async fn open(&self, mut parts: Parts, wanted: Wanted) -> Answer {
        let origins = Arc::clone(&self.settings.read().origins);
        match Handshake::of(&mut parts, &origins) {
            Err(refused) => *refused,
            Ok(Some(handshake)) => match self.begin(&parts, wanted, true).await {
                Err(refused) => *refused,
                Ok(conversation) => upgraded(handshake, conversation),
            },
            Ok(None) => match self.begin(&parts, wanted, false).await {
                Err(refused) => *refused,
                Ok(conversation) => events(conversation.screen),
            },
        }
    }

    /// Begins what a request asks for, or refuses it.
    async fn begin(
        &self,
        parts: &Parts,
        wanted: Wanted,
        is_socket: bool,
    ) -> Result<Conversation, Box<Answer>> {
        let refused = |reason: Problem| Box::new(problem(&reason));
        let Some(caller) = parts.extensions.get::<Caller>() else {
            return Err(refused(Problem::unauthorized("streams need a key")));
        };
        if parts.headers.contains_key(CHAIN) {
            let detail =
                "streams stay through every switch, so no chain can be named: leave out Tandem-Chain";
            return Err(refused(Problem::bad_parameter(detail)));
        }
        let parameters = wanted.parameters(parts.uri.query()).map_err(refused)?;
        let seen = Seen::of(&parts.headers, &parameters).map_err(refused)?;
        if *self.is_draining.borrow() {
            return Err(refused(Problem::unavailable("this gateway is closing: try again in a moment")));
        }
        let Settings { sessions_max, send_timeout, .. } = self.settings.read().clone();
        if parameters.sessions.len() > sessions_max {
            return Err(refused(Desk::too_many(sessions_max)));
        }
        let seat = self.desk.enter(&caller.tenant)?;
        let shown = parts.extensions.get::<Shown>().cloned().unwrap_or_default();
        let (is_draining, callers) = (self.is_draining.subscribe(), Arc::clone(&self.callers));
        let ends = Ends::new(is_draining, callers, caller.clone(), shown);
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let is_several = wanted == Wanted::Several;
        let mut screen = Screen::new(is_several, &seen, ends, number, seat);
        let address = parts.extensions.get::<ClientAddress>().map_or(NOWHERE, |client| client.0);
        let asked = Asked { caller: caller.clone(), address, report: parameters.report };
        match wanted {
            Wanted::One(session) => {
                let target = format!("/v1/sessions/{session}/report{}", asked.report);
                let follower = self.desk.follow(caller, session.into(), &target, &seen, None).await?;
                screen.follow(follower);
            }
            Wanted::Several if parameters.sessions.is_empty() && !is_socket => {
                let detail = "name the sessions to follow: `sessions=s1,s2`";
                return Err(refused(Problem::bad_parameter(detail)));
            }
            Wanted::Several => {
                let found = self.desk.follow_all(&asked, parameters.sessions, &seen, true, false).await;
                let mut refusals = Vec::new();
                for (session, outcome) in found {
                    match outcome {
                        Ok(follower) => screen.follow(follower),
                        Err(answer) => refusals.push((session, answer)),
                    }
                }
                // Where there is nothing to follow, it is said as for a single one.
                if screen.len() == 0 && !refusals.is_empty() {
                    return Err(refusals.swap_remove(0).1);
                }
                for (session, answer) in refusals {
                    screen.refuse(session, follower::problem_in(&answer));
                }
            }
        }
        Ok(Conversation { screen, desk: Arc::clone(&self.desk), asked, sessions_max, send_timeout })
    }
}

/// The answer that goes on as server-sent events.
fn events(screen: Screen) -> Answer {
    let mut answer = answer::with_body(StatusCode::OK, "text/event-stream", Bytes::new());
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // For proxies that would wait until they have more.
    answer.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    let body = Events::new(screen).into_body();
    answer.extensions_mut().insert(Body(Arc::new(Mutex::new(Some(body)))));
    answer
}

/// The answer that goes on as a WebSocket.
fn upgraded(handshake: Handshake, conversation: Conversation) -> Answer {
    let (mut answer, on_upgrade) = handshake.answer();
    let holding = async move {
        // It fails where the client has gone before it had the answer.
        if let Ok(connection) = on_upgrade.await {
            conversation.hold(TokioIo::new(connection)).await;
        }
    };
    answer.extensions_mut().insert(Upgrade::new(holding.boxed()));
    answer
}

impl Body {
    /// The body, once.
    pub(crate) fn take(answer: &mut Answer) -> Option<StreamBody> {
        answer.extensions_mut().remove::<Self>()?.0.lock().take()
    }
}

impl Upgrade {
    fn new(holding: BoxFuture<'static, ()>) -> Self {
        Self(Arc::new(Mutex::new(Some(holding))))
    }

    /// What is to be done, once.
    pub(crate) fn take(answer: &mut Answer) -> Option<BoxFuture<'static, ()>> {
        answer.extensions_mut().remove::<Self>()?.0.lock().take()
    }
}

/// Answers a request for a WebSocket with one that says everything back: what clients of other software are
/// tried against.
#[cfg(test)]
pub(crate) fn echo(mut parts: Parts) -> Answer {
    let handshake = match Handshake::of(&mut parts, &[]) {
        Ok(Some(handshake)) => handshake,
        Ok(None) => return problem(&Problem::bad_request("that is no request for a WebSocket")),
        Err(refused) => return *refused,
    };
    let (mut answer, on_upgrade) = handshake.answer();
    let holding = async move {
        if let Ok(connection) = on_upgrade.await {
            socket::echo(TokioIo::new(connection)).await;
        }
    };
    answer.extensions_mut().insert(Upgrade::new(holding.boxed()));
    answer
}

#[cfg(test)]
mod tests;
