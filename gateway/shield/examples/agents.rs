//! What user agents are taken for, one on each line of the input:
//! `cargo run --release -p tandem-shield --example agents < agents.txt`. With `-v` each line is
//! printed, too, with what it is taken for.

#![allow(clippy::print_stdout, reason = "it is what it is for")]

use std::collections::BTreeMap;
use std::io::BufRead;

use tandem_shield::{AgentKind, Rules};

fn main() -> std::io::Result<()> {
    let is_verbose = std::env::args().any(|argument| argument == "-v");
    let rules = Rules::default();
    let mut counts = BTreeMap::<&str, u64>::new();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let kind = rules.agent(line.as_bytes());
        let name = match kind {
            AgentKind::Person => "person",
            AgentKind::Crawler(_) => "crawler",
            AgentKind::Tool(_) => "tool",
            AgentKind::Word(_) => "word",
            AgentKind::Library(_) => "library",
            AgentKind::Missing => "missing",
        };
        *counts.entry(name).or_default() += 1;
        if is_verbose {
            println!("{kind:?}\t{line}");
        }
    }
    println!("{counts:?}");
    Ok(())
}
