//! From the client's socket to the query node's: whoever hangs up stops the work behind.

use std::sync::atomic::AtomicUsize;

use super::*;
use crate::pool::{Pool, PoolConfig};
use crate::testing::Dropped;

/// A query node on a socket of its own, whose work never ends.
struct Node {
    address: SocketAddr,
    begun: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
    serving: JoinHandle<Drained>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn node() -> Node {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (begun, dropped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let service = {
        let (begun, dropped) = (Arc::clone(&begun), Arc::clone(&dropped));
        tower::service_fn(move |_: Request<Incoming>| {
            begun.fetch_add(1, Ordering::Relaxed);
            let dropped = Dropped::new(&dropped);
            async move {
                std::future::pending::<()>().await;
                drop(dropped);
                Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
            }
        })
    };
    let limits =
        PortLimits { connections_max: 100, header_timeout: Duration::from_secs(30), drain: Duration::ZERO };
    let serving = tokio::spawn(serve_http(service, limits, listener, std::future::pending()));
    Node { address, begun, dropped, serving }
}

impl Node {
    fn chain(&self) -> ChainService {
        let node = format!("http://{}", self.address).parse().unwrap();
        Pool::new(&PoolConfig::new(vec![node])).unwrap().service()
    }

    fn counts(&self) -> (usize, usize) {
        (self.begun.load(Ordering::Relaxed), self.dropped.load(Ordering::Relaxed))
    }
}

/// A gateway in front of two such nodes, with much patience of its own.
async fn patient(nodes: &[Node; 2]) -> Running {
    let config = GatewayConfig {
        upstream_timeout: Duration::from_secs(600),
        hedge_delay_min: Duration::from_secs(300),
        hedge_delay: Duration::from_secs(300),
        standby_percent: 0,
        ..GatewayConfig::new(KEY)
    };
    run(config, nodes.each_ref().map(Node::chain)).await
}

#[tokio::test]
async fn a_client_that_hangs_up_stops_the_work_at_the_node() {
    let nodes = [node().await, node().await];
    let running = patient(&nodes).await;
    // Shared reads and others: both ways through the gateway.
    for (round, path) in ["/v1/sessions/s1/report", "/v1/log/0"].into_iter().enumerate() {
        let mut client = TcpStream::connect(running.address).await.unwrap();
        client.write_all(&get(path, "")).await.unwrap();
        eventually(|| nodes[0].counts() == (round + 1, round)).await;
        assert_eq!(running.gateway.admission().door.in_flight, 1);
        drop(client);
        eventually(|| nodes[0].counts() == (round + 1, round + 1)).await;
        eventually(|| running.gateway.admission().door.in_flight == 0).await;
    }
    assert_eq!(nodes[1].counts(), (0, 0));
}

#[tokio::test]
async fn a_deadline_that_passes_stops_it_too() {
    let nodes = [node().await, node().await];
    let running = patient(&nodes).await;
    let more = "tandem-timeout-ms: 50\r\nconnection: close\r\n";
    let answer = running.raw(&get("/v1/sessions/s1/report", more)).await;
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
    eventually(|| nodes[0].counts() == (1, 1)).await;
    assert_eq!(running.gateway.admission().deadlines_expired, 1);
}
