//! WebSockets over real sockets, through the guard and the whole stack.

use futures::{SinkExt, StreamExt};
use serde_json::Value;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Response as Handshaken;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::*;
use crate::testing::{Reporter, tenant_key, tenant_keys};

type Opened = Result<(WebSocketStream<TcpStream>, Handshaken), Error>;

async fn open(address: SocketAddr, target: &str, headers: &[(&'static str, &str)]) -> Opened {
    let mut request = format!("ws://{address}{target}").into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    client_async(request, TcpStream::connect(address).await.unwrap()).await
}

async fn run_reporting(config: GatewayConfig) -> (Running, Reporter) {
    let fake = Reporter::default();
    fake.next.store(10, Ordering::Relaxed);
    let config = GatewayConfig { standby_percent: 0, ..config };
    (run(config, [fake.service(200), saying("no report")]).await, fake)
}

/// The next message, or the code of the end.
async fn next(socket: &mut WebSocketStream<TcpStream>) -> Result<Value, u16> {
    loop {
        let message = tokio::time::timeout(Duration::from_secs(30), socket.next()).await.expect("it goes on");
        match message.expect("a goodbye comes first").expect("it holds") {
            Message::Text(text) => return Ok(serde_json::from_str(&text).unwrap()),
            Message::Close(frame) => return Err(frame.map_or(1005, |frame| frame.code.into())),
            _ => {}
        }
    }
}

fn refusal(opened: Opened) -> u16 {
    match opened {
        Err(Error::Http(answer)) => answer.status().as_u16(),
        other => panic!("{other:?}"),
    }
}

const TARGET: &str = "/v1/sessions/s1/stream?metrics=views";

#[tokio::test]
async fn the_connection_becomes_a_socket_and_is_waited_for_at_the_end() {
    let header_timeout = Duration::from_millis(300);
    let config = GatewayConfig { connections_max: 2, header_timeout, ..GatewayConfig::new(KEY) };
    let (running, fake) = run_reporting(config).await;
    let bearer = format!("Bearer {KEY}");
    let (mut socket, answer) = open(running.address, TARGET, &[("authorization", &bearer)]).await.unwrap();
    assert_eq!(answer.status(), 101);
    assert!(answer.headers().contains_key("tandem-request-id"));
    assert_eq!(next(&mut socket).await.unwrap()["data"]["metrics"]["views"], 10);
    // Longer than a header may take, and than a connection may idle.
    tokio::time::sleep(header_timeout * 3).await;
    fake.next.store(11, Ordering::Relaxed);
    assert_eq!(next(&mut socket).await.unwrap()["data"]["metrics"]["views"], 11);
    // It has a place among the connections.
    let _other = TcpStream::connect(running.address).await.unwrap();
    eventually(|| running.gateway.streams() == 1).await;
    let full = running.raw(&get("/healthz", "")).await;
    assert!(full.starts_with("HTTP/1.1 503"), "{full}");
    running.stop.send(()).unwrap();
    let bye = next(&mut socket).await.unwrap();
    assert_eq!((&bye["type"], &bye["reason"]), (&"bye".into(), &"closing".into()));
    assert_eq!(next(&mut socket).await, Err(1012));
    assert!(socket.next().await.is_none(), "the goodbye was answered, and the connection closed");
    assert_eq!(running.serving.await.unwrap(), Drained { connections_cut: 0 });
}

#[tokio::test]
async fn pages_show_their_key_as_a_protocol_and_never_get_it_back() {
    let (running, _) = run_reporting(GatewayConfig::new(KEY)).await;
    running.gateway.use_keys(tenant_keys());
    let key = tenant_key("read").to_text();
    let offered = format!("tandem.v1, tandem.key.{key}");
    let target = "/v1/stream?sessions=s1&metrics=views";
    let protocols = ("sec-websocket-protocol", offered.as_str());
    let (mut socket, answer) = open(running.address, target, &[protocols]).await.unwrap();
    assert_eq!(answer.headers()["sec-websocket-protocol"], "tandem.v1");
    assert!(!format!("{answer:?}").contains(&key));
    assert_eq!(next(&mut socket).await.unwrap()["session"], "s1");
    // What comes after the 101 is no HTTP, and the guard lets it pass.
    let subscribe = r#"{"type":"subscribe","sessions":["s2"]}"#;
    socket.send(Message::text(subscribe)).await.unwrap();
    assert_eq!(next(&mut socket).await.unwrap()["type"], "subscribed");
    assert_eq!(next(&mut socket).await.unwrap()["session"], "s2");
    let other = ("sec-websocket-protocol", "tandem.v1, tandem.key.tdm_nobody");
    assert_eq!(refusal(open(running.address, target, &[other]).await), 401);
    let alone = format!("tandem.key.{key}");
    let alone = ("sec-websocket-protocol", alone.as_str());
    assert_eq!(refusal(open(running.address, target, &[alone]).await), 400, "tandem.v1 is not offered");
    let bearer = format!("Bearer {KEY}");
    let two = [protocols, ("authorization", bearer.as_str())];
    assert_eq!(refusal(open(running.address, target, &two).await), 401, "two keys");
    let from = [protocols, ("origin", "https://evil.example")];
    assert_eq!(refusal(open(running.address, target, &from).await), 403);
    // The key ends, and so does what it opened.
    running.gateway.use_keys(Arc::default());
    assert_eq!(next(&mut socket).await.unwrap()["reason"], "key");
    assert_eq!(next(&mut socket).await, Err(1008));
}

#[tokio::test]
async fn what_asks_wrongly_gets_an_answer_and_the_connection_goes_on() {
    let (running, _) = run_reporting(GatewayConfig::new(KEY)).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\n";
    let old = format!("{upgrade}sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 8\r\n");
    stream.write_all(&get(TARGET, &old)).await.unwrap();
    let answer = read_until(&mut stream, "}").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.contains("\r\nsec-websocket-version: 13\r\n"), "{answer}");
    // What is no stream can't become one: the header means nothing there.
    stream.write_all(&get("/v1/sessions", upgrade)).await.unwrap();
    let answer = read_until(&mut stream, "}").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
