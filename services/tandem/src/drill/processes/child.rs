//! Processes that end with us, whatever happens.
//!
//! All of them are in one process group, led by a guard: the program itself, which does nothing but
//! wait for the end of its standard input. We hold the other end. When the stand is dropped, and
//! also when we are killed, that ends, and the guard kills the group: those that stand still too.
//! It must outlive a SIGHUP: when we are gone, nobody outside the group is left who could wake those
//! that stand still, and the kernel then sends SIGHUP and SIGCONT to all of it (POSIX.1-2017,
//! `_exit`, consequences of process termination). A gateway reads its configuration again at that.
//! A Ctrl-C reaches us alone, so that a drill ends in order.

use std::fs::OpenOptions;
use std::io::Read;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use rustix::process::{Pid, Signal, getpgrp, getpid, kill_process, kill_process_group};
use tokio::signal::unix::{SignalKind, signal};

use super::hosts::Namespace;
use super::site::Variables;
use crate::failure::Failure;

/// How much of what a process said is shown, in lines.
const SAID_LINES: usize = 12;

/// Waits, blocking, for the end of standard input, then kills the group of this process, which it
/// must lead. Runs within a runtime.
///
/// # Errors
///
/// When it leads no group: then it would kill strangers.
pub fn guard() -> Result<(), Failure> {
    if getpgrp() != getpid() {
        return Err(Failure::usage(anyhow!("only drills start this, in a group of its own")));
    }
    // Who listens for it is not ended by it, also before anybody asks what was heard.
    let _hangups = signal(SignalKind::hangup()).map_err(|error| Failure::failed(anyhow!(error)))?;
    let mut nothing = [0; 64];
    // Nobody writes; an error is an end, too.
    while matches!(std::io::stdin().read(&mut nothing), Ok(1..)) {}
    kill_process_group(getpgrp(), Signal::KILL).map_err(|error| Failure::failed(anyhow!(error)))
}

/// The group of all processes of a stand. Dropping it ends them.
pub(super) struct Group {
    guard: Child,
    /// Its end is what the guard waits for.
    _input: Option<ChildStdin>,
    id: Pid,
}

impl Group {
    /// Starts the guard: `program` is this program.
    pub(super) fn start(program: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command.args(["drill", "guard"]).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut guard = command.spawn().with_context(|| format!("can't run {}", program.display()))?;
        let (input, id) = (guard.stdin.take(), pid(&guard)?);
        Ok(Self { guard, _input: input, id })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Whoever is gone needs no killing.
        let _ = kill_process_group(self.id, Signal::KILL);
        let _ = self.guard.kill();
        let _ = self.guard.wait();
    }
}

/// One role as a process.
pub(super) struct Node {
    pub(super) name: String,
    arguments: Vec<String>,
    variables: Variables,
    /// Where we ask whether it is ready.
    pub(super) admin: SocketAddr,
    /// The network it lives in; that of the machine where absent.
    home: Option<Arc<Namespace>>,
    log: PathBuf,
    child: Option<Child>,
    was_started: bool,
}

/// With which program processes are started.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    pub(super) first: PathBuf,
    /// What comes back after it was killed.
    pub(super) next: PathBuf,
}

impl Node {
    /// `arguments` name the role; what it says goes to a file in `folder`; it is asked at `admin`.
    pub(super) fn new(
        name: String,
        arguments: Vec<String>,
        variables: Variables,
        admin: SocketAddr,
        folder: &Path,
    ) -> Self {
        let log = folder.join(format!("{name}.log"));
        Self { name, arguments, variables, admin, home: None, log, child: None, was_started: false }
    }

    /// The same, in this network.
    pub(super) fn living(mut self, home: Option<Arc<Namespace>>) -> Self {
        self.home = home;
        self
    }

    /// Starts it in `group`, where it does not run yet.
    pub(super) fn start(&mut self, programs: &Programs, group: &Group) -> anyhow::Result<()> {
        if self.child.is_some() {
            return Ok(());
        }
        let program = if self.was_started { &programs.next } else { &programs.first };
        let log = || OpenOptions::new().create(true).append(true).open(&self.log);
        let doing = || format!("{} can't be started from {}", self.name, program.display());
        let (stdout, stderr) = (log().with_context(doing)?, log().with_context(doing)?);
        let mut command = Command::new(program);
        command.args(&self.arguments).envs(&self.variables).process_group(group.id.as_raw_nonzero().get());
        // What is said of the drill is not said of the processes.
        command.env_remove("RUST_LOG").stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        let child = match &self.home {
            Some(home) => home.within(|| command.spawn()),
            None => command.spawn(),
        };
        self.child = Some(child.with_context(doing)?);
        self.was_started = true;
        Ok(())
    }

    /// Whether it was started and neither killed nor seen to end.
    pub(super) const fn is_started(&self) -> bool {
        self.child.is_some()
    }

    /// SIGKILL, and its end.
    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself: as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// SIGSTOP (true) or SIGCONT (false); says whether there was somebody to take it.
    pub(super) fn pause(&mut self, is_paused: bool) -> bool {
        let signal = if is_paused { Signal::STOP } else { Signal::CONT };
        let id = self.child.as_ref().and_then(|child| pid(child).ok());
        id.is_some_and(|id| kill_process(id, signal).is_ok())
    }

    /// How it ended, if it did so by itself since it was asked last.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.as_mut()?.try_wait().ok().flatten()?;
        self.child = None;
        Some(status)
    }

    /// The end of what it said.
    pub(super) fn said(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(SAID_LINES)..].join("\n")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

fn pid(child: &Child) -> anyhow::Result<Pid> {
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    id.context("the system gave a process no id")
}
