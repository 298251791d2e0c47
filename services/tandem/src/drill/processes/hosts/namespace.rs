//! Networks of their own inside this machine: namespaces without a name.
//!
//! A named namespace (`ip netns add`) stays until somebody removes it. One without a name is held by
//! the processes in it, its sockets, and the file we have of it, and the kernel removes it with the
//! last of these: so nothing is left of a drill, however it ends.
//!
//! A thread is in one namespace at a time, and what it makes belongs there for good: a socket, and a
//! process with all that it starts. So each such thing is made by a thread of its own that has moved
//! there, and is used from anywhere.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;

use anyhow::{Context, anyhow};
use tandem_chaos::tools::SocketMaker;
use tokio::net::{TcpListener, TcpSocket};

/// Connections that may wait to be taken.
const WAITING_MAX: u32 = 1_024;
/// How much of a complaint is shown, in lines.
const SAID_LINES: usize = 4;

/// A network namespace.
pub(in crate::drill::processes) struct Namespace {
    file: File,
}

impl Namespace {
    /// Makes one, with nothing in it but a loopback that is down.
    ///
    /// # Errors
    ///
    /// When there is no `unshare`, or we may not.
    pub(super) fn new() -> anyhow::Result<Self> {
        let mut command = Command::new("unshare");
        // Says back what it hears, and ends with us, whatever happens.
        command.args(["--net", "cat"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut holder = command.spawn().map_err(|error| missing("unshare", "util-linux", error))?;
        let file = Self::of(&mut holder);
        // Our file holds it from here on.
        let _ = holder.kill();
        let ended = holder.wait_with_output().context("unshare can't be waited for")?;
        let why = || anyhow!("{}", String::from_utf8_lossy(&ended.stderr).trim().to_owned());
        let file = file.map_err(|error| if ended.stderr.is_empty() { error } else { why() });
        Ok(Self { file: file.context("no network namespace can be made, which only root may")? })
    }

    /// The namespace of a process that says back what it hears once it has moved there.
    fn of(holder: &mut Child) -> anyhow::Result<File> {
        let (input, output) = (holder.stdin.as_mut(), holder.stdout.as_mut());
        let (input, output) = input.zip(output).context("unshare has no input and output")?;
        input.write_all(b".")?;
        output.read_exact(&mut [0])?;
        Ok(File::open(format!("/proc/{}/ns/net", holder.id()))?)
    }

    /// A path by which every process finds it, as long as we hold it.
    pub(super) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }

    /// Does something there. It must be short: the caller waits.
    ///
    /// # Errors
    ///
    /// When there is no thread, or it can't move there; else what `act` says.
    pub(in crate::drill::processes) fn within<T: Send>(
        &self,
        act: impl FnOnce() -> std::io::Result<T> + Send,
    ) -> std::io::Result<T> {
        thread::scope(|scope| {
            let moved = || {
                enter(&self.file)?;
                act()
            };
            let running = thread::Builder::new().name("namespace".to_owned()).spawn_scoped(scope, moved)?;
            running.join().map_err(|_| Error::other("what was done in a network namespace panicked"))?
        })
    }

    /// Listens at `address` there.
    ///
    /// # Errors
    ///
    /// When that is taken, or no address there.
    pub(super) fn listen(&self, address: SocketAddr) -> std::io::Result<TcpListener> {
        let socket = self.within(|| socket_for(address))?;
        socket.bind(address)?;
        socket.listen(WAITING_MAX)
    }

    /// Makes sockets there, to reach `server` from.
    pub(super) fn sockets(self: &Arc<Self>, server: SocketAddr) -> SocketMaker {
        let namespace = Arc::clone(self);
        Arc::new(move || namespace.within(|| socket_for(server)))
    }

    /// Starts to set up interfaces, addresses and neighbours there: `lines` are for `ip -batch`.
    ///
    /// # Errors
    ///
    /// When there is no `ip`.
    pub(super) fn ip(&self, lines: &str) -> anyhow::Result<Ip> {
        let begin = || {
            let mut command = Command::new("ip");
            // One line that fails does not hold up the others.
            command
                .args(["-force", "-batch", "-"])
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::piped());
            command.spawn()
        };
        let mut running = self.within(begin).map_err(|error| missing("ip", "iproute2", error))?;
        let mut input = running.stdin.take().context("ip has no input")?;
        // What it does not read it complains about.
        let _ = input.write_all(lines.as_bytes());
        Ok(Ip(running))
    }

    /// A file that tells of the namespace of whoever reads it.
    pub(super) fn read(&self, path: &str) -> std::io::Result<String> {
        self.within(|| std::fs::read_to_string(path))
    }
}

/// An `ip` at work.
pub(super) struct Ip(Child);

impl Ip {
    /// Waits until it is done.
    ///
    /// # Errors
    ///
    /// With what it says, when it fails.
    pub(super) fn done(self) -> anyhow::Result<()> {
        let ended = self.0.wait_with_output().context("ip can't be waited for")?;
        if ended.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&ended.stderr);
        let first: Vec<&str> = said.lines().take(SAID_LINES).collect();
        Err(anyhow!("ip says: {}", first.join("; ")))
    }
}

/// A socket that can be at `address`, or go there.
pub(super) fn socket_for(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Whoever drills again at once finds the place as it was.
    socket.set_reuseaddr(true)?;
    Ok(socket)
}

fn missing(program: &str, package: &str, error: Error) -> anyhow::Error {
    match error.kind() {
        ErrorKind::NotFound => anyhow!("the program {program} ({package}) is not here"),
        _ => anyhow!(error).context(format!("{program} can't be run")),
    }
}

#[cfg(target_os = "linux")]
fn enter(namespace: &File) -> std::io::Result<()> {
    use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
    use std::os::fd::AsFd;

    Ok(move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?)
}

#[cfg(not(target_os = "linux"))]
fn enter(_: &File) -> std::io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}
