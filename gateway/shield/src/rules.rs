//! Rules as data: what each signal is worth, from where on, for whom, and whether it has a say.
//!
//! ```toml
//! [actions]           # points from which on an action is taken
//! tag = 10
//! slow = 30
//!
//! [[rules]]
//! name = "not-found"  # one of `Name::ALL`
//! points = 40         # half of them at `from`, all of them at `full`
//! from = 5
//! full = 25
//! share_percent = 25  # of all that is counted, at least
//! ```
//!
//! A file is taken as a whole or refused as a whole, with the line of the fault and what would be
//! allowed. What it leaves out stands as in `default.toml`, rule by rule. Which signals exist is
//! code; what they mean is data.

use std::sync::Arc;

use crate::head::{AgentKind, Agents, Words};
use crate::seen::Caller;
use crate::verdict::Action;

mod file;
mod name;

pub use file::DEFAULT_RULES;
pub use name::{About, Name};

/// Longest text of rules, in bytes.
pub const TEXT_BYTES_MAX: usize = 256 * 1024;
/// Most points of one rule, either way.
pub const POINTS_MAX: i16 = 1_000;
/// Most words in each list of words, and most paths in each list of paths.
pub(crate) const WORDS_MAX: usize = 4_096;
/// Greatest `from` and `full`.
pub(crate) const THRESHOLD_MAX: u32 = 1_000_000;

/// Why rules are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// It is no text of rules; the text names line and column, and what would be allowed.
    #[error("the rules can't be read: {0}")]
    Text(String),
    /// Something in it is out of its range.
    #[error("line {line}: {what}")]
    Wrong {
        /// The line, from 1 on.
        line: usize,
        /// What is wrong and what would be allowed.
        what: String,
    },
}

/// One rule, ready to be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Which signal it is about.
    pub name: Name,
    /// What it is worth in full; below 0 it speaks for a request.
    pub points: i16,
    /// The same for callers with a key or a token that was taken.
    pub points_known: i16,
    /// It only observes.
    pub observe: bool,
    /// Where its signal begins to count: there it is worth half its points.
    pub from: u32,
    /// Where it counts in full.
    pub full: u32,
    /// The least share of what is counted that shows the signal, in percent; 0 where there is none.
    pub share_percent: u32,
}

impl Rule {
    /// What it is worth for `caller` at `value`: nothing below `from`, half at `from`, all at `full`.
    pub(crate) fn worth(&self, caller: Caller, value: u32) -> i16 {
        let points = if caller.is_known() { self.points_known } else { self.points };
        if value < self.from {
            return 0;
        }
        let span = self.full.saturating_sub(self.from);
        if span == 0 || value >= self.full {
            return points;
        }
        let (points, into) = (i64::from(points), i64::from(value - self.from));
        let worth = points / 2 + (points - points / 2) * into / i64::from(span);
        i16::try_from(worth).unwrap_or(0)
    }
}

/// Points from which on an action is taken, the mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// By action from `Tag` on.
    pub(crate) from: [u16; 5],
}

impl Thresholds {
    /// The action at a score.
    pub fn action(&self, score: u16) -> Action {
        Action::ALL[self.from.iter().take_while(|from| score >= **from).count()]
    }
}

/// The hardest action by caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Most {
    pub(crate) by_caller: [Action; 6],
    /// Which callers can solve a challenge; for the others it is `Slow`.
    pub(crate) can_solve: [bool; 6],
}

/// Which paths are what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Paths {
    /// Never judged: what probes ask for.
    pub(crate) free: Vec<String>,
    /// Open to everybody.
    pub(crate) public: Vec<String>,
}

/// Whether a list of paths has this one: by itself, or by its beginning where an entry ends in `*`.
pub(crate) fn has_path(list: &[String], path: &str) -> bool {
    list.iter().any(|entry| match entry.strip_suffix('*') {
        Some(beginning) => path.starts_with(beginning),
        None => path == entry,
    })
}

/// All rules, ready to be used. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Rules {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) thresholds: Thresholds,
    pub(crate) most: Most,
    pub(crate) paths: Paths,
    /// By [`Name`].
    pub(crate) rules: Vec<Rule>,
    pub(crate) agents: Agents,
    pub(crate) honeypots: Words,
    /// User agents that begin so sign their requests.
    pub(crate) signing_agents: Vec<Arc<str>>,
    pub(crate) signature_header: Option<http::HeaderName>,
}

impl Rules {
    /// Reads rules in TOML.
    ///
    /// # Errors
    ///
    /// When anything is wrong with it; the error names the line and what is allowed.
    pub fn parse(text: &str) -> Result<Self, RulesError> {
        file::parse(text).map(|inner| Self { inner: Arc::new(inner) })
    }

    /// What a user agent is taken for.
    pub fn agent(&self, agent: &[u8]) -> AgentKind {
        self.inner.agents.kind(agent)
    }

    /// The same by general words alone, without any list: what would be known of programs that are
    /// on none.
    pub fn agent_by_words(&self, agent: &[u8]) -> AgentKind {
        self.inner.agents.generic_kind(agent)
    }

    /// A rule as it stands.
    pub fn rule(&self, name: Name) -> &Rule {
        self.inner.rule(name)
    }

    /// From how many points on which action is taken.
    pub fn thresholds(&self) -> Thresholds {
        self.inner.thresholds
    }
}

impl Default for Rules {
    /// The rules in `default.toml`.
    fn default() -> Self {
        Self::parse("").expect("a test reads the rules that come with the crate")
    }
}

impl Inner {
    pub(crate) fn rule(&self, name: Name) -> &Rule {
        &self.rules[name as usize]
    }

    /// The action at a score for a caller. What no rule can change: operators are let through, and
    /// signed applications are not refused with more than 429.
    pub(crate) fn action(&self, caller: Caller, score: u16) -> Action {
        let wanted = self.thresholds.action(score).min(self.most.by_caller[caller as usize]);
        let wanted = match (wanted, self.most.can_solve[caller as usize]) {
            (Action::Challenge, false) => Action::Slow,
            (wanted, _) => wanted,
        };
        match caller {
            Caller::Operator => Action::Allow,
            Caller::Signed => wanted.min(Action::Limit),
            _ => wanted,
        }
    }
}

#[cfg(test)]
mod tests;
