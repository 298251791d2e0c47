//! A TCP proxy that disturbs what passes it. It needs no rights, only to be where clients connect.
//!
//! Bytes in a blackhole are read and thrown away, so the sender sees an open connection and
//! success, as on a network that loses packets for long. What was lost can't come back: when the
//! blackhole ends, connections that lost something are closed, as they would break in the end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::stand::Injected;

/// How much passes at once, in bytes.
const CHUNK_BYTES: usize = 16 * 1024;
/// Connections at one time; one more waits.
const CONNECTIONS_MAX: usize = 4_096;

/// Makes the sockets with which a proxy goes to its server. A socket belongs to the network it was
/// made in, so this decides from which host the server is asked.
pub type SocketMaker = Arc<dyn Fn() -> std::io::Result<TcpSocket> + Send + Sync>;

/// What happens to connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyFault {
    /// Nothing.
    #[default]
    None,
    /// What clients send vanishes.
    BlackholeIn,
    /// What the server answers vanishes.
    BlackholeOut,
    /// Both vanish.
    Blackhole,
    /// What passes takes longer.
    Latency {
        /// So long, each way.
        delay: Duration,
        /// And up to so much longer, evenly.
        jitter: Duration,
    },
    /// So many bytes a second pass, each way and connection.
    Bandwidth {
        /// At least 1.
        bytes_per_s: u32,
    },
    /// Connections are reset, those that are open and new ones.
    Reset,
    /// New connections are taken, and nobody is behind them; open ones go on.
    HalfOpen,
    /// What passes waits until the fault is over, and is lost by nobody.
    Hang,
    /// Some of what clients send resets the connection instead of passing: a question in the middle.
    Cut {
        /// So many of a hundred chunks.
        percent: u32,
    },
}

impl ProxyFault {
    const fn loses(self, way: Way) -> bool {
        matches!(
            (self, way),
            (ProxyFault::Blackhole, _)
                | (ProxyFault::BlackholeIn, Way::In)
                | (ProxyFault::BlackholeOut, Way::Out)
        )
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    In,
    Out,
}

/// A running proxy. Dropping it closes everything.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    server: SocketAddr,
    socket: SocketMaker,
    fault: watch::Sender<ProxyFault>,
    /// Chunks and connections that were disturbed.
    struck: AtomicU64,
    /// Chunks that clients sent, and connections that the server did not take.
    asked: AtomicU64,
    room: Semaphore,
}

impl Proxy {
    /// Listens on a free local port, in front of `server`.
    ///
    /// # Errors
    ///
    /// When there is no port.
    pub async fn start(server: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let socket = move || if server.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        Self::between(listener, server, Arc::new(socket))
    }

    /// Listens where `listener` does, in front of `server`, and goes there with sockets of `socket`.
    ///
    /// # Errors
    ///
    /// When the listener does not know where it is.
    pub fn between(listener: TcpListener, server: SocketAddr, socket: SocketMaker) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            server,
            socket,
            fault: watch::Sender::default(),
            struck: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            room: Semaphore::new(CONNECTIONS_MAX),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, accepting })
    }

    /// Where to connect.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How often clients have asked something of the server since the start, answered or not:
    /// chunks they sent, and connections that could not be made.
    pub fn asked(&self) -> u64 {
        self.shared.asked.load(Ordering::Relaxed)
    }

    /// Puts a fault in force, until the guard ends.
    pub fn begin(&self, fault: ProxyFault) -> ProxyGuard {
        self.shared.fault.send_replace(fault);
        let struck_before = self.shared.struck.load(Ordering::Relaxed);
        ProxyGuard { shared: Arc::clone(&self.shared), struck_before, is_over: false }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A fault in force.
pub struct ProxyGuard {
    shared: Arc<Shared>,
    struck_before: u64,
    is_over: bool,
}

impl ProxyGuard {
    /// Ends the fault.
    pub fn heal(&mut self) {
        if !std::mem::replace(&mut self.is_over, true) {
            self.shared.fault.send_replace(ProxyFault::None);
        }
    }

    /// How many chunks and connections it has disturbed.
    pub fn struck(&self) -> u64 {
        self.shared.struck.load(Ordering::Relaxed) - self.struck_before
    }
}

impl Injected for ProxyGuard {
    fn heal(&mut self) {
        ProxyGuard::heal(self);
    }

    fn struck(&self) -> Option<u64> {
        Some(ProxyGuard::struck(self))
    }
}

impl Drop for ProxyGuard {
    fn drop(&mut self) {
        self.heal();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with this task, and with it every connection.
    let mut connections = JoinSet::new();
    loop {
        // Those that are over make room in the set, too.
        while connections.try_join_next().is_some() {}
        let Ok((client, _)) = listener.accept().await else {
            // No file descriptors: they come back.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        connections.spawn(connect(client, Arc::clone(&shared)));
    }
}

async fn connect(client: TcpStream, shared: Arc<Shared>) {
    let Ok(_room) = shared.room.acquire().await else { return };
    let mut fault = shared.fault.subscribe();
    let now = *fault.borrow_and_update();
    if now == ProxyFault::Reset {
        shared.struck.fetch_add(1, Ordering::Relaxed);
        return reset(client);
    }
    if matches!(now, ProxyFault::HalfOpen | ProxyFault::Blackhole | ProxyFault::BlackholeIn) {
        // Nothing gets through, so whether there is a server can't show.
        shared.struck.fetch_add(1, Ordering::Relaxed);
        let _ = fault.changed().await;
        return;
    }
    let server = match (shared.socket)() {
        Ok(socket) => socket.connect(shared.server).await,
        Err(error) => Err(error),
    };
    let Ok(server) = server else {
        // Nobody is there, and the client is to hear it as it would without us: at once.
        shared.asked.fetch_add(1, Ordering::Relaxed);
        return reset(client);
    };
    // What nodelay is for is not worth ending a connection.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let lost = AtomicBool::new(false);
    let (mut inward, mut outward) = ((from_client, to_server), (from_server, to_client));
    let must_reset = tokio::select! {
        is_cut = pass(&mut inward, Way::In, &shared, &lost) => is_cut,
        is_cut = pass(&mut outward, Way::Out, &shared, &lost) => is_cut,
        is_reset = broken(fault, &lost) => is_reset,
    };
    if must_reset {
        shared.struck.fetch_add(1, Ordering::Relaxed);
        let ((from_client, to_server), (from_server, to_client)) = (inward, outward);
        from_client.reunite(to_client).into_iter().for_each(reset);
        from_server.reunite(to_server).into_iter().for_each(reset);
    }
}

/// Ends when the connection must: it is to be reset (true), or it lost bytes and the blackhole is
/// over (false).
async fn broken(mut fault: watch::Receiver<ProxyFault>, lost: &AtomicBool) -> bool {
    loop {
        if fault.changed().await.is_err() {
            return false;
        }
        let now = *fault.borrow_and_update();
        if now == ProxyFault::Reset {
            return true;
        }
        if lost.load(Ordering::Relaxed) && !now.loses(Way::In) && !now.loses(Way::Out) {
            return false;
        }
    }
}

/// Closes without a word: what is under way is thrown away on both sides.
fn reset(stream: TcpStream) {
    // Where it can't be asked for, it is closed in order; the client notices that as well.
    let _ = stream.set_zero_linger();
}

/// Passes bytes on until one side ends (false), or the connection is to be reset (true).
async fn pass(
    ends: &mut (OwnedReadHalf, OwnedWriteHalf),
    way: Way,
    shared: &Shared,
    lost: &AtomicBool,
) -> bool {
    let (from, to) = ends;
    let mut chunk = vec![0; CHUNK_BYTES];
    while let Ok(length @ 1..) = from.read(&mut chunk).await {
        let number = match way {
            Way::In => shared.asked.fetch_add(1, Ordering::Relaxed),
            Way::Out => shared.struck.load(Ordering::Relaxed),
        };
        let fault = *shared.fault.borrow();
        if fault.loses(way) {
            shared.struck.fetch_add(1, Ordering::Relaxed);
            lost.store(true, Ordering::Relaxed);
            continue;
        }
        if way == Way::In && is_cut(fault, number) {
            return true;
        }
        let mut over = shared.fault.subscribe();
        // A pause is over with its fault, however long it would be.
        let over = over.wait_for(|now| *now != fault);
        if fault == ProxyFault::Hang {
            shared.struck.fetch_add(1, Ordering::Relaxed);
            let _ = over.await;
        } else if let Some(pause) = pause(fault, length, number) {
            shared.struck.fetch_add(1, Ordering::Relaxed);
            let _ = tokio::time::timeout(pause, over).await;
        }
        if to.write_all(&chunk[..length]).await.is_err() {
            return false;
        }
    }
    false
}

/// Whether the chunk of this number cuts its connection.
fn is_cut(fault: ProxyFault, number: u64) -> bool {
    let ProxyFault::Cut { percent } = fault else { return false };
    SmallRng::seed_from_u64(number).random_range(0..100) < percent
}

/// How long the chunk of this number waits before it passes.
fn pause(fault: ProxyFault, length: usize, number: u64) -> Option<Duration> {
    match fault {
        ProxyFault::Latency { delay, jitter } => {
            Some(delay + jitter.mul_f64(SmallRng::seed_from_u64(number).random()))
        }
        ProxyFault::Bandwidth { bytes_per_s } => {
            Some(Duration::from_secs_f64(length as f64 / f64::from(bytes_per_s.max(1))))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
