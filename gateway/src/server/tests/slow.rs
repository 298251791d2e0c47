//! Clients that are slow on purpose.

use super::frames::*;
use super::*;

/// A chain whose answers are so large.
fn answering(bytes: usize) -> ChainService {
    let body = Bytes::from(vec![b'x'; bytes]);
    chain(move |_| {
        let body = body.clone();
        async move { Ok(Response::new(body)) }
    })
}

fn hasty() -> GatewayConfig {
    GatewayConfig { send_timeout: Duration::from_millis(300), ..GatewayConfig::new(KEY) }
}

fn stalled(running: &Running) -> u64 {
    running.gateway.counts().connections.stalled
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_has_one_time_for_all_of_it() {
    let config = GatewayConfig { header_timeout: Duration::from_millis(300), ..GatewayConfig::new(KEY) };
    let running = run(config, [saying("a"), saying("b")]).await;
    // On a new connection, and on one that has served already.
    for served in [false, true] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        if served {
            stream.write_all(&get("/v1/x", "")).await.unwrap();
            read_until(&mut stream, "\r\n\r\na").await;
        }
        let head = [&get("/v1/x", "")[..], b"x: ", &[b'y'; 20_000]].concat();
        let (mut reader, mut writer) = stream.into_split();
        let trickle = tokio::spawn(async move {
            for byte in &head[..head.len() - 2] {
                if writer.write_all(&[*byte]).await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        let mut answer = Vec::new();
        let reading = tokio::time::timeout(Duration::from_secs(30), reader.read_to_end(&mut answer));
        _ = reading.await.expect("the server closes");
        assert!(!String::from_utf8_lossy(&answer).contains("200 OK"));
        trickle.abort();
    }
}

#[tokio::test]
async fn an_idle_connection_is_let_go() {
    let config = GatewayConfig { header_timeout: Duration::from_millis(200), ..GatewayConfig::new(KEY) };
    let running = run(config, [saying("a"), saying("b")]).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(&get("/v1/x", "")).await.unwrap();
    read_until(&mut stream, "\r\n\r\na").await;
    assert_eq!(read_to_end(&mut stream).await, "");
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answers_is_let_go() {
    let running = run(hasty(), [answering(600), saying("b")]).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(running.address).await.unwrap();
    // More answers than fit into the system's buffers; it may end while we still ask.
    let asking = tokio::spawn(async move {
        let all = get("/v1/x", "").repeat(40_000);
        _ = stream.write_all(&all).await;
        stream
    });
    eventually(|| stalled(&running) == 1).await;
    drop(asking.await.unwrap());
    assert!(running.raw(&get("/healthz", "connection: close\r\n")).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_large_answer_may_be_taken_slowly() {
    let running = run(hasty(), [answering(32 << 20), saying("b")]).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(&get("/v1/x", "connection: close\r\n")).await.unwrap();
    // Longer than the time that a small one has.
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(read_to_end(&mut stream).await.matches('x').count() >> 20, 32);
    assert_eq!(stalled(&running), 0);
}

#[tokio::test]
async fn a_window_that_never_opens_does_not_hold_a_stream_for_ever() {
    let running = run(hasty(), [saying("from a"), saying("b")]).await;
    // SETTINGS_INITIAL_WINDOW_SIZE 0.
    let mut client = Frames::connect(&running, &[0, 4, 0, 0, 0, 0]).await;
    client.headers(1, END_STREAM, &request("GET", "/v1/sessions")).await;
    assert!(client.until(HEADERS, 1).await.is_some());
    // It is there, it answers pings, and it takes nothing.
    assert!(client.until(DATA, 1).await.is_none());
    assert_eq!(stalled(&running), 1);
    assert!(running.raw(&get("/healthz", "connection: close\r\n")).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_window_that_opens_in_time_has_its_answer() {
    let running = run(hasty(), [saying("from a"), saying("b")]).await;
    let mut client = Frames::connect(&running, &[0, 4, 0, 0, 0, 0]).await;
    for stream in [1, 3, 5, 7, 9] {
        client.headers(stream, END_STREAM, &request("GET", "/v1/sessions")).await;
        assert!(client.until(HEADERS, stream).await.is_some());
        tokio::time::sleep(Duration::from_millis(100)).await;
        client.write(&frame(WINDOW_UPDATE, 0, stream, &6_u32.to_be_bytes())).await;
        assert_eq!(client.until(DATA, stream).await.unwrap().payload, b"from a");
    }
    assert_eq!(stalled(&running), 0);
}
