//! The port with TLS, with a real client (rustls).

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::tls::{ServerCertificate, Tls};

/// A certificate for a name, as a server has it and as a client trusts it.
fn made(name: &str) -> (ServerCertificate, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let server = ServerCertificate::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
    (server, made.cert.der().clone())
}

struct Secure {
    running: Running,
    address: SocketAddr,
    tls: Arc<Tls>,
}

async fn secure(config: GatewayConfig, tls: Tls) -> Secure {
    secure_over(config, tls, [saying("from a"), saying("from b")]).await
}

async fn secure_over(config: GatewayConfig, tls: Tls, chains: [ChainService; 2]) -> Secure {
    let gateway = World::with(config, chains, ClockMode::Live).gateway;
    let bind = async || {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        (listener.local_addr().unwrap(), listener)
    };
    let ((plain_address, plain), (address, listener)) = (bind().await, bind().await);
    let (stop, stopped) = oneshot::channel::<()>();
    let tls = Arc::new(tls);
    let serving = {
        let (gateway, tls) = (gateway.clone(), Arc::clone(&tls));
        let stopped = async { _ = stopped.await };
        tokio::spawn(async move { gateway.serve_ports(plain, Some((listener, tls)), stopped).await })
    };
    Secure { running: Running { gateway, address: plain_address, stop, serving }, address, tls }
}

/// What a client trusts and speaks.
fn client(trusted: &[&CertificateDer<'static>], protocols: &[&str], versions: &[&str]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    for certificate in trusted {
        roots.add((*certificate).clone()).unwrap();
    }
    let versions: Vec<_> = rustls::ALL_VERSIONS
        .iter()
        .copied()
        .filter(|version| {
            let name = if version.version == ProtocolVersion::TLSv1_2 { "1.2" } else { "1.3" };
            versions.contains(&name)
        })
        .collect();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

const BOTH: [&str; 2] = ["1.2", "1.3"];

impl Secure {
    async fn connect(&self, client: &TlsConnector, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await?;
        client.connect(ServerName::try_from(name.to_owned()).unwrap(), stream).await
    }

    /// Sends raw bytes over TLS and reads until the server closes.
    async fn raw(&self, client: &TlsConnector, name: &str, bytes: &[u8]) -> String {
        let mut stream = self.connect(client, name).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut text = Vec::new();
        let reading = stream.read_to_end(&mut text);
        _ = tokio::time::timeout(Duration::from_secs(30), reading).await.expect("the server closes");
        String::from_utf8_lossy(&text).into_owned()
    }

    fn counts(&self) -> crate::TlsCounts {
        self.running.gateway.counts().tls
    }
}

#[tokio::test]
async fn http_1_and_2_are_agreed_on_and_served_beside_the_plain_port() {
    let (certificate, trusted) = made("live.example");
    let secure = secure(GatewayConfig::new(KEY), Tls::new(certificate, Vec::new())).await;
    let question = get("/v1/sessions", "connection: close\r\n");
    for version in BOTH {
        let client = client(&[&trusted], &["http/1.1"], &[version]);
        let mut stream = secure.connect(&client, "live.example").await.unwrap();
        let (_, session) = stream.get_ref();
        assert_eq!(session.alpn_protocol(), Some(&b"http/1.1"[..]));
        let spoken = session.protocol_version().unwrap();
        assert_eq!(spoken == ProtocolVersion::TLSv1_3, version == "1.3");
        stream.write_all(&question).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("from a"), "{answer}");
    }
    let client = client(&[&trusted], &["h2", "http/1.1"], &BOTH);
    let stream = secure.connect(&client, "live.example").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let request = Request::builder()
        .uri("https://live.example/v1/sessions")
        .header("authorization", format!("Bearer {KEY}"))
        .body(Full::<Bytes>::default())
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "from a");
    assert!(secure.running.raw(&question).await.ends_with("from a"));
    assert_eq!(secure.counts().done, 3);
}

#[tokio::test]
async fn requests_over_tls_are_judged_like_others() {
    let (certificate, trusted) = made("live.example");
    let asked = Arc::new(AtomicU64::new(0));
    let chains = [counted(&asked, "a"), counted(&asked, "b")];
    let secure = secure_over(GatewayConfig::new(KEY), Tls::new(certificate, Vec::new()), chains).await;
    let client = client(&[&trusted], &["http/1.1"], &BOTH);
    for bad in [
        "GET /v1/sessions HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n",
        "POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /v1/sessions HTTP/1.1\nhost: x\n\n",
    ] {
        let answer = secure.raw(&client, "live.example", bad.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{bad:?}: {answer:?}");
    }
    // Who has agreed on HTTP/2 may not speak anything else.
    let agreed = self::client(&[&trusted], &["h2"], &BOTH);
    let answer = secure.raw(&agreed, "live.example", &get("/v1/sessions", "")).await;
    assert!(!answer.contains("HTTP/1.1"), "{answer}");
    assert_eq!(secure.running.gateway.violations().map(|(_, count)| count).sum::<u64>(), 3);
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn who_has_nothing_in_common_is_refused_and_who_trusts_others_leaves() {
    let (certificate, trusted) = made("live.example");
    let (_, other) = made("live.example");
    let secure = secure(GatewayConfig::new(KEY), Tls::new(certificate, Vec::new())).await;
    let connect = async |client: TlsConnector, name: &str| secure.connect(&client, name).await.err().unwrap();
    let error = connect(client(&[&trusted], &["spdy/3"], &BOTH), "live.example").await;
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
    let error = connect(client(&[&other], &["h2"], &BOTH), "live.example").await;
    assert!(error.to_string().contains("certificate"), "{error}");
    let error = connect(client(&[&trusted], &["h2"], &BOTH), "other.example").await;
    assert!(error.to_string().contains("not valid for"), "{error}");
    // Whoever speaks plainly there gets no HTTP.
    let mut stream = TcpStream::connect(secure.address).await.unwrap();
    stream.write_all(&get("/healthz", "")).await.unwrap();
    assert!(!read_to_end(&mut stream).await.contains("HTTP/"));
    eventually(|| secure.counts().failed == 4).await;
}

#[tokio::test]
async fn a_certificate_is_chosen_by_name() {
    let ((one, trusts_one), (other, trusts_other)) = (made("one.example"), made("*.other.example"));
    let secure = secure(GatewayConfig::new(KEY), Tls::new(one, vec![other])).await;
    let question = get("/v1/sessions", "connection: close\r\n");
    for (trusted, name) in [(&trusts_one, "one.example"), (&trusts_other, "a.other.example")] {
        let answer = secure.raw(&client(&[trusted], &[], &BOTH), name, &question).await;
        assert!(answer.ends_with("from a"), "{name}: {answer}");
    }
    // To who asks for none of them the first is shown.
    let error = secure.connect(&client(&[&trusts_one], &[], &BOTH), "third.example").await.err().unwrap();
    assert!(error.to_string().contains("one.example"), "{error}");
}

#[tokio::test]
async fn other_certificates_are_shown_to_new_connections_and_old_ones_go_on() {
    let ((one, trusts_one), (other, trusts_other)) = (made("live.example"), made("live.example"));
    let secure = secure(GatewayConfig::new(KEY), Tls::new(one, Vec::new())).await;
    let (of_one, of_other) = (client(&[&trusts_one], &[], &BOTH), client(&[&trusts_other], &[], &BOTH));
    let mut there = secure.connect(&of_one, "live.example").await.unwrap();
    let mut ask_there = async || {
        there.write_all(&get("/v1/sessions", "")).await.unwrap();
        let mut text = String::new();
        let mut buffer = [0; 4096];
        while !text.ends_with("from a") {
            let count = there.read(&mut buffer).await.unwrap();
            assert!(count > 0, "closed after {text:?}");
            text.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    };
    ask_there().await;
    assert!(secure.connect(&of_other, "live.example").await.is_err());
    secure.tls.replace(other, Vec::new());
    assert!(secure.connect(&of_other, "live.example").await.is_ok());
    // Nor by a ticket that it has from before.
    assert!(secure.connect(&of_one, "live.example").await.is_err());
    ask_there().await;
}

#[tokio::test]
async fn a_handshake_that_takes_too_long_holds_up_nobody() {
    let (certificate, trusted) = made("live.example");
    let config = GatewayConfig { header_timeout: Duration::from_millis(300), ..GatewayConfig::new(KEY) };
    let secure = secure(config, Tls::new(certificate, Vec::new())).await;
    let mut slow = Vec::new();
    // Silent, and in the middle of a first message.
    for begun in [&b""[..], &[22, 3, 1, 2, 0, 1, 0, 1]] {
        let mut stream = TcpStream::connect(secure.address).await.unwrap();
        stream.write_all(begun).await.unwrap();
        slow.push(stream);
    }
    let question = get("/v1/sessions", "connection: close\r\n");
    let answer = secure.raw(&client(&[&trusted], &[], &BOTH), "live.example", &question).await;
    assert!(answer.ends_with("from a"), "{answer}");
    for mut stream in slow {
        assert_eq!(read_to_end(&mut stream).await, "");
    }
    assert_eq!(secure.counts().late, 2);
}

#[tokio::test]
async fn so_many_handshakes_are_under_way_and_the_silent_take_no_place() {
    let (certificate, trusted) = made("live.example");
    const ROOM: usize = 4;
    let secure = secure(GatewayConfig::new(KEY), Tls::with_room(ROOM, certificate, Vec::new())).await;
    let begun = async |bytes: &[u8]| {
        let mut stream = TcpStream::connect(secure.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream
    };
    let mut silent = Vec::new();
    for _ in 0..ROOM + 8 {
        silent.push(begun(b"").await);
    }
    let client = client(&[&trusted], &[], &BOTH);
    let connected = secure.connect(&client, "live.example").await;
    assert!(connected.is_ok(), "{connected:?} {:?}", secure.counts());
    let mut half = Vec::new();
    for _ in 0..ROOM {
        half.push(begun(&[22, 3, 1, 2, 0, 1]).await);
    }
    // Once all of them are seen, one more is refused.
    let refused = async {
        while secure.connect(&client, "live.example").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), refused).await.expect("there is a bound");
    eventually(|| secure.counts().refused == 1).await;
    drop(half);
    let taken = async {
        while secure.connect(&client, "live.example").await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), taken).await.expect("places are given back");
}

#[tokio::test]
async fn a_shutdown_waits_for_no_handshake() {
    let (certificate, trusted) = made("live.example");
    let secure = secure(GatewayConfig::new(KEY), Tls::new(certificate, Vec::new())).await;
    let half = TcpStream::connect(secure.address).await.unwrap();
    let mut idle = secure.connect(&client(&[&trusted], &[], &BOTH), "live.example").await.unwrap();
    secure.running.stop.send(()).unwrap();
    let mut rest = Vec::new();
    _ = idle.read_to_end(&mut rest).await;
    assert_eq!(rest, b"");
    assert_eq!(secure.running.serving.await.unwrap(), Drained { connections_cut: 0 });
    drop(half);
}
