//! The shield in the stack: behind authentication, so that it knows who asks, and before the limits, so
//! that hostile traffic does not use up what others share. What is decided is decided in
//! [`tandem_shield`]; here are the clock, the answers, and the memory of verdicts.
//!
//! Who is not let in by authentication never gets here: [`Guard::at_the_door`] is told of him there.
//!
//! What everybody may read is judged and never refused: it costs nothing, limits hold for it, and whoever
//! asks after the gateway's health may share an address with anybody. A gateway behind a proxy that it does
//! not know to be one would otherwise block the proxy, and be taken out by it.

use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::RETRY_AFTER;
use http::{HeaderName, HeaderValue, Request};
use parking_lot::RwLock;
use tandem_identity::{Caller, Credential};
use tandem_ingest::wall_ms;
use tandem_limits::NOWHERE;
use tandem_model::problem::Problem;
use tandem_shield::challenge::{Challenges, Settings};
use tandem_shield::{Action, Claim, Counts, Lists, Outcome, Rules, Seen, Shield, Verdict, Who};
use tower::{Layer, Service};

use crate::answer::{Answer, problem};
use crate::auth::is_public;
use crate::client_address::ClientAddress;
use crate::places::{Place, Places};
use crate::request_id::RequestId;
use crate::stack::Inner;

mod config;
mod explained;
pub(crate) mod page;

pub use config::{ShieldConfig, ShieldMode};
use explained::Explained;
pub use explained::{ExplainedReason, ExplainedVerdict};

/// From clients: a puzzle, a blank, and its solution.
const PROOF: HeaderName = HeaderName::from_static("tandem-proof");
/// To clients that solved a puzzle, and from them from then on.
const CLEARANCE: HeaderName = HeaderName::from_static("tandem-clearance");
/// When to come back, in seconds, for those that are limited: the windows of most rules are minutes.
const RETRY_AFTER_S: u64 = 60;

/// In the extensions of requests whose events are to be marked as those of suspects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Doubted;

/// The shield, and what it takes to carry out what it says.
pub(crate) struct Guard {
    shield: Shield,
    challenges: Challenges,
    explained: Explained,
    acts: RwLock<Acts>,
    slowed: Places,
    random: RandomState,
}

/// What may change while it runs.
#[derive(Clone, Copy)]
struct Acts {
    mode: ShieldMode,
    slow: Duration,
}

/// What is to become of a request.
enum Course {
    /// It goes on.
    On,
    /// It goes on, and its answer carries a clearance.
    Cleared(HeaderValue),
    /// It goes on later.
    Later(Duration, Place),
    /// It is answered here.
    Refused(Box<Answer>),
}

impl Guard {
    pub(crate) fn new(config: &ShieldConfig) -> Self {
        // The standard library seeds its hashers from the system, which nobody outside sees.
        let random = RandomState::new();
        let secret = [random.hash_one(0_u8), random.hash_one(1_u8)];
        let own = || {
            let mut secret = [0; 32];
            for (number, part) in (2_u8..).zip(secret.chunks_mut(8)) {
                part.copy_from_slice(&random.hash_one(number).to_le_bytes());
            }
            secret
        };
        Self {
            shield: Shield::new(config.rules.clone(), config.memory, secret),
            challenges: Challenges::new(Settings::default(), &config.secret.unwrap_or_else(own)),
            explained: Explained::new(config.explained_max),
            acts: RwLock::new(Acts { mode: config.mode, slow: config.slow }),
            slowed: Places::new(config.slowed_max),
            random,
        }
    }

    /// Takes another configuration into use; all that is remembered stays.
    pub(crate) fn configure(&self, config: &ShieldConfig) {
        *self.acts.write() = Acts { mode: config.mode, slow: config.slow };
        self.slowed.set_max(config.slowed_max);
        self.shield.replace(config.rules.clone());
    }

    pub(crate) fn replace_rules(&self, rules: Rules) {
        self.shield.replace(rules);
    }

    pub(crate) fn take_lists(&self, lists: Lists) {
        self.shield.take_lists(lists);
    }

    pub(crate) fn claims(&self) -> Vec<Claim> {
        self.shield.pending()
    }

    pub(crate) fn confirm(&self, claim: &Claim, is_confirmed: bool) {
        self.shield.confirm(claim.address, &claim.crawler, is_confirmed, wall_ms());
    }

    pub(crate) fn counts(&self) -> Counts {
        self.shield.counts()
    }

    pub(crate) fn mode(&self) -> ShieldMode {
        self.acts.read().mode
    }

    /// What was decided about a request, while it is remembered.
    pub(crate) fn explain(&self, request_id: &str) -> Option<ExplainedVerdict> {
        self.explained.of(request_id)
    }

    /// Takes note of a request that authentication does not let in, and may say something harder to it
    /// than `answer`.
    pub(crate) fn at_the_door<B>(
        &self,
        request: &Request<B>,
        who: Who<'_>,
        answer: Box<Answer>,
    ) -> Box<Answer> {
        self.turned_away(request, who, false, answer)
    }

    /// The same of a signed request that came a second time: evidence against whoever uses this credential
    /// from there.
    pub(crate) fn replayed<B>(
        &self,
        request: &Request<B>,
        caller: &Caller,
        answer: Box<Answer>,
    ) -> Box<Answer> {
        self.turned_away(request, who_of(Some(caller)), true, answer)
    }

    fn turned_away<B>(
        &self,
        request: &Request<B>,
        who: Who<'_>,
        replayed: bool,
        answer: Box<Answer>,
    ) -> Box<Answer> {
        let mode = self.mode();
        if mode == ShieldMode::Off {
            return answer;
        }
        let verdict = self.judge(request, who, mode == ShieldMode::Enforce);
        self.shield.answered(&verdict.ticket, Outcome { status: 401, ours: true, replayed });
        match verdict.action {
            Action::Limit | Action::Deny if mode == ShieldMode::Enforce => Box::new(refusal(verdict.action)),
            // A riddle would not help him: he needs a credential.
            _ => answer,
        }
    }

    fn judge<B>(&self, request: &Request<B>, who: Who<'_>, is_enforced: bool) -> Verdict {
        let seen = Seen {
            now_ms: wall_ms(),
            address: address_of(request),
            who,
            method: request.method(),
            path: request.uri().path(),
            query: request.uri().query(),
            headers: request.headers(),
            version: request.version(),
            fingerprint: None,
        };
        let verdict = self.shield.judge(&seen);
        if verdict.would_be > Action::Allow
            && let Some(RequestId(id)) = request.extensions().get::<RequestId>()
        {
            self.explained.note(id.to_str().unwrap_or_default(), &seen, &verdict, is_enforced);
        }
        verdict
    }

    /// What the verdict means for this request.
    fn course<B>(&self, request: &Request<B>, action: Action) -> Course {
        match action {
            Action::Allow | Action::Tag => Course::On,
            Action::Slow => match self.slowed.enter() {
                Some(place) => Course::Later(self.acts.read().slow, place),
                None => Course::Refused(Box::new(refusal(Action::Limit))),
            },
            Action::Challenge => self.challenge(request),
            Action::Limit | Action::Deny => Course::Refused(Box::new(refusal(action))),
        }
    }

    fn challenge<B>(&self, request: &Request<B>) -> Course {
        let (address, now_ms) = (address_of(request), wall_ms());
        let text = |name: &HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
        if text(&CLEARANCE).is_some_and(|shown| self.challenges.is_cleared(shown, address, now_ms).is_ok()) {
            return Course::On;
        }
        let mut why = "this credential is used as programs use it".to_owned();
        if let Some(proof) = text(&PROOF) {
            let (puzzle, solution) = proof.split_once(' ').unwrap_or((proof, ""));
            match self.challenges.solve(puzzle, solution, address, now_ms) {
                Ok((clearance, _)) => {
                    let clearance = HeaderValue::try_from(clearance).expect("letters, digits and dots");
                    return Course::Cleared(clearance);
                }
                Err(error) => why = format!("Tandem-Proof was not taken: {error}"),
            }
        }
        let random = self.random.hash_one((now_ms, address, std::thread::current().id()));
        let puzzle = self.challenges.puzzle(address, now_ms, random);
        let bits = Settings::default().difficulty_bits;
        let detail = format!(
            "{why}: find a text of letters and digits that, behind `challenge` and `:`, has a SHA-256 with {bits} \
             leading zero bits, and send `Tandem-Proof: <challenge> <text>`; the answer's Tandem-Clearance, sent \
             from then on, spares you further ones"
        );
        let reason = Problem::proof_needed(detail).with("challenge", puzzle).with("bits", bits);
        Course::Refused(Box::new(problem(&reason)))
    }
}

fn refusal(action: Action) -> Answer {
    if action == Action::Deny {
        return problem(&Problem::blocked(
            "what comes from you looks hostile; if it is not, tell whoever runs this service the \
             Tandem-Request-Id of this answer",
        ));
    }
    let mut answer = problem(&Problem::rate_limited(format!(
        "what comes from you looks like what programs do that take more than their part: try again after \
         {RETRY_AFTER_S} s; if it is not, tell whoever runs this service the Tandem-Request-Id of this answer"
    )));
    answer.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_S.into());
    answer
}

fn address_of<B>(request: &Request<B>) -> IpAddr {
    request.extensions().get::<ClientAddress>().map_or(NOWHERE, |client| client.0)
}

fn who_of(caller: Option<&Caller>) -> Who<'_> {
    let Some(caller) = caller else { return Who::Nobody };
    let (id, tenant) = (&*caller.key_id, &*caller.tenant);
    match caller.how {
        _ if caller.is_operator() => Who::Operator,
        Credential::Operator => Who::Operator,
        Credential::Key => Who::Key { id, tenant },
        Credential::Jwt => Who::Token { id, tenant },
        Credential::Signature => Who::Signed { id, tenant },
    }
}

/// Whether the events that come with such a verdict are marked as those of suspects.
///
/// What a person's own credential sends is about that person. An application speaks for its viewers,
/// and that it is a program says nothing of them: only when it is used in ways that are not its own
/// (from [`Action::Slow`] on) are they doubted. A signature is not stolen by listening: never.
fn is_doubted(caller: Option<&Caller>, action: Action) -> bool {
    match who_of(caller) {
        Who::Token { .. } => action >= Action::Tag,
        Who::Key { .. } => action >= Action::Slow,
        Who::Nobody | Who::Failed | Who::Signed { .. } | Who::Operator => false,
    }
}

/// Whether an answer of this status says nothing of who asked: we said it, for reasons of our own.
fn is_ours(status: u16) -> bool {
    matches!(status, 401 | 403 | 429 | 503)
}

/// Meets hostile traffic.
#[derive(Clone)]
pub(crate) struct ShieldLayer(pub(crate) Arc<Guard>);

impl<S> Layer<S> for ShieldLayer {
    type Service = Shielded<S>;

    fn layer(&self, inner: S) -> Shielded<S> {
        Shielded { inner, guard: Arc::clone(&self.0) }
    }
}

/// See [`ShieldLayer`].
#[derive(Clone)]
pub(crate) struct Shielded<S> {
    inner: S,
    guard: Arc<Guard>,
}

impl<S: Inner<B>, B: Send + 'static> Service<Request<B>> for Shielded<S> {
    type Response = Answer;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Answer, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let mode = self.guard.mode();
        if mode == ShieldMode::Off {
            return self.inner.call(request).boxed();
        }
        let is_enforced = mode == ShieldMode::Enforce && !is_public(request.uri().path());
        let verdict = {
            let who = who_of(request.extensions().get::<Caller>());
            self.guard.judge(&request, who, is_enforced)
        };
        let course = match is_enforced {
            true => self.guard.course(&request, verdict.action),
            false => Course::On,
        };
        if is_enforced && is_doubted(request.extensions().get(), verdict.action) {
            request.extensions_mut().insert(Doubted);
        }
        let (ticket, guard) = (verdict.ticket, Arc::clone(&self.guard));
        let told = move |status: u16, ours: bool| {
            guard.shield.answered(&ticket, Outcome { status, ours, replayed: false });
        };
        match course {
            Course::Refused(refused) => {
                told(refused.status().as_u16(), true);
                futures::future::ready(Ok(*refused)).boxed()
            }
            Course::On | Course::Cleared(_) => {
                let answering = self.inner.call(request);
                async move {
                    let mut answer = answering.await?;
                    let status = answer.status().as_u16();
                    told(status, is_ours(status));
                    if let Course::Cleared(clearance) = course {
                        answer.headers_mut().insert(CLEARANCE, clearance);
                    }
                    Ok(answer)
                }
                .boxed()
            }
            Course::Later(slow, place) => {
                let mut inner = self.inner.clone();
                async move {
                    tokio::time::sleep(slow).await;
                    drop(place);
                    let answer = inner.call(request).await?;
                    let status = answer.status().as_u16();
                    told(status, is_ours(status));
                    Ok(answer)
                }
                .boxed()
            }
        }
    }
}

#[cfg(test)]
mod tests;
