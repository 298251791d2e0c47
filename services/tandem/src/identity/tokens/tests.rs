//! Against a real server of keys at this machine: keys that change, and everything that can be wrong with
//! its answers.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::json;
use tandem_identity::KeySet;
use tandem_ingest::wall_ms;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;
use crate::key::Key as OperatorKey;
use crate::system::{Options, System};

const PATIENCE: Duration = Duration::from_secs(30);
const ISSUER: &str = "https://issuer.example";

/// The pair of the key with this id.
fn pair(id: &str) -> Ed25519KeyPair {
    let mut seed = [0; 32];
    seed[..id.len()].copy_from_slice(id.as_bytes());
    Ed25519KeyPair::from_seed_unchecked(&seed).unwrap()
}

fn jwks(ids: &[&str]) -> String {
    let keys: Vec<_> = ids
        .iter()
        .map(|id| {
            let public = URL_SAFE_NO_PAD.encode(pair(id).public_key());
            json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": public})
        })
        .collect();
    json!({ "keys": keys }).to_string()
}

/// A token of tenant `mcn`, signed with the key of this id.
fn token(id: &str) -> String {
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims =
        json!({"iss": ISSUER, "aud": "tandem", "sub": "u", "tenant": "mcn", "exp": wall_ms() / 1_000 + 600});
    let signed = format!("{}.{}", part(json!({"alg": "EdDSA", "kid": id})), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(pair(id).sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

/// A server of keys that says, byte by byte, what it is told to; and how often it was asked.
struct Server {
    address: SocketAddr,
    says: Arc<Mutex<Vec<u8>>>,
    asked: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl Server {
    async fn start(says: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (says, asked) = (Arc::new(Mutex::new(says)), Arc::new(AtomicUsize::new(0)));
        let serving = tokio::spawn({
            let (says, asked) = (Arc::clone(&says), Arc::clone(&asked));
            async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    asked.fetch_add(1, Ordering::Relaxed);
                    let says = says.lock().clone();
                    tokio::spawn(async move {
                        _ = stream.read(&mut [0; 4096]).await;
                        if says.is_empty() {
                            // Nothing, for longer than anybody waits.
                            tokio::time::sleep(PATIENCE).await;
                        }
                        _ = stream.write_all(&says).await;
                    });
                }
            }
        });
        Self { address, says, asked, serving }
    }

    fn say(&self, says: Vec<u8>) {
        *self.says.lock() = says;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    fn settings(&self) -> TokenSettings {
        settings(JwksSource::Url(format!("http://{}/jwks.json", self.address)))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn settings(source: JwksSource) -> TokenSettings {
    TokenSettings {
        issuer: ISSUER.to_owned(),
        audience: "tandem".to_owned(),
        tenant_claim: "tenant".to_owned(),
        source,
    }
}

fn answer(status: &str, more: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{more}\r\n{body}")
        .into_bytes()
}

fn good(ids: &[&str]) -> Vec<u8> {
    answer("200 OK", "", &jwks(ids))
}

/// A system that takes tokens.
struct Stand {
    system: System,
    following: JoinHandle<()>,
}

impl Stand {
    async fn start(pace: Pace, settings: TokenSettings) -> Self {
        let system = System::start(Options::new(OperatorKey::new("operator").unwrap())).await.unwrap();
        system.recovered().await;
        let gateway = system.gateway().clone();
        let tenants = "[[tenants]]\nname = \"mcn\"\nanchors = [\"a1\"]\n";
        gateway.use_keys(Arc::new(KeySet::parse(tenants.as_bytes(), wall_ms()).unwrap()));
        // Wrong tokens come all the time here, from one address.
        gateway.replace_limits(tandem_limits::RuleSet::parse("").unwrap());
        let tokens = Tokens::start_at(pace, settings, &gateway).await.unwrap();
        let following = tokio::spawn(async move { tokens.follow(&gateway).await });
        Self { system, following }
    }

    /// Whether a read with a token of this key is let in.
    async fn lets_in(&self, id: &str) -> bool {
        let mut stream = TcpStream::connect(self.system.address()).await.unwrap();
        let ask = "GET /v1/sessions HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
        let ask = format!("{ask}authorization: Bearer {}\r\n\r\n", token(id));
        stream.write_all(ask.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        match text.get(9..12) {
            Some("200") => true,
            Some("401") => false,
            _ => panic!("{text}"),
        }
    }

    async fn until(&self, id: &str, is_let_in: bool) {
        let waiting = async {
            while self.lets_in(id).await != is_let_in {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the keys of tokens are loaded anew");
    }

    fn failed(&self) -> u64 {
        self.system.gateway().counts().callers.load_failed
    }

    async fn until_failed_more_than(&self, count: u64) {
        let waiting = async {
            while self.failed() <= count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("it is noticed and counted");
    }

    async fn stop(self) {
        self.following.abort();
        self.system.stop().await;
    }
}

const HOUR: Duration = Duration::from_secs(3_600);
/// Asked only when a key is missed, as often as may be.
const ON_DEMAND: Pace = Pace { refresh: HOUR, refresh_min: Duration::from_millis(1), timeout: PATIENCE };
/// Asked all the time.
const BUSY: Pace = Pace {
    refresh: Duration::from_millis(20),
    refresh_min: Duration::ZERO,
    timeout: Duration::from_millis(300),
};

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_changes_keys_is_followed_when_a_new_one_shows() {
    let server = Server::start(good(&["k1"])).await;
    let stand = Stand::start(ON_DEMAND, server.settings()).await;
    assert!(stand.lets_in("k1").await);
    server.say(good(&["k1", "k2"]));
    stand.until("k2", true).await;
    assert!(stand.lets_in("k1").await, "both hold while they change");
    server.say(good(&["k2", "k3"]));
    stand.until("k3", true).await;
    assert!(!stand.lets_in("k1").await, "what the issuer takes back does not hold");
    stand.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_makes_up_keys_does_not_have_the_issuer_asked_all_the_time() {
    let server = Server::start(good(&["k1"])).await;
    let pace = Pace { refresh_min: HOUR, ..ON_DEMAND };
    let stand = Stand::start(pace, server.settings()).await;
    for _ in 0..50 {
        assert!(!stand.lets_in("made-up").await);
    }
    assert!(stand.lets_in("k1").await);
    assert_eq!(server.asked(), 1, "at the start");
    stand.stop().await;

    let pace = Pace { refresh_min: Duration::from_millis(200), ..ON_DEMAND };
    let begun = std::time::Instant::now();
    let stand = Stand::start(pace, server.settings()).await;
    let waiting = async {
        while server.asked() < 4 {
            assert!(!stand.lets_in("made-up").await);
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it is asked again");
    let most = 2 + begun.elapsed().as_millis() as usize / 200 + 1;
    assert!(server.asked() <= most, "{} in {:?}", server.asked(), begun.elapsed());
    stand.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_issuer_says_wrong_leaves_the_keys_as_they_were() {
    let server = Server::start(good(&["k1"])).await;
    let elsewhere = Server::start(good(&["evil"])).await;
    let stand = Stand::start(BUSY, server.settings()).await;
    let large = format!("{{\"keys\": [], \"x\": \"{}\"}}", "y".repeat(BYTES_MAX));
    let half = good(&["k1", "k2"]);
    let cases = [
        ("an error", answer("500 Internal Server Error", "", &jwks(&["k2"]))),
        ("nothing new", answer("204 No Content", "", "")),
        ("elsewhere", answer("302 Found", &format!("location: http://{}/\r\n", elsewhere.address), "")),
        ("too much", answer("200 OK", "", &large)),
        ("too much in chunks", {
            let mut text = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n100000\r\n".to_vec();
            text.resize(text.len() + 0x10_0000, b' ');
            text
        }),
        ("half of it", half[..half.len() - 20].to_vec()),
        ("no JSON", answer("200 OK", "", "<html>")),
        ("no keys", answer("200 OK", "", "{\"keys\": 7}")),
        ("no HTTP", b"SSH-2.0-x\r\n".to_vec()),
        ("nothing at all", Vec::new()),
    ];
    for (what, says) in cases {
        let before = stand.failed();
        server.say(says);
        // One question may have been under way.
        stand.until_failed_more_than(before + 1).await;
        assert!(stand.lets_in("k1").await && !stand.lets_in("k2").await, "{what}");
    }
    assert_eq!(elsewhere.asked(), 0, "nobody is sent elsewhere");
    server.say(good(&["k2"]));
    stand.until("k2", true).await;
    assert!(!stand.lets_in("k1").await);
    stand.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_is_away_at_the_start_is_waited_for() {
    let server = Server::start(Vec::new()).await;
    let stand = Stand::start(BUSY, server.settings()).await;
    assert!(stand.failed() >= 1 && !stand.lets_in("k1").await);
    server.say(good(&["k1"]));
    stand.until("k1", true).await;
    stand.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_keys_is_followed_and_a_wrong_one_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    std::fs::write(&path, jwks(&["k1"])).unwrap();
    let stand = Stand::start(PACE, settings(JwksSource::File(path.clone()))).await;
    assert!(stand.lets_in("k1").await);
    std::fs::write(&path, "nonsense").unwrap();
    stand.until_failed_more_than(0).await;
    assert!(stand.lets_in("k1").await);
    std::fs::write(&path, jwks(&["k2"])).unwrap();
    stand.until("k2", true).await;
    assert!(!stand.lets_in("k1").await);
    // At a start it must be there.
    std::fs::remove_file(&path).unwrap();
    let gateway = stand.system.gateway().clone();
    let error = Tokens::start_at(PACE, settings(JwksSource::File(path)), &gateway).await.err().unwrap();
    assert_eq!(error.code(), 64);
    stand.stop().await;
}
