//! `POST /v1/events`: a body in, and its token out, so that a client reads its own writes.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, EXPECT, HeaderMap, HeaderValue};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::json;
use tandem_identity::{Caller, Sha256};
use tandem_ingest::{Accepted, Post, parse_key, wall_ms};
use tandem_model::Token;
use tandem_model::problem::Problem;
use tower::BoxError;

use crate::answer::{self, Answer, problem};
use crate::bodies::{self, Unread};
use crate::callers::SignedBody;
use crate::config::ClockMode;
use crate::headers::{IDEMPOTENCY_KEY, IDEMPOTENCY_REPLAYED, TOKEN};
use crate::ownership::Owned;
use crate::shield::Doubted;
use crate::stack::Shared;

/// How long taking a body may last once it is here. It goes on behind the answer.
const TAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// How much of a body that is too large is read and thrown away, in bytes, and for how long: many
/// clients look at the answer only once they have sent everything.
const DISCARDED_BYTES_MAX: usize = 32 << 20;
const DISCARD_TIMEOUT: Duration = Duration::from_secs(5);

/// Takes a body in.
pub(crate) async fn post<B>(shared: &Shared, request: Request<B>) -> Answer
where
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    take(shared, request).await.unwrap_or_else(|refused| *refused)
}

/// An answer that ends it early; boxed, since it is the rare case.
type Refused = Box<Answer>;

fn refused(reason: &Problem) -> Refused {
    Box::new(problem(reason))
}

async fn take<B>(shared: &Shared, request: Request<B>) -> Result<Answer, Refused>
where
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let (parts, body) = request.into_parts();
    // All that can be known from the header is checked before the body is asked for.
    let Some(caller) = parts.extensions.get::<Caller>() else {
        return Err(refused(&Problem::unauthorized("events need a key")));
    };
    if !caller.may.write {
        return Err(refused(&Problem::forbidden("this key may read and not send events: use another one")));
    }
    let signed_body = parts.extensions.get::<SignedBody>().copied();
    let replay = is_replay(parts.uri.query(), shared.clock, caller).map_err(|reason| refused(&reason))?;
    let headers = &parts.headers;
    let idempotency_key = single(headers, IDEMPOTENCY_KEY.as_str())
        .and_then(|key| key.map(|key| parse_key(key).map_err(|error| error.problem())).transpose())
        .map_err(|reason| refused(&reason))?;
    let token_sent = sent_token(shared, headers).map_err(|reason| refused(&reason))?;
    check_encoding(headers).map_err(|reason| refused(&reason))?;

    let _place = shared.bodies.enter().ok_or_else(|| {
        refused(&Problem::unavailable(
            "more bodies are being taken than there is room for: try again in a moment",
        ))
    })?;
    let (body, sha256) = read(shared, headers, body, signed_body.is_some()).await?;
    if signed_body.is_some_and(|SignedBody(signed)| sha256 != Some(signed)) {
        shared.counters.callers.bodies.add_one();
        return Err(refused(&Problem::unauthorized(
            "the body is not the one that was signed; nothing of it was taken",
        )));
    }
    // An operator owns everything.
    let owned = match caller.is_operator() {
        true => None,
        false => Some(check_ownership(shared, caller, &body, token_sent.as_ref()).await?),
    };
    let options = Post {
        scope: caller.key_id.to_string(),
        replay,
        idempotency_key,
        now_ms: wall_ms(),
        token: token_sent.clone(),
        suspect: parts.extensions.get::<Doubted>().is_some(),
    };
    let taking = shared.ingest.post(body, options);
    let accepted = match tokio::time::timeout(TAKE_TIMEOUT, taking).await {
        Ok(Ok(accepted)) => accepted,
        Ok(Err(error)) => {
            let reason = error.problem();
            if reason.status >= 500 {
                tracing::error!(error = &error as &dyn std::error::Error, "a body was not taken");
            }
            return Err(refused(&reason));
        }
        Err(_) => {
            return Err(refused(&Problem::unavailable(
                "the event log took too long; your events may have been kept: \
                 send them again with the same Idempotency-Key to be sure",
            )));
        }
    };
    if let Some(owned) = owned {
        shared.ownership.remember(caller, owned);
    }
    Ok(answer_of(shared, &accepted, token_sent))
}

/// The body's own token makes the same answer each time; the header also has what came with this
/// request.
fn answer_of(shared: &Shared, accepted: &Accepted, token_sent: Option<Token>) -> Answer {
    let mut token = Token::new(shared.ingest.log().id());
    accepted.join_into(&mut token);
    let meta = json!({ "token": token.encode() });
    let mut answer = if accepted.malformed == 0 {
        let body = json!({
            "accepted": accepted.events,
            "beats": accepted.beats,
            "malformed": accepted.malformed,
            "meta": meta,
        });
        answer::json(StatusCode::OK, &body)
    } else {
        problem(&malformed(accepted).with("meta", meta))
    };
    if let Some(sent) = token_sent {
        token.join(&sent);
    }
    let headers = answer.headers_mut();
    headers.insert(TOKEN, HeaderValue::try_from(token.encode()).expect("base64url makes a header"));
    if accepted.replayed {
        headers.insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    }
    answer
}

fn malformed(accepted: &Accepted) -> Problem {
    let named = match accepted.errors.len() as u64 {
        count if count < accepted.malformed => format!("the first {count} of them are named in `errors`"),
        _ => "`errors` names them".to_owned(),
    };
    let detail = format!(
        "{} of the lines are no events and were not counted; {named}. The {} other events and {} beats of this \
         body are kept: send the corrected lines only.",
        accepted.malformed, accepted.events, accepted.beats
    );
    let errors = serde_json::to_value(&accepted.errors).expect("line errors hold only plain data");
    Problem::malformed_events(detail)
        .with("accepted", accepted.events)
        .with("beats", accepted.beats)
        .with("malformed", accepted.malformed)
        .with("errors", errors)
}

/// Whether the query asks for a replay, and may.
fn is_replay(query: Option<&str>, clock: ClockMode, caller: &Caller) -> Result<bool, Problem> {
    let mut replay = false;
    for parameter in query.unwrap_or_default().split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=').unwrap_or((parameter, "")) {
            ("clock", "replay") if !replay => replay = true,
            ("clock", _) => {
                return Err(Problem::bad_parameter(
                    "`clock` takes one value, `replay`: correct it or leave it out",
                ));
            }
            _ => {
                return Err(Problem::bad_parameter(
                    "the only parameter here is `clock`: leave out the others",
                ));
            }
        }
    }
    if replay && !caller.is_operator() {
        return Err(Problem::forbidden("only an operator's key may move time: leave out `clock=replay`"));
    }
    if replay && clock == ClockMode::Live {
        return Err(Problem::conflict(
            "this server has a metronome, two clocks would contradict each other: \
             leave out `clock=replay`, or start the server with `--clock replay`",
        ));
    }
    Ok(replay)
}

fn sent_token(shared: &Shared, headers: &HeaderMap) -> Result<Option<Token>, Problem> {
    let Some(text) = single(headers, TOKEN.as_str())? else { return Ok(None) };
    let token = Token::decode(text).map_err(|error| Problem::bad_token(error.to_string()))?;
    if token.log != shared.ingest.log().id() {
        return Err(Problem::bad_token(
            "the token is from another event log, which this server does not have: start again without a token",
        ));
    }
    Ok(Some(token))
}

/// The value of a header that may stand once.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::bad_request(format!("send the header {name} once, not several times")));
    }
    let text =
        value.to_str().map_err(|_| Problem::bad_request(format!("the header {name} is not ASCII text")))?;
    Ok(Some(text))
}

fn check_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(CONTENT_ENCODING) {
        Some(encoding) if !encoding.as_bytes().eq_ignore_ascii_case(b"identity") => {
            Err(Problem::unsupported_encoding("send the lines as they are, without Content-Encoding"))
        }
        _ => Ok(()),
    }
}

/// Whether the events are of the caller's own sessions.
async fn check_ownership(
    shared: &Shared,
    caller: &Caller,
    body: &Bytes,
    token: Option<&Token>,
) -> Result<Owned, Refused> {
    let checked = shared.ownership.check(&shared.chains, caller, body, token).await;
    checked.map_err(|reason| {
        if reason.status == StatusCode::FORBIDDEN {
            shared.counters.callers.foreign.add_one();
        }
        refused(&reason)
    })
}

/// Reads the whole body, within its limits of size and time; with its SHA-256 where that is wanted.
async fn read<B>(
    shared: &Shared,
    headers: &HeaderMap,
    body: B,
    is_hashed: bool,
) -> Result<(Bytes, Option<[u8; 32]>), Refused>
where
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let config = shared.config();
    let bytes_max = config.body_bytes_max;
    let mut body = Box::pin(body);
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|announced| announced > bytes_max as u64) {
        // Who waits for leave to send is told at once, and doesn't send.
        if !headers.contains_key(EXPECT) {
            discard(body).await;
        }
        return Err(too_large(bytes_max));
    }
    let timeout = config.body_timeout;
    match bodies::read(body.as_mut(), bytes_max, timeout).await {
        Ok(body) => {
            let hash = is_hashed.then(|| {
                let mut hash = Sha256::new();
                hash.update(&body);
                hash.finish()
            });
            Ok((body, hash))
        }
        Err(Unread::TooLarge) => {
            discard(body).await;
            Err(too_large(bytes_max))
        }
        Err(Unread::Broken) => {
            Err(refused(&Problem::bad_request("the body ended before it was complete: send it again")))
        }
        Err(Unread::TooLate) => Err(closing(&Problem::request_timeout(format!(
            "the body did not arrive within {} s: send it in smaller parts",
            timeout.as_secs()
        )))),
        Err(Unread::TooSlow) => Err(closing(&Problem::request_timeout(
            "the body arrived too slowly: begin to send once there is something to send, and go on without pauses",
        ))),
    }
}

fn too_large(bytes_max: usize) -> Refused {
    closing(&Problem::too_large(format!(
        "the body is over {bytes_max} bytes; nothing of it was taken: send it in smaller parts"
    )))
}

/// After a body that was not read to its end the connection can't go on.
fn closing(reason: &Problem) -> Refused {
    let mut answer = refused(reason);
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// Reads on and keeps nothing.
async fn discard<B: hyper::body::Body<Data = Bytes>>(mut body: std::pin::Pin<Box<B>>) {
    let reading = async {
        let mut bytes = 0;
        while let Some(Ok(frame)) = body.frame().await {
            bytes += frame.data_ref().map_or(0, Bytes::len);
            if bytes > DISCARDED_BYTES_MAX {
                break;
            }
        }
    };
    _ = tokio::time::timeout(DISCARD_TIMEOUT, reading).await;
}

#[cfg(test)]
mod tests;
