//! What was found, for programs and for people.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::{Family, Kind};

/// How well the shield told.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// What all chance came from.
    pub seed: u64,
    /// How long the traffic lasted, in milliseconds.
    pub length_ms: u64,
    /// All requests.
    pub requests: u64,
    /// People's sessions, without those whose token a thief used.
    pub people: People,
    /// The sessions of people whose token a thief used at the same time.
    pub robbed: People,
    /// Attackers that rules are tuned with.
    pub tuned: Group,
    /// Attackers that are kept apart.
    pub unseen: Group,
    /// Attackers that were written after the rules.
    pub later: Group,
    /// Written later, the second set: measured in a world of its own, and in none of the figures beside this.
    pub second_set: Option<SecondSet>,
    /// Applications that sign.
    pub signed: Signed,
    /// What nobody would miss.
    pub worthless: Worthless,
    /// One by one.
    pub families: Vec<FamilyReport>,
    /// Keys the shield held in the end.
    pub keys: usize,
    /// Its memory then, in bytes, about.
    pub bytes: usize,
    /// Keys it forgot for want of memory.
    pub evictions: u64,
}

/// One family.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FamilyReport {
    /// Which.
    pub family: Family,
    /// What is true of it.
    pub kind: Kind,
    /// How many actors.
    pub actors: u64,
    /// Their sittings, together.
    pub sessions: u64,
    /// Their requests.
    pub requests: u64,
    /// Actors of whom at least one request was challenged, limited or denied.
    pub decided: u64,
    /// Actors of whose requests from then on at least half were.
    pub recalled: u64,
    /// At which request actors were decided against, in the median, counted from 1.
    pub requests_until_decided_p50: Option<u64>,
    /// The same for 95 of 100.
    pub requests_until_decided_p95: Option<u64>,
    /// How long after its first request an actor was decided against, in the median, in milliseconds.
    pub ms_until_decided_p50: Option<u64>,
    /// Sittings with a request challenged, limited or denied.
    pub sessions_disturbed: u64,
    /// Sittings with a request that was not answered in the end.
    pub sessions_refused: u64,
    /// Sittings that lost something: one of those requests would have been let in.
    pub sessions_deprived: u64,
    /// Sittings with a request that waited.
    pub sessions_slowed: u64,
    /// Requests the shield stopped.
    pub stopped_by_shield: u64,
    /// Requests it let go that authentication answered 401.
    pub refused_at_the_door: u64,
    /// Requests that got what they asked for.
    pub served: u64,
    /// Challenges solved.
    pub challenges_solved: u64,
    /// Requests by action.
    pub actions: BTreeMap<&'static str, u64>,
    /// How often each rule spoke.
    pub rules: BTreeMap<&'static str, u64>,
}

impl FamilyReport {
    /// Which share of its actors was recalled.
    pub fn recall(&self) -> f64 {
        share(self.recalled, self.actors)
    }
}

/// What was written later, the second set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SecondSet {
    /// All requests of the world in which it took part, those of everybody else included.
    pub judged_requests: u64,
    /// Its attackers.
    pub attackers: Group,
    /// Sessions of its people: analysts, owners of shops who travel.
    pub people: People,
    /// Its programs that have every right, counted the same way: the night batches of agencies.
    pub machines: People,
    /// People and applications that its thieves rob, while they go on.
    pub robbed: People,
    /// One by one, those who are robbed included.
    pub families: Vec<FamilyReport>,
}

/// People's sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct People {
    /// How many.
    pub sessions: u64,
    /// With a request challenged, limited or denied, solved or not.
    pub disturbed: u64,
    /// With a request that was not answered in the end.
    pub refused: u64,
    /// With one of those that authentication would have let in: what was lost.
    pub deprived: u64,
    /// With a request that waited.
    pub slowed: u64,
}

impl People {
    /// Which share was disturbed.
    pub fn disturbed_share(&self) -> f64 {
        share(self.disturbed, self.sessions)
    }
}

/// Several families of attackers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Group {
    /// Their actors.
    pub actors: u64,
    /// Those of them who were recalled.
    pub recalled: u64,
    /// The recall of the family that was recalled least.
    pub least_recall: Option<f64>,
    /// Their requests.
    pub requests: u64,
    /// Those the shield stopped.
    pub stopped_by_shield: u64,
    /// Those it let go that authentication answered 401.
    pub refused_at_the_door: u64,
    /// Those that got what they asked for.
    pub served: u64,
}

impl Group {
    /// Which share of their actors was recalled.
    pub fn recall(&self) -> f64 {
        share(self.recalled, self.actors)
    }
}

/// Requests with a signature that was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Signed {
    /// How many.
    pub requests: u64,
    /// Refused by the shield.
    pub refused: u64,
}

impl Signed {
    /// Which share was refused.
    pub fn refused_share(&self) -> f64 {
        share(self.refused, self.requests)
    }
}

/// Requests that nobody would miss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Worthless {
    /// How many.
    pub requests: u64,
    /// Stopped by the shield: nothing behind it was done.
    pub stopped_by_shield: u64,
    /// Let go by the shield, and answered 401 at the door: a look, and nothing behind it.
    pub refused_at_the_door: u64,
    /// Got what they asked for. The rest was told 404.
    pub served: u64,
}

impl Worthless {
    /// Which share the shield stopped.
    pub fn stopped_by_shield_share(&self) -> f64 {
        share(self.stopped_by_shield, self.requests)
    }

    /// Which share anything stopped.
    pub fn stopped_share(&self) -> f64 {
        share(self.stopped_by_shield + self.refused_at_the_door, self.requests)
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = self.length_ms / 60_000;
        writeln!(out, "{} requests in {minutes} minutes, seed {}", self.requests, self.seed)?;
        write_attackers_head(out)?;
        for family in self.families.iter().filter(|family| family.family.is_hostile()) {
            write_attacker(out, family)?;
        }
        write_group(out, "tuned with", &self.tuned)?;
        write_group(out, "kept apart", &self.unseen)?;
        write_group(out, "written later", &self.later)?;
        write_welcome_head(out)?;
        for family in self.families.iter().filter(|family| !family.family.is_hostile()) {
            write_welcome(out, family)?;
        }
        let Self { people, robbed, signed, worthless, .. } = self;
        writeln!(
            out,
            "\npeople: {} of {} sessions disturbed ({:.3} %), {} refused, {} deprived, {} slowed; robbed: {} of {}",
            people.disturbed,
            people.sessions,
            people.disturbed_share() * 100.0,
            people.refused,
            people.deprived,
            people.slowed,
            robbed.disturbed,
            robbed.sessions,
        )?;
        writeln!(
            out,
            "signed: {} of {} requests refused ({:.4} %)",
            signed.refused,
            signed.requests,
            signed.refused_share() * 100.0
        )?;
        writeln!(
            out,
            "worthless: {} requests; {:.1} % stopped by the shield, {:.1} % with 401 at the door, {:.1} % served",
            worthless.requests,
            worthless.stopped_by_shield_share() * 100.0,
            worthless.stopped_share() * 100.0,
            share(worthless.served, worthless.requests) * 100.0
        )?;
        writeln!(
            out,
            "the shield held {} keys in {} KiB, and forgot {}",
            self.keys,
            self.bytes / 1024,
            self.evictions
        )?;
        self.second_set.as_ref().map_or(Ok(()), |second_set| write!(out, "\n{second_set}"))
    }
}

impl fmt::Display for SecondSet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "written later, second set, among {} requests", self.judged_requests)?;
        write_attackers_head(out)?;
        for family in self.families.iter().filter(|family| family.family.is_hostile()) {
            write_attacker(out, family)?;
        }
        write_group(out, "second set", &self.attackers)?;
        write_welcome_head(out)?;
        for family in self.families.iter().filter(|family| !family.family.is_hostile()) {
            write_welcome(out, family)?;
        }
        writeln!(out)?;
        for (name, of) in [("people", &self.people), ("machines", &self.machines), ("robbed", &self.robbed)] {
            writeln!(
                out,
                "second set, {name}: {} of {} sessions disturbed ({:.3} %), {} refused, {} deprived, {} slowed",
                of.disturbed,
                of.sessions,
                of.disturbed_share() * 100.0,
                of.refused,
                of.deprived,
                of.slowed,
            )?;
        }
        Ok(())
    }
}

fn write_attackers_head(out: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(
        out,
        "\n{:20}{:>7}{:>9}{:>9}{:>8}{:>14}{:>10}{:>9}{:>9}",
        "family", "actors", "requests", "decided", "recall", "until p50/p95", "stopped", "at door", "served"
    )
}

fn write_welcome_head(out: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(
        out,
        "\n{:20}{:>7}{:>9}{:>9}{:>11}{:>9}{:>10}{:>9}{:>9}",
        "family", "actors", "requests", "sessions", "disturbed", "refused", "deprived", "slowed", "stopped"
    )
}

fn write_attacker(out: &mut fmt::Formatter<'_>, family: &FamilyReport) -> fmt::Result {
    let number = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    let until = format!(
        "{}/{}",
        number(family.requests_until_decided_p50),
        number(family.requests_until_decided_p95)
    );
    let percent = |part: u64| share(part, family.requests) * 100.0;
    writeln!(
        out,
        "{:20}{:>7}{:>9}{:>9}{:>7.0}%{until:>14}{:>9.1}%{:>8.1}%{:>8.1}%",
        family.family,
        family.actors,
        family.requests,
        family.decided,
        family.recall() * 100.0,
        percent(family.stopped_by_shield),
        percent(family.refused_at_the_door),
        percent(family.served),
    )
}

fn write_group(out: &mut fmt::Formatter<'_>, name: &str, group: &Group) -> fmt::Result {
    let percent = |part: u64| share(part, group.requests) * 100.0;
    writeln!(
        out,
        "{name:20}{:>7}{:>9}{:>9}{:>7.0}%{:>14}{:>9.1}%{:>8.1}%{:>8.1}%",
        group.actors,
        group.requests,
        "",
        group.recall() * 100.0,
        "",
        percent(group.stopped_by_shield),
        percent(group.refused_at_the_door),
        percent(group.served),
    )
}

fn write_welcome(out: &mut fmt::Formatter<'_>, family: &FamilyReport) -> fmt::Result {
    writeln!(
        out,
        "{:20}{:>7}{:>9}{:>9}{:>11}{:>9}{:>10}{:>9}{:>9}",
        family.family,
        family.actors,
        family.requests,
        family.sessions,
        family.sessions_disturbed,
        family.sessions_refused,
        family.sessions_deprived,
        family.sessions_slowed,
        family.stopped_by_shield,
    )
}
