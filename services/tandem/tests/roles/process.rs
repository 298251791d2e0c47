//! A process of the program, from outside.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

pub(crate) const KEY: &str = "operator-key";
/// Nothing here takes longer; what does has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running process; killed if it is dropped.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    /// Everything it said, in the order of the lines of each stream.
    pub(crate) said: String,
}

impl Process {
    /// Starts the program with arguments and variables; no others reach it.
    pub(crate) fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tandem"));
        command.args(arguments).env_clear().envs(variables.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        let streams: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for stream in streams {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    _ = sender.send(line);
                }
            });
        }
        Self { child, lines, said: Vec::new() }
    }

    /// Waits for a line that begins like this, and answers the rest of it.
    pub(crate) fn rest_of(&mut self, beginning: &str) -> String {
        let line = self.line(|line| line.starts_with(beginning));
        line[beginning.len()..].to_owned()
    }

    /// Waits for a line that holds these words.
    pub(crate) fn says(&mut self, words: &str) -> String {
        self.line(|line| line.contains(words))
    }

    fn line(&mut self, is_it: impl Fn(&str) -> bool) -> String {
        if let Some(line) = self.said.iter().find(|line| is_it(line)) {
            return line.clone();
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("it did not come; said was:\n{}", self.said.join("\n"));
            };
            self.said.push(line.clone());
            if is_it(&line) {
                return line;
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        let code = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status.code(),
                None if Instant::now() > deadline => panic!("it does not end:\n{}", self.said.join("\n")),
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        while let Ok(line) = self.lines.recv() {
            self.said.push(line);
        }
        Ended { code, said: self.said.join("\n") }
    }

    pub(crate) fn stop(self) -> Ended {
        self.signal(Signal::TERM);
        self.end()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Runs the program to its end.
pub(crate) fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    Process::start(arguments, variables).end()
}

/// Asks a page; answers status and body.
pub(crate) fn get(url: &str, key: Option<&str>) -> (u16, String) {
    let (authority, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(authority).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let key = key.map(|key| format!("authorization: Bearer {key}\r\n")).unwrap_or_default();
    write!(stream, "GET /{path} HTTP/1.1\r\nhost: {authority}\r\n{key}connection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let status = text.split_whitespace().nth(1).unwrap().parse().unwrap();
    let body = text.split_once("\r\n\r\n").unwrap().1.to_owned();
    (status, body)
}

/// Asks a page until it holds these words.
pub(crate) fn until_page(url: &str, words: &str) -> (u16, String) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (status, body) = get(url, None);
        if body.contains(words) {
            return (status, body);
        }
        assert!(Instant::now() < deadline, "{words:?} does not come: {body}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Writes a configuration, and answers its path.
pub(crate) fn write(folder: &Path, text: &str) -> String {
    let file = folder.join("tandem.toml");
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}
