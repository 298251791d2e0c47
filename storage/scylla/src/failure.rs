//! What the driver's errors mean to whoever called us.
//!
//! A timeout has one meaning: whatever may have reached a server that did not say what became of
//! it is [`StoreError::Timeout`], whether our patience ended, the server's, or the connection. All
//! our writes may be done again, so callers do. `Unavailable` is what surely was not done;
//! `Refused` is what will not be done however often it is tried, with words on what to do.

use scylla::errors::{
    ConnectionError, ConnectionPoolError, ConnectionSetupRequestErrorKind, DbError, ExecutionError,
    MetadataError, MetadataFetchErrorKind, NewSessionError, PrepareError, RequestAttemptError,
};
use tandem_storage::StoreError;

/// What became of a request. `doing` says what it was for.
pub(crate) fn of_request(doing: &str, error: &ExecutionError) -> StoreError {
    match error {
        ExecutionError::LastAttemptError(attempt) => of_attempt(doing, attempt),
        ExecutionError::RequestTimeout(after) => {
            StoreError::Timeout(format!("{doing}: no answer within {} ms", after.as_millis()))
        }
        ExecutionError::ConnectionPoolError(pool) => of_pool(doing, pool),
        ExecutionError::PrepareError(prepare) => of_prepare(doing, prepare),
        ExecutionError::EmptyPlan => StoreError::Unavailable(format!(
            "{doing}: no node to ask; is the setting `datacenter` one that exists?"
        )),
        ExecutionError::BadQuery(bad) => StoreError::Refused(format!("{doing}: {bad}")),
        other => StoreError::Timeout(format!("{doing}: {other}")),
    }
}

/// Why a statement could not be prepared.
pub(crate) fn of_prepare(doing: &str, error: &PrepareError) -> StoreError {
    match error {
        PrepareError::ConnectionPoolError(pool) => of_pool(doing, pool),
        PrepareError::AllAttemptsFailed { first_attempt } => of_attempt(doing, first_attempt),
        other => StoreError::Unavailable(format!("{doing}: {other}")),
    }
}

/// Why no connection came about.
pub(crate) fn of_connecting(addresses: &[String], error: &NewSessionError) -> StoreError {
    let doing = format!("CQL store at {}", addresses.join(", "));
    match error {
        NewSessionError::MetadataError(MetadataError::ConnectionPoolError(pool)) => of_pool(&doing, pool),
        NewSessionError::MetadataError(MetadataError::FetchError(fetch)) => match &fetch.error {
            MetadataFetchErrorKind::PrepareError(attempt) => of_attempt(&doing, attempt),
            _ => StoreError::Unavailable(format!("{doing}: {error}")),
        },
        NewSessionError::IllegalConfig(what) => StoreError::Refused(format!("{doing}: {what}")),
        _ => StoreError::Unavailable(format!("{doing}: {error}")),
    }
}

/// No connection to any node we asked: nothing was sent.
fn of_pool(doing: &str, error: &ConnectionPoolError) -> StoreError {
    if let ConnectionPoolError::Broken { last_connection_error } = error
        && let ConnectionError::ConnectionSetupRequestError(setup) = last_connection_error
    {
        match setup.get_error() {
            ConnectionSetupRequestErrorKind::DbError(
                DbError::AuthenticationError | DbError::Unauthorized,
                message,
            ) => {
                return StoreError::Refused(format!(
                    "{doing}: the server refuses the user or the password ({message}): check `user` and \
                     the password"
                ));
            }
            ConnectionSetupRequestErrorKind::MissingAuthentication => {
                return StoreError::Refused(format!(
                    "{doing}: the server wants a user and a password: set `user` and the password"
                ));
            }
            ConnectionSetupRequestErrorKind::DbError(DbError::ProtocolError, message) => {
                return StoreError::Refused(format!(
                    "{doing}: the server does not speak version 4 of the CQL protocol ({message})"
                ));
            }
            _ => {}
        }
    }
    StoreError::Unavailable(format!("{doing}: {error}"))
}

fn of_attempt(doing: &str, error: &RequestAttemptError) -> StoreError {
    match error {
        RequestAttemptError::DbError(answer, message) => of_answer(doing, answer, message),
        RequestAttemptError::UnableToAllocStreamId => {
            StoreError::Unavailable(format!("{doing}: too many requests under way on one connection"))
        }
        RequestAttemptError::SerializationError(_) | RequestAttemptError::CqlRequestSerialization(_) => {
            StoreError::Refused(format!("{doing}: {error}"))
        }
        // The connection broke, or the answer can't be read: who knows.
        _ => StoreError::Timeout(format!("{doing}: {error}")),
    }
}

/// What a server answered instead of a result.
fn of_answer(doing: &str, answer: &DbError, message: &str) -> StoreError {
    let said = format!("{doing}: {message}");
    match answer {
        DbError::Unavailable { .. }
        | DbError::Overloaded
        | DbError::IsBootstrapping
        | DbError::RateLimitReached { .. } => StoreError::Unavailable(said),
        DbError::Unauthorized => StoreError::Refused(format!(
            "{said}: the user lacks a permission; `tandem schema` needs CREATE and ALTER, compute SELECT and \
             MODIFY, query nodes SELECT"
        )),
        DbError::AuthenticationError => StoreError::Refused(format!("{said}: check `user` and the password")),
        // Cassandra says one, ScyllaDB the other.
        DbError::Invalid if ["oversized mutation", "too large"].iter().any(|text| message.contains(text)) => {
            StoreError::Refused(format!("{said}: lower `batch_bytes_max`, or raise the server's limit"))
        }
        DbError::Invalid | DbError::ConfigError
            if ["unconfigured table", "does not exist", "ndefined column", "nrecognized name"]
                .iter()
                .any(|text| message.contains(text)) =>
        {
            StoreError::Refused(format!("{said}: run `tandem schema apply`"))
        }
        DbError::SyntaxError
        | DbError::Invalid
        | DbError::ConfigError
        | DbError::AlreadyExists { .. }
        | DbError::FunctionFailure { .. }
        | DbError::ProtocolError => StoreError::Refused(said),
        // Timeouts and failures of replicas, and whatever else: may have been done.
        _ => StoreError::Timeout(said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scylla::errors::WriteType;
    use scylla::frame::types::Consistency;
    use std::time::Duration;

    fn answer(answer: DbError, message: &str) -> StoreError {
        let attempt = RequestAttemptError::DbError(answer, message.to_owned());
        of_request("writing", &ExecutionError::LastAttemptError(attempt))
    }

    #[test]
    fn a_timeout_is_what_may_have_been_done() {
        let timeout = DbError::WriteTimeout {
            consistency: Consistency::LocalQuorum,
            received: 1,
            required: 2,
            write_type: WriteType::UnloggedBatch,
        };
        for error in [
            answer(timeout, "operation timed out"),
            answer(DbError::ServerError, "something"),
            of_request("writing", &ExecutionError::RequestTimeout(Duration::from_secs(5))),
        ] {
            assert!(matches!(error, StoreError::Timeout(_)), "{error}");
        }
        let unavailable = DbError::Unavailable { consistency: Consistency::All, required: 3, alive: 1 };
        assert!(matches!(answer(unavailable, "cannot achieve"), StoreError::Unavailable(_)));
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        for (kind, message, advice) in [
            (DbError::Unauthorized, "User u has no MODIFY permission", "permission"),
            (DbError::Invalid, "unconfigured table rows", "tandem schema apply"),
            (DbError::Invalid, "Mutation of 9 bytes is too large", "batch_bytes_max"),
            (DbError::Invalid, "Rejected an oversized mutation (9/8)", "batch_bytes_max"),
        ] {
            let StoreError::Refused(text) = answer(kind, message) else { panic!("{message}") };
            assert!(text.contains(advice) && text.contains(message), "{text}");
        }
    }
}
