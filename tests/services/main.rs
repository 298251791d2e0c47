//! `tandem-services up`: the real servers the tests run against, in one command.
//!
//! Starts Kafka, two CQL stores and two Redis servers, prints where they are as one line of JSON,
//! and then obeys commands on standard input, one line each, one line of answer each:
//! `stop NAME`, `kill NAME`, `start NAME`, `pause NAME`, `resume NAME`, `status`. It ends, with
//! all servers and all their data, when standard input closes or at SIGINT, SIGTERM and SIGHUP.
//! README.md beside this file tells the rest.

#![allow(clippy::print_stderr)]

mod docker;
mod engine;
mod extras;
mod folder;
mod packages;
mod ports;
mod probe;
mod process;
mod recipes;
mod set;

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, channel};

use anyhow::{Context, bail};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::docker::Docker;
use crate::engine::Engine;
use crate::folder::Folder;
use crate::process::Ending;
use crate::set::Set;

/// Real servers for Tandem's tests: Kafka, two CQL stores, two Redis.
#[derive(Parser)]
enum Program {
    /// Start everything, print the addresses, obey commands on standard input until it closes.
    Up {
        /// Also write the addresses to this file, when everything is ready.
        #[arg(long, value_name = "FILE")]
        addresses: Option<PathBuf>,
        /// What runs the servers: containers where a Docker engine answers, else packages.
        #[arg(long, value_enum, default_value = "auto")]
        engine: Kind,
        /// Start only these now; the others can be started later by command.
        #[arg(long, value_name = "NAMES", value_delimiter = ',')]
        only: Option<Vec<String>>,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    Auto,
    Docker,
    Packages,
}

enum Event {
    Line(String),
    End,
}

fn main() -> ExitCode {
    let Program::Up { addresses, engine, only } = Program::parse();
    let ending = Ending::default();
    let events = listen(&ending);
    match up(addresses, engine, only, &ending, &events) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tandem-services: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn up(
    file: Option<PathBuf>,
    kind: Kind,
    only: Option<Vec<String>>,
    ending: &Ending,
    events: &Receiver<Event>,
) -> anyhow::Result<()> {
    Folder::sweep(docker::clear);
    // Dropped last: the servers go before their folder.
    let folder = Folder::new()?;
    let place = folder.path().to_path_buf();
    let with_docker = kind == Kind::Docker || (kind == Kind::Auto && docker::answers());
    let mut engine: Box<dyn Engine> = match with_docker {
        true => Box::new(Docker::create(place, ending)?),
        false => Box::new(Set::create(place, ending)?),
    };
    match only {
        None => engine.start(&["all"])?,
        Some(names) => engine.start(&names.iter().map(String::as_str).collect::<Vec<_>>())?,
    }
    let addresses = serde_json::to_string(engine.addresses())?;
    if let Some(file) = &file {
        // Whoever waits for the file must not read half of it.
        let partial = file.with_extension("partial");
        std::fs::write(&partial, &addresses).with_context(|| format!("{}", partial.display()))?;
        std::fs::rename(&partial, file).with_context(|| format!("{}", file.display()))?;
    }
    let served = answer(&addresses).and_then(|()| serve(engine.as_mut(), events));
    if let Some(file) = &file {
        // Somebody may have removed it; it is gone then as well.
        let _ = std::fs::remove_file(file);
    }
    served
}

fn serve(engine: &mut dyn Engine, events: &Receiver<Event>) -> anyhow::Result<()> {
    for event in events {
        let Event::Line(line) = event else { break };
        if line.trim().is_empty() {
            continue;
        }
        let text = match obey(engine, line.trim()) {
            Ok(text) => format!("ok {text}"),
            // One line, whatever the error says.
            Err(error) => format!("error {}", format!("{error:#}").replace('\n', " | ")),
        };
        answer(text.trim())?;
    }
    Ok(())
}

fn obey(engine: &mut dyn Engine, line: &str) -> anyhow::Result<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match *words.as_slice() {
        ["status"] => return Ok(serde_json::to_string(&engine.status()?)?),
        ["start", "redis-sentinel"] => return Ok(serde_json::to_string(&engine.sentinel()?)?),
        ["start", "redis-cluster"] => return Ok(serde_json::to_string(&engine.cluster()?)?),
        ["start", ref names @ ..] if !names.is_empty() => engine.start(names)?,
        ["stop", ref names @ ..] if !names.is_empty() => engine.stop(names)?,
        ["kill", name] => engine.kill(name)?,
        ["pause", name] => engine.pause(name)?,
        ["resume", name] => engine.resume(name)?,
        _ => bail!("`{line}`: commands are start|stop|kill|pause|resume NAME, and status"),
    }
    Ok(line.to_owned())
}

fn answer(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("standard output")
}

/// Lines of standard input, then its end; and signals, which are an end, too.
fn listen(ending: &Ending) -> Receiver<Event> {
    let (sender, events) = channel();
    let end = |sender: Sender<Event>, ending: Ending| {
        move || {
            ending.begin();
            // The main loop may be gone already: that is the end as well.
            let _ = sender.send(Event::End);
        }
    };
    let on_signal = end(sender.clone(), ending.clone());
    std::thread::spawn(move || {
        if let Err(error) = await_signal() {
            eprintln!("tandem-services: signals: {error:#}");
        }
        on_signal();
    });
    let on_close = end(sender.clone(), ending.clone());
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(Event::Line(line)).is_err() {
                return;
            }
        }
        on_close();
    });
    events
}

fn await_signal() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        Ok(())
    })
}
