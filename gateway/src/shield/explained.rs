//! What was decided about single requests, to be explained afterwards: the newest verdicts that were
//! more than to let through. Bounded, in memory, of this gateway alone.

use std::collections::VecDeque;
use std::net::IpAddr;

use http::Method;
use parking_lot::Mutex;
use serde::Serialize;
use tandem_shield::{Seen, Verdict, Who};

/// Most bytes of a path that are kept.
const PATH_BYTES_MAX: usize = 256;

/// One verdict, with its reasons in words.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExplainedVerdict {
    /// The request's id, as its answer had it.
    pub request_id: String,
    /// When it came, in milliseconds since 1970.
    pub at_ms: u64,
    /// Where it came from.
    pub address: IpAddr,
    /// How it showed who it is: `nobody`, `failed`, `key`, `token`, `signed`.
    pub caller: &'static str,
    /// Which credential.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Its method.
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// What the rules in force say is to be done.
    pub action: &'static str,
    /// What would be done if the rules that only observe had a say.
    pub would_be: &'static str,
    /// Whether verdicts were carried out then.
    pub enforced: bool,
    /// The points of all rules that have a say.
    pub score: u16,
    /// What each rule had to say.
    pub reasons: Vec<ExplainedReason>,
}

/// What one rule had to say.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExplainedReason {
    /// Its name.
    pub rule: &'static str,
    /// Its points; below 0 they speak for the request.
    pub points: i16,
    /// It only observes.
    pub observed: bool,
    /// What it saw, in one sentence.
    pub evidence: String,
}

/// The newest of them.
pub(super) struct Explained {
    most: usize,
    verdicts: Mutex<VecDeque<ExplainedVerdict>>,
}

impl Explained {
    pub(super) fn new(most: usize) -> Self {
        Self { most, verdicts: Mutex::default() }
    }

    pub(super) fn note(&self, request_id: &str, seen: &Seen<'_>, verdict: &Verdict, enforced: bool) {
        if self.most == 0 {
            return;
        }
        let (caller, names) = named(seen.who);
        let explained = ExplainedVerdict {
            request_id: request_id.to_owned(),
            at_ms: seen.now_ms,
            address: seen.address,
            caller,
            credential: names.map(|(id, _)| id.to_owned()),
            tenant: names.map(|(_, tenant)| tenant.to_owned()),
            method: method(seen.method).to_owned(),
            path: seen.path[..seen.path.floor_char_boundary(PATH_BYTES_MAX)].to_owned(),
            action: verdict.action.name(),
            would_be: verdict.would_be.name(),
            enforced,
            score: verdict.score,
            reasons: verdict
                .reasons
                .iter()
                .map(|reason| ExplainedReason {
                    rule: reason.rule,
                    points: reason.points,
                    observed: reason.observed,
                    evidence: reason.evidence.to_string(),
                })
                .collect(),
        };
        let mut verdicts = self.verdicts.lock();
        if verdicts.len() >= self.most {
            verdicts.pop_front();
        }
        verdicts.push_back(explained);
    }

    pub(super) fn of(&self, request_id: &str) -> Option<ExplainedVerdict> {
        self.verdicts.lock().iter().rev().find(|verdict| verdict.request_id == request_id).cloned()
    }
}

/// Methods of one's own invention may be long.
fn method(method: &Method) -> &str {
    let text = method.as_str();
    text.get(..32).unwrap_or(text)
}

fn named(who: Who<'_>) -> (&'static str, Option<(&str, &str)>) {
    match who {
        Who::Nobody => ("nobody", None),
        Who::Failed => ("failed", None),
        Who::Key { id, tenant } => ("key", Some((id, tenant))),
        Who::Token { id, tenant } => ("token", Some((id, tenant))),
        Who::Signed { id, tenant } => ("signed", Some((id, tenant))),
        Who::Operator => ("operator", None),
    }
}
