//! An export on its way into a folder.
//!
//! Each part is a file of its own, valid alone; `_manifest.json` says of each what it is and where it is
//! from, `_SHA256SUMS` lets anybody check them (`sha256sum -c`). A part is written under another name, then
//! renamed, then noted: whoever is stopped in between goes on where they were, and no file is half a part.
//! The last token goes along, so no part is older than the one before, whichever chain gives it.

mod manifest;

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use http::header::RETRY_AFTER;
use http::{HeaderName, HeaderValue};
use tandem_exports::{Format, digest, repr_digest};

pub use manifest::{Manifest, Order, Part};

use crate::client::{Answer, Client, ClientError, TOKEN};
use crate::failure::Failure;
use crate::progress::Progress;

/// How often a part is asked for again before the command gives up, with this much more of a wait each time.
const ATTEMPTS_MAX: u32 = 8;
const WAIT: Duration = Duration::from_millis(500);
/// How often a session that changes while it is fetched is begun anew.
const ANEW_MAX: u32 = 5;

const NEXT: HeaderName = HeaderName::from_static("tandem-export-next");
const ROWS: HeaderName = HeaderName::from_static("tandem-export-rows");
const FIRST_ROW: HeaderName = HeaderName::from_static("tandem-export-first-row");
const PROVENANCE: HeaderName = HeaderName::from_static("tandem-provenance");
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// Fetches into `folder` what is not there yet. Answers what is there in the end.
///
/// # Errors
///
/// When the server refuses or stays away; when the folder holds another export; when a file can't be written.
pub async fn export(
    client: &Client,
    order: &Order,
    folder: &Path,
    progress: &Progress,
) -> Result<Manifest, Failure> {
    let mut manifest = Manifest::open(folder, order)?;
    let mut anew = 0;
    while !manifest.is_complete {
        progress.advance(manifest.bytes(), manifest.rows());
        let asked_with = manifest.next.clone();
        let answer = match ask(client, &manifest, progress).await {
            Ok(answer) => answer,
            Err(ClientError::Refused(refusal)) if refusal.is("conflict") && anew < ANEW_MAX => {
                // The session in the middle has changed: its pieces are of a cut that is gone.
                anew += 1;
                manifest.drop_pieces(folder)?;
                continue;
            }
            Err(error) if manifest.parts.is_empty() => return Err(Failure::failed(error)),
            Err(error) => {
                return Err(Failure::failed(error)
                    .context("the export is not complete; the same command goes on where this one stopped"));
            }
        };
        std::fs::create_dir_all(folder).with_context(|| format!("can't make {}", folder.display()))?;
        let part = keep(&answer, &manifest, folder, asked_with)?;
        if part.first_row == 0 {
            anew = 0;
        }
        manifest.next = answer.header(&NEXT).map(str::to_owned);
        manifest.is_complete = manifest.next.is_none();
        manifest.token = answer.header(&TOKEN).map(str::to_owned).or(manifest.token);
        // A part can be empty where the key sees nothing of its sessions.
        if part.rows > 0 {
            manifest.parts.push(part);
        }
        manifest.write(folder)?;
    }
    progress.advance(manifest.bytes(), manifest.rows());
    Ok(manifest)
}

/// Asks for the next part until it comes whole.
async fn ask(client: &Client, manifest: &Manifest, progress: &Progress) -> Result<Answer, ClientError> {
    let path = manifest.order.path(manifest.next.as_deref());
    let token = manifest.token.as_deref().and_then(|token| HeaderValue::from_str(token).ok());
    let headers: Vec<_> = token.into_iter().map(|token| (TOKEN, token)).collect();
    let mut attempt = 1;
    loop {
        let (error, asked) = match client.get(&path, &headers).await {
            Ok(answer) if answer.status.is_success() && is_whole(&answer) => {
                progress.going_on();
                return Ok(answer);
            }
            Ok(answer) if answer.status.is_success() => {
                let (server, reason) = (client.server().clone(), "a part did not come whole".to_owned());
                (ClientError::Unreachable { server, reason }, None)
            }
            Ok(answer) => {
                let asked = answer.header(&RETRY_AFTER).and_then(|seconds| seconds.parse().ok());
                (ClientError::Refused(answer.refusal()), asked.map(Duration::from_secs))
            }
            Err(error) => (error, None),
        };
        let is_changed = matches!(&error, ClientError::Refused(refusal) if refusal.is("conflict"));
        if is_changed || !error.is_retryable() || attempt == ATTEMPTS_MAX {
            return Err(error);
        }
        progress.waiting(&error.to_string());
        tokio::time::sleep(asked.unwrap_or_default().max(WAIT * attempt)).await;
        attempt += 1;
    }
}

fn is_whole(answer: &Answer) -> bool {
    answer.header(&REPR_DIGEST).is_none_or(|said| said == repr_digest(&answer.body))
}

/// Writes a part that has come.
fn keep(
    answer: &Answer,
    manifest: &Manifest,
    folder: &Path,
    asked_with: Option<String>,
) -> Result<Part, Failure> {
    let number = |name: &HeaderName| answer.header(name).and_then(|text| text.parse().ok());
    let extension = Format::ALL.into_iter().find(|format| format.name() == manifest.order.format);
    let extension = extension.map_or("part", Format::extension);
    let part = Part {
        file: format!("{}-{:05}.{extension}", manifest.order.table, manifest.parts.len()),
        rows: number(&ROWS)
            .context("the server does not say how many rows it sent: is it of this version?")?,
        first_row: number(&FIRST_ROW).unwrap_or(0),
        bytes: answer.body.len() as u64,
        sha256: digest(&answer.body),
        provenance: answer.header(&PROVENANCE).unwrap_or_default().to_owned(),
        asked_with,
    };
    if part.rows > 0 {
        manifest::replace(&folder.join(&part.file), &answer.body)?;
    }
    Ok(part)
}
