//! The real program: built once, run as a process, never left behind.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long anything may take before a test fails; far beyond what it does take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);
/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(10);
/// The key of every server here.
pub(crate) const KEY: &str = "whole-system-test-key";

/// Where the binary is. Built by the cargo that runs the tests, in the same profile and the same
/// target folder; a fresh one costs cargo a look.
pub(crate) fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(build)
}

fn build() -> PathBuf {
    // TARGET/PROFILE/deps/system-0123abcd
    let test = std::env::current_exe().expect("a running test has a path");
    let mut folders = test.ancestors().skip(2);
    let profile_folder = folders.next().expect("a test binary lies in PROFILE/deps");
    let target_folder = folders.next().expect("PROFILE lies in the target folder");
    let profile = match profile_folder.file_name().and_then(|name| name.to_str()) {
        None | Some("debug") => "dev",
        Some(name) => name,
    };
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "-p", "tandem", "--bin", "tandem", "--profile", profile])
        .arg("--target-dir")
        .arg(target_folder)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .status()
        .expect("the cargo that runs the tests can be run");
    assert!(status.success(), "`tandem` does not build");
    profile_folder.join(format!("tandem{}", std::env::consts::EXE_SUFFIX))
}

/// A process of ours; killed when dropped.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).spawn().expect("the program can be run"))
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// SIGKILL: no chance to tidy up.
    pub(crate) fn kill(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// SIGINT: what Ctrl-C sends. The shell's own `kill` is everywhere, and needs no unsafe code.
    pub(crate) fn interrupt(&self) {
        let kill = format!("kill -INT {}", self.0.id());
        let status = Command::new("sh").args(["-c", &kill]).status().expect("there is a shell");
        assert!(status.success(), "the process is gone already");
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.0.try_wait().expect("our own child can be asked").is_none()
    }

    pub(crate) async fn ended(&mut self) -> ExitStatus {
        until("a process ends", async || self.0.try_wait().expect("our own child can be asked")).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A `tandem` command under way.
pub(crate) struct Running {
    process: Process,
    line: String,
    folder: tempfile::TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Finished {
    /// Its exit code; none where a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Running {
    /// Starts `tandem` with these arguments, and the key of every server here.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        // Into files, not pipes: nobody has to read them while it runs.
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = |name| File::create(folder.path().join(name)).expect("a file in our own folder");
        let mut command = Command::new(binary());
        command.args(arguments).env("TANDEM_KEY", KEY).env_remove("RUST_LOG");
        let process = Process::spawn(command.stdout(file("stdout")).stderr(file("stderr")));
        Self { process, line: arguments.join(" "), folder }
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    pub(crate) async fn finished(mut self) -> Finished {
        let code = self.process.ended().await.code();
        let text = |name| std::fs::read(self.folder.path().join(name)).expect("a file in our own folder");
        let text = |name| String::from_utf8_lossy(&text(name)).into_owned();
        let finished = Finished { code, stdout: text("stdout"), stderr: text("stderr") };
        println!("tandem {}: {finished:?}", self.line);
        finished
    }
}

/// Runs `tandem` with these arguments to its end.
pub(crate) async fn run(arguments: &[&str]) -> Finished {
    Running::start(arguments).finished().await
}

/// Polls until there is something, and fails the test when there isn't for too long.
pub(crate) async fn until<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(began.elapsed() < DEADLINE, "waited in vain until {what}");
        tokio::time::sleep(POLL).await;
    }
}
