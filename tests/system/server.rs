//! A running `tandem up`.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::api::Api;
use crate::program::{DEADLINE, KEY, Process, binary, free_port, lines_of};

/// How much of a server's log a failing test shows.
const LOG_LINES: usize = 40;

/// How to start one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Beats come with the events.
    Replay,
    /// With a metronome, without demo traffic.
    Live,
    /// With a metronome and demo traffic.
    Demo,
    /// As `Live`, with room for very many streams of one tenant.
    Crowded,
}

impl Kind {
    const fn arguments(self) -> &'static [&'static str] {
        match self {
            Kind::Replay => &["--no-demo", "--clock", "replay"],
            Kind::Live => &["--no-demo"],
            Kind::Demo => &[],
            Kind::Crowded => &["--no-demo", "--max-streams", "100000"],
        }
    }
}

/// A server with its data, which stays when it is killed and goes when this is dropped.
pub(crate) struct Server {
    kind: Kind,
    more: Vec<String>,
    port: u16,
    process: Option<Process>,
    folder: TempDir,
}

impl Server {
    /// Starts one on new data, and returns when it listens.
    pub(crate) fn start(kind: Kind) -> Self {
        Self::start_with(kind, &[])
    }

    /// The same with more arguments.
    pub(crate) fn start_with(kind: Kind, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let more = more.iter().map(|argument| (*argument).to_owned()).collect();
        let mut server = Self { kind, more, port: free_port(), process: None, folder };
        server.start_again();
        server
    }

    /// Starts it on the same port and data, after it has ended in whatever way.
    pub(crate) fn start_again(&mut self) {
        self.process = None;
        // The system may need a moment to give the port or the lock of a killed process back.
        let began = Instant::now();
        loop {
            match self.launch() {
                Ok(process) => break self.process = Some(process),
                Err(reason) => assert!(began.elapsed() < DEADLINE, "{reason}\n{}", self.log()),
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn launch(&self) -> Result<Process, String> {
        let log = OpenOptions::new().create(true).append(true).open(self.log_path());
        let mut command = Command::new(binary());
        command
            .arg("up")
            .args(self.kind.arguments())
            .args(&self.more)
            .args(["--port", &self.port.to_string(), "--key", KEY, "--data"])
            .arg(self.data())
            .env_remove("TANDEM_KEY")
            .env_remove("RUST_LOG")
            .stdout(Stdio::piped())
            .stderr(log.expect("a file in our own folder"));
        let mut process = Process::spawn(&mut command);
        let stdout = process.child().stdout.take().expect("it is a pipe");
        let lines = lines_of(stdout);
        let deadline = Instant::now() + DEADLINE;
        loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) if line == format!("listening on {}", self.url()) => return Ok(process),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => panic!("the server does not listen:\n{}", self.log()),
                Err(RecvTimeoutError::Disconnected) => {
                    let status = process.child().wait().expect("our own child can be waited for");
                    return Err(format!("the server does not start: {status}"));
                }
            }
        }
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where its data is.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// How much memory it takes right now, in bytes.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let process = self.process.as_ref().expect("it is running").id();
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kib.unwrap_or(0) * 1024
    }

    /// Its user.
    pub(crate) fn api(&self) -> Api {
        Api::new(&self.url())
    }

    /// Ends it without a warning.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// Ends it as Ctrl-C does; returns the exit code.
    pub(crate) async fn stop(&mut self) -> Option<i32> {
        let mut process = self.process.take().expect("it is running");
        process.interrupt();
        process.ended().await.code()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("stderr")
    }

    fn log(&self) -> String {
        let text = fs::read(self.log_path()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            println!("the server's log:\n{}", self.log());
        }
    }
}

/// A server that tests share while they overlap in time. A static that held it for good would
/// leave the process behind, as statics are never dropped.
pub(crate) struct Shared {
    kind: Kind,
    server: Mutex<Weak<Server>>,
}

impl Shared {
    pub(crate) const fn new(kind: Kind) -> Self {
        Self { kind, server: Mutex::new(Weak::new()) }
    }

    /// The one that runs, or a new one.
    pub(crate) fn server(&self) -> Arc<Server> {
        // A test that failed while it started one leaves nothing half done behind.
        let mut known = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        known.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Server::start(self.kind));
            *known = Arc::downgrade(&server);
            server
        })
    }
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("temporary folders have plain names")
}
