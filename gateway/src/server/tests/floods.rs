//! What HTTP/2 can be flooded with, and what is malformed in it: frames by hand against a real
//! server. Meanwhile others are served.

use super::frames::*;
use super::*;

const CANCEL: u32 = 8;
const PROTOCOL_ERROR: u32 = 1;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

/// A server whose chain never answers, and how often it was asked.
async fn stuck() -> (Running, Arc<AtomicU64>) {
    let asked = Arc::new(AtomicU64::new(0));
    let counting = Arc::clone(&asked);
    let stuck = chain(move |_| {
        counting.fetch_add(1, Ordering::Relaxed);
        std::future::pending()
    });
    let config = GatewayConfig {
        hedge_delay: Duration::from_secs(60),
        upstream_timeout: Duration::from_secs(60),
        ..GatewayConfig::new(KEY)
    };
    (run(config, [stuck, saying("b")]).await, asked)
}

/// That somebody else is served.
async fn assert_serves(running: &Running) {
    assert!(running.raw(&get("/healthz", "connection: close\r\n")).await.starts_with("HTTP/1.1 200"));
}

fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code.to_be_bytes())
}

fn odd(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(|index| 2 * index + 1)
}

/// What nobody has asked before: equal reads would be one question.
fn fresh() -> &'static str {
    static ASKED: AtomicU64 = AtomicU64::new(0);
    format!("/v1/sessions?limit={}", ASKED.fetch_add(1, Ordering::Relaxed)).leak()
}

#[tokio::test]
async fn rapid_resets_end_the_connection() {
    let (running, asked) = stuck().await;
    let mut client = Frames::connect(&running, &[]).await;
    let fields = block(&request("GET", fresh()));
    let mut all = Vec::new();
    for stream in odd(20_000) {
        all.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, &fields));
        all.extend(reset(stream, CANCEL));
    }
    let written = tokio::spawn(async move {
        client.write(&all).await;
        client
    });
    assert_serves(&running).await;
    let mut client = written.await.unwrap();
    assert!(matches!(client.until_end().await, None | Some(ENHANCE_YOUR_CALM)));
    let asked = asked.load(Ordering::Relaxed);
    assert!(asked <= 300, "{asked} of 20,000 requests came through");
    assert_serves(&running).await;
}

#[tokio::test]
async fn resets_that_wait_for_the_work_to_begin_end_it_too() {
    let (running, asked) = stuck().await;
    let mut client = Frames::connect(&running, &[]).await;
    let mut sent = 0;
    for stream in odd(2_000) {
        if !client.headers(stream, END_STREAM, &request("GET", fresh())).await {
            break;
        }
        sent += 1;
        let (before, connections) = (sent - 1, &running.gateway);
        eventually(|| asked.load(Ordering::Relaxed) > before || connections.counts().connections.reset > 0)
            .await;
        if running.gateway.counts().connections.reset > 0 || !client.write(&reset(stream, CANCEL)).await {
            break;
        }
    }
    client.until_end().await;
    assert_eq!(running.gateway.counts().connections.reset, 1);
    assert!((100..=110).contains(&asked.load(Ordering::Relaxed)), "{asked:?}");
    assert_serves(&running).await;
}

/// A frame about a stream that has us reset it.
type Malformed = fn(u32) -> Vec<u8>;

fn too_large_a_window(stream: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &0x7fff_ffff_u32.to_be_bytes())
}

fn data_after_the_end(stream: u32) -> Vec<u8> {
    frame(DATA, 0, stream, b"more")
}

#[tokio::test]
async fn having_us_reset_streams_ends_the_connection() {
    let vectors = [("window", too_large_a_window as Malformed), ("data", data_after_the_end)];
    for (name, vector) in vectors {
        let (running, asked) = stuck().await;
        let mut client = Frames::connect(&running, &[]).await;
        let fields = block(&request("GET", fresh()));
        for stream in odd(5_000) {
            let two = [frame(HEADERS, END_HEADERS | END_STREAM, stream, &fields), vector(stream)].concat();
            if !client.write(&two).await {
                break;
            }
            tokio::task::yield_now().await;
        }
        let code = client.until_end().await;
        // Data on a stream that is long forgotten ends it at once.
        assert!(matches!(code, None | Some(ENHANCE_YOUR_CALM | PROTOCOL_ERROR)), "{name}: {code:?}");
        let asked = asked.load(Ordering::Relaxed);
        assert!(asked <= 300, "{asked} of 5,000 requests came through");
        assert_serves(&running).await;
    }
}

#[tokio::test]
async fn header_blocks_without_an_end_end_the_connection() {
    let long = block(&[("x", &"y".repeat(100))]).repeat(140);
    for piece in [&long[..], &[]] {
        let (running, asked) = stuck().await;
        let mut client = Frames::connect(&running, &[]).await;
        let begin = frame(HEADERS, END_STREAM, 1, &block(&request("GET", fresh())));
        assert!(client.write(&begin).await);
        let more = frame(CONTINUATION, 0, 1, piece);
        let mut sent = 0;
        while sent < 64 << 20 && client.write(&more.repeat(16)).await {
            sent += more.len() * 16;
        }
        assert!(sent < 64 << 20, "it took everything");
        client.until_end().await;
        assert_eq!(asked.load(Ordering::Relaxed), 0);
        assert_serves(&running).await;
    }
}

#[tokio::test]
async fn more_streams_than_may_be_open_are_refused() {
    let (running, asked) = stuck().await;
    let mut client = Frames::connect(&running, &[]).await;
    // The limit holds once the client has heard of it.
    let settings = client.read().await.unwrap();
    assert_eq!(settings.kind, SETTINGS);
    client.write(&frame(SETTINGS, 1, 0, &[])).await;
    for stream in odd(STREAMS_MAX + 3) {
        assert!(client.headers(stream, END_STREAM, &request("GET", fresh())).await);
    }
    for index in 0..3 {
        let refused = client.until(RST_STREAM, 2 * (STREAMS_MAX + index) + 1).await.unwrap();
        assert_eq!(refused.code(), REFUSED_STREAM);
    }
    eventually(|| asked.load(Ordering::Relaxed) == u64::from(STREAMS_MAX)).await;
    assert_serves(&running).await;
}

#[tokio::test]
async fn pings_and_settings_without_end_cost_nobody_else_anything() {
    for flood in [frame(PING, 0, 0, &[7; 8]), frame(SETTINGS, 0, 0, &[])] {
        let (running, _) = stuck().await;
        let mut client = Frames::connect(&running, &[]).await;
        // Without reading a single answer: then the server doesn't read either.
        let flooding = tokio::spawn(async move {
            let writing = async { while client.writer.write_all(&flood.repeat(1_000)).await.is_ok() {} };
            tokio::time::timeout(Duration::from_secs(2), writing).await
        });
        while !flooding.is_finished() {
            assert_serves(&running).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn what_is_malformed_in_http_2_reaches_nobody() {
    let (running, asked) = stuck().await;
    let with = |field: (&'static str, &'static str)| {
        let mut fields = request("GET", fresh());
        fields.push(field);
        fields
    };
    let malformed = [
        with(("X-Upper", "y")),
        with(("connection", "close")),
        with(("transfer-encoding", "chunked")),
        with(("keep-alive", "1")),
        with(("upgrade", "h2c")),
        with(("te", "gzip")),
        with((":path", "/again")),
        with(("x", "a\r\nb: c")),
        with(("x", "a\0b")),
        with(("x y", "z")),
        // Announces a body that it hasn't.
        with(("content-length", "5")),
    ];
    for fields in malformed {
        let mut client = Frames::connect(&running, &[]).await;
        client.headers(1, END_STREAM, &fields).await;
        let came = client.until(RST_STREAM, 1).await;
        // The stream is reset, or the whole connection ends.
        assert!(came.is_none_or(|reset| reset.code() == PROTOCOL_ERROR), "{fields:?}");
    }
    // More and less data than was announced.
    for data in [&b"123456"[..], b"1234"] {
        let mut client = Frames::connect(&running, &[]).await;
        let mut fields = request("POST", "/v1/events");
        fields.push(("content-length", "5"));
        client.headers(1, 0, &fields).await;
        client.write(&frame(DATA, END_STREAM, 1, data)).await;
        let came = client.until(RST_STREAM, 1).await;
        assert!(came.is_none_or(|reset| reset.code() == PROTOCOL_ERROR), "{data:?}");
    }
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    assert_eq!(running.gateway.shared.ingest.counts().events, 0);
}

#[tokio::test]
async fn ambiguous_paths_and_hosts_are_refused_in_http_2_too() {
    let (running, asked) = stuck().await;
    let mut client = Frames::connect(&running, &[]).await;
    let mut count = 0;
    for (path, host) in [
        ("/v1/../internal", "x"),
        ("/v1/%2e%2e/internal", "x"),
        ("//internal", "x"),
        ("/v1/sessions", "y"),
        ("/v1/sessions", "me@x"),
    ] {
        let stream = 2 * count + 1;
        let mut fields = request("GET", path);
        fields.push(("host", host));
        client.headers(stream, END_STREAM, &fields).await;
        let answer = client.until(HEADERS, stream).await.unwrap();
        // `:status: 400` of the static table.
        assert_eq!(answer.payload[0], 0x8c, "{path} {host}");
        let body = client.until(DATA, stream).await.unwrap();
        assert!(String::from_utf8(body.payload).unwrap().contains("\"violation\":"));
        count += 1;
    }
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    let counted: u64 = running.gateway.violations().map(|(_, count)| count).sum();
    assert_eq!(counted, u64::from(count));
}
