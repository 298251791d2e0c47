//! The configuration and the certificates of a gateway that runs.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use crate::process::{KEY, PATIENCE, run, write};
use crate::stand::{Gateway, Nodes, Reader, ask};

const APPLIED: &str = "tandem_gateway_config_loads_total{outcome=\"applied\"}";
const REFUSED: &str = "tandem_gateway_config_loads_total{outcome=\"refused\"}";
const PREFLIGHT: &str =
    "OPTIONS /v1/sessions HTTP/1.1\r\norigin: https://live.example\r\naccess-control-request-method: GET\r\n";

/// The page that may call.
fn may_call(gateway: &Gateway) -> bool {
    ask(&gateway.authority(), PREFLIGHT, "").contains("access-control-allow-origin: https://live.example")
}

/// Whether a body of so many bytes may be sent; it holds no events.
fn may_send(gateway: &Gateway, bytes: usize) -> bool {
    let head = format!("POST /v1/events HTTP/1.1\r\ncontent-length: {bytes}\r\n");
    !ask(&gateway.authority(), &head, &"\n".repeat(bytes)).starts_with("HTTP/1.1 413")
}

#[test]
fn ten_configurations_drop_no_request_and_no_stream() {
    let folder = tempfile::tempdir().unwrap();
    let nodes = Nodes::start();
    let base = nodes.configuration("");
    let with = |more: &str| format!("{base}{more}\n");
    let file = write(folder.path(), &base);
    let mut gateway = Gateway::start(&file);
    let readers = [
        Reader::of_reports(&gateway.authority()),
        Reader::of_reports(&gateway.authority()),
        Reader::of_a_stream(&gateway.authority()),
    ];
    let go_on = || readers.iter().for_each(|reader| reader.goes_on(3));
    go_on();
    assert!(!may_call(&gateway) && may_send(&gateway, 100));

    let origins = "cors_origins = [\"https://live.example\"]\n";
    let (mut applied, mut refused) = (0, 0);
    // What is written, whether it is good, whether it is asked for by a signal.
    let cases = [
        (with(origins), true, true),
        (with("reads_max = 0"), false, true),
        (with("body_bytes_max = 10"), true, false),
        (with("no_such_option = 1"), false, false),
        ("[gateway\n".to_owned(), false, true),
        (with(&format!("{origins}answer_kept_ms = 0\nstreams_max = 1\nhedge_delay_ms = 20")), true, false),
        // Two options that are right alone.
        (with("trusted_hops = 1\ntrusted_proxies = [\"10.0.0.0/8\"]"), false, true),
        (with("limits = \"nowhere.toml\""), false, false),
        (with("connections_max = 50\nbody_bytes_max = 10"), true, true),
        (with(&format!("{origins}[gateway.tls]\ncertificate = \"nowhere.pem\"")), false, true),
        (with(origins), true, true),
    ];
    for (text, is_good, is_asked) in cases {
        let before = (may_call(&gateway), may_send(&gateway, 100));
        write(folder.path(), &text);
        if is_asked {
            gateway.process.signal(Signal::HUP);
        }
        if is_good {
            applied += 1;
        } else {
            refused += 1;
        }
        gateway.until_metric(&format!("{APPLIED} {applied}"));
        gateway.until_metric(&format!("{REFUSED} {refused}"));
        let after = (may_call(&gateway), may_send(&gateway, 100));
        match is_good {
            true => {
                let expected = (text.contains("cors_origins"), !text.contains("body_bytes_max"));
                assert_eq!(after, expected, "{text}");
            }
            false => assert_eq!(after, before, "{text}"),
        }
        go_on();
    }

    // What needs a restart is named, and the rest of the same file takes effect.
    let listen = with("body_bytes_max = 10\nclock = \"replay\"\nanswer_bytes_max = 1000000");
    write(folder.path(), &listen);
    gateway.process.signal(Signal::HUP);
    gateway.until_metric("tandem_gateway_config_restart_options 2");
    let line = gateway.process.says("wait for a restart");
    assert!(line.contains("[gateway] answer_bytes_max, [gateway] clock"), "{line}");
    assert!(!may_send(&gateway, 100));
    certify(folder.path(), "live.example");
    write(
        folder.path(),
        &format!("{listen}[gateway.tls]\ncertificate = \"server.pem\"\nkey = \"server.key\"\n"),
    );
    gateway.until_metric("tandem_gateway_config_restart_options 4");
    gateway.process.says("[gateway] clock, [gateway.tls] certificate, [gateway.tls] key");
    go_on();
    for reader in readers {
        reader.end();
    }
    let ended = gateway.process.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    assert!(
        ended.said.contains("no_such_option") && ended.said.contains("another configuration is in force")
    );
}

/// Writes a certificate for this name, and answers how a client trusts it.
pub(crate) fn certify(folder: &Path, name: &str) -> TlsConnector {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    std::fs::write(folder.join("server.pem"), made.cert.pem()).unwrap();
    let key = folder.join("server.key");
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

/// What a read over TLS is answered; nothing where there is no trust.
fn read(address: &str, client: &TlsConnector) -> Option<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let mut stream = client.connect(ServerName::try_from("live.example").unwrap(), stream).await.ok()?;
        let ask = "GET /v1/sessions HTTP/1.1\r\nhost: live.example\r\nconnection: close\r\n";
        stream.write_all(format!("{ask}authorization: Bearer {KEY}\r\n\r\n").as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        Some(text)
    })
}

#[test]
fn certificates_are_shown_and_renewed_and_wrong_ones_refused() {
    let folder = tempfile::tempdir().unwrap();
    let nodes = Nodes::start();
    let tls = "[gateway.tls]\nlisten = \"127.0.0.1:0\"\ncertificate = \"server.pem\"\nkey = \"server.key\"\n";
    let file = write(folder.path(), &nodes.configuration(tls));
    let missing = run(&["gateway", "--config", &file], &[("TANDEM_KEY", KEY)]);
    assert_eq!(missing.code, Some(64), "{}", missing.said);
    assert!(missing.said.contains("[gateway.tls] certificate and key: "), "{}", missing.said);
    assert!(missing.said.contains("server.pem can't be read"), "{}", missing.said);

    let first = certify(folder.path(), "live.example");
    let mut gateway = Gateway::start(&file);
    let address = gateway.process.rest_of("listening with TLS on https://");
    assert!(read(&address, &first).unwrap().starts_with("HTTP/1.1 200"));
    // The key alone.
    let old = std::fs::read(folder.path().join("server.pem")).unwrap();
    certify(folder.path(), "live.example");
    std::fs::write(folder.path().join("server.pem"), old).unwrap();
    gateway.until_metric("tandem_gateway_certificate_loads_total{outcome=\"failed\"} 1");
    gateway.process.says("those before are still shown");
    assert!(read(&address, &first).is_some());
    let second = certify(folder.path(), "live.example");
    let deadline = Instant::now() + PATIENCE;
    while read(&address, &second).is_none() {
        assert!(Instant::now() < deadline, "the new one does not come");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(read(&address, &first).is_none());
    assert_eq!(gateway.process.stop().code, Some(0));
}
