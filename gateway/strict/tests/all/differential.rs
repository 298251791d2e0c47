//! What the guard lets pass, hyper reads in the same way: as many requests, each with the same method,
//! target, header and body. So both agree where each request ends, which is all that smuggling needs
//! them to disagree about.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tandem_strict::{Guard, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::table::{GOOD, REFUSED};

/// One request, as either side understands it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Read {
    method: String,
    target: Target,
    fields: Vec<(String, Vec<u8>)>,
    /// The body, or how it began where it did not come to its end.
    body: Vec<u8>,
    is_whole: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    authority: Option<String>,
    path: String,
    query: Option<String>,
}

/// What a service behind hyper gets of a connection with these bytes.
async fn by_hyper(bytes: &[u8]) -> Vec<Read> {
    let (mut client, server) = tokio::io::duplex(1 << 20);
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    let service = service_fn(move |request: Request<Incoming>| {
        let seen = Arc::clone(&seen);
        async move {
            let (parts, mut body) = request.into_parts();
            let (mut text, mut is_whole) = (Vec::new(), true);
            while let Some(frame) = body.frame().await {
                match frame.map(hyper::body::Frame::into_data) {
                    Ok(Ok(data)) => text.extend_from_slice(&data),
                    Ok(Err(_trailers)) => {}
                    Err(_) => is_whole = false,
                }
            }
            let fields =
                parts.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
            seen.lock().expect("nobody panicked").push(Read {
                method: parts.method.to_string(),
                target: target_of(&parts.uri),
                fields: sorted(fields.collect()),
                body: text,
                is_whole,
            });
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    let serving = tokio::spawn(builder.half_close(true).serve_connection(TokioIo::new(server), service));
    client.write_all(bytes).await.expect("the pipe has room");
    client.shutdown().await.expect("the pipe is open");
    _ = client.read_to_end(&mut Vec::new()).await;
    _ = serving.await.expect("hyper does not panic");
    std::mem::take(&mut *requests.lock().expect("nobody panicked"))
}

fn target_of(uri: &Uri) -> Target {
    Target {
        authority: uri.authority().map(ToString::to_string),
        path: uri.path().to_owned(),
        query: uri.query().map(str::to_owned),
    }
}

/// Hyper's map keeps the order among fields of one name only.
fn sorted(mut fields: Vec<(String, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    fields.sort_by(|one, other| one.0.cmp(&other.0));
    fields
}

/// What the guard lets pass, cut where it says that requests begin and end, each read naively.
fn by_guard(bytes: &[u8]) -> (Vec<u8>, Vec<Read>) {
    let mut guard = Guard::new(Limits::default());
    let (mut passed, mut begin, mut head_end) = (0, 0, None);
    let mut requests = Vec::new();
    for (index, byte) in bytes.iter().enumerate() {
        let heads = guard.heads();
        let progress = guard.read(&[*byte]);
        if progress.refusal.is_some() {
            break;
        }
        if progress.clear > 0 {
            passed = index + 1;
        }
        if guard.heads() > heads {
            head_end = Some(index + 1);
        }
        if let Some(end) = head_end.filter(|_| guard.is_between_requests()) {
            requests.push(naive(&bytes[begin..end], &bytes[end..=index], true));
            (begin, head_end) = (index + 1, None);
        }
    }
    if let Some(end) = head_end {
        requests.push(naive(&bytes[begin..end], &bytes[end..passed], false));
    }
    (bytes[..passed].to_vec(), requests)
}

fn naive(head: &[u8], body: &[u8], is_whole: bool) -> Read {
    // One char per byte.
    let text: String = head.iter().map(|byte| char::from(*byte)).collect();
    let mut lines = text.split("\r\n").filter(|line| !line.is_empty());
    let request: Vec<&str> = lines.next().expect("the guard has let it pass").split(' ').collect();
    let is_space = |char| char == ' ' || char == '\t';
    let fields: Vec<(String, Vec<u8>)> = lines
        .map(|line| {
            let (name, value) = line.split_once(':').expect("the guard has let it pass");
            let value = value.trim_matches(is_space).chars().map(|char| char as u8).collect();
            (name.to_ascii_lowercase(), value)
        })
        .collect();
    let is_chunked = fields.iter().any(|(name, _)| name == "transfer-encoding");
    let body = if is_chunked { dechunked(body) } else { body.to_vec() };
    Read {
        method: request[0].to_owned(),
        target: naive_target(request[1]),
        fields: sorted(fields),
        body,
        is_whole,
    }
}

fn naive_target(target: &str) -> Target {
    let (authority, rest) = match target.split_once("://") {
        Some((_, url)) if !target.starts_with('/') => {
            let (authority, rest) = url.split_at(url.find(['/', '?']).unwrap_or(url.len()));
            (Some(authority.to_owned()), rest)
        }
        _ => (None, target),
    };
    let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
    let path = if path.is_empty() { "/" } else { path };
    Target { authority, path: path.to_owned(), query: query.map(str::to_owned) }
}

fn dechunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = body.windows(2).position(|pair| pair == b"\r\n") {
        // An extension's value in quotes may have bytes that are no text (RFC 9110, 5.6.4: obs-text).
        let size = body[..end].split(|byte| *byte == b';').next().expect("the guard has let it pass");
        let size = str::from_utf8(size).expect("the guard has let it pass");
        let size = u64::from_str_radix(size, 16).expect("the guard has let it pass");
        let data = &body[end + 2..];
        if size == 0 {
            break;
        }
        let size = data.len().min(usize::try_from(size).expect("the guard has let it pass"));
        whole.extend_from_slice(&data[..size]);
        body = &data[(size + 2).min(data.len())..];
    }
    whole
}

/// Whether a server ends the connection after this request.
fn is_last(request: &Read, head: &str) -> bool {
    let says = |option: &str| {
        let mut values = request.fields.iter().filter(|(name, _)| name == "connection");
        values.any(|(_, value)| String::from_utf8_lossy(value).to_ascii_lowercase().contains(option))
    };
    says("close") || head.contains("HTTP/1.0") && !says("keep-alive")
}

fn check(bytes: &[u8]) -> Result<usize, TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (passed, mut expected) = by_guard(bytes);
    let text = String::from_utf8_lossy(&passed).into_owned();
    // What is sent after the last request of a connection, nobody reads.
    if let Some(last) = expected.iter().position(|request| is_last(request, &text)) {
        expected.truncate(last + 1);
    }
    let seen = runtime.block_on(by_hyper(&passed));
    // Where HTTP/1.0 and 1.1 are mixed, the text does not say which is last; hyper may see more.
    prop_assert!(seen.len() >= expected.len(), "hyper stops early: {seen:#?} of {expected:#?}: {text:?}");
    if expected.iter().all(|request| !is_last(request, &text)) {
        prop_assert_eq!(seen.len(), expected.len(), "{:?}", text);
    }
    for (seen, expected) in seen.iter().zip(&expected) {
        prop_assert_eq!(seen, expected, "{:?}", text);
    }
    Ok(seen.len())
}

#[test]
fn the_table() {
    for (heads, connection) in GOOD {
        assert_eq!(check(connection.as_bytes()).unwrap() as u64, *heads, "{connection:?}");
    }
    let refused = REFUSED.iter().flat_map(|(_, connections)| connections.iter());
    for connection in refused {
        // What passes before the refusal is read in the same way, too.
        check(connection.as_bytes()).unwrap();
        check(format!("POST /0 HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nab{connection}").as_bytes())
            .unwrap();
    }
}

/// Found by `anything`: a byte that is no UTF-8 in the quoted value of a chunk's extension.
#[test]
fn obs_text_in_an_extension() {
    let connection = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n\
        A;a;b=c;d=\"\x80;\\\"\t\"\r\n0123456789\r\n0\r\n\r\n";
    assert_eq!(check(connection).unwrap(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn anything(connections in prop::collection::vec(connection(), 1..4)) {
        check(&connections.concat())?;
    }
}

/// A connection of the table with some bytes changed, or a request made of parts.
fn connection() -> impl Strategy<Value = Vec<u8>> {
    let rows = REFUSED.iter().flat_map(|(_, connections)| connections.iter().copied());
    let rows: Vec<&str> = rows.chain(GOOD.iter().map(|(_, connection)| *connection)).collect();
    let nasty: &[u8] = b"\r\n\t :;,=\"%/\\.#?@+-_05afx\0\x0b\x7f\xe4";
    let byte = prop_oneof![prop::sample::select(nasty.to_vec()), any::<u8>()];
    let change = (any::<prop::sample::Index>(), 0_u8..3, byte);
    let changed = (prop::sample::select(rows), prop::collection::vec(change, 0..3));
    let changed = changed.prop_map(|(row, changes)| {
        let mut bytes = row.as_bytes().to_vec();
        for (at, kind, byte) in changes {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => _ = bytes.remove(at),
            }
            if bytes.is_empty() {
                break;
            }
        }
        bytes
    });
    prop_oneof![2 => changed, 1 => made()]
}

fn made() -> impl Strategy<Value = Vec<u8>> {
    let pick = |words: &'static [&'static str]| prop::sample::select(words);
    let target = pick(&[
        "/",
        "/a?b=[c]|`{}^",
        "/%C3%A4;x=1/...",
        "http://x/y?z",
        "http://x?y",
        "https://x:443",
        "HTTP://X/",
        "*",
        "/!$&'()*+,;=:@~",
        "/a%20b?%0A",
        "http://[::1]/",
        "/?",
        "/a?b?c/d/../e//f",
    ]);
    let field = pick(&[
        "host: x",
        "host: X:80",
        "host: [::1]",
        "a:",
        "b: \t c\td \t",
        "content-length: 3",
        "content-length: 0",
        "transfer-encoding: chunked",
        "Transfer-Encoding:CHUNKED",
        "connection: close",
        "expect: 100-continue",
        "connection: keep-alive",
        "x: \u{e4}\u{fc}",
        "upgrade: h2c",
        "te: trailers",
        "trailer: x",
        "cookie: a=b; c=d",
        "connection: upgrade, x",
        "keep-alive: timeout=5",
    ]);
    let body = pick(&[
        "",
        "abc",
        "3\r\nabc\r\n0\r\n\r\n",
        "3;x=\"\\\"\"\r\nabc\r\n0;y\r\nsum: 1\r\n\r\n",
        "0\r\n\r\n",
        "ab",
        "\r\n",
        "0003\r\n\r\nx\r\n00\r\n\r\n",
        "3\r\nabc\r\n5\r\nab",
    ]);
    let parts = (pick(&["GET", "POST", "OPTIONS", "HEAD", "PUT", "x"]), target, pick(&["1.1", "1.1", "1.0"]));
    (parts, prop::collection::vec(field, 0..5), body, any::<bool>()).prop_map(
        |((method, target, version), fields, body, has_host)| {
            let host = if has_host { "host: x\r\n" } else { "" };
            let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
            format!("{method} {target} HTTP/{version}\r\n{host}{fields}\r\n{body}").into_bytes()
        },
    )
}
