//! What a request says beside its path: who asks, the headers of the token protocol, and its
//! parameters.

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, Path, Query as QueryString};
use http::HeaderMap;
use http::request::Parts;
use serde::de::DeserializeOwned;
use tandem_model::id::is_id;
use tandem_model::problem::Problem;
use tandem_model::{Token, headers};
use tokio::time::Instant;

use crate::Query;
use crate::answer::Failure;
use crate::asker::Asker;

/// Who asks, and the token protocol's side of a request.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// On whose behalf.
    pub(crate) asker: Asker,
    /// What the client has seen; of our log, empty if it sent nothing.
    pub(crate) token: Token,
    /// The newest route's epoch, as far as gateways have told.
    pub(crate) epoch: u64,
    /// Until when to wait for the chain to reach the token.
    pub(crate) deadline: Instant,
    /// Whether an answer that is older than the token is better than none.
    pub(crate) takes_stale: bool,
}

impl FromRequestParts<Arc<Query>> for Call {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, query: &Arc<Query>) -> Result<Self, Failure> {
        let headers = &parts.headers;
        let wait_ms = number(headers, headers::WAIT_MS)?.min(headers::WAIT_MS_MAX);
        Ok(Self {
            asker: query.askers.asker(headers)?,
            token: token(headers, query)?,
            epoch: query.newest.epoch(),
            deadline: Instant::now() + Duration::from_millis(wait_ms),
            takes_stale: headers.get(headers::STALE).is_some_and(|value| value == "1"),
        })
    }
}

/// A call that only operators may make.
#[derive(Clone, Debug)]
pub(crate) struct OperatorCall(pub(crate) Call);

impl FromRequestParts<Arc<Query>> for OperatorCall {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, query: &Arc<Query>) -> Result<Self, Failure> {
        let call = Call::from_request_parts(parts, query).await?;
        call.asker.check_operator()?;
        Ok(Self(call))
    }
}

fn token(headers: &HeaderMap, query: &Query) -> Result<Token, Failure> {
    let log = query.log.id();
    let Some(value) = headers.get(headers::TOKEN) else { return Ok(Token::new(log)) };
    let token = Token::decode(value.to_str().unwrap_or_default())
        .map_err(|error| Problem::bad_token(error.to_string()))?;
    if token.log != log {
        return Err(Problem::bad_token(
            "the log was created anew since this token was given out: start again without a token",
        )
        .into());
    }
    Ok(token)
}

fn number(headers: &HeaderMap, name: &'static str) -> Result<u64, Failure> {
    let Some(value) = headers.get(name) else { return Ok(0) };
    let value = value.to_str().ok().and_then(|text| text.parse().ok());
    value.ok_or_else(|| Problem::bad_request(format!("the header `{name}` must be a whole number")).into())
}

/// The variable part of a path. One that is no text at all names nothing, as an empty one does:
/// whoever looks it up answers that there is no such thing.
#[derive(Debug)]
pub(crate) struct Named(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        Ok(Self(path.map(|Path(name)| name).unwrap_or_default()))
    }
}

/// The parameters of the query string, into a struct of optional texts that denies unknown ones.
///
/// An empty value is the same as none, but for [`Given::is_empty`] lists.
#[derive(Debug)]
pub(crate) struct Parameters<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        match QueryString::<T>::try_from_uri(&parts.uri) {
            Ok(QueryString(parameters)) => Ok(Self(parameters)),
            Err(rejection) => {
                // The innermost error is serde's own: it names the parameter and the known ones.
                let mut error: &dyn Error = &rejection;
                while let Some(source) = error.source() {
                    error = source;
                }
                let sentence = error.to_string().replace("field", "parameter");
                Err(Problem::bad_parameter(sentence).into())
            }
        }
    }
}

/// A parameter as it was given: its name and its value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given<'a> {
    name: &'static str,
    value: Option<&'a str>,
}

/// The parameter `name`.
pub(crate) fn given<'a>(name: &'static str, value: &'a Option<String>) -> Given<'a> {
    Given { name, value: value.as_deref() }
}

impl<'a> Given<'a> {
    /// Its value, where there is one that isn't empty.
    pub(crate) fn text(self) -> Option<&'a str> {
        self.value.filter(|value| !value.is_empty())
    }

    /// Whether it was given, but empty.
    pub(crate) fn is_empty(self) -> bool {
        self.value == Some("")
    }

    /// The problem with it; `rule` says what it must be.
    pub(crate) fn problem(self, rule: impl std::fmt::Display) -> Problem {
        Problem::bad_parameter(format!("`{}` must be {rule}", self.name)).with("parameter", self.name)
    }

    /// A whole number from `min` to `max`.
    pub(crate) fn integer(self, min: u64, max: u64) -> Result<Option<u64>, Problem> {
        let Some(text) = self.text() else { return Ok(None) };
        match text.parse() {
            Ok(number) if (min..=max).contains(&number) => Ok(Some(number)),
            _ => Err(self.problem(format!("a whole number from {min} to {max}"))),
        }
    }

    /// A moment, in milliseconds since the epoch.
    pub(crate) fn moment(self) -> Result<Option<u64>, Problem> {
        self.integer(0, tandem_model::time::INT_MAX)
    }

    /// An id.
    pub(crate) fn id(self) -> Result<Option<&'a str>, Problem> {
        match self.text() {
            Some(text) if !is_id(text) => {
                Err(self.problem("an id: 1 to 64 characters out of A-Z a-z 0-9 . _ : -"))
            }
            other => Ok(other),
        }
    }

    /// One of several names.
    pub(crate) fn one_of<T: Copy>(
        self,
        all: impl IntoIterator<Item = T>,
        name: impl Fn(T) -> &'static str,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.text() else { return Ok(None) };
        pick(self, text, &all.into_iter().collect::<Vec<_>>(), &name).map(Some)
    }

    /// Several names, separated by commas; in the order of `all`, each once.
    pub(crate) fn several<T: Copy>(
        self,
        all: &[T],
        name: impl Fn(T) -> &'static str,
    ) -> Result<Option<Vec<T>>, Problem> {
        let Some(text) = self.text() else { return Ok(None) };
        let mut asked = Vec::new();
        for part in text.split(',') {
            asked.push(name(pick(self, part, all, &name)?));
        }
        Ok(Some(all.iter().copied().filter(|known| asked.contains(&name(*known))).collect()))
    }
}

fn pick<T: Copy>(
    given: Given<'_>,
    text: &str,
    all: &[T],
    name: &impl Fn(T) -> &'static str,
) -> Result<T, Problem> {
    all.iter().copied().find(|known| name(*known) == text).ok_or_else(|| {
        let names: Vec<_> = all.iter().map(|known| name(*known)).collect();
        // What was sent may be anything; it is quoted only up to a length.
        let quoted: String = text.chars().take(tandem_model::id::ID_CHARS_MAX).collect();
        let problem = given.problem(format!("out of {}; `{quoted}` is not", names.join(", ")));
        problem.with("allowed", names)
    })
}
