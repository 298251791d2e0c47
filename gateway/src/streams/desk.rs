//! Where a report begins to be followed.

use std::net::IpAddr;
use std::sync::Arc;

use futures::future::join_all;
use http::header::{HeaderValue, RETRY_AFTER};
use http::{StatusCode, Uri};
use tandem_identity::Caller;
use tandem_model::problem::Problem;

use super::feed::{self, Feeds, Reading};
use super::follower::Follower;
use super::open::{Full, Leave, Open};
use super::seen::Seen;
use crate::answer::{Answer, problem};
use crate::headers::TOKEN;
use crate::limits::Limits;
use crate::sharing::Sharing;

/// How long a tenant that has as many streams as it may should wait: streams are not closed by the second.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("10");

/// Begins to follow reports, for all clients.
pub(super) struct Desk {
    reads: Arc<Sharing>,
    pub(super) feeds: Arc<Feeds>,
    pub(super) open: Arc<Open>,
    limits: Arc<Limits>,
}

/// Who asks, and for what of each report.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) caller: Caller,
    pub(super) address: IpAddr,
    /// The parameters of the report, with what stands before them.
    pub(super) report: String,
}

/// Whether a session is followed, and why not.
pub(super) type Outcome = (Arc<str>, Result<Follower, Box<Answer>>);

impl Desk {
    pub(super) fn new(reads: Arc<Sharing>, open: Arc<Open>, limits: Arc<Limits>) -> Self {
        Self { reads, feeds: Arc::default(), open, limits }
    }

    /// Lets one more stream in.
    pub(super) fn enter(&self, tenant: &Arc<str>) -> Result<Leave, Box<Answer>> {
        self.open.enter(tenant).map_err(|full| match full {
            Full::Gateway => refused(&Problem::unavailable(
                "more streams are open than there is room for: try again in a moment",
            )),
            Full::Tenant => {
                let detail = "your tenant has as many streams open as it may: close some, or ask the operator \
                    for more";
                let mut answer = refused(&Problem::rate_limited(detail));
                answer.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
                answer
            }
        })
    }

    /// What somebody is told who would follow more sessions than one client may.
    pub(super) fn too_many(most: usize) -> Problem {
        Problem::bad_parameter(format!("one stream follows {most} sessions at most: open another one"))
    }

    /// Follows the reports of several sessions. The first of them takes the place of the connection itself,
    /// where that `has_seat`; each one more counts as a stream, and, where the sessions `are_more` than what
    /// the request itself was counted for, as a report that is asked for.
    pub(super) async fn follow_all(
        &self,
        asked: &Asked,
        sessions: Vec<String>,
        seen: &Seen,
        has_seat: bool,
        are_more: bool,
    ) -> Vec<Outcome> {
        let following = sessions.into_iter().enumerate().map(|(place, session)| async move {
            let session: Arc<str> = session.into();
            let follow = async {
                if place > 0 || are_more {
                    self.limits.spend_report(&asked.caller, asked.address)?;
                }
                let needs_leave = place > 0 || !has_seat;
                let leave = needs_leave.then(|| self.enter(&asked.caller.tenant)).transpose()?;
                // Its characters are those of a path.
                let target = format!("/v1/sessions/{session}/report{}", asked.report);
                let seen = Seen {
                    // The id of an event of a single session says nothing of another.
                    last: seen.last.clone().filter(|last| last.marks.is_some()),
                    token: seen.token.clone(),
                };
                self.follow(&asked.caller, Arc::clone(&session), &target, &seen, leave).await
            };
            let outcome = follow.await;
            (session, outcome)
        });
        join_all(following).await
    }

    /// Follows the report at `target`.
    pub(super) async fn follow(
        &self,
        caller: &Caller,
        session: Arc<str>,
        target: &str,
        seen: &Seen,
        leave: Option<Leave>,
    ) -> Result<Follower, Box<Answer>> {
        let uri: Uri = target.parse().map_err(|_| refused(&Problem::bad_parameter("that is no target")))?;
        // Whatever is wrong with the request, the chains say it as they would of a report.
        let first = feed::parts(&uri, caller);
        let mut answer = self.reads.answer(&first).await;
        if let Some(token) = seen.token.as_ref().filter(|_| answer.status() == StatusCode::NOT_FOUND) {
            // Its beginning may be what the caller has just sent: then it is worth waiting for.
            let mut own = first.clone();
            let text = HeaderValue::try_from(token.encode()).expect("base64url makes a header");
            own.headers.insert(TOKEN, text);
            answer = self.reads.answer(&own).await;
            if answer.status() == StatusCode::OK {
                answer = self.reads.answer(&first).await;
            }
        }
        if answer.status() != StatusCode::OK {
            return Err(Box::new(answer));
        }
        let reading = Reading::of(&answer, None).ok_or_else(|| {
            refused(&Problem::unavailable("the figures can't be read right now: try again in a moment"))
        })?;
        if seen.token.as_ref().is_some_and(|token| token.log != reading.token.log) {
            let detail =
                "the log was created anew since this token was given out: start again without a token";
            return Err(refused(&Problem::bad_token(detail)));
        }
        let followed = self.feeds.follow(&self.reads, &uri, caller, reading);
        Ok(Follower::new(session, target.to_owned(), followed, seen, leave))
    }
}

fn refused(reason: &Problem) -> Box<Answer> {
    Box::new(problem(reason))
}
