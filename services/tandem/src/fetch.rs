//! What others publish, fetched: keys of tokens, networks of crawlers.

use std::time::Duration;

use anyhow::{Context, anyhow};

/// A client whose answers are there within `timeout`; it follows nobody elsewhere.
///
/// # Errors
///
/// When none can be made.
pub(crate) fn client(timeout: Duration) -> Result<reqwest::Client, anyhow::Error> {
    // Whoever was first is right, too.
    _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .timeout(timeout)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .context("no client for what others publish can be made")
}

/// What is at `url`, of at most `bytes_max`.
///
/// # Errors
///
/// When it is not there in time and as a whole.
pub(crate) async fn fetch(
    client: &reqwest::Client,
    url: &str,
    bytes_max: usize,
) -> Result<Vec<u8>, anyhow::Error> {
    let mut answer = client.get(url).send().await.context("the server does not answer")?;
    if answer.status() != http::StatusCode::OK {
        return Err(anyhow!("the server answers {}", answer.status()));
    }
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.context("the server's answer broke off")? {
        body.extend_from_slice(&part);
        if body.len() > bytes_max {
            return Err(anyhow!("the server's answer is over {bytes_max} bytes"));
        }
    }
    Ok(body)
}
