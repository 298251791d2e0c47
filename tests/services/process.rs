//! Processes that cannot outlive this one.
//!
//! On Linux every server is started through `setpriv --pdeathsig KILL`: the kernel kills it when
//! its parent dies, even by SIGKILL. That signal is bound to the *thread* that started the
//! server, so all of them are started by one thread that lives as long as the process.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::probe::Probe;

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(50);
/// How long a server may take to end in good order before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(60);
/// How much of a server's log is shown when it does not start, bytes.
const LOG_SHOWN: u64 = 4096;

/// Set when this process is to end: whoever waits gives up.
#[derive(Clone, Default)]
pub(crate) struct Ending(Arc<AtomicBool>);

impl Ending {
    pub(crate) fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Waits for one poll interval, unless the end has come.
    pub(crate) fn pause(&self) -> anyhow::Result<()> {
        if self.0.load(Ordering::Relaxed) {
            bail!("told to end before it was done: a signal came, or standard input closed");
        }
        std::thread::sleep(POLL);
        Ok(())
    }
}

/// The thread that starts all servers.
#[derive(Clone)]
pub(crate) struct Spawner {
    orders: Sender<(Command, SyncSender<io::Result<Child>>)>,
}

impl Spawner {
    pub(crate) fn new() -> Self {
        let (orders, incoming) = channel::<(Command, SyncSender<io::Result<Child>>)>();
        std::thread::spawn(move || {
            for (mut command, answer) in incoming {
                // Whoever asked waits for the answer.
                let _ = answer.send(command.spawn());
            }
            // The servers' death signal hangs on this thread: it may end with the process only.
            loop {
                std::thread::park();
            }
        });
        Self { orders }
    }

    /// Starts a program without input, in a process group of its own: Ctrl-C is for us, not for it.
    pub(crate) fn spawn(&self, program: &Path, arguments: &[String], log: &Path) -> anyhow::Result<Child> {
        let out = File::options().create(true).append(true).open(log).context("a log file")?;
        let mut command = match dies_with_parent() {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                command.args(["--pdeathsig", "KILL", "--"]).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.args(arguments).stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out).process_group(0);
        let (answer, incoming) = sync_channel(1);
        self.orders.send((command, answer)).ok().context("the spawning thread is gone")?;
        let child = incoming.recv().context("the spawning thread is gone")?;
        child.with_context(|| format!("{} does not start", program.display()))
    }

    /// Runs a program to its end.
    pub(crate) fn run(
        &self,
        line: &CommandLine,
        log: &Path,
        patience: Duration,
        ending: &Ending,
    ) -> anyhow::Result<()> {
        let start = Instant::now();
        let mut child = self.spawn(&line.program, &line.arguments, log)?;
        loop {
            if let Some(status) = child.try_wait()? {
                if status.success() {
                    return Ok(());
                }
                bail!("{} {}: {status}\n{}", line.program.display(), line.arguments.join(" "), tail(log));
            }
            let go_on = match start.elapsed() < patience {
                true => ending.pause(),
                false => {
                    Err(anyhow!("{} takes more than {patience:?}\n{}", line.program.display(), tail(log)))
                }
            };
            if go_on.is_err() {
                destroy(&mut child);
                return go_on;
            }
        }
    }
}

/// `setpriv`, where it is and knows the option.
fn dies_with_parent() -> Option<&'static str> {
    static KNOWN: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    let is_known = KNOWN.get_or_init(|| {
        let help = Command::new("setpriv").arg("--help").output();
        help.is_ok_and(|help| String::from_utf8_lossy(&help.stdout).contains("--pdeathsig"))
    });
    is_known.then_some("setpriv")
}

/// A program and its arguments.
#[derive(Clone, Debug)]
pub(crate) struct CommandLine {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
}

/// How to run a server: always the same port and the same data.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) name: String,
    /// Its data and its log.
    pub(crate) folder: PathBuf,
    /// Runs once, before the first start.
    pub(crate) prepare: Option<CommandLine>,
    pub(crate) run: CommandLine,
    pub(crate) ready: Probe,
    /// How long it may take until it is ready; far beyond what it does take.
    pub(crate) patience: Duration,
}

/// A server that runs, or ran.
pub(crate) struct Server {
    recipe: Recipe,
    child: Option<Child>,
    is_paused: bool,
}

impl Server {
    pub(crate) fn new(recipe: Recipe) -> Self {
        Self { recipe, child: None, is_paused: false }
    }

    pub(crate) fn name(&self) -> &str {
        &self.recipe.name
    }

    /// Starts it and waits until it answers; does nothing where it runs.
    pub(crate) fn start(&mut self, spawner: &Spawner, ending: &Ending) -> anyhow::Result<()> {
        if self.status()? != "stopped" {
            return self.resume();
        }
        let log = self.recipe.folder.join("log");
        if let Some(prepare) = self.recipe.prepare.take() {
            spawner
                .run(&prepare, &log, self.recipe.patience, ending)
                .inspect_err(|_| self.recipe.prepare = Some(prepare.clone()))?;
        }
        let run = &self.recipe.run;
        self.child = Some(spawner.spawn(&run.program, &run.arguments, &log)?);
        let start = Instant::now();
        loop {
            let refused = match self.recipe.ready.ask() {
                Ok(()) => return Ok(()),
                Err(refused) => refused,
            };
            let name = &self.recipe.name;
            if let Some(status) = self.child.as_mut().map(Child::try_wait).transpose()?.flatten() {
                self.child = None;
                bail!("{name} ended while it started: {status}\n{}", tail(&log));
            }
            if start.elapsed() > self.recipe.patience {
                bail!("{name} is not ready after {:?}: {refused:#}\n{}", self.recipe.patience, tail(&log));
            }
            ending.pause()?;
        }
    }

    /// Ends it in good order; does nothing where it does not run.
    pub(crate) fn stop(&mut self) -> anyhow::Result<()> {
        self.send(Signal::TERM)?;
        // A frozen process hears the signal only when it wakes.
        self.resume()?;
        let Some(child) = &mut self.child else { return Ok(()) };
        let start = Instant::now();
        while child.try_wait()?.is_none() {
            if start.elapsed() > STOP_PATIENCE {
                self.kill();
                bail!("{} did not stop within {STOP_PATIENCE:?} and was killed", self.recipe.name);
            }
            std::thread::sleep(POLL);
        }
        self.child = None;
        Ok(())
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            destroy(&mut child);
        }
        self.is_paused = false;
    }

    pub(crate) fn pause(&mut self) -> anyhow::Result<()> {
        if self.status()? == "stopped" {
            bail!("{} does not run", self.recipe.name);
        }
        self.send(Signal::STOP)?;
        self.is_paused = true;
        Ok(())
    }

    pub(crate) fn resume(&mut self) -> anyhow::Result<()> {
        self.send(Signal::CONT)?;
        self.is_paused = false;
        Ok(())
    }

    pub(crate) fn status(&mut self) -> anyhow::Result<&'static str> {
        let Some(child) = &mut self.child else { return Ok("stopped") };
        if child.try_wait()?.is_some() {
            self.child = None;
            self.is_paused = false;
            return Ok("stopped");
        }
        Ok(if self.is_paused { "paused" } else { "running" })
    }

    /// Our own child, not waited for yet: its number cannot be anybody else's.
    fn send(&mut self, signal: Signal) -> anyhow::Result<()> {
        if self.status()? == "stopped" {
            return Ok(());
        }
        let number = self.child.as_ref().and_then(|child| i32::try_from(child.id()).ok());
        let process = number.and_then(Pid::from_raw).context("a process has a number")?;
        kill_process(process, signal).with_context(|| format!("a signal to {}", self.recipe.name))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn destroy(child: &mut Child) {
    // It may have ended by itself; then there is nothing to kill.
    let _ = child.kill();
    let _ = child.wait();
}

/// The end of a log, for a person.
fn tail(log: &Path) -> String {
    let read = || -> io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_SHOWN)))?;
        let mut bytes = Vec::new();
        file.take(LOG_SHOWN).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().unwrap_or_else(|error| format!("({}: {error})", log.display()))
}
