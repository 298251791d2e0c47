//! What goes over the wire of the control API, the same for both ends.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tandem_failover::{
    Action, Bounds, Chains, Decided, Decision, Evidence, Frozen, Observation, Ruling, Window,
};
use tandem_group::{MemberId, MemberInfo};
use tandem_model::route::{Chain, Route};

/// Where the state is read.
pub const STATE_PATH: &str = "/control/v1/state";
/// Where a switch is asked for.
pub const SWITCH_PATH: &str = "/control/v1/switch";
/// Where the drills are listed that `tandem drill run` knows.
pub const DRILLS_PATH: &str = "/control/v1/drills";
/// Where members are listed and changed.
pub const MEMBERS_PATH: &str = "/control/v1/members";
/// Where gateways and control nodes tell what they see.
pub const OBSERVATIONS_PATH: &str = "/control/v1/observations";
/// Where members talk to each other.
pub const RAFT_PATH: &str = "/control/v1/raft";
/// Set on what a member passes on to the leader, so that it is not passed on again.
pub const FORWARDED: &str = "tandem-forwarded";
/// Longest wait for a decision, in milliseconds; a longer one is refused.
pub const WAIT_MS_MAX: u64 = 30_000;
/// How long a switch may be waited for, in milliseconds.
pub const WITHIN_MS_MAX: u64 = 300_000;
/// How long a switch waits for the rules where nothing is said, in milliseconds: the calm time of a
/// leader that has just begun to look, and some.
pub const WITHIN_MS_DEFAULT: u64 = 15_000;
/// How many decisions an answer holds where nothing is said.
pub const HISTORY_DEFAULT: usize = 20;
/// Who acts, where nobody says so.
pub const OPERATOR: &str = "operator";

/// The answer of `GET /control/v1/state`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The route in force.
    pub route: Route,
    /// The last decisions, newest first.
    pub history: Vec<Decision>,
    /// The node's wall clock when it answered, in milliseconds since the epoch: others measure
    /// their own clocks by it.
    pub now_ms: u64,
    /// Whom readers should not be sent to.
    #[serde(flatten)]
    pub shunned: Shunned,
    /// The node that answered.
    pub node: NodeState,
    /// What else has been decided.
    pub decided: DecidedState,
    /// Who is in the group.
    pub members: BTreeMap<MemberId, MemberInfo>,
    /// How the leader sees the chains; absent where another node answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outlook: Option<OutlookState>,
}

/// What followers read of a [`State`], and no more: they go on when it changes otherwise, as it
/// does while nodes of two versions run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The route in force.
    pub route: Route,
    /// Whom readers should not be sent to.
    #[serde(flatten)]
    pub shunned: Shunned,
    /// The node's wall clock when it answered, in milliseconds since the epoch.
    pub now_ms: u64,
}

/// Which chains readers should not be sent to, and as of which decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shunned {
    /// How many decisions there were: more is later.
    #[serde(default)]
    pub decisions: u64,
    /// The chains.
    #[serde(default, rename = "shunned")]
    pub chains: Chains<bool>,
}

/// How a node stands in the group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeState {
    /// Its number.
    pub id: MemberId,
    /// Whom it takes for the leader.
    pub leader: Option<MemberId>,
    /// The present term.
    pub term: u64,
    /// Entries of the log that are known to be committed.
    pub committed: u64,
    /// Members that answer the leader, itself included; empty where another node answers.
    pub active: Vec<MemberId>,
    /// Whether the answer holds everything that had been decided when it was asked. One that was
    /// asked for with `local=true` may be old.
    pub is_linearizable: bool,
}

/// What has been decided beside the route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecidedState {
    /// Since when the route is in force, by the group's time, in milliseconds since the epoch.
    pub since_ms: u64,
    /// Who froze the group: nothing switches by itself then.
    pub frozen: Option<Frozen>,
    /// Which chains are out of service.
    pub drained: Chains<bool>,
    /// Which chains must not be switched to.
    pub quarantined: Chains<bool>,
    /// When nothing switches by itself.
    pub blocked: Vec<Window>,
    /// How far the rules reach.
    pub bounds: Bounds,
}

impl From<&Decided> for DecidedState {
    fn from(decided: &Decided) -> Self {
        Self {
            since_ms: decided.since_ms(),
            frozen: decided.frozen().cloned(),
            drained: *decided.drained(),
            quarantined: *decided.quarantined(),
            blocked: decided.blocked().to_vec(),
            bounds: *decided.bounds(),
        }
    }
}

/// How the leader sees the chains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutlookState {
    /// What is known of both.
    pub evidence: Evidence,
    /// How an automatic switch would be ruled on now.
    pub rulings: Vec<Ruling>,
}

/// The body of `POST /control/v1/switch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switch {
    /// The chain that is to serve.
    pub to: Chain,
    /// Why, for people.
    pub reason: String,
    /// Who asks; `operator` where absent.
    #[serde(default = "operator")]
    pub by: String,
    /// Overrides the rules, at once.
    #[serde(default)]
    pub break_glass: bool,
    /// How long to wait until the rules allow it, in milliseconds.
    #[serde(default = "within_ms")]
    pub within_ms: u64,
}

impl Switch {
    /// A planned switch with everything else as it is by default.
    pub fn planned(to: Chain, reason: impl Into<String>) -> Self {
        Self { to, reason: reason.into(), by: operator(), break_glass: false, within_ms: within_ms() }
    }
}

fn operator() -> String {
    OPERATOR.to_owned()
}

fn within_ms() -> u64 {
    WITHIN_MS_DEFAULT
}

/// The body of `POST /control/v1/drain` and the others that [`action`] knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Simple {
    /// The chain, where it concerns one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<Chain>,
    /// The stretch of time, for `block` and `unblock`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// The bounds, for `bounds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounds: Option<Bounds>,
    /// Why, for people.
    pub reason: String,
    /// Who asks; `operator` where absent.
    #[serde(default = "operator")]
    pub by: String,
}

/// What is decided without judgement: the last part of the path, and what it needs.
pub const SIMPLE: [(&str, &str); 9] = [
    ("drain", "chain"),
    ("undrain", "chain"),
    ("freeze", ""),
    ("unfreeze", ""),
    ("quarantine", "chain"),
    ("release", "chain"),
    ("block", "window"),
    ("unblock", "window"),
    ("bounds", "bounds"),
];

/// The action that `simple`, sent to `/control/v1/{verb}`, stands for. Nothing when the verb is not
/// known, or what it needs is missing or too much.
pub fn action(verb: &str, simple: &Simple) -> Option<Action> {
    let action = match (verb, simple.chain, simple.window, simple.bounds) {
        ("drain", Some(chain), None, None) => Action::Drain(chain),
        ("undrain", Some(chain), None, None) => Action::Undrain(chain),
        ("freeze", None, None, None) => Action::Freeze,
        ("unfreeze", None, None, None) => Action::Unfreeze,
        ("quarantine", Some(chain), None, None) => Action::Quarantine(chain),
        ("release", Some(chain), None, None) => Action::Release(chain),
        ("block", None, Some(window), None) => Action::Block(window),
        ("unblock", None, Some(window), None) => Action::Unblock(window),
        ("bounds", None, None, Some(bounds)) => Action::SetBounds(bounds),
        _ => return None,
    };
    Some(action)
}

/// Where `verb` is asked for.
pub fn simple_path(verb: &str) -> String {
    format!("/control/v1/{verb}")
}

/// The answer to an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ordered {
    /// The route in force afterwards.
    pub route: Route,
    /// What was decided; absent where it was so already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
}

/// The body of `POST /control/v1/members`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case", deny_unknown_fields)]
pub enum MemberOrder {
    /// Somebody new, learning at first.
    Add {
        /// Its number, never used before.
        id: MemberId,
        /// Where it is reached, as `http://host:port`.
        address: String,
    },
    /// A learner that has caught up votes from now on.
    Promote {
        /// Who.
        id: MemberId,
    },
    /// Somebody leaves.
    Remove {
        /// Who.
        id: MemberId,
    },
    /// Another member leads.
    HandOver {
        /// Who.
        id: MemberId,
    },
}

/// The answer of `/control/v1/members`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Members {
    /// Who is in the group.
    pub members: BTreeMap<MemberId, MemberInfo>,
    /// The node that answered.
    pub node: NodeState,
}

/// The body of `POST /control/v1/observations`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Observations(pub Vec<Observation>);

/// The answer to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    /// The route, as the node knows it.
    pub route: Route,
    /// Whom readers should not be sent to.
    #[serde(flatten)]
    pub shunned: Shunned,
}
