//! `cargo run --release -p tandem-traffic --example evaluate [tuned] [seed]`: holds the rules that ship
//! against traffic whose truth is known. With `tuned` the families that are kept apart take no part, and
//! the rules that spoke are listed.

use tandem_traffic::evaluate::{Options, run};

fn main() {
    let mut options = Options::default();
    for argument in std::env::args().skip(1) {
        match argument.parse() {
            Ok(seed) => options.traffic.seed = seed,
            Err(_) => options.with_unseen = argument != "tuned",
        }
    }
    let lists_rules = !options.with_unseen;
    let report = run(options);
    let mut text = report.to_string();
    if lists_rules {
        for family in &report.families {
            text += &format!("{}: {:?} {:?}\n", family.family, family.actions, family.rules);
        }
    }
    if std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes()).is_err() {
        std::process::exit(1);
    }
}
