//! Where snapshots go, as a configuration file says it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use object_store::path::Path;
use serde::Deserialize;

/// Least and most of [`Settings::timeout_ms`].
const TIMEOUT_MS: std::ops::RangeInclusive<u64> = 100..=600_000;

/// Where snapshots go. Secrets are never read from a file of settings: the program fills them in,
/// or they come from the usual `AWS_…` variables of the environment.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `file:///folder`, `s3://bucket` or `s3://bucket/prefix`. No default. Both chains may name
    /// the same one: their snapshots stand apart.
    pub url: String,
    /// The bucket's region. Default: `AWS_REGION` or `AWS_DEFAULT_REGION`, else `us-east-1`.
    #[serde(default)]
    pub region: Option<String>,
    /// Address of a server that speaks S3 but is not Amazon's: `https://host:port`. Default:
    /// Amazon's for the region.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Whether the endpoint may be `http://`, where everybody on the way can read and change
    /// snapshots. Default: false.
    #[serde(default)]
    pub allow_http: bool,
    /// Whether the bucket's name is part of the endpoint's host name rather than of the path.
    /// Default: false.
    #[serde(default)]
    pub virtual_hosted: bool,
    /// How long a call may take in all, retries included, in milliseconds: 100 to 600000.
    /// Default: 15000.
    #[serde(default = "timeout_ms_default")]
    pub timeout_ms: u64,
    /// The access key's id. Default: what the environment says (`AWS_ACCESS_KEY_ID`, a web identity,
    /// a container's or machine's role).
    #[serde(skip)]
    pub access_key_id: Option<String>,
    /// The access key's secret; given together with the id.
    #[serde(skip)]
    pub secret_access_key: Option<String>,
    /// The session's token, for keys that are lent for a while.
    #[serde(skip)]
    pub session_token: Option<String>,
}

/// Why the settings can't work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// It is neither a folder nor a bucket.
    #[error("`url` is {url:?}: write file:///folder, s3://bucket or s3://bucket/prefix ({why})")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Without TLS, and nobody said that this is all right.
    #[error("`endpoint` is {0}: use https://, or set `allow_http = true` if nobody can listen on the way")]
    Http(String),
    /// The endpoint is no address.
    #[error("`endpoint` is {0:?}: write https://host or https://host:port")]
    Endpoint(String),
    /// One half of an access key.
    #[error("an access key has an id and a secret: give both, or neither to take what the environment has")]
    HalfKey,
    /// Out of range.
    #[error("`timeout_ms` is {_0}: choose {least} to {most}", least = TIMEOUT_MS.start(), most = TIMEOUT_MS.end())]
    Timeout(u64),
    /// The folder can't be made or read.
    #[error("the folder {folder} can't be used: {why}")]
    Folder {
        /// Which folder.
        folder: String,
        /// What the system said, and what to do.
        why: String,
    },
    /// Something else that the client for buckets refuses.
    #[error("the bucket can't be used like this: {0}")]
    Bucket(String),
}

/// A [`Settings::url`], taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Folder(PathBuf),
    Bucket { bucket: String, prefix: Path },
}

const fn timeout_ms_default() -> u64 {
    15_000
}

impl Settings {
    /// The settings for `url` where nothing else is said.
    pub fn of(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            region: None,
            endpoint: None,
            allow_http: false,
            virtual_hosted: false,
            timeout_ms: timeout_ms_default(),
            access_key_id: None,
            secret_access_key: None,
            session_token: None,
        }
    }

    pub(crate) fn timeout(&self) -> Result<Duration, SettingsError> {
        if !TIMEOUT_MS.contains(&self.timeout_ms) {
            return Err(SettingsError::Timeout(self.timeout_ms));
        }
        Ok(Duration::from_millis(self.timeout_ms))
    }

    pub(crate) fn target(&self) -> Result<Target, SettingsError> {
        let wrong = |why| SettingsError::Url { url: self.url.clone(), why };
        if let Some(folder) = self.url.strip_prefix("file://") {
            return match folder.strip_prefix('/') {
                Some(rest) if !rest.trim_matches('/').is_empty() => Ok(Target::Folder(PathBuf::from(folder))),
                Some(_) => Err(wrong("the root of the file system is no place for snapshots")),
                None => Err(wrong("the folder must be named from the root on, after three slashes")),
            };
        }
        let rest = self.url.strip_prefix("s3://").ok_or_else(|| wrong("no other kind of store is known"))?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        if bucket.is_empty() || !bucket.bytes().all(is_name) {
            return Err(wrong("the bucket's name has letters, digits, `.`, `-` and `_` only"));
        }
        let prefix = Path::parse(prefix).map_err(|_| wrong("the prefix can't be part of a key"))?;
        Ok(Target::Bucket { bucket: bucket.to_owned(), prefix })
    }
}

/// Without secrets.
impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, region, endpoint, allow_http, virtual_hosted, timeout_ms, .. } = self;
        let key = if self.access_key_id.is_some() { "given" } else { "of the environment" };
        formatter
            .debug_struct("Settings")
            .field("url", url)
            .field("region", region)
            .field("endpoint", endpoint)
            .field("allow_http", allow_http)
            .field("virtual_hosted", virtual_hosted)
            .field("timeout_ms", timeout_ms)
            .field("access_key", &key)
            .finish()
    }
}
