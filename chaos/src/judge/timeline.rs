//! What happened, in order: what we did, and what of it could be seen from outside.

use crate::drill::Kind;
use crate::evidence::{Ending, Evidence, Sample};
use crate::history::Outcome;
use crate::report::{Measured, Moment};

pub(super) fn timeline(evidence: &Evidence, measured: &Measured) -> Vec<Moment> {
    let marks = &evidence.marks;
    let mut moments: Vec<Moment> = Vec::new();
    let mut add = |at_us: u64, what: String| moments.push(Moment { at_us, what });
    add(marks.steady_us, "steady load begins".to_owned());
    for strike in &evidence.strikes {
        let whom = strike.chain.map_or("everybody".to_owned(), |chain| format!("chain {chain}"));
        add(strike.from_us, format!("{} begins for {whom}", strike.fault));
        if let Some(to_us) = strike.to_us {
            add(to_us, format!("{} ends for {whom}", strike.fault));
        }
    }
    if matches!(evidence.drill.kind, Kind::Switch) {
        add(marks.began_us, "an operator asks for the switch".to_owned());
    }
    let seen = [
        (measured.hidden_us, "a read is answered by the other chain: the gateway hides it"),
        (measured.adopted_us, "the last answer that names the old epoch"),
        (measured.difference_us, "the chains are told to differ"),
    ];
    for (since_us, what) in seen {
        if let Some(since_us) = since_us {
            add(marks.began_us + since_us, what.to_owned());
        }
    }
    if let Some(error) = first_error(evidence) {
        add(error, "a reader gets the first error".to_owned());
    }
    for decision in &evidence.decisions {
        let what = format!(
            "committed: epoch {}, chain {} serves ({})",
            decision.epoch, decision.active, decision.reason
        );
        add(decision.at_us, what);
        if let Some(followed) = last_gateway(evidence, decision.epoch) {
            add(followed, format!("the last gateway is seen to follow epoch {}", decision.epoch));
        }
    }
    if let Some(settled_us) = marks.settled_us {
        add(settled_us, "both chains are well, caught up, and agree".to_owned());
    }
    if let Ending::BudgetSpent(errors) = evidence.ending {
        add(marks.healed_us.unwrap_or(marks.ended_us), format!("ended at once: {errors} reads failed"));
    }
    add(marks.ended_us, "the load ends".to_owned());
    moments.sort_by_key(|moment| moment.at_us);
    moments
}

fn first_error(evidence: &Evidence) -> Option<u64> {
    let is_error = |outcome: Outcome| outcome.is_error();
    let mut entries =
        evidence.history.entries.iter().filter(|entry| entry.sent_us >= evidence.marks.began_us);
    entries.find(|entry| entry.is_read() && is_error(entry.outcome)).map(|entry| entry.answered_us)
}

/// When the slowest of the gateways was first seen with `epoch` or a later one.
fn last_gateway(evidence: &Evidence, epoch: u64) -> Option<u64> {
    let gateways = evidence.samples.iter().map(|sample| sample.gateway).max()? + 1;
    let first = |gateway: usize| {
        let follows = |sample: &&Sample| sample.gateway == gateway && sample.epoch >= epoch;
        evidence.samples.iter().find(follows).map(|sample| sample.at_us)
    };
    let seen: Option<Vec<u64>> = (0..gateways).map(first).collect();
    seen?.into_iter().max()
}
