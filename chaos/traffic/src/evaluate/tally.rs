//! Counting, shot by shot.

use std::collections::BTreeMap;

use tandem_shield::{Action, Counts};

use super::Judged;
use super::report::{FamilyReport, Group, People, Report, SecondSet, Signed, Worthless};
use crate::{Family, Kind, Shot, TrafficOptions, Who};

/// What is known so far.
#[derive(Default)]
pub(super) struct Tally {
    families: BTreeMap<Family, OfFamily>,
    actors: BTreeMap<(Family, u32), OfActor>,
    sessions: BTreeMap<(Family, u32, u32), OfSession>,
    worthless: Worthless,
    signed: Signed,
}

#[derive(Default)]
struct OfFamily {
    requests: u64,
    actions: BTreeMap<Action, u64>,
    stopped: u64,
    refused_at_the_door: u64,
    served: u64,
    solved: u64,
    rules: BTreeMap<&'static str, u64>,
}

#[derive(Default)]
struct OfActor {
    requests: u64,
    /// Its first request decided against, counted from 1.
    decided_at: Option<u64>,
    decided_ms: u64,
    first_ms: u64,
    /// Requests challenged or worse.
    held: u64,
}

#[derive(Default)]
struct OfSession {
    disturbed: bool,
    refused: bool,
    deprived: bool,
    slowed: bool,
}

impl Tally {
    pub(super) fn count(&mut self, shot: &Shot, judged: &Judged) {
        let Judged { verdict, is_stopped, has_solved } = judged;
        let is_stopped = *is_stopped;
        let is_at_the_door = !is_stopped && shot.status == 401;
        let family = self.families.entry(shot.family).or_default();
        family.requests += 1;
        family.solved += u64::from(*has_solved);
        *family.actions.entry(verdict.action).or_default() += 1;
        family.stopped += u64::from(is_stopped);
        family.refused_at_the_door += u64::from(is_at_the_door);
        let is_served = !is_stopped && matches!(shot.status, 200 | 202 | 304);
        family.served += u64::from(is_served);
        for reason in &verdict.reasons {
            *family.rules.entry(reason.rule).or_default() += 1;
        }

        let is_held = verdict.action.is_refusal();
        let actor = self.actors.entry((shot.family, shot.actor)).or_default();
        actor.requests += 1;
        if actor.requests == 1 {
            actor.first_ms = shot.at_ms;
        }
        actor.held += u64::from(is_held);
        if is_held && actor.decided_at.is_none() {
            actor.decided_at = Some(actor.requests);
            actor.decided_ms = shot.at_ms - actor.first_ms;
        }

        let session = self.sessions.entry((shot.family, shot.actor, shot.visit)).or_default();
        session.disturbed |= is_held;
        session.refused |= is_stopped;
        session.deprived |= is_stopped && shot.status != 401;
        session.slowed |= verdict.action == Action::Slow;

        if shot.worthless {
            self.worthless.requests += 1;
            self.worthless.stopped_by_shield += u64::from(is_stopped);
            self.worthless.refused_at_the_door += u64::from(is_at_the_door);
            self.worthless.served += u64::from(is_served);
        }
        if matches!(shot.who, Who::Signed { .. }) {
            self.signed.requests += 1;
            self.signed.refused += u64::from(is_stopped);
        }
    }

    /// What is known of the second set, when nothing else was counted.
    pub(super) fn second_set(&self, judged_requests: u64) -> SecondSet {
        let families = self.families();
        SecondSet {
            judged_requests,
            people: self.people(|family| family.kind() == Kind::Person && family != Family::Robbed),
            machines: self.people(|family| family == Family::NightBatch),
            robbed: self.people(|family| matches!(family, Family::Robbed | Family::RobbedApplication)),
            attackers: group(&families, Kind::SecondSet),
            families,
        }
    }

    fn families(&self) -> Vec<FamilyReport> {
        self.families.iter().map(|(family, of)| self.of_family(*family, of)).collect()
    }

    pub(super) fn report(
        &self,
        traffic: TrafficOptions,
        counts: &Counts,
        second_set: Option<SecondSet>,
    ) -> Report {
        let families = self.families();
        let requests = self.families.values().map(|of| of.requests).sum();
        Report {
            seed: traffic.seed,
            length_ms: traffic.length_ms,
            requests,
            people: self.people(|family| family.kind() == Kind::Person && family != Family::Robbed),
            robbed: self.people(|family| family == Family::Robbed),
            tuned: group(&families, Kind::Hostile),
            unseen: group(&families, Kind::Unseen),
            later: group(&families, Kind::Later),
            second_set,
            signed: self.signed,
            worthless: self.worthless,
            families,
            keys: counts.keys,
            bytes: counts.bytes,
            evictions: counts.evictions,
        }
    }

    fn of_family(&self, family: Family, of: &OfFamily) -> FamilyReport {
        let actors: Vec<&OfActor> =
            self.actors.range((family, 0)..=(family, u32::MAX)).map(|(_, actor)| actor).collect();
        let recalled = actors.iter().filter(|actor| actor.is_recalled()).count() as u64;
        let mut until: Vec<u64> = actors.iter().filter_map(|actor| actor.decided_at).collect();
        until.sort_unstable();
        let decided = actors.iter().filter(|actor| actor.decided_at.is_some());
        let mut until_ms: Vec<u64> = decided.map(|actor| actor.decided_ms).collect();
        until_ms.sort_unstable();
        let people = self.people(|other| other == family);
        let of_action = |action: Action| of.actions.get(&action).copied().unwrap_or(0);
        FamilyReport {
            family,
            kind: family.kind(),
            actors: actors.len() as u64,
            sessions: people.sessions,
            requests: of.requests,
            decided: until.len() as u64,
            recalled,
            requests_until_decided_p50: percentile(&until, 50),
            requests_until_decided_p95: percentile(&until, 95),
            ms_until_decided_p50: percentile(&until_ms, 50),
            sessions_disturbed: people.disturbed,
            sessions_refused: people.refused,
            sessions_deprived: people.deprived,
            sessions_slowed: people.slowed,
            stopped_by_shield: of.stopped,
            refused_at_the_door: of.refused_at_the_door,
            served: of.served,
            challenges_solved: of.solved,
            actions: Action::ALL.iter().map(|&action| (action.name(), of_action(action))).collect(),
            rules: of.rules.clone(),
        }
    }

    fn people(&self, is_meant: impl Fn(Family) -> bool) -> People {
        let mut people = People::default();
        for ((family, ..), session) in &self.sessions {
            if is_meant(*family) {
                people.sessions += 1;
                people.disturbed += u64::from(session.disturbed);
                people.refused += u64::from(session.refused);
                people.deprived += u64::from(session.deprived);
                people.slowed += u64::from(session.slowed);
            }
        }
        people
    }
}

impl OfActor {
    fn is_recalled(&self) -> bool {
        self.decided_at.is_some_and(|first| self.held * 2 > self.requests - first)
    }
}

fn group(families: &[FamilyReport], kind: Kind) -> Group {
    let mut group = Group::default();
    for family in families.iter().filter(|family| family.kind == kind) {
        group.actors += family.actors;
        group.recalled += family.recalled;
        group.requests += family.requests;
        group.stopped_by_shield += family.stopped_by_shield;
        group.refused_at_the_door += family.refused_at_the_door;
        group.served += family.served;
        let least = group.least_recall.get_or_insert(1.0);
        *least = least.min(family.recall());
    }
    group
}

/// The value at or below which `percent` of 100 lie; values ascend.
fn percentile(values: &[u64], percent: usize) -> Option<u64> {
    let rank = (values.len() * percent).div_ceil(100).max(1);
    values.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occur() {
        assert_eq!(percentile(&[], 50), None);
        assert_eq!(percentile(&[7], 95), Some(7));
        assert_eq!(percentile(&[1, 2, 3, 4], 50), Some(2));
        assert_eq!(percentile(&[1, 2, 3, 4], 95), Some(4));
    }

    #[test]
    fn an_actor_is_recalled_when_half_of_what_follows_its_decision_is_held() {
        let cases =
            [(10, None, 0, false), (10, Some(1), 5, true), (10, Some(1), 4, false), (10, Some(10), 1, true)];
        for (requests, decided_at, held, expected) in cases {
            let actor = OfActor { requests, decided_at, held, ..OfActor::default() };
            assert_eq!(actor.is_recalled(), expected, "{requests} {decided_at:?} {held}");
        }
    }
}
