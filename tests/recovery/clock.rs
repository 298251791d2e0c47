//! A control node whose clock is wrong.
//!
//! For a metronome that is the same as a clock of its own that is wrong, and needs no right to set
//! the machine's clock.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

pub(crate) const HOUR_MS: i64 = 3_600_000;
/// How long somebody who waits for the next decision does so: there is none.
const WAIT: Duration = Duration::from_secs(1);

/// Answers like a control node, as far as a metronome asks.
pub(crate) struct WrongControl {
    address: SocketAddr,
    off_ms: Arc<AtomicI64>,
    _serving: JoinSet<()>,
}

impl WrongControl {
    pub(crate) async fn start(off_ms: i64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let off_ms = Arc::new(AtomicI64::new(off_ms));
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, Arc::clone(&off_ms)));
        Self { address, off_ms, _serving: serving }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn set_right(&self) {
        self.off_ms.store(0, Ordering::Relaxed);
    }
}

async fn serve(listener: TcpListener, off_ms: Arc<AtomicI64>) {
    let mut connections = JoinSet::new();
    while let Ok((connection, _)) = listener.accept().await {
        connections.spawn(answer(connection, Arc::clone(&off_ms)));
    }
}

/// One request per connection.
async fn answer(mut connection: TcpStream, off_ms: Arc<AtomicI64>) {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match connection.read_buf(&mut request).await {
            Ok(1..) => {}
            _ => return,
        }
    }
    let request = String::from_utf8_lossy(&request);
    if request.lines().next().is_some_and(|line| line.contains("after")) {
        tokio::time::sleep(WAIT).await;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("we live after 1970").as_millis();
    let now_ms = i64::try_from(now).expect("for some time yet") + off_ms.load(Ordering::Relaxed);
    let state = json!({
        "route": {"active": "a", "epoch": 1, "reason": "test"}, "history": [], "now_ms": now_ms,
    });
    let body = state.to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    // Whoever is gone does not want to know.
    let _ = connection.write_all((head + &body).as_bytes()).await;
}
