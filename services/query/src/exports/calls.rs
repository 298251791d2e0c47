//! The call.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, LINK};
use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use tandem_exports::{Dws, Format, digest, encode, repr_digest};
use tandem_model::catalogue::DEFINITIONS;
use tandem_model::problem::Problem;
use tandem_model::row::SessionState;
use tandem_model::{Breakdown, Token, headers as names};
use tandem_storage::SessionQuery;
use utoipa::IntoParams;
use xxhash_rust::xxh3::xxh3_64;

use super::part::{Part, Wanted};
use super::{headers, place};
use crate::Query;
use crate::answer::Failure;
use crate::request::{Call, Named, Parameters, given};
use crate::schemas::StateName;
use crate::wire::Meta;

/// What to export, and from where on.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportParameters {
    /// How rows are written.
    #[param(value_type = Option<String>, pattern = "^(csv|json|parquet)$", default = "csv", example = "parquet")]
    format: Option<String>,
    /// Only this anchor's sessions.
    anchor_id: Option<String>,
    /// Only sessions in this state.
    #[param(value_type = Option<StateName>)]
    status: Option<String>,
    /// Only sessions that started at or after this moment, in milliseconds. A session whose
    /// `session_start` is not known yet counts by its first accepted event.
    #[param(value_type = Option<u64>, example = 1_732_190_400_000_u64)]
    from: Option<String>,
    /// Only sessions that started before this moment, in milliseconds.
    #[param(value_type = Option<u64>)]
    to: Option<String>,
    /// Only rows of these breakdowns, separated by commas, `room` among them; all when absent.
    #[param(style = Form, explode = false, value_type = Option<Vec<String>>, example = json!(["room", "source"]))]
    breakdowns: Option<String>,
    /// `Tandem-Export-Next` of the part before, with the same other parameters.
    cursor: Option<String>,
}

/// A part of a table of summary data (DWS).
///
/// A file that stands for itself: whole sessions, newest first, in CSV, JSON lines or Parquet; columns, units
/// and meanings stand in `/v1/catalog/tables`. `Tandem-Export-Next` is the `cursor` of the next part (`Link`
/// holds its address); where there is none it was the last one. Stop and go on whenever you like; sessions
/// that begin meanwhile neither repeat nor hide others, and a later export has them.
///
/// Each session is one consistent cut of the log. One that is too large for a part comes in pieces of one cut;
/// should they be gone before you have fetched them all and the session have changed, you get a 409 `conflict`:
/// drop the parts that hold rows of it (`Tandem-Export-First-Row` says which are not the first), and go on with
/// the cursor that the first of them was asked for with. A row's `version` says which of two is the newer.
///
/// `Repr-Digest` is the SHA-256 of the part. Both chains make the same bytes of the same rows.
/// `Tandem-Provenance` says where they are from: log, positions per partition, chain, epoch, definitions.
///
/// Keys that were granted a table read all of it. Others read of it what they see: their sessions.
#[utoipa::path(
    get,
    path = "/v1/export/{table}",
    tag = "exports",
    params(("table" = String, Path, description = "The table.", example = "dws_total"), ExportParameters),
    responses((status = 200, description = "A part of the table.", content(
        (String = "text/csv"), (String = "application/x-ndjson"), (String = "application/vnd.apache.parquet"),
    ))),
)]
pub(crate) async fn export(
    State(query): State<Arc<Query>>,
    call: Call,
    Named(name): Named,
    Parameters(parameters): Parameters<ExportParameters>,
) -> Result<Response, Failure> {
    let table = Dws::from_name(&name).ok_or_else(unknown)?;
    let format =
        given("format", &parameters.format).one_of(Format::ALL, Format::name)?.unwrap_or(Format::Csv);
    let wanted = parameters.wanted(&call, table, format)?;
    let export = parameters.export(table, format);
    let (complete, is_stale) = query.positions(&call).await?;
    let part = {
        let _room = query.exports.room.acquire().await.expect("it is never closed");
        query.part(&call, &wanted).await?
    };
    let meta = query.meta_of_list(&call, &complete, part.shown(), is_stale).await?;
    let next = part.next.as_ref().map(|next| place::encode(next, export));
    let link = next.as_ref().map(|next| parameters.link(table, next));
    let first_row = part.first_row();
    // Some ten milliseconds of work: not where answers to others are awaited.
    let (rows, bytes) = tokio::task::spawn_blocking(move || written(table, format, &part))
        .await
        .map_err(|_| Problem::internal("a part could not be written"))??;

    let mut response = bytes.clone().into_response();
    let mut set = |name: HeaderName, value: String| {
        let value = HeaderValue::try_from(value).expect("names, numbers, base64 and what a query may hold");
        response.headers_mut().insert(name, value);
    };
    set(CONTENT_TYPE, format.content_type().to_owned());
    set(CONTENT_DISPOSITION, format!("attachment; filename=\"{}.{}\"", table.name(), format.extension()));
    set(CACHE_CONTROL, "private, no-cache".to_owned());
    set(ETAG, format!("\"{}\"", digest(&bytes)));
    set(headers::REPR_DIGEST, repr_digest(&bytes));
    set(headers::ROWS, rows.to_string());
    set(headers::FIRST_ROW, first_row.to_string());
    set(headers::PROVENANCE, provenance(&meta)?);
    set(HeaderName::from_static(names::TOKEN), meta.token.clone());
    if let (Some(next), Some(link)) = (next, link) {
        set(headers::NEXT, next);
        set(LINK, link);
    }
    Ok(response)
}

fn written(table: Dws, format: Format, part: &Part) -> Result<(usize, Vec<u8>), Failure> {
    let records = part.records(table);
    let bytes = encode(table, format, &records).map_err(|error| {
        tracing::error!(%error, table = table.name(), "an export failed");
        Failure::from(Problem::internal(format!("{error}; please tell the operators")))
    })?;
    Ok((records.len(), bytes))
}

fn unknown() -> Problem {
    let names: Vec<_> = Dws::ALL.into_iter().map(Dws::name).collect();
    Problem::not_found(format!("there is no such table: there are {}", names.join(", ")))
        .with("allowed", names)
}

/// Where the rows are from, as a dictionary (RFC 9651).
fn provenance(meta: &Meta) -> Result<String, Failure> {
    let token = Token::decode(&meta.token).map_err(|error| Problem::internal(error.to_string()))?;
    let positions: Vec<_> =
        token.next.iter().map(|(partition, next)| format!("\"{partition}:{next}\"")).collect();
    Ok(format!(
        "log=\"{}\", positions=({}), chain={}, epoch={}, definitions={DEFINITIONS}, as-of={}, stale=?{}",
        token.log,
        positions.join(" "),
        meta.chain.name(),
        meta.epoch,
        meta.as_of,
        u8::from(meta.stale),
    ))
}

impl ExportParameters {
    fn wanted(&self, call: &Call, table: Dws, format: Format) -> Result<Wanted, Problem> {
        let states = [SessionState::Live, SessionState::Final, SessionState::Corrected];
        let breakdowns = breakdowns();
        let is_granted = call.asker.has_table(table.name());
        if !is_granted && call.asker.sees_no_session() {
            return Err(Problem::forbidden(format!("your key may not export `{}`", table.name()))
                .with("allowed", call.asker.tables()));
        }
        Ok(Wanted {
            table,
            rows_max: format.rows_max(),
            sessions: SessionQuery {
                anchor_id: given("anchor_id", &self.anchor_id).id()?.map(str::to_owned),
                state: given("status", &self.status).one_of(states, SessionState::name)?,
                from: given("from", &self.from).moment()?,
                to: given("to", &self.to).moment()?,
                ..SessionQuery::default()
            },
            breakdowns: given("breakdowns", &self.breakdowns)
                .several(&breakdowns, Breakdown::name)?
                .unwrap_or(breakdowns),
            is_granted,
            from: place::decode(given("cursor", &self.cursor), self.export(table, format))?,
        })
    }

    /// Stands for everything but the place.
    fn export(&self, table: Dws, format: Format) -> u64 {
        xxh3_64(format!("{} {} {:?}", table.name(), format.name(), self.filters()).as_bytes())
    }

    fn filters(&self) -> [(&'static str, &str); 5] {
        [
            ("anchor_id", self.anchor_id.as_deref().unwrap_or_default()),
            ("status", self.status.as_deref().unwrap_or_default()),
            ("from", self.from.as_deref().unwrap_or_default()),
            ("to", self.to.as_deref().unwrap_or_default()),
            ("breakdowns", self.breakdowns.as_deref().unwrap_or_default()),
        ]
    }

    /// The address of the next part (RFC 8288).
    fn link(&self, table: Dws, next: &str) -> String {
        let mut query = String::new();
        let format = ("format", self.format.as_deref().unwrap_or_default());
        for (name, value) in [format].into_iter().chain(self.filters()).filter(|(_, value)| !value.is_empty())
        {
            // Values that were taken hold only characters that may stand in a query.
            query.push_str(&format!("{name}={value}&"));
        }
        format!("</v1/export/{}?{query}cursor={next}>; rel=\"next\"", table.name())
    }
}

/// What rows may be split by.
fn breakdowns() -> Vec<Breakdown> {
    std::iter::once(Breakdown::Room).chain(Breakdown::PUBLIC).collect()
}
