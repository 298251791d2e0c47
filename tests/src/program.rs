//! The real program: built once, run as a process, never left behind.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long anything may take before a test fails; far beyond what it does take.
pub const DEADLINE: Duration = Duration::from_secs(120);
/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(10);
/// The key of every server here.
pub const KEY: &str = "whole-system-test-key";

/// Environment: the program to test, where it is not to be built.
pub const PROGRAM_VARIABLE: &str = "TANDEM_TEST_PROGRAM";

/// Where the binary is. Built by the cargo that runs the tests, in the same profile and the same
/// target folder; a fresh one costs cargo a look. Built with all packages and their tests, as the
/// README's command does: a part of them would have features of its own, and take minutes more.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(build)
}

fn build() -> PathBuf {
    if let Some(program) = std::env::var_os(PROGRAM_VARIABLE).filter(|program| !program.is_empty()) {
        return program.into();
    }
    // TARGET/PROFILE/deps/system-0123abcd
    let test = std::env::current_exe().expect("a running test has a path");
    let mut folders = test.ancestors().skip(2);
    let profile_folder = folders.next().expect("a test binary lies in PROFILE/deps");
    let target_folder = folders.next().expect("PROFILE lies in the target folder");
    let profile = match profile_folder.file_name().and_then(|name| name.to_str()) {
        None | Some("debug") => "dev",
        Some(name) => name,
    };
    let mut cargo = Command::new(env!("CARGO"));
    // What cargo tells a test of its package: build scripts (ring's) ask for it, and would run
    // again, and everything above them be compiled again, here and at the next call outside.
    for (name, _) in std::env::vars_os() {
        let is_of_package = |name: &str| {
            ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_"].iter().any(|begin| name.starts_with(begin))
        };
        if name.to_str().is_some_and(is_of_package) {
            cargo.env_remove(&name);
        }
    }
    let status = cargo
        .args(["build", "--quiet", "--workspace", "--bins", "--tests", "--profile", profile])
        .arg("--target-dir")
        .arg(target_folder)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .status()
        .expect("the cargo that runs the tests can be run");
    assert!(status.success(), "`tandem` does not build");
    profile_folder.join(format!("tandem{}", std::env::consts::EXE_SUFFIX))
}

/// A process of ours; killed when dropped.
pub struct Process(Child);

impl Process {
    /// Starts it, without standard input.
    pub fn spawn(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).spawn().expect("the program can be run"))
    }

    /// For what is not offered here.
    pub fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Its id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// SIGKILL: no chance to tidy up.
    pub fn kill(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// SIGINT: what Ctrl-C sends.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// SIGTERM: what orchestrators send.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// SIGSTOP: it does nothing any more, and can't know.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT: it goes on as if nothing had been.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let id =
            i32::try_from(self.0.id()).ok().and_then(Pid::from_raw).expect("ids of processes are positive");
        kill_process(id, signal).expect("a child that was not waited for can be sent a signal");
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        self.0.try_wait().expect("our own child can be asked").is_none()
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        until("a process ends", async || self.0.try_wait().expect("our own child can be asked")).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A `tandem` command under way.
pub struct Running {
    process: Process,
    line: String,
    folder: tempfile::TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// What it said.
    pub stdout: String,
    /// What it said besides.
    pub stderr: String,
}

impl Running {
    /// Starts `tandem` with these arguments, and the key of every server here.
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, &[])
    }

    fn start_with(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        // Into files, not pipes: nobody has to read them while it runs.
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = |name| File::create(folder.path().join(name)).expect("a file in our own folder");
        let mut command = Command::new(binary());
        command.args(arguments).env("TANDEM_KEY", KEY).env_remove("RUST_LOG");
        command.envs(variables.iter().copied());
        let process = Process::spawn(command.stdout(file("stdout")).stderr(file("stderr")));
        Self { process, line: arguments.join(" "), folder }
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// Waits for its end.
    #[allow(clippy::print_stdout, reason = "a failing test shows what was printed, a passing one nothing")]
    pub async fn finished(mut self) -> Finished {
        let code = self.process.ended().await.code();
        let text = |name| std::fs::read(self.folder.path().join(name)).expect("a file in our own folder");
        let text = |name| String::from_utf8_lossy(&text(name)).into_owned();
        let finished = Finished { code, stdout: text("stdout"), stderr: text("stderr") };
        println!("tandem {}: {finished:?}", self.line);
        finished
    }
}

/// Runs `tandem` with these arguments to its end.
pub async fn run(arguments: &[&str]) -> Finished {
    Running::start(arguments).finished().await
}

/// The same, with variables of the environment.
pub async fn run_with(arguments: &[&str], variables: &[(&str, &str)]) -> Finished {
    Running::start_with(arguments, variables).finished().await
}

/// Polls until there is something, and fails the test when there isn't for too long.
pub async fn until<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(began.elapsed() < DEADLINE, "waited in vain until {what}");
        tokio::time::sleep(POLL).await;
    }
}

/// A free port outside the range from which systems hand out ports by themselves: nobody takes it
/// while a server is being restarted.
pub fn free_port() -> u16 {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 10_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = (std::process::id() % u32::from(COUNT)) as u16;
    loop {
        let tried = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(tried < COUNT, "no port is free");
        let port = FIRST + (start + tried) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Reads on to the end, so that the server never waits for us.
pub fn lines_of(stdout: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    lines
}
