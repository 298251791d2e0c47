use tandem_strict::{Refusal, Violation};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;

const GET: &str = "GET /v1/x HTTP/1.1\r\nhost: x\r\n\r\n";
const POST: &str = "POST /v1/x HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nab\r\nc";

struct Pair {
    client: DuplexStream,
    server: Guarded<DuplexStream>,
    edge: Arc<Edge>,
}

fn pair() -> Pair {
    let (client, server) = tokio::io::duplex(64 * 1024);
    let edge = Edge::new(Arc::default(), Duration::from_secs(30));
    Pair { client, server: Guarded::new(server, Some(Arc::clone(&edge))), edge }
}

impl Pair {
    async fn send(&mut self, text: &str) {
        self.client.write_all(text.as_bytes()).await.unwrap();
    }

    /// What hyper would read right now, so many bytes at once.
    fn read(&mut self, size: usize) -> String {
        let mut text = Vec::new();
        let mut bytes = vec![0; size];
        loop {
            let mut buffer = ReadBuf::new(&mut bytes);
            let mut context = Context::from_waker(std::task::Waker::noop());
            match Pin::new(&mut self.server).poll_read(&mut context, &mut buffer) {
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => text.extend_from_slice(b"<end>"),
                Poll::Ready(Ok(())) => {
                    text.extend_from_slice(buffer.filled());
                    continue;
                }
                Poll::Ready(Err(_)) => text.extend_from_slice(b"<error>"),
                Poll::Pending => {}
            }
            return String::from_utf8(text).unwrap();
        }
    }
}

#[tokio::test]
async fn good_requests_pass_unchanged_whatever_hyper_reads_at_once() {
    let all = format!("{GET}{POST}\r\n{GET}{POST}");
    for size in [1, 7, 24, 100, 8192] {
        let mut pair = pair();
        pair.send(&all).await;
        assert_eq!(pair.read(size), all, "{size}");
        // And in pieces, held back or not.
        let mut passed = String::new();
        for piece in all.as_bytes().chunks(11) {
            pair.send(str::from_utf8(piece).unwrap()).await;
            passed += &pair.read(size);
        }
        assert_eq!(passed, all, "{size}");
        pair.client.shutdown().await.unwrap();
        assert_eq!(pair.read(size), "<end>");
    }
}

#[tokio::test]
async fn half_a_head_is_seen_by_nobody() {
    let mut pair = pair();
    let (first, second) = GET.split_at(20);
    pair.send(first).await;
    assert_eq!(pair.read(100), "");
    pair.send(second).await;
    pair.send(first).await;
    assert_eq!(pair.read(100), GET);
    pair.client.shutdown().await.unwrap();
    assert_eq!(pair.read(100), "<end>");
}

#[tokio::test]
async fn in_place_of_a_bad_head_comes_ours() {
    for size in [1, 24, 8192] {
        let mut pair = pair();
        pair.send(&format!("{GET}GET / HTTP/1.1\r\n\r\n{GET}")).await;
        assert_eq!(pair.read(size), format!("{GET}{}", str::from_utf8(SUBSTITUTE).unwrap()), "{size}");
        let expected = Refusal { violation: Violation::HostMissing, request: 2, in_body: false };
        assert_eq!((pair.edge.refusal(2), pair.edge.refusal(1)), (Some(expected), None));
        // Nothing more, whatever comes, and no end either: hyper would take that for a client that left.
        pair.send(GET).await;
        pair.client.shutdown().await.unwrap();
        assert_eq!(pair.read(size), "");
    }
}

#[test]
fn no_client_can_send_ours() {
    let refusal = Guard::new(LIMITS).read(SUBSTITUTE).refusal.unwrap();
    assert_eq!(refusal.violation, Violation::PercentEncoding);
}

#[tokio::test]
async fn reading_a_bad_body_fails() {
    let mut pair = pair();
    let head = "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n";
    pair.send(&format!("{head}x\r\n")).await;
    assert_eq!(pair.read(100), format!("{head}<error>"));
    assert_eq!(pair.read(100), "<error>");
    assert_eq!(pair.edge.refusal(1).unwrap().violation, Violation::ChunkSize);
}

#[tokio::test]
async fn after_an_upgrade_and_with_http_2_anything_passes() {
    let mut pair = pair();
    let upgrade = "GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    pair.send(upgrade).await;
    assert_eq!(pair.read(24), upgrade);
    // Sent too early, and held back as the beginning of a head.
    pair.send("early").await;
    assert_eq!(pair.read(24), "");
    pair.edge.upgrade();
    pair.send("\0\n and late").await;
    assert_eq!(pair.read(24), "early\0\n and late");

    let mut pair = self::pair();
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04";
    for piece in preface.as_bytes().chunks(5) {
        pair.send(str::from_utf8(piece).unwrap()).await;
    }
    assert_eq!(pair.read(24), preface);
    pair.send("\0\n").await;
    assert_eq!(pair.read(24), "\0\n");
}

#[tokio::test(start_paused = true)]
async fn the_rest_is_thrown_away_for_a_while() {
    let mut pair = pair();
    pair.send("x").await;
    pair.send("\n").await;
    assert!(pair.read(100).starts_with("GET /%00"));
    pair.send(GET).await;
    // Not while the client goes on to be there, but not for ever.
    let begun = tokio::time::Instant::now();
    pair.server.shutdown().await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), LINGER.as_secs());
    let mut rest = String::new();
    pair.client.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "");
}
