//! Is everything there that was acknowledged, once, and nothing that was never sent?

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use tandem_model::route::Chain;

use super::Violations;
use super::sessions::place;
use crate::history::{Action, Entry, Figures, History, METRICS, Outcome};

/// A report at the end, from one chain, when it had read everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Final {
    /// Which chain.
    pub chain: Chain,
    /// Which session.
    pub session: u32,
    /// What it says; nothing where the chain knows no such session.
    pub figures: Option<Figures>,
}

/// What came of the counting.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Bodies that were acknowledged.
    pub bodies_acknowledged: u64,
    /// Bodies that were sent and never acknowledged: they may be there or not.
    pub bodies_open: u64,
    /// Events of acknowledged bodies.
    pub events_acknowledged: u64,
    /// At the end a chain shows less than was acknowledged.
    pub lost: Violations,
    /// At the end a chain shows more than was sent.
    pub doubled: Violations,
    /// Somebody was shown more than had been sent at that moment.
    pub ahead: Violations,
    /// Who wrote did not read what they wrote, in a fresh answer.
    pub unread: Violations,
}

/// Counts what was sent and compares it with every answer and with the `finals`. Chains in
/// `wrong` are left out at the end, and their answers are not held against what was written: a
/// drill made them wrong on purpose.
pub fn counted(history: &History, finals: &[Final], wrong: &[Chain]) -> Counted {
    let bodies = Bodies::of(history);
    let mut counted = Counted {
        bodies_acknowledged: bodies.acknowledged.len() as u64,
        bodies_open: (bodies.first.len() - bodies.acknowledged.len()) as u64,
        ..Counted::default()
    };
    let (mut least, mut most) = (BTreeMap::<u32, Figures>::new(), BTreeMap::<u32, Figures>::new());
    for (body, entry) in &bodies.first {
        let Action::Write { adds, .. } = &entry.action else { continue };
        let is_acknowledged = bodies.acknowledged.contains(body);
        for (session, figures) in adds {
            add(most.entry(*session).or_default(), figures);
            let known = least.entry(*session).or_default();
            if is_acknowledged {
                add(known, figures);
                counted.events_acknowledged += figures[0];
            }
        }
    }
    let wrong: BTreeSet<Chain> = wrong.iter().copied().collect();
    for end in finals.iter().filter(|end| !wrong.contains(&end.chain)) {
        let bound = |bounds: &BTreeMap<u32, Figures>| bounds.get(&end.session).copied().unwrap_or_default();
        let (least, most, shown) = (bound(&least), bound(&most), end.figures.unwrap_or_default());
        for (index, metric) in METRICS.iter().enumerate() {
            let told = |bound: &str, limit: u64| {
                format!(
                    "session {} on {}: {metric} is {}, {bound} {limit}",
                    end.session, end.chain, shown[index]
                )
            };
            if shown[index] < least[index] {
                counted.lost.add(|| told("acknowledged were", least[index]));
            }
            if shown[index] > most[index] {
                counted.doubled.add(|| told("sent were", most[index]));
            }
        }
    }
    during(history, &bodies, &wrong, &mut counted);
    counted
}

/// The bodies of a history.
struct Bodies<'a> {
    /// How each was sent first.
    first: BTreeMap<u64, &'a Entry>,
    acknowledged: BTreeSet<u64>,
}

impl<'a> Bodies<'a> {
    fn of(history: &'a History) -> Self {
        let (mut first, mut acknowledged) = (BTreeMap::<u64, &Entry>::new(), BTreeSet::new());
        for entry in &history.entries {
            let Action::Write { body, .. } = &entry.action else { continue };
            let known = first.entry(*body).or_insert(entry);
            if entry.sent_us < known.sent_us {
                *known = entry;
            }
            if entry.outcome == Outcome::Good {
                acknowledged.insert(*body);
            }
        }
        Self { first, acknowledged }
    }
}

/// Every fresh answer lies between what its reader had written and seen acknowledged, and what
/// anybody had sent by the time it came.
fn during(history: &History, bodies: &Bodies<'_>, wrong: &BTreeSet<Chain>, counted: &mut Counted) {
    // Per session: when something was sent, and the sum from then on.
    let mut sent: HashMap<u32, Vec<(u64, Figures)>> = HashMap::new();
    let mut in_order: Vec<&Entry> = bodies.first.values().copied().collect();
    in_order.sort_by_key(|entry| entry.sent_us);
    for entry in in_order {
        let Action::Write { adds, .. } = &entry.action else { continue };
        for (session, figures) in adds {
            let sums = sent.entry(*session).or_default();
            let mut sum = sums.last().map(|(_, sum)| *sum).unwrap_or_default();
            add(&mut sum, figures);
            sums.push((entry.sent_us, sum));
        }
    }
    // By writer and session: what is acknowledged so far, as the entries go by.
    let mut own: HashMap<(u32, u32), Figures> = HashMap::new();
    let mut seen_bodies = BTreeSet::new();
    for entry in history.entries.iter().filter(|entry| entry.outcome == Outcome::Good) {
        match &entry.action {
            Action::Write { body, adds } => {
                if seen_bodies.insert(*body) {
                    for (session, figures) in adds {
                        add(own.entry((entry.client, *session)).or_default(), figures);
                    }
                }
            }
            Action::Read { session, figures: Some(figures), .. } => {
                if entry.chain.is_some_and(|chain| wrong.contains(&chain)) {
                    continue;
                }
                let sums = sent.get(session).map(Vec::as_slice).unwrap_or_default();
                let before = sums.partition_point(|(sent_us, _)| *sent_us <= entry.answered_us);
                let most = before.checked_sub(1).map(|last| sums[last].1).unwrap_or_default();
                let least = own.get(&(entry.client, *session)).copied().unwrap_or_default();
                for (index, metric) in METRICS.iter().enumerate() {
                    let shown = figures[index];
                    if shown > most[index] {
                        let most = most[index];
                        counted.ahead.add(|| format!("{}: {metric} {shown}, sent were {most}", place(entry)));
                    }
                    if shown < least[index] {
                        let least = least[index];
                        counted
                            .unread
                            .add(|| format!("{}: {metric} {shown}, it had written {least}", place(entry)));
                    }
                }
            }
            Action::Read { .. } => {}
        }
    }
}

fn add(sum: &mut Figures, more: &Figures) {
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum += more;
    }
}
