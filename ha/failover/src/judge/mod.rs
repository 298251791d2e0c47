//! The judge: from what observers see to what each chain is, and to what should be done.
//!
//! It runs at whoever leads. Its state is soft: a new leader begins with nothing, and knows as much
//! as the last one after some seconds. Losing it can delay a decision, not make a wrong one: what a
//! decision must remember (cool-down, chains that were left, quarantines) is decided state.
//!
//! # Agreement
//! Each observer votes on each symptom of each chain: sees it, does not see it, can't tell. A
//! symptom is agreed when two observers at least, and more than half of those that can tell, see
//! it. Who is silent can't tell: silence of observers is no symptom of a chain.
//!
//! # Leave fast, return slowly
//! A chain is ill as soon as a symptom is agreed, and healthy again after a calm time that doubles
//! with each illness ([`Condition::Settling`] meanwhile). Nothing is ever proposed because a chain
//! got well: there is no switch back.
//!
//! # What we chose against
//! - An accrual detector (phi; Hayashibara and others 2004): its suspicion is about silence of one
//!   process, and what hurts here answers, badly.
//! - Adding up all observers' requests: one large gateway with a broken network would outvote all
//!   others.
//! - Learning what is normal here: a new leader would learn a sick chain as normal. Observers keep
//!   their own past.

mod answers;
mod calm;
mod progress;

use std::collections::BTreeMap;

use tandem_model::route::Chain;

use self::calm::Calm;
use crate::chains::Chains;
use crate::decided::Decided;
use crate::entry::{Action, Decision, Entry, JUDGE, REASON_CHARS_MAX, Refusal, Switch, SwitchKind};
use crate::evidence::{Condition, Distance, Evidence, Finding, Symptom, Votes};
use crate::observation::{DigestVerdict, Observation, ObserverId, Wish};
use crate::settings::{Settings, SettingsError};

/// More observers are left out, until one has been silent for [`SILENT_MS`].
pub const OBSERVERS_MAX: usize = 64;
/// Who is silent for so long is forgotten, in milliseconds.
const SILENT_MS: u64 = 60_000;

/// Judges chains and proposes decisions. See the head of this module.
#[derive(Clone, Debug)]
pub struct Judge {
    settings: Settings,
    now_ms: u64,
    observers: BTreeMap<ObserverId, Observer>,
    /// Named by a verdict, and neither cleared by another one nor released since.
    wrong: Chains<bool>,
    /// When each chain was released last, as of the last tick: so that a release is noticed, also one
    /// that came right after the quarantine.
    released_ms: Option<[Option<u64>; 2]>,
    calm: Chains<Calm>,
    wish: Option<(u64, Wish)>,
    /// What was proposed within [`Settings::repeat_ms`], and when.
    proposed: Vec<(u64, Entry)>,
}

#[derive(Clone, Debug, Default)]
struct Observer {
    heard_ms: u64,
    answers: Chains<answers::Record>,
    progress: progress::Record,
}

impl Judge {
    /// A judge that has seen nothing.
    ///
    /// # Errors
    ///
    /// When the settings can't be safe.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        settings.check()?;
        Ok(Self {
            settings,
            now_ms: 0,
            observers: BTreeMap::new(),
            wrong: Chains::default(),
            released_ms: None,
            calm: Chains::default(),
            wish: None,
            proposed: Vec::new(),
        })
    }

    /// Takes in what was seen. `now_ms` is when it got here, by the group's time
    /// ([`crate::LeaderClock`]).
    pub fn observe(&mut self, now_ms: u64, observation: Observation) {
        let now_ms = self.advance(now_ms);
        match observation {
            Observation::Symptoms(symptoms) => {
                let Some((observer, settings)) = self.observer(symptoms.observer) else { return };
                let record = observer.answers.of_mut(symptoms.chain);
                record.note(now_ms, &symptoms.answers, symptoms.is_breaker_open, settings);
            }
            Observation::Probe(probe) => {
                let Some((observer, settings)) = self.observer(probe.observer.clone()) else { return };
                observer.answers.of_mut(probe.chain).note_probe(now_ms, &probe, settings);
            }
            Observation::Progress(progress) => {
                let Some((observer, settings)) = self.observer(progress.observer.clone()) else { return };
                observer.progress.note(now_ms, &progress, settings);
            }
            Observation::Digest(DigestVerdict::Equal) => self.wrong = Chains::default(),
            Observation::Digest(DigestVerdict::Indeterminate) => {}
            Observation::Digest(DigestVerdict::Wrong(chain)) => *self.wrong.of_mut(chain) = true,
            // The newest wish counts; there is nobody who could want two things at once.
            Observation::Wish(wish) => self.wish = Some((now_ms, wish)),
        }
    }

    /// Judges, and says what the leader should propose now. To be called every 50 ms or so, after
    /// what has arrived was taken in. Nothing is proposed that `decided` would refuse, but a wish
    /// whose time is over.
    pub fn tick(&mut self, now_ms: u64, decided: &Decided) -> Vec<Entry> {
        let now_ms = self.advance(now_ms);
        self.observers.retain(|_, observer| now_ms.saturating_sub(observer.heard_ms) < SILENT_MS);
        self.heed_releases(decided);
        let ill = [Chain::A, Chain::B].map(|chain| self.remember(chain));
        let has_reason = ill[decided.active() as usize] || decided.is_active_distrusted();
        self.proposed.retain(|(at_ms, _)| now_ms.saturating_sub(*at_ms) < self.settings.repeat_ms);
        // A quarantine that is on its way holds nothing else up.
        let mut entries = self.quarantines(decided);
        entries.extend(self.wished(decided));
        // Most of the time there is no reason: then the rules need not be asked.
        if entries.is_empty() && has_reason {
            let switch = self.automatic(decided);
            if !self.is_on_its_way(&switch) && decided.check(&switch).is_ok() {
                entries.push(switch);
            }
        }
        let own = entries.iter().filter(|entry| entry.by == JUDGE);
        self.proposed.extend(own.map(|entry| (now_ms, entry.clone())));
        entries
    }

    /// What is known of a chain, as of the last call.
    pub fn finding(&self, chain: Chain) -> Finding {
        let votes: Vec<Votes> = Symptom::ALL.into_iter().map(|symptom| self.votes(chain, symptom)).collect();
        let is_agreed = |symptom| votes.iter().any(|votes| votes.symptom == symptom && votes.is_agreed);
        let grey = [Symptom::Errors, Symptom::Slow, Symptom::Degraded];
        let condition = if is_agreed(Symptom::NoAnswers) {
            Condition::Down
        } else if *self.wrong.of(chain) {
            Condition::Wrong
        } else if is_agreed(Symptom::Stuck) || is_agreed(Symptom::Lagging) {
            Condition::Stuck
        } else if grey.into_iter().any(is_agreed) {
            Condition::Grey
        } else if !self.is_seen_well(chain) {
            Condition::Unknown
        } else if votes.iter().any(|votes| votes.seen_by > 0) {
            Condition::Suspect
        } else {
            let mut calm = *self.calm.of(chain);
            if calm.well(self.now_ms, &self.settings) { Condition::Healthy } else { Condition::Settling }
        };
        Finding { condition, votes: votes.into_iter().filter(|votes| votes.seen_by > 0).collect() }
    }

    /// What is known about leaving `active` for the other chain.
    pub fn evidence(&self, active: Chain) -> Evidence {
        let target = active.other();
        Evidence {
            active: self.finding(active),
            target: self.finding(target),
            distance: self.distance(target),
        }
    }

    /// The automatic switch as it would be proposed now, whatever speaks against it: with
    /// [`Decided::check`] it tells how every rule stands.
    pub fn automatic(&self, decided: &Decided) -> Entry {
        let active = decided.active();
        let evidence = self.evidence(active);
        let why = if decided.is_active_distrusted() { "quarantined, " } else { "" };
        let to = active.other();
        let reason = format!("{active} is {why}{}; {to} is {}", evidence.active, evidence.target);
        let (kind, expected_epoch) = (SwitchKind::Automatic, decided.epoch());
        self.entry(reason, Action::Switch(Switch { kind, to, expected_epoch, evidence }))
    }

    /// Time as the judge counts it never goes back, whatever it is told.
    fn advance(&mut self, now_ms: u64) -> u64 {
        self.now_ms = self.now_ms.max(now_ms);
        self.now_ms
    }

    fn observer(&mut self, id: ObserverId) -> Option<(&mut Observer, &Settings)> {
        let now_ms = self.now_ms;
        if self.observers.len() >= OBSERVERS_MAX && !self.observers.contains_key(&id) {
            return None;
        }
        let observer = self.observers.entry(id).or_default();
        observer.heard_ms = now_ms;
        Some((observer, &self.settings))
    }

    fn votes(&self, chain: Chain, symptom: Symptom) -> Votes {
        let (now_ms, settings) = (self.now_ms, &self.settings);
        let vote = |observer: &Observer| {
            let answers = observer.answers.of(chain);
            match symptom {
                Symptom::NoAnswers => answers.no_answers(now_ms, settings),
                Symptom::Errors => answers.errors(now_ms, settings),
                Symptom::Slow => answers.slow(now_ms, settings),
                Symptom::Stuck => observer.progress.stuck(now_ms, chain, settings),
                Symptom::Lagging => observer.progress.lagging(now_ms, chain, settings),
                Symptom::Degraded => observer.progress.degraded(now_ms, chain, settings),
            }
        };
        let (mut seen_by, mut of) = (0, 0);
        for sees in self.observers.values().filter_map(vote) {
            of += 1;
            seen_by += u32::from(sees);
        }
        let is_agreed = seen_by >= settings.observers_min && seen_by * 2 > of;
        Votes { symptom, seen_by, of, is_agreed }
    }

    /// Whether enough observers got good answers just now.
    fn is_seen_well(&self, chain: Chain) -> bool {
        let votes = self.votes(chain, Symptom::NoAnswers);
        votes.of - votes.seen_by >= self.settings.observers_min
    }

    /// Keeps up the calm time. Says whether the chain is ill.
    fn remember(&mut self, chain: Chain) -> bool {
        let condition = self.finding(chain).condition;
        let calm = self.calm.of_mut(chain);
        match condition {
            Condition::Grey | Condition::Stuck | Condition::Wrong | Condition::Down => {
                calm.ill(self.now_ms);
                return true;
            }
            Condition::Unknown => calm.unseen(),
            Condition::Healthy | Condition::Settling | Condition::Suspect => {
                _ = calm.well(self.now_ms, &self.settings);
            }
        }
        false
    }

    /// How far a chain is behind the newest beats that anybody has read from either chain; nothing
    /// when nobody has read it just now.
    fn distance(&self, chain: Chain) -> Option<Distance> {
        let mut newest: BTreeMap<u32, u64> = BTreeMap::new();
        let mut own: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
        for observer in self.observers.values() {
            for of in Chain::ALL {
                for (partition, beat_ms, unread, is_fresh) in
                    observer.progress.places(self.now_ms, of, &self.settings)
                {
                    let beat = newest.entry(partition).or_default();
                    *beat = beat_ms.max(*beat);
                    if of == chain && is_fresh {
                        let place = own.entry(partition).or_insert((beat_ms, unread));
                        *place = (place.0.max(beat_ms), place.1.min(unread));
                    }
                }
            }
        }
        if own.is_empty() {
            return None;
        }
        let mut distance = Distance::default();
        for (partition, newest_ms) in newest {
            // A partition that nobody reads there just now is as far as it could be.
            let (beat_ms, unread) = own.get(&partition).copied().unwrap_or((0, 0));
            distance.behind_ms = distance.behind_ms.max(newest_ms.saturating_sub(beat_ms));
            distance.unread_records = distance.unread_records.max(unread);
        }
        Some(distance)
    }

    /// Who releases a chain says that it is repaired, so what was said of it before counts no more:
    /// while the other chain is down, or wrong itself, no comparison could ever clear it. If it is
    /// wrong still, the next beat that is compared says so again.
    fn heed_releases(&mut self, decided: &Decided) {
        let released_ms = Chain::ALL.map(|chain| {
            let of_chain = |decision: &&Decision| decision.entry.action == Action::Release(chain);
            decided.history().rev().find(of_chain).map(|decision| decision.at_ms)
        });
        for (chain, newest) in Chain::ALL.into_iter().zip(released_ms) {
            // What was released before this judge began has nothing to do with what it has heard.
            let before = self.released_ms.map_or(newest, |before| before[chain as usize]);
            if newest > before {
                *self.wrong.of_mut(chain) = false;
            }
        }
        self.released_ms = Some(released_ms);
    }

    /// A chain that the third vote names is quarantined, so that the next leader knows it too. This
    /// moves no reader, so it is done while frozen as well.
    fn quarantines(&self, decided: &Decided) -> Vec<Entry> {
        let named = Chain::ALL.into_iter().filter(|chain| *self.wrong.of(*chain));
        let entries = named.map(|chain| {
            let reason = format!("the third vote, recomputed from the log, names {chain} wrong");
            self.entry(reason, Action::Quarantine(chain))
        });
        entries.filter(|entry| !self.is_on_its_way(entry) && decided.check(entry).is_ok()).collect()
    }

    fn wished(&mut self, decided: &Decided) -> Option<Entry> {
        let (since_ms, wish) = self.wish.as_ref()?;
        let evidence = self.evidence(wish.to.other());
        let kind = if wish.is_break_glass { SwitchKind::BreakGlass } else { SwitchKind::Planned };
        let switch = Switch { kind, to: wish.to, expected_epoch: decided.epoch(), evidence };
        let (by, reason) = (wish.by.clone(), wish.reason.clone());
        let entry = Entry { at_ms: self.now_ms, by, reason, action: Action::Switch(switch) };
        let is_over = self.now_ms.saturating_sub(*since_ms) >= wish.within_ms;
        // Waiting helps against rules only: what can't be, or is so already, is said at once.
        if matches!(decided.check(&entry), Err(Refusal::Rules(_))) && !is_over {
            return None;
        }
        self.wish = None;
        Some(entry)
    }

    fn entry(&self, reason: String, action: Action) -> Entry {
        let reason = reason.chars().take(REASON_CHARS_MAX).collect();
        Entry { at_ms: self.now_ms, by: JUDGE.to_owned(), reason, action }
    }

    /// Whether the like was proposed a moment ago, and may not have been decided yet.
    fn is_on_its_way(&self, entry: &Entry) -> bool {
        self.proposed.iter().any(|(_, proposed)| match (&entry.action, &proposed.action) {
            (Action::Switch(new), Action::Switch(old)) => new.expected_epoch == old.expected_epoch,
            (new, old) => new == old,
        })
    }
}
