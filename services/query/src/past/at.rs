//! A moment of the past: a token or a time.

use tandem_model::problem::Problem;
use tandem_model::time::INT_MAX;
use tandem_model::{Cut, LogId, PartitionId, Token};

use crate::answer::Failure;
use crate::request::Given;

/// A cut of a session's partition, by how it was named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum At {
    /// Everything below this offset.
    Position(u64),
    /// Everything up to the newest beat that is not later, in milliseconds.
    Moment(u64),
}

impl At {
    /// What a parameter says about `partition` of the log `log`; none where it is not given.
    ///
    /// # Errors
    ///
    /// When it is neither a time nor a token, or a token that says nothing about the partition.
    pub(crate) fn of(given: Given<'_>, log: LogId, partition: PartitionId) -> Result<Option<Self>, Problem> {
        let Some(text) = given.text() else { return Ok(None) };
        // No token is made of digits alone: each begins with the letters of its version.
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let moment = text.parse().ok().filter(|ms| *ms <= INT_MAX);
            let moment =
                moment.ok_or_else(|| given.problem(format_args!("at most {INT_MAX} milliseconds")))?;
            return Ok(Some(Self::Moment(moment)));
        }
        let token = Token::decode(text).map_err(|error| {
            given
                .problem(format_args!("a time in milliseconds, or the token of an answer as it was: {error}"))
        })?;
        if token.log != log {
            return Err(given.problem(
                "a token of this log, which was created anew since that one was given out; nothing is left of what \
                 it stands for",
            ));
        }
        match token.next.get(&partition) {
            Some(next) => Ok(Some(Self::Position(*next))),
            None => Err(given.problem(
                "the token of an answer about this session: this one says nothing about it, so whoever holds it has \
                 not read it",
            )),
        }
    }

    /// Refuses what lies beyond `read`, which is how far this chain has read.
    ///
    /// # Errors
    ///
    /// The chain may be behind a token; a time that is still to come can't be answered for.
    pub(crate) fn check(self, given: Given<'_>, read: Cut) -> Result<(), Failure> {
        match self {
            Self::Position(next) if next > read.next => Err(Failure::behind()),
            Self::Moment(ms) if ms > read.clock => {
                let clock = read.clock;
                let rule =
                    format_args!("no later than the clock of this session, {clock}: leave it out for now");
                Err(given.problem(rule).with("as_of", clock).into())
            }
            Self::Position(_) | Self::Moment(_) => Ok(()),
        }
    }
}
