//! One role as a process.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tandem_model::route::Chain;

use crate::api::{Api, Call};
use crate::program::{DEADLINE, KEY, Process, binary, until};

use super::PSEUDONYM_KEY;

/// How much of a log a failing test shows, in lines.
const LOG_LINES: usize = 30;
/// How long the admin port may take: a process that is paused never answers.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(5);

/// A process that can be killed, paused and started again.
pub struct Node {
    name: String,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    /// A program that starts ours, with its arguments.
    wrapper: Vec<String>,
    admin: Api,
    log: PathBuf,
    process: Option<Process>,
}

impl Node {
    pub(super) fn new(
        name: &str,
        role: &str,
        chain: Option<Chain>,
        admin: u16,
        file: &Path,
        folder: &Path,
    ) -> Self {
        let file = file.to_str().expect("temporary folders have plain names");
        let mut arguments = vec![role.to_owned(), "--config".to_owned(), file.to_owned()];
        arguments.extend(chain.into_iter().flat_map(|chain| ["--chain".to_owned(), chain.name().to_owned()]));
        Self {
            name: name.to_owned(),
            arguments,
            variables: Vec::new(),
            wrapper: Vec::new(),
            admin: Api::new(&format!("http://127.0.0.1:{admin}")),
            log: folder.join(format!("{name}.log")),
            process: None,
        }
    }

    /// Sets something otherwise than in the file.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.set(name, value);
        self
    }

    /// The same, for the next start.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Lets another program start ours: it gets these arguments, then our program and its own, and
    /// must become it (`exec`).
    pub fn wrap(&mut self, wrapper: &[String]) {
        self.wrapper = wrapper.to_vec();
    }

    /// What it is called here.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts it; it need not be ready yet.
    ///
    /// # Panics
    ///
    /// When it runs already, or can't be run.
    pub fn start(&mut self) {
        assert!(!self.is_running(), "{} runs already", self.name);
        let log = || {
            let file = OpenOptions::new().create(true).append(true).open(&self.log);
            file.expect("a file in our own folder")
        };
        let mut words: Vec<&str> = self.wrapper.iter().map(String::as_str).collect();
        words.push(binary().to_str().expect("cargo builds into plain names"));
        words.extend(self.arguments.iter().map(String::as_str));
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .env("TANDEM_KEY", KEY)
            .env("TANDEM__PSEUDONYMS__KEY", PSEUDONYM_KEY)
            .env_remove("RUST_LOG")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdout(log())
            .stderr(log());
        self.process = Some(Process::spawn(&mut command));
    }

    /// Waits until it says that it is ready.
    ///
    /// # Panics
    ///
    /// When it ends instead, or takes too long.
    pub async fn ready(&mut self) {
        let began = Instant::now();
        loop {
            let why = match self.page("/readyz").await {
                Some((200, _)) => return,
                Some((_, why)) => why,
                None => "its admin port does not answer".to_owned(),
            };
            assert!(self.is_running(), "{} has ended:\n{}", self.name, self.log());
            assert!(began.elapsed() < DEADLINE, "{} does not get ready: {why}\n{}", self.name, self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What its admin port answers: status and text.
    pub async fn page(&self, path: &str) -> Option<(u16, String)> {
        let answer = self.admin.try_send(Call::get(path).without_key());
        let answer = tokio::time::timeout(ADMIN_TIMEOUT, answer).await.ok()?.ok()?;
        Some((answer.status, String::from_utf8_lossy(&answer.body).into_owned()))
    }

    /// What it says of itself in numbers; nothing while it does not answer.
    pub async fn metrics(&self) -> Option<Metrics> {
        self.page("/metrics").await.filter(|(status, _)| *status == 200).map(|(_, text)| Metrics(text))
    }

    /// SIGKILL.
    ///
    /// # Panics
    ///
    /// When it has ended by itself before: nothing of ours may do that.
    pub fn kill(&mut self) {
        assert!(self.is_running(), "{} has ended by itself:\n{}", self.name, self.log());
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// SIGTERM, and its end.
    ///
    /// # Panics
    ///
    /// When it does not end well.
    pub async fn stop(&mut self) {
        let mut process = self.process.take().unwrap_or_else(|| panic!("{} does not run", self.name));
        process.terminate();
        let status = process.ended().await;
        assert_eq!(status.code(), Some(0), "{} was told to stop:\n{}", self.name, self.log());
    }

    /// SIGSTOP.
    pub fn pause(&mut self) {
        self.running().pause();
    }

    /// SIGCONT.
    pub fn resume(&mut self) {
        self.running().resume();
    }

    /// Its id; also that of a program that wraps it.
    pub fn id(&mut self) -> u32 {
        self.running().child().id()
    }

    fn running(&mut self) -> &mut Process {
        self.process.as_mut().unwrap_or_else(|| panic!("{} does not run", self.name))
    }

    /// Whether it has neither ended nor been ended.
    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(Process::is_running)
    }

    /// Waits until it ends by itself; returns its exit code.
    pub async fn ended(&mut self) -> Option<i32> {
        let mut process = self.process.take()?;
        process.ended().await.code()
    }

    /// Waits until its log has a line with this.
    pub async fn says(&self, words: &str) -> String {
        until(&format!("{} says {words:?}", self.name), async || {
            self.whole_log().lines().find(|line| line.contains(words)).map(str::to_owned)
        })
        .await
    }

    /// All it said, since the first start.
    pub fn whole_log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The end of its log.
    pub fn log(&self) -> String {
        let text = self.whole_log();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }
}

impl Drop for Node {
    #[allow(clippy::print_stdout, reason = "shown where a test fails")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- {}:\n{}", self.name, self.log());
        }
    }
}

/// The page of metrics, as Prometheus reads it.
#[derive(Clone, Debug)]
pub struct Metrics(String);

impl Metrics {
    /// The sum of all series of this name whose labels hold all of these (`name="value"`).
    pub fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let of_series = |line: &str| -> Option<f64> {
            let rest = line.strip_prefix(name)?;
            let (series, value) = match rest.strip_prefix('{') {
                Some(rest) => rest.rsplit_once('}')?,
                None => ("", rest.strip_prefix(' ')?),
            };
            let is_meant = labels.iter().all(|label| series.contains(label));
            is_meant.then(|| value.trim().parse().ok())?
        };
        self.0.lines().filter_map(of_series).sum()
    }
}
