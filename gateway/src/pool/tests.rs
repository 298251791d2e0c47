//! Over real sockets: nodes that answer, die, hang and come back.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use http::StatusCode;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tower::ServiceExt;

use super::*;
use crate::server::{PortLimits, serve_http};
use crate::testing::get;

struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Server {
    /// A node that answers with its name and the path, or hangs at `/hang`.
    async fn start(name: &'static str, address: Option<SocketAddr>) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address.unwrap_or(([127, 0, 0, 1], 0).into())).unwrap();
        let listener = socket.listen(64).unwrap();
        let address = listener.local_addr().unwrap();
        let service = service_fn(move |request: Request<hyper::body::Incoming>| async move {
            if request.uri().path() == "/hang" {
                std::future::pending::<()>().await;
            }
            let text =
                format!("{name} {} {}", request.uri(), request.headers()["host"].to_str().unwrap_or(""));
            let mut answer = Response::new(Full::<Bytes>::from(text));
            if request.uri().path() == "/503" {
                *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            }
            Ok::<_, std::convert::Infallible>(answer)
        });
        let limits = PortLimits {
            connections_max: 100,
            header_timeout: Duration::from_secs(30),
            drain: Duration::ZERO,
        };
        let (stop, mut stopped) = watch::channel(false);
        let serving = tokio::spawn(async move {
            _ = serve_http(service, limits, listener, async { _ = stopped.wait_for(|stop| *stop).await })
                .await;
        });
        Self { address, stop, serving }
    }

    async fn kill(self) -> SocketAddr {
        self.stop.send_replace(true);
        self.serving.await.unwrap();
        self.address
    }
}

fn pool(addresses: &[SocketAddr]) -> Pool {
    let nodes = addresses.iter().map(|address| format!("http://{address}").parse().unwrap()).collect();
    Pool::new(&PoolConfig::new(nodes)).unwrap()
}

async fn ask(pool: &Pool, path: &str) -> Result<(StatusCode, String), BoxError> {
    let answer = pool.service().oneshot(get(path)).await?;
    Ok((answer.status(), String::from_utf8(answer.body().to_vec())?))
}

/// How many of `count` questions each node answered.
async fn shares(pool: &Pool, count: usize) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    for _ in 0..count {
        let (_, text) = ask(pool, "/x").await.expect("an answer");
        *shares.entry(text[..1].to_owned()).or_default() += 1;
    }
    shares
}

#[tokio::test]
async fn nodes_take_turns_and_get_the_question_as_it_was() {
    let (one, two) = (Server::start("1", None).await, Server::start("2", None).await);
    let pool = pool(&[one.address, two.address]);
    assert_eq!(shares(&pool, 10).await, BTreeMap::from([("1".to_owned(), 5), ("2".to_owned(), 5)]));
    let (_, text) = ask(&pool, "/v1/sessions?limit=3").await.unwrap();
    assert_eq!(text, format!("1 /v1/sessions?limit=3 {}", one.address));
    // An answer is an answer.
    assert_eq!(ask(&pool, "/503").await.unwrap().0, 503);
    assert!(pool.counts().iter().all(|(_, counts)| counts.failures == 0), "{:?}", pool.counts());
}

#[tokio::test]
async fn a_dead_node_is_hidden_and_found_again() {
    let (one, two) = (Server::start("1", None).await, Server::start("2", None).await);
    let pool = pool(&[one.address, two.address]);
    shares(&pool, 4).await;
    let address = one.kill().await;
    // Not one question fails, and the dead node is not asked each time.
    assert_eq!(shares(&pool, 50).await, BTreeMap::from([("2".to_owned(), 50)]));
    let dead = pool.counts()[0].1;
    assert!(dead.failures >= 1 && dead.asked < 40, "{dead:?}");
    let _one = Server::start("1", Some(address)).await;
    let found = async {
        while !shares(&pool, 2).await.contains_key("1") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), found).await.expect("it is found again");
    assert!(!pool.counts()[0].1.is_out);
}

#[tokio::test]
async fn without_any_node_a_question_fails_at_once_and_names_one() {
    let one = Server::start("1", None).await;
    let address = one.kill().await;
    let alone = pool(&[address]);
    for _ in 0..3 {
        let error = ask(&alone, "/x").await.unwrap_err().to_string();
        assert!(error.contains(&address.to_string()), "{error}");
    }
    // Sitting out is no reason not to ask the only one.
    let _one = Server::start("1", Some(address)).await;
    assert!(ask(&alone, "/x").await.is_ok());
}

#[tokio::test]
async fn a_hanging_node_is_left_out_after_a_few_silences() {
    let two = Server::start("2", None).await;
    // Connections are taken by the system, and nobody answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let pool = pool(&[silent.local_addr().unwrap(), two.address]);
    let mut given_up = 0;
    for _ in 0..20 {
        let asking = tokio::time::timeout(Duration::from_millis(50), ask(&pool, "/x"));
        given_up += u32::from(asking.await.is_err());
    }
    // Some time may pass between two of them, so that the node gets another try or two.
    assert!((SILENCES_MAX..10).contains(&given_up), "{given_up} {:?}", pool.counts());
}

#[tokio::test]
async fn a_question_that_is_dropped_ends_at_the_node() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let pool = pool(&[listener.local_addr().unwrap()]);
    let asking = tokio::spawn(async move { ask(&pool, "/x").await.map(|_| ()) });
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut bytes = vec![0; 4096];
    let count = tokio::io::AsyncReadExt::read(&mut stream, &mut bytes).await.unwrap();
    assert!(count > 0);
    asking.abort();
    let reading = tokio::io::AsyncReadExt::read(&mut stream, &mut bytes);
    let end = tokio::time::timeout(Duration::from_secs(30), reading).await.expect("the connection ends");
    assert!(matches!(end, Ok(0) | Err(_)));
}

#[tokio::test]
async fn an_answer_too_large_is_an_error() {
    let one = Server::start("1", None).await;
    let node = format!("http://{}", one.address).parse().unwrap();
    let small = Pool::new(&PoolConfig { answer_bytes_max: 10, ..PoolConfig::new(vec![node]) }).unwrap();
    assert!(ask(&small, "/a-path-that-is-long-enough").await.is_err());
}

#[test]
fn addresses_are_checked() {
    let pool = |nodes: &[&str]| {
        let nodes = nodes.iter().map(|node| node.parse().unwrap()).collect();
        Pool::new(&PoolConfig::new(nodes)).map(|_| ())
    };
    assert_eq!(pool(&[]), Err(PoolError::Count));
    assert_eq!(pool(&["http://host:1", "http://[::1]:2/"]), Ok(()));
    for bad in ["https://host:1", "host:1", "/path", "http://host:1/path", "http://host:1/?q"] {
        assert!(matches!(pool(&[bad]), Err(PoolError::Address(named)) if named.starts_with(bad)), "{bad}");
    }
}
