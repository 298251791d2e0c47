//! What a control node sees of the chains: probes, progress, and digests compared at one beat.

use rand::Rng;
use tandem_failover::{Chains, DigestVerdict, Observation, Probe, ProbeOutcome, Progress};
use tandem_model::route::Chain;

use crate::context::Context;
use crate::event::{Message, Standing, Timer, Told};
use crate::log::{Cut, News, PARTITIONS, SESSIONS, covers};
use crate::mutant::Mutant;
use crate::place::Place;
use crate::usual::Usual;

/// A probe without an answer for so long has failed, in milliseconds.
const PROBE_MS_MAX: u64 = 300;
/// Recomputing a beat takes up to so long, in milliseconds.
const THIRD_VOTE_MS_MAX: u64 = 800;

/// See the head of this module.
pub(crate) struct Observer {
    place: Place,
    name: String,
    probes: Chains<Probing>,
    digests: Chains<Vec<(usize, Cut)>>,
    /// The newest beat that was compared.
    compared: Option<usize>,
    is_voting: bool,
}

#[derive(Default)]
struct Probing {
    open: Option<(u64, u64)>,
    usual: Usual,
    last: Cut,
}

impl Observer {
    pub(crate) fn new(number: usize) -> Self {
        Self {
            place: Place::Control(number),
            name: Place::Control(number).to_string(),
            probes: Chains::default(),
            digests: Chains::default(),
            compared: None,
            is_voting: false,
        }
    }

    /// Begins the next probes; says which ones got no answer.
    pub(crate) fn probe(&mut self, context: &mut Context, news: News) -> Vec<Observation> {
        let mut seen = Vec::new();
        for chain in Chain::ALL {
            let probing = self.probes.of_mut(chain);
            if let Some((_, sent_ms)) = probing.open {
                let took_ms = context.now_ms - sent_ms;
                if took_ms < PROBE_MS_MAX {
                    continue;
                }
                seen.push(self.probed(chain, ProbeOutcome::Failed, took_ms));
            }
            let (id, session) = (context.number(), context.rng.random_range(0..SESSIONS));
            self.probes.of_mut(chain).open = Some((id, context.now_ms));
            context.send(self.place, Place::Chain(chain), Message::Query { id, session, news });
        }
        seen
    }

    /// The answer to a probe.
    pub(crate) fn figure(&mut self, context: &Context, id: u64, answer: Option<Told>) -> Vec<Observation> {
        for chain in Chain::ALL {
            let probing = self.probes.of_mut(chain);
            let Some((_, sent_ms)) = probing.open.filter(|(open, _)| *open == id) else { continue };
            probing.open = None;
            let outcome = match answer {
                None => ProbeOutcome::Failed,
                Some(told) if !covers(told.cut, probing.last) => ProbeOutcome::Wrong,
                Some(told) => {
                    probing.last = told.cut;
                    ProbeOutcome::Good
                }
            };
            return vec![self.probed(chain, outcome, context.now_ms - sent_ms)];
        }
        Vec::new()
    }

    fn probed(&mut self, chain: Chain, outcome: ProbeOutcome, took_ms: u64) -> Observation {
        let usual = &mut self.probes.of_mut(chain).usual;
        let usual_us = usual.known_us();
        if outcome == ProbeOutcome::Good {
            usual.learn(took_ms * 1_000);
        }
        let observer = self.name.clone();
        Observation::Probe(Probe { observer, chain, outcome, took_us: took_ms * 1_000, usual_us })
    }

    /// How far a chain is; and what its digests say, beside the other's.
    pub(crate) fn progress(
        &mut self,
        context: &mut Context,
        chain: Chain,
        standing: &Standing,
    ) -> Vec<Observation> {
        let of = |partition: usize| {
            Observation::Progress(Progress {
                observer: self.name.clone(),
                chain,
                partition: partition as u32,
                beat_ms: standing.beat_ms[partition],
                unread_records: standing.unread_records[partition],
                is_hot_degraded: standing.is_hot_degraded,
                is_rows_degraded: false,
            })
        };
        let mut seen: Vec<Observation> = (0..PARTITIONS).map(of).collect();
        self.digests.of_mut(chain).clone_from(&standing.digests);
        seen.extend(self.compare(context).map(Observation::Digest));
        seen
    }

    fn compare(&mut self, context: &mut Context) -> Option<DigestVerdict> {
        let (a, b) = (&self.digests.a, &self.digests.b);
        let (of_a, of_b) = if context.is_mutant(Mutant::BeatsMixedUp) {
            (a.last()?, b.last()?)
        } else {
            a.iter().rev().find_map(|of_a| Some((of_a, b.iter().find(|of_b| of_b.0 == of_a.0)?)))?
        };
        let beat = of_a.0;
        if self.compared.is_some_and(|compared| compared >= beat) {
            return None;
        }
        self.compared = Some(beat);
        if of_a.1 == of_b.1 {
            return Some(DigestVerdict::Equal);
        }
        if !self.is_voting {
            self.is_voting = true;
            let ms = context.rng.random_range(100..=THIRD_VOTE_MS_MAX);
            context.wake(self.place, ms, Timer::ThirdVote { beat });
        }
        Some(DigestVerdict::Indeterminate)
    }

    /// The beat was recomputed from the log: whoever differs is wrong.
    pub(crate) fn third_vote(&mut self, context: &mut Context, beat: usize) -> Vec<Observation> {
        self.is_voting = false;
        let truth: Option<Vec<u64>> =
            (0..PARTITIONS).map(|partition| context.log.digest(partition, beat)).collect();
        let Some(truth) = truth else { return Vec::new() };
        let mut verdicts = Vec::new();
        for chain in Chain::ALL {
            let digests = self.digests.of(chain);
            let said = if context.is_mutant(Mutant::BeatsMixedUp) {
                digests.last()
            } else {
                digests.iter().find(|digest| digest.0 == beat)
            };
            if said.is_some_and(|said| said.1[..] != truth[..]) {
                context.note(format!("{} finds chain {chain} wrong at beat {beat}", self.place));
                verdicts.push(Observation::Digest(DigestVerdict::Wrong(chain)));
            }
        }
        verdicts
    }
}
