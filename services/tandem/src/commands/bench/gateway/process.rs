//! Processes under measurement: started on a core of their own, asked the system what they cost, and
//! ended.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail, ensure};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The unit of times in `/proc/PID/stat`, as Linux tells it to programs whatever its own clock is.
const TICK_US: u64 = 10_000;
/// How long a process may take to serve, and to end.
const START_PATIENCE: Duration = Duration::from_secs(30);
const END_PATIENCE: Duration = Duration::from_secs(5);

/// Who runs where: what is measured on one core, everything else on the others. On a machine with
/// one core they share it.
pub(in crate::commands::bench) struct Cores {
    measured: CpuSet,
    others: CpuSet,
    /// How many there are for what is not measured.
    pub(super) others_count: u32,
}

impl Cores {
    /// Parts what this thread may use.
    pub(in crate::commands::bench) fn part() -> anyhow::Result<Self> {
        let all = sched_getaffinity(None).context("the system does not tell its cores")?;
        let (mut measured, mut others) = (CpuSet::new(), all);
        let last = (0..CpuSet::MAX_CPU).rev().find(|core| all.is_set(*core)).context("no core")?;
        measured.set(last);
        if all.count() > 1 {
            others.unset(last);
        }
        Ok(Self { measured, others, others_count: others.count() })
    }

    /// This thread, and the threads and processes that it starts from here on, leave the measured
    /// core alone.
    pub(super) fn leave_measured(&self) -> anyhow::Result<()> {
        sched_setaffinity(None, &self.others).context("the system does not let cores be chosen")
    }

    /// Starts something on the measured core.
    fn on_measured<T>(&self, start: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        // Children get the cores of the thread that starts them, and so do all threads of theirs.
        sched_setaffinity(None, &self.measured).context("the system does not let cores be chosen")?;
        let started = start();
        self.leave_measured()?;
        started
    }
}

/// How many connections one server can have here: a proxy may need two for each. Raises this
/// process's own limit, which its children inherit, as far as it may be.
pub(super) fn connections_max() -> usize {
    let limit = getrlimit(Resource::Nofile);
    _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(files.saturating_sub(1_000) / 2).unwrap_or(usize::MAX).max(10)
}

/// A process and its children. Ended when it is dropped.
pub(in crate::commands::bench) struct Process {
    child: Child,
    pids: Vec<u32>,
    /// Those that end with their standard input end with this.
    _input: Option<ChildStdin>,
}

/// What it costs memory, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Memory {
    pub(super) resident: u64,
    /// Of that, what belongs to no file: the program's own.
    pub(super) anonymous: u64,
}

impl Process {
    /// Starts `program`, on the measured core or not; what it complains of goes into `log`.
    pub(super) fn start(
        cores: &Cores,
        is_measured: bool,
        program: impl AsRef<OsStr>,
        arguments: &[&OsStr],
        variables: &[(&str, &str)],
        log: &Path,
    ) -> anyhow::Result<Self> {
        let program = program.as_ref();
        let complaints = File::create(log)?;
        let spawn = || {
            let mut command = Command::new(program);
            command.args(arguments).env_clear().envs(variables.iter().copied());
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(complaints);
            command.spawn().with_context(|| format!("{} can't be started", program.display()))
        };
        let mut child = if is_measured { cores.on_measured(spawn)? } else { spawn()? };
        let input = child.stdin.take();
        Ok(Self { pids: vec![child.id()], child, _input: input })
    }

    /// Waits until it says where it listens.
    pub(super) fn said_address(&mut self, log: &Path) -> anyhow::Result<SocketAddr> {
        let output = self.child.stdout.take().context("its output is read already")?;
        let (sender, found) = std::sync::mpsc::sync_channel(1);
        // Reads on until the end, so that the process is never held up by what it says.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Some(address) = line.strip_prefix("listening on http://") {
                    _ = sender.try_send(address.to_owned());
                }
            }
        });
        let address = found.recv_timeout(START_PATIENCE).map_err(|_| self.silent(log))?;
        self.pids = family(self.child.id());
        address.parse().with_context(|| format!("{address} is no address"))
    }

    /// Waits until somebody listens at `address`.
    pub(super) fn until_listening(&mut self, address: SocketAddr, log: &Path) -> anyhow::Result<()> {
        let until = Instant::now() + START_PATIENCE;
        while TcpStream::connect(address).is_err() {
            if Instant::now() > until || !matches!(self.child.try_wait(), Ok(None)) {
                return Err(self.silent(log));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.pids = family(self.child.id());
        Ok(())
    }

    fn silent(&self, log: &Path) -> anyhow::Error {
        let said = std::fs::read_to_string(log).unwrap_or_default();
        anyhow!("process {} did not begin to serve; it said:\n{}", self.child.id(), said.trim_end())
    }

    /// The processor time that it and its children have used, in microseconds. A child may have ended: that of
    /// nginx which looks at what it kept does so after a minute, and has done next to nothing.
    pub(super) fn cpu_us(&self) -> anyhow::Result<u64> {
        let own = self.child.id();
        let alive = |pid: &&u32| **pid == own || Path::new(&format!("/proc/{pid}")).exists();
        self.pids.iter().filter(alive).map(|pid| cpu_ticks(*pid).map(|ticks| ticks * TICK_US)).sum()
    }

    /// What it and its children hold of memory now.
    pub(super) fn memory(&self) -> anyhow::Result<Memory> {
        let mut memory = Memory::default();
        for pid in &self.pids {
            let own = memory_of(Path::new(&format!("/proc/{pid}/smaps_rollup")))?;
            memory.resident += own.resident;
            memory.anonymous += own.anonymous;
        }
        Ok(memory)
    }
}

impl Drop for Process {
    /// All of them end here, whatever came before.
    fn drop(&mut self) {
        let signal = |pid: u32, signal| {
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
            pid.map(|pid| kill_process(pid, signal))
        };
        signal(self.child.id(), Signal::TERM);
        let until = Instant::now() + END_PATIENCE;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        // Children of one that was killed would go on without it.
        for pid in self.pids.iter().filter(|pid| family(self.child.id()).contains(pid)) {
            signal(*pid, Signal::KILL);
        }
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// The process and its children.
fn family(pid: u32) -> Vec<u32> {
    let mut family = BTreeSet::from([pid]);
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    for child in entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        if field(&stat, 4).is_ok_and(|parent| parent == u64::from(pid)) {
            family.insert(child);
        }
    }
    family.into_iter().collect()
}

fn cpu_ticks(pid: u32) -> anyhow::Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    let stat = stat.with_context(|| format!("process {pid} has ended"))?;
    Ok(field(&stat, 14)? + field(&stat, 15)?)
}

/// A field of `/proc/PID/stat`, counted from 1 as in proc(5). The second is a name in brackets, which
/// may hold anything.
fn field(stat: &str, number: usize) -> anyhow::Result<u64> {
    let Some((_, rest)) = stat.rsplit_once(") ") else { bail!("what the system tells of a process is new") };
    ensure!(number > 2, "the first fields are no numbers");
    Ok(rest.split(' ').nth(number - 3).context("it has fewer fields")?.trim().parse()?)
}

/// What the system tells in the `smaps_rollup` of a process.
pub(super) fn memory_of(rollup: &Path) -> anyhow::Result<Memory> {
    let text = std::fs::read_to_string(rollup).context("the system does not tell of memory")?;
    Ok(Memory { resident: kib(&text, "Rss:")? * 1024, anonymous: kib(&text, "Anonymous:")? * 1024 })
}

fn kib(text: &str, name: &str) -> anyhow::Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.trim().strip_suffix("kB"));
    Ok(number.with_context(|| format!("the system does not tell {name}"))?.trim().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_behind_the_name() {
        let stat = "77 (a) b) c) S 5 77 77 0 -1 4194304 1 2 3 4 250 50 0 0 20 0 1 0 9 9 9\n";
        assert_eq!(field(stat, 4).unwrap(), 5);
        assert_eq!((field(stat, 14).unwrap(), field(stat, 15).unwrap()), (250, 50));
        assert!(field("nonsense", 4).is_err() && field(stat, 99).is_err());
        assert_eq!(kib("Rss:      120 kB\nAnonymous:  7 kB\n", "Anonymous:").unwrap(), 7);
    }

    #[test]
    fn a_process_is_measured_and_ended() {
        let folder = tempfile::tempdir().unwrap();
        let cores = Cores::part().unwrap();
        let script = OsStr::new("exec sleep 60");
        let arguments = [OsStr::new("-c"), script];
        let log = folder.path().join("log");
        let variables = [("PATH", "/usr/bin:/bin")];
        let process = Process::start(&cores, true, "sh", &arguments, &variables, &log).unwrap();
        let pid = process.child.id();
        assert!(process.memory().unwrap().resident > 0 && process.cpu_us().is_ok());
        drop(process);
        assert!(cpu_ticks(pid).is_err(), "it has ended");
    }
}
