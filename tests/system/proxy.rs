//! A way to a server on which it is killed at a chosen byte.
//!
//! Killing "after a while" would hit another place on every machine, and on a quick one none at
//! all. Bytes on their way are progress: a kill after so many of them happens on every machine,
//! in the middle of the same body.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::server::Server;

/// How much passes at once, in bytes.
const CHUNK_BYTES: usize = 16 * 1024;

/// When to kill.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Once so many bytes have come from the client.
    pub(crate) after_bytes: u64,
    /// Then at once, in the middle of a body; or when the next answer begins, which then does not
    /// arrive: the server has done its work, and the client can't know.
    pub(crate) at: At,
}

/// What happens at that moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// The client is sending.
    Sending,
    /// The server is answering.
    Answering,
}

/// Everything between a client and a server that is killed now and then.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Mutex<State>>,
    _accepting: JoinSet<()>,
}

struct State {
    /// Taken out at the end.
    server: Option<Server>,
    port: u16,
    sent_bytes: u64,
    /// The moments to come, next one last.
    moments: Vec<Moment>,
    kills: usize,
}

impl Proxy {
    pub(crate) async fn start(server: Server, mut moments: Vec<Moment>) -> Self {
        moments.reverse();
        let port = server.port();
        let shared =
            Arc::new(Mutex::new(State { server: Some(server), port, sent_bytes: 0, moments, kills: 0 }));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, Arc::clone(&shared)));
        Self { address, shared, _accepting: accepting }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How often the server was killed so far.
    pub(crate) fn kills(&self) -> usize {
        self.state(|state| state.kills)
    }

    /// Starts the server again.
    pub(crate) fn restart(&self) {
        self.state(|state| state.server.as_mut().expect("it is taken out last").start_again());
    }

    /// The server, which nobody kills any more.
    pub(crate) fn into_server(self) -> Server {
        // Whoever is still connected holds on to the state, so it is taken out of it.
        self.state(|state| state.server.take()).expect("it is taken out once")
    }

    fn state<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.shared.lock().expect("no test fails while it holds it"))
    }
}

async fn accept(listener: TcpListener, shared: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(connect(client, Arc::clone(&shared)));
    }
}

/// Ends, and both connections with it, as soon as one side ends or the server is killed.
async fn connect(client: TcpStream, shared: Arc<Mutex<State>>) {
    let port = shared.lock().expect("no test fails while it holds it").port;
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = pass(from_client, to_server, At::Sending, &shared) => {}
        () = pass(from_server, to_client, At::Answering, &shared) => {}
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, at: At, shared: &Mutex<State>) {
    let mut chunk = vec![0; CHUNK_BYTES];
    while let Ok(length @ 1..) = from.read(&mut chunk).await {
        let is_killed = shared.lock().expect("no test fails while it holds it").passes(length, at);
        if is_killed || to.write_all(&chunk[..length]).await.is_err() {
            return;
        }
    }
}

impl State {
    /// Notes that bytes are about to pass; returns whether the server was killed instead.
    fn passes(&mut self, length: usize, at: At) -> bool {
        if at == At::Sending {
            self.sent_bytes += length as u64;
        }
        let is_now = |moment: &mut Moment| moment.after_bytes <= self.sent_bytes && moment.at == at;
        if self.moments.last_mut().is_none_or(|moment| !is_now(moment)) {
            return false;
        }
        let Some(server) = &mut self.server else { return false };
        self.moments.pop();
        server.kill();
        self.kills += 1;
        true
    }
}
