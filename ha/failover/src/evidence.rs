//! What is known of the chains, as it stands in an entry.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Something bad that observers can see of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Symptom {
    /// Nothing but failures, for longer than a pause.
    NoAnswers,
    /// Some requests fail, second after second.
    Errors,
    /// Answers take much longer than they usually do.
    Slow,
    /// The beats stand still while the other chain's go on.
    Stuck,
    /// Many beats behind the other chain, moving or not.
    Lagging,
    /// A store of the chain can't be used.
    Degraded,
}

/// What may well have one cause: a chain that shows one of these is no way out of another of the
/// same kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Failing,
    Slow,
    Behind,
    Degraded,
}

impl Symptom {
    /// All of them, the worst first.
    pub const ALL: [Symptom; 6] = [
        Symptom::NoAnswers,
        Symptom::Errors,
        Symptom::Slow,
        Symptom::Stuck,
        Symptom::Lagging,
        Symptom::Degraded,
    ];

    pub(crate) const fn kind(self) -> Kind {
        match self {
            Symptom::NoAnswers | Symptom::Errors => Kind::Failing,
            Symptom::Slow => Kind::Slow,
            Symptom::Stuck | Symptom::Lagging => Kind::Behind,
            Symptom::Degraded => Kind::Degraded,
        }
    }

    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Symptom::NoAnswers => "no answers",
            Symptom::Errors => "errors",
            Symptom::Slow => "slow",
            Symptom::Stuck => "stuck",
            Symptom::Lagging => "lagging",
            Symptom::Degraded => "a store is lost",
        }
    }
}

/// What the judge makes of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    /// Enough observers see it well, and have for a calm time.
    Healthy,
    /// Well now, but not for long enough after symptoms, or after the judge began to look.
    Settling,
    /// Some observer sees a symptom; too few to believe it.
    Suspect,
    /// Too few observers say anything. Says nothing about the chain.
    Unknown,
    /// It answers, but badly: errors, slow, or without one of its stores.
    Grey,
    /// Its figures stand still or are far behind, while answers look fine.
    Stuck,
    /// The third vote named it.
    Wrong,
    /// It does not answer.
    Down,
}

impl Condition {
    /// Its name, in words.
    pub const fn words(self) -> &'static str {
        match self {
            Condition::Healthy => "healthy",
            Condition::Settling => "settling",
            Condition::Suspect => "suspect",
            Condition::Unknown => "unknown",
            Condition::Grey => "grey",
            Condition::Stuck => "stuck",
            Condition::Wrong => "wrong",
            Condition::Down => "down",
        }
    }
}

/// How many observers see one symptom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Votes {
    /// What.
    pub symptom: Symptom,
    /// Observers that see it.
    pub seen_by: u32,
    /// Observers that can tell.
    pub of: u32,
    /// Whether so many are enough.
    pub is_agreed: bool,
}

/// What is known of one chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What the judge makes of it.
    pub condition: Condition,
    /// The symptoms that anybody sees, in the order of [`Symptom::ALL`].
    pub votes: Vec<Votes>,
}

impl Finding {
    /// Nothing is known.
    pub const fn unknown() -> Self {
        Self { condition: Condition::Unknown, votes: Vec::new() }
    }

    /// The symptoms that enough observers see.
    pub fn agreed(&self) -> impl Iterator<Item = Symptom> {
        self.votes.iter().filter(|votes| votes.is_agreed).map(|votes| votes.symptom)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.condition.words())?;
        for (index, votes) in self.votes.iter().enumerate() {
            let before = if index == 0 { ": " } else { ", " };
            write!(formatter, "{before}{} ({} of {})", votes.symptom.words(), votes.seen_by, votes.of)?;
        }
        Ok(())
    }
}

/// What is known of both chains when a switch is proposed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Of the chain that serves.
    pub active: Finding,
    /// Of the chain that is to serve.
    pub target: Finding,
    /// How far the target is; absent where nobody knows.
    pub distance: Option<Distance>,
}

/// How far a chain is behind what is known of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distance {
    /// Event time from its last beat to the newest beat that either chain has, in milliseconds, in
    /// the partition where that is longest.
    pub behind_ms: u64,
    /// Records of the log it has still to read, in the partition where these are most.
    pub unread_records: u64,
}

impl Evidence {
    /// Nothing is known, which only a break-glass switch can do with.
    pub const fn none() -> Self {
        Self { active: Finding::unknown(), target: Finding::unknown(), distance: None }
    }
}
