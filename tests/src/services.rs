//! A test's hold on real servers: where they are, and the right to stop, kill and pause them.
//!
//! The servers belong to a process of their own, `tandem-services`, whose standard input this
//! process holds. When this process ends, for whatever reason, that pipe closes, and with it go
//! the servers and their folder; so a handle may live in a `static`, which is never dropped.

use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Environment: a file with the addresses of servers that run already, as `--addresses` wrote it.
pub const SERVICES_VARIABLE: &str = "TANDEM_TEST_SERVICES";
/// Environment: the `tandem-services` program, where it is not found by itself.
pub const PROGRAM_VARIABLE: &str = "TANDEM_SERVICES_PROGRAM";

/// Where the servers are, and where their data is.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Addresses {
    /// Bootstrap server of the log, `host:port`.
    pub kafka: String,
    /// Contact point of each chain's CQL cluster, `host:port`.
    pub cql: PerChain,
    /// Each chain's Redis, `host:port`.
    pub redis: PerChain,
    /// Holds the data and the logs of all servers; goes when they go.
    pub folder: PathBuf,
    /// What runs the servers: `packages` or `docker`.
    pub engine: String,
}

/// The same thing for each chain.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct PerChain {
    /// Chain a.
    pub a: String,
    /// Chain b.
    pub b: String,
}

/// A Redis with one replica, watched by sentinels; answer to `start redis-sentinel`.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct SentinelAddresses {
    /// The sentinels, `host:port` each.
    pub sentinels: Vec<String>,
    /// The name under which they know the primary.
    pub service: String,
    /// Who is primary at the start (server `redis-primary`).
    pub primary: String,
    /// Who is replica at the start (server `redis-replica`).
    pub replica: String,
}

/// A Redis Cluster without replicas; answer to `start redis-cluster`.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct ClusterAddresses {
    /// The nodes, `host:port` each (servers `redis-cluster-1` and on).
    pub nodes: Vec<String>,
}

/// What went wrong, in words.
#[derive(Debug)]
pub struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

fn error(text: impl fmt::Display) -> Error {
    Error(text.to_string())
}

/// Running servers. Dropping it stops them, if this handle started them.
#[derive(Debug)]
pub struct Services {
    addresses: Addresses,
    /// None: somebody else's servers, which are not ours to stop.
    control: Option<Mutex<Control>>,
}

/// The line to `tandem-services`: one command out, one answer back.
#[derive(Debug)]
struct Control {
    child: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Services {
    /// The servers this test program shares, started at the first call; or, with
    /// `TANDEM_TEST_SERVICES` set, those that run already. Takes up to a minute, and blocks.
    ///
    /// # Panics
    /// Where the servers cannot be had, with the reason: no test can go on without them.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Services> = OnceLock::new();
        SHARED.get_or_init(|| {
            let shared = match std::env::var_os(SERVICES_VARIABLE) {
                Some(file) if !file.is_empty() => Self::running(Path::new(&file)),
                _ => Self::start(),
            };
            shared.unwrap_or_else(|error| panic!("the servers for the tests: {error}"))
        })
    }

    /// A set of its own, for a test that stops, kills or pauses. Takes up to a minute, and blocks.
    pub fn start() -> Result<Self, Error> {
        Self::launch(&[])
    }

    /// A set of its own in which only these servers run at first; `start_again` starts others.
    /// With none but Redis, this takes no time.
    pub fn start_only(names: &[&str]) -> Result<Self, Error> {
        Self::launch(&["--only", &names.join(",")])
    }

    fn launch(options: &[&str]) -> Result<Self, Error> {
        let program = program()?;
        let mut child = Command::new(&program)
            .arg("up")
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|cause| error(format_args!("{} does not start: {cause}", program.display())))?;
        let commands = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("it was asked to be piped"));
        let mut control = Control { child, commands, answers };
        let addresses = serde_json::from_str(&control.line()?).map_err(error)?;
        Ok(Self { addresses, control: Some(Mutex::new(control)) })
    }

    /// Servers that somebody else started, from the file with their addresses.
    pub fn running(file: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(file)
            .map_err(|cause| error(format_args!("{SERVICES_VARIABLE}={}: {cause}", file.display())))?;
        let addresses = serde_json::from_str(&text)
            .map_err(|cause| error(format_args!("{SERVICES_VARIABLE}={}: {cause}", file.display())))?;
        Ok(Self { addresses, control: None })
    }

    /// Where the servers are.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Whether this handle may stop, kill and pause servers.
    pub fn is_own(&self) -> bool {
        self.control.is_some()
    }

    /// Ends a server in good order (SIGTERM). Names: `kafka`, `cql-a`, `cql-b`, `redis-a`,
    /// `redis-b`, those of the extras, and `all`; several with a space between are stopped (and
    /// started) at once.
    pub fn stop(&self, name: &str) -> Result<(), Error> {
        self.command(&format!("stop {name}")).map(drop)
    }

    /// Ends a server at once (SIGKILL). A CQL store loses what it acknowledged in the last moment.
    pub fn kill(&self, name: &str) -> Result<(), Error> {
        self.command(&format!("kill {name}")).map(drop)
    }

    /// Starts a server that was stopped or killed, at its old port with its old data (a Redis
    /// keeps none), and waits until it answers.
    pub fn start_again(&self, name: &str) -> Result<(), Error> {
        self.command(&format!("start {name}")).map(drop)
    }

    /// Freezes a server (SIGSTOP): its connections stay open, nothing is answered.
    pub fn pause(&self, name: &str) -> Result<(), Error> {
        self.command(&format!("pause {name}")).map(drop)
    }

    /// Wakes a frozen server (SIGCONT).
    pub fn resume(&self, name: &str) -> Result<(), Error> {
        self.command(&format!("resume {name}")).map(drop)
    }

    /// What each server is doing: `running`, `paused`, `stopped`.
    pub fn status(&self) -> Result<std::collections::BTreeMap<String, String>, Error> {
        self.extra("status")
    }

    /// A Redis with one replica and sentinels, started at the first call.
    pub fn redis_sentinel(&self) -> Result<SentinelAddresses, Error> {
        self.extra("start redis-sentinel")
    }

    /// A Redis Cluster of three nodes, started at the first call.
    pub fn redis_cluster(&self) -> Result<ClusterAddresses, Error> {
        self.extra("start redis-cluster")
    }

    /// The process that owns the servers; `None` where they are somebody else's.
    pub fn process(&self) -> Option<u32> {
        let control = self.control.as_ref()?;
        Some(control.lock().unwrap_or_else(PoisonError::into_inner).child.id())
    }

    fn extra<T: DeserializeOwned>(&self, command: &str) -> Result<T, Error> {
        serde_json::from_str(&self.command(command)?)
            .map_err(|cause| error(format_args!("the answer to `{command}`: {cause}")))
    }

    /// Sends one command and waits for its answer, without the `ok`.
    fn command(&self, command: &str) -> Result<String, Error> {
        let Some(control) = &self.control else {
            let text = "these servers are shared; `Services::start()` gives a set of one's own";
            return Err(error(format_args!("{command}: {text}")));
        };
        let mut control = control.lock().unwrap_or_else(PoisonError::into_inner);
        control.ask(command).map_err(|cause| error(format_args!("{command}: {cause}")))
    }
}

impl Control {
    fn ask(&mut self, command: &str) -> Result<String, Error> {
        let commands = self.commands.as_mut().ok_or_else(|| error("the servers are gone"))?;
        writeln!(commands, "{command}").and_then(|()| commands.flush()).map_err(error)?;
        let answer = self.line()?;
        match answer.strip_prefix("ok") {
            Some(rest) => Ok(rest.trim().to_owned()),
            None => Err(error(answer)),
        }
    }

    fn line(&mut self) -> Result<String, Error> {
        let mut line = String::new();
        self.answers.read_line(&mut line).map_err(error)?;
        if line.is_empty() {
            return Err(error("tandem-services ended; the reason stands on its standard error"));
        }
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Control {
    /// Returns when all servers have ended and their folder is gone.
    fn drop(&mut self) {
        self.commands = None;
        // It may be gone already; then there is nothing to wait for.
        let _ = self.child.wait();
    }
}

/// The program: named by the environment, or where cargo puts it, next to the tests' folder.
fn program() -> Result<PathBuf, Error> {
    if let Some(program) = std::env::var_os(PROGRAM_VARIABLE) {
        return Ok(program.into());
    }
    let file = format!("tandem-services{}", std::env::consts::EXE_SUFFIX);
    let this = std::env::current_exe().map_err(error)?;
    // Of a test, TARGET/PROFILE/deps/backends-0123abcd; of a program, TARGET/PROFILE/tandem.
    let found = this.ancestors().skip(1).take(2).map(|folder| folder.join(&file)).find(|path| path.is_file());
    found.ok_or_else(|| {
        let cure = "run `cargo build -p tandem-tests --bin tandem-services`";
        error(format_args!("{file} is not beside {}: {cure}", this.display()))
    })
}
