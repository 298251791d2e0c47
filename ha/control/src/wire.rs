//! What goes over the wire of the control API, the same for both ends.

use serde::{Deserialize, Serialize};
use tandem_model::route::{Chain, Route};

use crate::Decision;

/// Where the state is read.
pub const STATE_PATH: &str = "/control/v1/state";
/// Where a switch is asked for.
pub const SWITCH_PATH: &str = "/control/v1/switch";
/// Longest wait for a decision, in milliseconds; a longer one is refused.
pub const WAIT_MS_MAX: u64 = 30_000;
/// How many decisions an answer holds where nothing is said.
pub const HISTORY_DEFAULT: usize = 20;

/// The answer of `GET /control/v1/state`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The route in force.
    pub route: Route,
    /// The last decisions, newest first; the first is the route's.
    pub history: Vec<Decision>,
    /// The node's wall clock when it answered, in milliseconds since the epoch: others measure
    /// their own clocks by it.
    pub now_ms: u64,
}

/// The body of `POST /control/v1/switch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switch {
    /// The chain that is to serve.
    pub to: Chain,
    /// Why, for people.
    pub reason: String,
}

/// The answer to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switched {
    /// The route in force afterwards.
    pub route: Route,
}
