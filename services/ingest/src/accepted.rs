//! What became of a body: the answer to its sender, as far as HTTP does not come into it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use tandem_model::malformed::{Malformed, Problem};
use tandem_model::{PartitionId, Token};

/// How many bad lines an answer names; all of them are counted.
pub const LINE_ERRORS_MAX: usize = 100;

/// What became of a body.
///
/// It serialises without the positions: that is what a receipt keeps. The log keeps the positions
/// beside it, since they are known only once it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Lines that are events and are now in the log.
    pub events: u64,
    /// How many of them were marked as suspect here. Not for the sender's eyes.
    #[serde(skip)]
    pub suspect: u64,
    /// Lines that are beats and are now in every partition.
    pub beats: u64,
    /// Lines that are neither; the log keeps their beginnings.
    pub malformed: u64,
    /// The first [`LINE_ERRORS_MAX`] of the malformed lines, in order.
    pub errors: Vec<LineError>,
    /// The token the sender had when it first sent this body, in its text form. It is part of the
    /// answer's own token, so a repeated answer is the same to the last byte.
    pub token_sent: Option<String>,
    /// Per partition it touched, the offset after its last record there.
    #[serde(skip)]
    pub next: Vec<(PartitionId, u64)>,
    /// Whether this is the first answer again.
    #[serde(skip)]
    pub replayed: bool,
}

/// A line that is no event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineError {
    /// Its number in the body, from 1; blank lines count.
    pub line: u64,
    /// The field that is wrong, where it is a field.
    pub field: Option<Cow<'static, str>>,
    /// What is wrong, for programs.
    #[serde(rename = "reason")]
    pub problem: Problem,
    /// What is wrong, for people.
    pub detail: String,
}

impl LineError {
    pub(crate) fn new(line: u64, malformed: &Malformed) -> Self {
        Self {
            line,
            field: malformed.field.map(|field| Cow::Borrowed(field.name())),
            problem: malformed.problem,
            detail: malformed.to_string(),
        }
    }
}

impl Accepted {
    /// Adds what the sender reads when it reads its own writes, and what it had read before.
    pub fn join_into(&self, token: &mut Token) {
        if let Some(sent) = self.token_sent.as_deref().and_then(|sent| Token::decode(sent).ok())
            && sent.log == token.log
        {
            token.join(&sent);
        }
        for (partition, next) in &self.next {
            token.advance(*partition, *next);
        }
    }
}
