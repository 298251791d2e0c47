//! What comes of a judgement: an action, and the reasons for it in words.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;

/// What to do with a request, from the mildest to the hardest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Let it through.
    #[default]
    Allow,
    /// Let it through, and note it.
    Tag,
    /// Let it through later: some hundred milliseconds of waiting.
    Slow,
    /// Ask for a proof of work first.
    Challenge,
    /// Answer 429.
    Limit,
    /// Answer 403.
    Deny,
}

impl Action {
    /// All of them, the mildest first.
    pub const ALL: [Action; 6] =
        [Action::Allow, Action::Tag, Action::Slow, Action::Challenge, Action::Limit, Action::Deny];

    /// Whether the request is answered by us, and not by whom it was meant for.
    pub const fn is_refusal(self) -> bool {
        matches!(self, Action::Challenge | Action::Limit | Action::Deny)
    }

    /// Its name in rules, counters and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Action::Allow => "allow",
            Action::Tag => "tag",
            Action::Slow => "slow",
            Action::Challenge => "challenge",
            Action::Limit => "limit",
            Action::Deny => "deny",
        }
    }
}

/// What was decided about a request, and why.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// What to do.
    pub action: Action,
    /// What would be done if the rules that only observe had a say.
    pub would_be: Action,
    /// The points of all rules that have a say, together; 0 to 65,535.
    pub score: u16,
    /// Which rules spoke, and what they saw. Empty, and then without memory, for most requests.
    pub reasons: Vec<Reason>,
    /// Hand it to [`crate::Shield::answered`] with what came of the request.
    pub ticket: Ticket,
}

/// What one rule has to say about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The name of the rule.
    pub rule: &'static str,
    /// Its points: below 0 speaks for the request.
    pub points: i16,
    /// It only observes: its points are in no score, only in `would_be`.
    pub observed: bool,
    /// What it saw.
    pub evidence: Evidence,
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let observed = if self.observed { ", observed only" } else { "" };
        write!(out, "{} ({:+}{observed}): {}", self.rule, self.points, self.evidence)
    }
}

/// What a rule saw, as small numbers; `Display` makes one sentence of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The user agent names a crawler or tool of a list.
    AgentNames(Arc<str>),
    /// The user agent has a word that programs have and people's browsers have not.
    AgentHasWord(Arc<str>),
    /// The user agent is that of a library for programs.
    AgentIsLibrary(Arc<str>),
    /// There is no user agent.
    AgentMissing,
    /// The user agent names a crawler whose operator says this address is not theirs.
    FalseCrawler(Arc<str>),
    /// The address is of a crawler that was verified.
    VerifiedCrawler(Arc<str>),
    /// The headers are not those of the browser that the user agent names.
    HeadersUnlike(&'static str),
    /// The user agent is that of a signing application, and the signature is missing.
    SignatureMissing(Arc<str>),
    /// A path was asked for that only those ask for who look for holes: how often of late.
    Honeypot(u32),
    /// The address is in a list of blocked networks.
    NetworkBlocked,
    /// Requests without a credential that was taken, out of so many of this address of late.
    Failing {
        /// How many failed.
        failed: u32,
        /// Of how many.
        of: u32,
    },
    /// The same for all requests with headers of the same form, from so many networks.
    ShapeFailing {
        /// How many failed.
        failed: u32,
        /// Of how many.
        of: u32,
        /// From how many networks, about.
        networks: u32,
    },
    /// Requests in a minute.
    Rate {
        /// How many.
        in_a_minute: u32,
    },
    /// Sessions visited, and how many of the visits were the first to theirs.
    Breadth {
        /// Different sessions, about.
        sessions: u32,
        /// First visits among the visits of late, in percent.
        first_percent: u32,
    },
    /// First visits to the neighbour of the session visited before, in percent of first visits.
    Walk {
        /// How many, in percent.
        percent: u32,
        /// Of how many first visits.
        of: u32,
    },
    /// Visits to sessions that do not exist for the caller.
    NotFound {
        /// How many.
        missing: u32,
        /// Of how many visits.
        of: u32,
    },
    /// The credential comes from where it has not come from before.
    Stranger {
        /// The user agent is new to it, too.
        with_new_agent: bool,
    },
    /// Pages of exports or long lists of late.
    Exports(u32),
    /// Signed requests that had been sent before.
    Replays(u32),
    /// Different user agents with one credential from one network.
    Agents(u32),
    /// Different networks with one credential of late.
    Networks(u32),
}

impl fmt::Display for Evidence {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AgentNames(name) => write!(out, "the user agent names {name:?}, which is on the list"),
            Self::AgentHasWord(word) => write!(out, "the user agent has {word:?}, as programs have"),
            Self::AgentIsLibrary(name) => write!(out, "the user agent is that of the library {name:?}"),
            Self::AgentMissing => write!(out, "there is no user agent"),
            Self::FalseCrawler(name) => write!(out, "it claims to be {name}, which denies the address"),
            Self::VerifiedCrawler(name) => write!(out, "the address is verified as one of {name}"),
            Self::HeadersUnlike(what) => write!(out, "the headers are not those of a browser: {what}"),
            Self::SignatureMissing(agent) => {
                write!(out, "{agent:?} signs its requests, this has no signature")
            }
            Self::Honeypot(count) => write!(out, "it asked {count} times for what only attackers ask for"),
            Self::NetworkBlocked => write!(out, "its network is on the list of blocked ones"),
            Self::Failing { failed, of } => {
                write!(out, "{failed} of {of} requests from its address had no valid credential")
            }
            Self::ShapeFailing { failed, of, networks } => {
                write!(
                    out,
                    "{failed} of {of} requests with such headers, from about {networks} networks, had no \
                     valid credential"
                )
            }
            Self::Rate { in_a_minute } => write!(out, "{in_a_minute} requests in a minute"),
            Self::Breadth { sessions, first_percent } => {
                write!(out, "about {sessions} sessions visited, {first_percent} % of visits were the first")
            }
            Self::Walk { percent, of } => {
                write!(out, "{percent} % of {of} first visits went to the neighbour of the one before")
            }
            Self::NotFound { missing, of } => write!(out, "{missing} of {of} visits found no session"),
            Self::Stranger { with_new_agent: true } => {
                write!(out, "network and user agent are new to this credential")
            }
            Self::Stranger { with_new_agent: false } => write!(out, "the network is new to this credential"),
            Self::Exports(count) => write!(out, "{count} pages of exports or long lists of late"),
            Self::Replays(count) => write!(out, "{count} signed requests had been sent before"),
            Self::Networks(count) => write!(out, "one credential came from about {count} networks of late"),
            Self::Agents(count) => write!(out, "about {count} user agents with one credential, one network"),
        }
    }
}

/// Names what a judged request counted for, so that its outcome can be counted for the same.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ticket {
    pub(crate) now_ms: u64,
    /// The address, for those without a credential.
    pub(crate) address: u64,
    /// The credential from this network.
    pub(crate) pair: u64,
    /// The credential from wherever it is new.
    pub(crate) lane: u64,
    pub(crate) is_visit: bool,
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The status it was answered with.
    pub status: u16,
    /// The gateway itself refused it (401, 403, 429, 503): no evidence of anything.
    pub ours: bool,
    /// It was signed well, and had been sent before.
    pub replayed: bool,
}
