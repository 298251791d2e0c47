//! What the guard refuses, over real sockets.

use super::*;
use table::{GOOD, REFUSED};

#[path = "../../../strict/tests/all/table.rs"]
mod table;

/// The sum of all violations, and how many there were of `name`.
fn violations(gateway: &Gateway, name: &str) -> (u64, u64) {
    let counts: Vec<_> = gateway.violations().collect();
    let of_name = counts.iter().find(|(known, _)| *known == name).map_or(0, |(_, count)| *count);
    (counts.iter().map(|(_, count)| count).sum(), of_name)
}

fn assert_refused(answer: &str, status: u16, name: &str, shown: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{shown:?}: {answer:?}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    for line in ["content-type: application/problem+json", "connection: close", "tandem-request-id: "] {
        assert!(head.contains(&format!("\r\n{line}")), "{line}: {shown:?}: {answer:?}");
    }
    let problem: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!((&problem["violation"], &problem["status"]), (&name.into(), &status.into()), "{shown:?}");
}

#[tokio::test]
async fn every_row_gets_its_status_and_reaches_nobody() {
    let asked = Arc::new(AtomicU64::new(0));
    let config = GatewayConfig::new(KEY);
    let running = run(config, [counted(&asked, "from a"), counted(&asked, "from b")]).await;
    let mut count = 0;
    for (violation, connections) in REFUSED {
        for connection in *connections {
            let answer = running.raw(connection.as_bytes()).await;
            assert_refused(&answer, violation.status(), violation.name(), connection);
            count += 1;
        }
        let (sum, of_name) = violations(&running.gateway, violation.name());
        assert_eq!((sum, of_name), (count, connections.len() as u64), "{violation:?}");
    }
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    assert_eq!(running.gateway.shared.ingest.counts().events, 0);
    assert!(running.raw(&get("/healthz", "connection: close\r\n")).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn limits_have_statuses_of_their_own() {
    let running = run_plain().await;
    for (request, status, name) in [
        (get(&format!("/{}", "x".repeat(8 * 1024)), ""), 414, "target-too-long"),
        (get("/", &"x: y\r\n".repeat(63)), 431, "fields-too-many"),
        (get("/", &format!("x: {}\r\n", "y".repeat(20 * 1024))), 431, "field-too-long"),
        (get("/", &format!("x: {}\r\n", "y".repeat(13 * 1024)).repeat(2)), 431, "header-too-long"),
    ] {
        let answer = running.raw(&request).await;
        assert_refused(&answer, status, name, name);
    }
    let long = get("/healthz", &format!("tandem-token: {}\r\nconnection: close\r\n", "x".repeat(16 * 1024)));
    assert!(running.raw(&long).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn good_rows_are_not_refused() {
    let running = run_plain().await;
    for (_, connection) in GOOD {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(connection.as_bytes()).await.unwrap();
        let mut bytes = [0; 64 * 1024];
        let reading = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut bytes));
        let count = reading.await.expect("an answer").unwrap();
        assert!(bytes[..count].starts_with(b"HTTP/1."), "{connection:?}");
    }
    assert_eq!(violations(&running.gateway, ""), (0, 0));
}

#[tokio::test]
async fn one_byte_after_the_other_is_judged_as_all_at_once() {
    let running = run_plain().await;
    for (request, name) in [
        ("GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n", "host-repeated"),
        ("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "version-not-supported"),
    ] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        for byte in request.bytes() {
            // It is closed at some byte, and the rest can't be sent.
            _ = stream.write_all(&[byte]).await;
            tokio::task::yield_now().await;
        }
        let answer = read_to_end(&mut stream).await;
        assert!(answer.contains(name), "{answer:?}");
    }
}

#[tokio::test]
async fn earlier_requests_are_answered_first() {
    let (asked, release) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
    let chain = held(Arc::clone(&asked), Arc::clone(&release));
    let config = GatewayConfig { hedge_delay: Duration::from_secs(60), ..GatewayConfig::new(KEY) };
    let running = run(config, [chain, saying("b")]).await;
    let bad = "GET /v1/sessions HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nGET /2 HT";
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(&[&get("/v1/sessions", "")[..], bad.as_bytes()].concat()).await.unwrap();
    asked.notified().await;
    // The second one is known to be bad while the first is under way.
    eventually(|| violations(&running.gateway, "body-on-read") == (1, 1)).await;
    release.notify_one();
    let both = read_to_end(&mut stream).await;
    let (first, second) = both.split_once("at last").unwrap();
    assert!(first.starts_with("HTTP/1.1 200 OK\r\n"), "{both}");
    assert_refused(second, 400, "body-on-read", bad);
}

#[tokio::test]
async fn a_kept_connection_ends_with_the_first_bad_request() {
    let asked = Arc::new(AtomicU64::new(0));
    let running = run(GatewayConfig::new(KEY), [counted(&asked, "from a"), saying("b")]).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    for limit in 1..=3 {
        // Equal ones would be one question.
        stream.write_all(&get(&format!("/v1/sessions?limit={limit}"), "")).await.unwrap();
        read_until(&mut stream, "from a").await;
    }
    let smuggled = String::from_utf8(get("/v1/sessions", "")).unwrap();
    let bad = format!("GET /v1/x HTTP/1.1\r\nhost: x\r\nx: y\n\r\n{smuggled}{smuggled}");
    stream.write_all(bad.as_bytes()).await.unwrap();
    assert_refused(&read_to_end(&mut stream).await, 400, "bare-lf", &bad);
    assert_eq!(asked.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_body_that_breaks_the_rules_later_is_not_taken() {
    let running = run_plain().await;
    let head = format!(
        "POST /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    for (more, name) in [("5\r\nabcde\r\nx", "chunk-size"), ("0\r\nhost: y\r\n\r\n", "trailer")] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(b"3\r\nabc\r\n").await.unwrap();
        // The request has its place among the bodies that are read: it is under way.
        eventually(|| running.gateway.shared.bodies.taken() > 0).await;
        stream.write_all(more.as_bytes()).await.unwrap();
        assert_refused(&read_to_end(&mut stream).await, 400, name, more);
        // And it has left it.
        eventually(|| running.gateway.shared.bodies.taken() == 0).await;
    }
    assert_eq!(running.gateway.shared.ingest.counts().events, 0);
}

#[tokio::test]
async fn the_answer_arrives_although_much_is_sent_behind_the_fault() {
    let running = run_plain().await;
    for _ in 0..20 {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        let bad = [&b"GET / HTTP/1.1\r\n\r\n"[..], &vec![b'x'; 512 * 1024]].concat();
        stream.write_all(&bad).await.unwrap();
        assert_refused(&read_to_end(&mut stream).await, 400, "host-missing", "with much behind it");
    }
}
