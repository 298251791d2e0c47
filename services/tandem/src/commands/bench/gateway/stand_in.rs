//! A query node that costs as little as one can: hyper, and a report that is made once a second.
//!
//! The same program is the bare server that hits are held against: it says the same bytes. It runs in
//! a process of its own (`tandem bench gateway --serve`) and ends when its standard input does, so
//! that none is left behind by a measurement that was killed.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue};
use http::{HeaderMap, HeaderName, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use parking_lot::RwLock;
use tandem_ingest::wall_ms;
use tandem_model::route::Chain;
use tandem_model::status::{ChainStatus, PATH, PartitionStatus};
use tandem_model::{LogId, PartitionId, Token, headers};
use tokio::net::{TcpListener, TcpStream};

use crate::terminal::say;

/// The log that it says it follows.
pub(super) const LOG: LogId = LogId([6; 16]);
const PARTITIONS: u32 = 4;
/// How often the report changes.
const BEAT: Duration = Duration::from_secs(1);
/// Figures of a report and rows of its breakdowns: as many as a busy session has.
const FIGURES: u64 = 48;
const ROWS: u64 = 24;

/// What it answers until the next beat.
struct Page {
    head: HeaderMap,
    body: Bytes,
}

/// Serves on a free port, which it prints, until standard input ends.
pub(super) async fn serve() -> anyhow::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    say(format_args!("listening on http://{}", listener.local_addr()?));
    let page = Arc::new(RwLock::new(Arc::new(page(0)?)));
    let (mut beats, mut beat) = (tokio::time::interval(BEAT), 0);
    let input_ended =
        tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    tokio::pin!(input_ended);
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                tokio::spawn(connection(stream, Arc::clone(&page)));
            }
            _ = beats.tick() => {
                beat += 1;
                *page.write() = Arc::new(self::page(beat)?);
            }
            _ = &mut input_ended => return Ok(()),
        }
    }
}

async fn connection(stream: TcpStream, page: Arc<RwLock<Arc<Page>>>) {
    _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answer(request.uri().path(), &page.read());
        std::future::ready(Ok::<_, Infallible>(answer))
    });
    // Whoever asks hangs up when it is done; that is no news.
    _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

fn answer(path: &str, page: &Page) -> Response<Full<Bytes>> {
    if path.starts_with("/v1/") {
        let mut answer = Response::new(Full::new(page.body.clone()));
        *answer.headers_mut() = page.head.clone();
        return answer;
    }
    let (status, body) = match path {
        PATH => (StatusCode::OK, serde_json::to_vec(&status()).unwrap_or_default()),
        _ => (StatusCode::NOT_FOUND, Vec::new()),
    };
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// How far the report of a beat was read.
pub(super) fn token(beat: u64) -> Token {
    let mut token = Token::new(LOG);
    token.advance(PartitionId(1), beat + 1);
    token
}

fn page(beat: u64) -> anyhow::Result<Page> {
    let token = token(beat).encode();
    let mut head = HeaderMap::new();
    head.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    head.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    head.insert(ETAG, HeaderValue::try_from(format!("W/\"{beat:032x}\""))?);
    head.insert(HeaderName::from_static(headers::TOKEN), HeaderValue::try_from(&token)?);
    head.insert(HeaderName::from_static(headers::CHAIN), HeaderValue::from_static("a"));
    Ok(Page { head, body: report(beat, &token)?.into() })
}

/// About 6 KiB.
fn report(beat: u64, token: &str) -> Result<String, std::fmt::Error> {
    let mut text = String::from(
        "{\"session\":{\"id\":\"bench\",\"status\":\"live\",\"anchor_id\":\"a1\"},\"metrics\":{",
    );
    for figure in 0..FIGURES {
        write!(text, "\"figure_{figure:02}\":{},", beat * 1_000 + figure * 7_919)?;
    }
    write!(text, "\"views\":{beat}}},\"breakdowns\":{{\"item\":[")?;
    for row in 0..ROWS {
        let comma = if row == 0 { "" } else { "," };
        write!(text, "{comma}{{\"key\":\"item-{row:04}\",\"metrics\":{{\"views\":{}", row * 1_031)?;
        for figure in 0..8 {
            write!(text, ",\"figure_{figure:02}\":{}", row * 104_729 + figure)?;
        }
        text.push_str("}}");
    }
    write!(
        text,
        "]}},\"meta\":{{\"as_of\":{beat},\"state\":\"live\",\"chain\":\"a\",\"token\":\"{token}\"}}}}"
    )?;
    Ok(text)
}

/// What the gateway must know of a chain.
fn status() -> ChainStatus {
    let partition = |partition| PartitionStatus {
        partition,
        next: 1,
        clock: wall_ms(),
        log_end: 1,
        lag_records: 0,
        hot_next: Some(1),
        late_events: 0,
        malformed_events: 0,
        ignored_beats: 0,
    };
    ChainStatus {
        chain: Chain::A,
        ready: true,
        degraded: Vec::new(),
        log: format!("{:032x}", u128::from_be_bytes(LOG.0)),
        time_zone: tandem_model::calendar::DEFAULT_ZONE.to_owned(),
        partitions: (0..PARTITIONS).map(partition).collect(),
        beats: Vec::new(),
        repairs: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn it_answers_as_a_query_node_does() {
        let page = page(7).unwrap();
        let report = answer("/v1/sessions/s1/report", &page);
        let said = Token::decode(report.headers()[headers::TOKEN].to_str().unwrap()).unwrap();
        let body = report.into_body().collect().await.unwrap().to_bytes();
        assert!((4_000..10_000).contains(&body.len()), "{}", body.len());
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(said, token(7));
        assert_eq!(body["meta"]["token"], said.encode());
        let status = answer(PATH, &page).into_body().collect().await.unwrap().to_bytes();
        let status: ChainStatus = serde_json::from_slice(&status).unwrap();
        assert_eq!(u128::from_str_radix(&status.log, 16).unwrap().to_be_bytes(), LOG.0);
        assert_eq!(answer("/elsewhere", &page).status(), 404);
    }
}
