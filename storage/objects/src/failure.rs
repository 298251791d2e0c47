//! What went wrong, in our words: which kind of [`StoreError`], and what to do.
//!
//! Two lines are drawn. **Can the same call succeed later, without us being changed?** A full disk,
//! a server that is down or says "slow down": yes, [`StoreError::Unavailable`]. Wrong credentials,
//! a bucket that does not exist, a folder that is not ours: no, those are our settings' fault and
//! [`StoreError::Refused`]; waiting would hide it. Keys that have only expired are lent anew, so
//! that is unavailable again. **Was nothing done?** Where that is not known it is
//! [`StoreError::Timeout`].
//!
//! The client keeps the server's answer as text, so the S3 error code is read from there
//! (`<Code>…</Code>`): it is part of the protocol, unlike the words around it.

use std::error::Error;
use std::io;
use std::time::Duration;

use object_store::client::{HttpError, HttpErrorKind};
use object_store::path::Path;
use tandem_storage::StoreError;

/// How much of what a server says is passed on, in characters.
const WORDS_MAX: usize = 400;

/// The store, as errors name it.
pub(crate) struct Store {
    pub(crate) url: String,
}

impl Store {
    /// A call that took longer than it may.
    pub(crate) fn too_slow(&self, doing: &str, key: &Path, timeout: Duration) -> StoreError {
        StoreError::Timeout(format!(
            "{}: no answer within {} ms to {doing} {key}: check the way to the store, or raise `timeout_ms`",
            self.url,
            timeout.as_millis()
        ))
    }

    /// A call that failed.
    pub(crate) fn failure(&self, doing: &str, key: &Path, error: &object_store::Error) -> StoreError {
        let what = format!("{}: can't {doing} {key}", self.url);
        let said = chain(error);
        if let Some(code) = code(&said) {
            return of_server(&what, code, &said);
        }
        if let Some(error) = find::<HttpError>(error) {
            return of_connection(&what, error.kind(), &said);
        }
        if let Some(error) = find::<io::Error>(error) {
            return of_system(&what, error);
        }
        match error {
            object_store::Error::PermissionDenied { .. } => of_server(&what, "AccessDenied", &said),
            object_store::Error::Unauthenticated { .. } => of_server(&what, "InvalidAccessKeyId", &said),
            object_store::Error::NotFound { .. } => of_server(&what, "NoSuchBucket", &said),
            _ => StoreError::Unavailable(format!("{what}: {}", words(&said))),
        }
    }
}

/// Whether the object is not there, in a store that is.
pub(crate) fn is_absent(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::NotFound { .. }) && code(&chain(error)) != Some("NoSuchBucket")
}

/// What a file system says.
fn of_system(what: &str, error: &io::Error) -> StoreError {
    use io::ErrorKind as Kind;
    let advice = match error.kind() {
        Kind::StorageFull | Kind::QuotaExceeded => {
            "the disk is full: make room; no snapshot is lost, but the next restart replays more"
        }
        Kind::PermissionDenied => {
            return StoreError::Refused(format!(
                "{what}: {error}; let this process's user read and write there, or choose another folder"
            ));
        }
        Kind::ReadOnlyFilesystem | Kind::NotADirectory => {
            return StoreError::Refused(format!("{what}: {error}; choose a folder that can be written"));
        }
        _ => "",
    };
    StoreError::Unavailable(match advice {
        "" => format!("{what}: {error}"),
        advice => format!("{what}: {error}; {advice}"),
    })
}

/// What an S3 server says, by its error code.
fn of_server(what: &str, code: &str, said: &str) -> StoreError {
    let refused = |advice: &str| StoreError::Refused(format!("{what}: {code}; {advice}"));
    match code {
        "NoSuchBucket" => refused("the bucket does not exist: create it, or correct `url` and `region`"),
        "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "InvalidClientTokenId" => {
            refused("the credentials are wrong: correct the access key's id and secret")
        }
        "AuthorizationHeaderMalformed" | "PermanentRedirect" | "IllegalLocationConstraintException" => {
            refused("the bucket is in another region: correct `region` or `endpoint`")
        }
        "AccessDenied" | "AllAccessDisabled" | "AccountProblem" => refused(
            "the access key may not do that: check the name of the bucket, and allow the key s3:ListBucket on it and s3:GetObject, \
             s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload on its objects",
        ),
        "EntityTooLarge" => refused("the server does not take objects of this size"),
        "RequestTimeTooSkewed" => StoreError::Unavailable(format!(
            "{what}: {code}; the clocks of this machine and of the server differ: set them"
        )),
        "ExpiredToken" | "TokenRefreshRequired" => {
            StoreError::Unavailable(format!("{what}: {code}; the credentials have expired: renew them"))
        }
        "QuotaExceeded" | "XMinioStorageFull" | "StorageFull" => {
            StoreError::Unavailable(format!("{what}: {code}; the store is full: make room"))
        }
        _ => StoreError::Unavailable(format!("{what}: {}", words(said))),
    }
}

fn of_connection(what: &str, kind: HttpErrorKind, said: &str) -> StoreError {
    let said = words(said);
    match kind {
        HttpErrorKind::Connect => StoreError::Unavailable(format!(
            "{what}: the server can't be reached: check `endpoint` and the way to it ({said})"
        )),
        HttpErrorKind::Timeout | HttpErrorKind::Interrupted => StoreError::Timeout(format!(
            "{what}: the answer did not come: check the way to the store, or raise `timeout_ms` ({said})"
        )),
        _ => StoreError::Unavailable(format!("{what}: {said}")),
    }
}

/// The first cause of this type.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

/// An error with its causes; each is said once.
fn chain(error: &object_store::Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !said.contains(&text) {
            said.push_str(": ");
            said.push_str(&text);
        }
        cause = error.source();
    }
    said
}

/// The S3 error code in an answer.
fn code(said: &str) -> Option<&str> {
    let (_, rest) = said.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    (code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric())).then_some(code)
}

/// On one line, and not endless.
fn words(said: &str) -> String {
    let line = said.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(WORDS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
