//! A bucket that speaks S3.
//!
//! Of the environment only credentials and the region are taken. `AWS_ENDPOINT_URL` and
//! `AWS_ALLOW_HTTP` are not: where snapshots go, and whether in the open, stands in the settings.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
// Only named in our manifest to choose its TLS: without a provider of its own, we bring ring.
use reqwest as _;

use crate::settings::{Settings, SettingsError};

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How often a request is sent again. The client's own limit, 10 times in 3 minutes, is far beyond
/// what a partition should wait for a snapshot.
const RETRIES_MAX: usize = 3;
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// What may come from the environment, as `AWS_…`.
const FROM_ENVIRONMENT: [AmazonS3ConfigKey; 12] = [
    AmazonS3ConfigKey::AccessKeyId,
    AmazonS3ConfigKey::SecretAccessKey,
    AmazonS3ConfigKey::Token,
    AmazonS3ConfigKey::Region,
    AmazonS3ConfigKey::DefaultRegion,
    AmazonS3ConfigKey::WebIdentityTokenFile,
    AmazonS3ConfigKey::RoleArn,
    AmazonS3ConfigKey::RoleSessionName,
    AmazonS3ConfigKey::StsEndpoint,
    AmazonS3ConfigKey::ContainerCredentialsRelativeUri,
    AmazonS3ConfigKey::ContainerCredentialsFullUri,
    AmazonS3ConfigKey::ContainerAuthorizationTokenFile,
];

/// A client of `bucket`; asks it nothing yet.
pub(crate) fn open(
    settings: &Settings,
    bucket: &str,
    timeout: Duration,
) -> Result<Arc<dyn ObjectStore>, SettingsError> {
    // The client takes the process's default. One that is there already is as good.
    _ = rustls::crypto::ring::default_provider().install_default();
    let retry = RetryConfig {
        backoff: BackoffConfig { init_backoff: BACKOFF_MIN, max_backoff: BACKOFF_MAX, base: 2.0 },
        max_retries: RETRIES_MAX,
        retry_timeout: timeout,
    };
    let client = ClientOptions::new()
        .with_allow_http(settings.allow_http)
        .with_connect_timeout(CONNECT_TIMEOUT.min(timeout))
        .with_timeout(timeout);
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_client_options(client)
        .with_allow_http(settings.allow_http)
        .with_virtual_hosted_style_request(settings.virtual_hosted)
        .with_retry(retry)
        // One by one, as every server can.
        .with_disable_bulk_delete(true);
    let has_key = match (&settings.access_key_id, &settings.secret_access_key) {
        (Some(id), Some(secret)) => {
            builder = builder.with_access_key_id(id).with_secret_access_key(secret);
            if let Some(token) = &settings.session_token {
                builder = builder.with_token(token);
            }
            true
        }
        (None, None) => false,
        _ => return Err(SettingsError::HalfKey),
    };
    builder = with_environment(builder, has_key);
    if let Some(region) = &settings.region {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = &settings.endpoint {
        check_endpoint(endpoint, settings.allow_http)?;
        builder = builder.with_endpoint(endpoint);
    }
    let bucket = builder.build().map_err(|error| SettingsError::Bucket(error.to_string()))?;
    Ok(Arc::new(bucket))
}

fn with_environment(mut builder: AmazonS3Builder, has_key: bool) -> AmazonS3Builder {
    for (name, value) in std::env::vars_os() {
        let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else { continue };
        if !name.starts_with("AWS_") || value.is_empty() {
            continue;
        }
        let Ok(key) = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() else { continue };
        let is_region = matches!(key, AmazonS3ConfigKey::Region | AmazonS3ConfigKey::DefaultRegion);
        // A key that was given is whole: a token of another one does not belong to it.
        if FROM_ENVIRONMENT.contains(&key) && (is_region || !has_key) {
            builder = builder.with_config(key, value);
        }
    }
    builder
}

fn check_endpoint(endpoint: &str, allow_http: bool) -> Result<(), SettingsError> {
    let host = match endpoint.split_once("://") {
        Some(("https", host)) => host,
        Some(("http", host)) if allow_http => host,
        Some(("http", _)) => return Err(SettingsError::Http(endpoint.to_owned())),
        _ => return Err(SettingsError::Endpoint(endpoint.to_owned())),
    };
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]/".contains(&byte);
    if host.trim_matches('/').is_empty() || !host.bytes().all(is_host) {
        return Err(SettingsError::Endpoint(endpoint.to_owned()));
    }
    Ok(())
}
