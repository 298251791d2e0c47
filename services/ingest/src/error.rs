//! Why a body was not taken.

use tandem_model::problem::Problem;
use tandem_storage::StoreError;

use crate::ingest::{BODY_BYTES_MAX, LINES_MAX};

/// Why a body was not taken. Nothing of it is in the log, unless the variant says otherwise.
#[derive(Clone, Debug, thiserror::Error)]
pub enum IngestError {
    /// It is over [`BODY_BYTES_MAX`].
    #[error("the body is over {} MiB: send it in smaller parts", BODY_BYTES_MAX >> 20)]
    TooManyBytes,
    /// It has more than [`LINES_MAX`] lines that are not blank.
    #[error("the body has more than {LINES_MAX} lines: send it in smaller parts")]
    TooManyLines,
    /// The `Idempotency-Key` is not one.
    #[error(
        "Idempotency-Key must be one string of 1 to 255 visible ASCII characters, \
         in double quotes or without spaces"
    )]
    BadKey,
    /// The key came with another body before.
    #[error("this Idempotency-Key was used for another body: take a new key for a new body")]
    KeyReused,
    /// A body with this key is being taken at this moment.
    #[error("the first request with this Idempotency-Key is still under way: try again in a moment")]
    UnderWay,
    /// More bodies are being taken than there is room for.
    #[error("too many bodies are being taken at the moment: try again in a moment")]
    Busy,
    /// The log did not answer well; the body may be in the log or not. With a key it is safe to
    /// send it again.
    #[error(
        "the event log can't be written at the moment: try again, with an Idempotency-Key nothing counts twice"
    )]
    Log(#[source] StoreError),
    /// An event can't be taken out of what was counted, since that can't be counted again.
    #[error("the log does not reach back to its beginning any more: what was counted can't be counted again")]
    BeginningGone,
    /// A receipt is unreadable, or taking the body broke down: our own fault.
    #[error("taking the body failed on our side: {0}")]
    Internal(String),
}

impl IngestError {
    /// The answer to the sender.
    pub fn problem(&self) -> Problem {
        let detail = self.to_string();
        match self {
            IngestError::TooManyBytes | IngestError::TooManyLines => Problem::too_large(detail),
            IngestError::BadKey | IngestError::BeginningGone => Problem::bad_request(detail),
            IngestError::KeyReused => Problem::key_reused(detail),
            IngestError::UnderWay => Problem::conflict(detail),
            IngestError::Busy => Problem::unavailable(detail),
            IngestError::Log(error) if error.is_retryable() => Problem::unavailable(detail),
            IngestError::Log(_) | IngestError::Internal(_) => {
                Problem::internal("taking the body failed on our side; it has been logged")
            }
        }
    }
}
