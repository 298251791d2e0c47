//! What a server's or a connection's trouble means to whoever called.

use redis::{ErrorKind, RedisError, ServerErrorKind};
use tandem_storage::StoreError;

const NOT_ALLOWED: &str = "does not allow the user what the hot store needs (its docs list that)";

/// Trouble with a call that was sent.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The connection is gone; whether the call was done is not known.
    Broken(String),
    /// This server is not, or no longer, the one to ask: look for it anew.
    WrongServer(StoreError),
    /// The server does not know our functions: it was emptied, or is a new one.
    NoFunctions,
    /// The rest.
    Other(StoreError),
}

impl Failure {
    /// Sorts an error that came back for a call.
    pub(crate) fn of(error: &RedisError) -> Self {
        let text = || format!("redis: {error}");
        match error.kind() {
            ErrorKind::Io if error.is_timeout() => Self::Other(StoreError::Timeout(text())),
            ErrorKind::Io | ErrorKind::Parse => Self::Broken(text()),
            ErrorKind::ClusterConnectionNotFound => Self::WrongServer(StoreError::Unavailable(text())),
            ErrorKind::AuthenticationFailed => Self::WrongServer(StoreError::Refused(format!(
                "redis does not take the user and password of the settings: {error}"
            ))),
            _ => Self::of_server(error),
        }
    }

    fn of_server(error: &RedisError) -> Self {
        let text = error.detail().unwrap_or_default();
        let unavailable = |words: &str| StoreError::Unavailable(format!("redis {words}: {error}"));
        let refused = |words: &str| StoreError::Refused(format!("redis {words}: {error}"));
        match error.code().unwrap_or_default() {
            "ERR" if text.contains("Function not found") => Self::NoFunctions,
            // A function's own calls need the user's rights, too, and report a lack of them so.
            "ERR" if text.contains("user executing the script can't") => Self::Other(refused(NOT_ALLOWED)),
            "ERR" if text.contains("cluster support disabled") => {
                Self::Other(refused("is no cluster; set mode = \"single\" or \"sentinel\""))
            }
            "NOAUTH" => Self::WrongServer(refused("asks for a password and the settings have none")),
            "WRONGPASS" => Self::WrongServer(refused("does not take the user and password of the settings")),
            "NOPERM" => {
                Self::Other(refused("does not allow the user what the hot store needs; see its docs"))
            }
            "READONLY" => Self::WrongServer(unavailable("is a replica here; its master is looked for anew")),
            "MASTERDOWN" => Self::WrongServer(unavailable("is a replica without its master")),
            "LOADING" => Self::Other(unavailable("is still loading its data")),
            "CLUSTERDOWN" | "TRYAGAIN" | "ASK" => Self::Other(unavailable("is a cluster in a change")),
            "MOVED" => Self::WrongServer(unavailable(
                "is part of a cluster that keeps the key elsewhere; with mode = \"cluster\" it is found",
            )),
            "OOM" => Self::Other(unavailable(
                "is at its memory limit and finds nothing to drop; set maxmemory-policy to volatile-lru or raise maxmemory",
            )),
            "MISCONF" | "NOREPLICAS" | "BUSY" => Self::Other(unavailable("takes no writes for now")),
            "WRONGTYPE" => Self::Other(StoreError::Damaged(format!(
                "redis: a key of ours is of another type; something else writes under our key prefix: {error}"
            ))),
            _ if error.kind() == ErrorKind::Server(ServerErrorKind::CrossSlot) => {
                Self::Other(refused("keeps keys apart that belong together"))
            }
            _ => Self::Other(refused("does not understand us")),
        }
    }

    /// What callers of the port get to see.
    pub(crate) fn into_store_error(self) -> StoreError {
        match self {
            // It may have been done.
            Self::Broken(text) => StoreError::Timeout(text),
            Self::WrongServer(error) | Self::Other(error) => error,
            Self::NoFunctions => StoreError::Unavailable(
                "redis forgot our functions again right after they were loaded".to_owned(),
            ),
        }
    }
}

/// An error while a connection is made: nothing was done yet.
pub(crate) fn not_connected(address: &str, error: &RedisError) -> StoreError {
    match Failure::of(error).into_store_error() {
        StoreError::Timeout(text) | StoreError::Unavailable(text) => {
            StoreError::Unavailable(format!("{address}: {text}"))
        }
        StoreError::Refused(text) => StoreError::Refused(format!("{address}: {text}")),
        other @ (StoreError::Damaged(_) | StoreError::Lost(_)) => other,
    }
}

#[cfg(test)]
mod tests {
    use redis::Value;

    use super::*;

    fn failure(line: &str) -> Failure {
        let value = redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).expect("an error line");
        match value {
            Value::ServerError(error) => Failure::of(&error.into()),
            other => panic!("{other:?} is no error"),
        }
    }

    #[test]
    fn what_can_help_is_retryable_and_what_cannot_says_what_to_do() {
        let retryable = [
            "READONLY You can't write against a read only replica.",
            "LOADING Redis is loading the dataset in memory",
            "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
            "CLUSTERDOWN Hash slot not served",
            "TRYAGAIN Multiple keys request during rehashing of slot",
            "OOM command not allowed when used memory > 'maxmemory'.",
            "MISCONF Redis is configured to save RDB snapshots",
        ];
        for line in retryable {
            assert!(failure(line).into_store_error().is_retryable(), "{line}");
        }
        let refused = [
            ("NOAUTH Authentication required.", "password"),
            ("WRONGPASS invalid username-password pair or user is disabled.", "password"),
            ("NOPERM this user has no permissions to run the 'fcall' command", "does not allow"),
            ("ERR The user executing the script can't run this command or subcommand", "does not allow"),
            ("ERR This instance has cluster support disabled", "mode"),
            ("ERR unknown command 'FCALL'", "FCALL"),
        ];
        for (line, word) in refused {
            let error = failure(line).into_store_error();
            assert!(matches!(&error, StoreError::Refused(text) if text.contains(word)), "{line}: {error}");
        }
        assert!(matches!(failure("ERR Function not found"), Failure::NoFunctions));
        assert!(matches!(
            failure("WRONGTYPE Operation against a key"),
            Failure::Other(StoreError::Damaged(_))
        ));
    }

    #[test]
    fn a_broken_connection_may_have_done_it_a_refused_one_has_not() {
        let broken: RedisError = std::io::Error::from(std::io::ErrorKind::ConnectionReset).into();
        assert!(matches!(Failure::of(&broken), Failure::Broken(_)));
        assert!(matches!(Failure::of(&broken).into_store_error(), StoreError::Timeout(_)));
        let refused: RedisError = std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into();
        assert!(matches!(not_connected("h:1", &refused), StoreError::Unavailable(_)));
    }
}
