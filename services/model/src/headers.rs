//! The headers between client, gateway and query nodes.

/// In requests and answers: a token.
pub const TOKEN: &str = "tandem-token";
/// In answers: the chain that gave them. From operators: ask this chain and no other.
pub const CHAIN: &str = "tandem-chain";
/// Between gateways and query nodes, both ways: the newest route that the sender knows, as a
/// [`Signpost`](crate::route::Signpost). Never from or to clients.
pub const ROUTE: &str = "tandem-route";
/// To query nodes: what the caller may see, as a [`Scope`](crate::Scope). Without it: nothing but what
/// is public.
pub const SCOPE: &str = "tandem-scope";
/// To query nodes: how long they may wait for their chain to reach the token, in milliseconds; at
/// most [`WAIT_MS_MAX`], 0 when absent.
pub const WAIT_MS: &str = "tandem-wait-ms";
/// To query nodes: `1` asks for an answer even if it is older than the token.
pub const STALE: &str = "tandem-stale";
/// From clients, and to query nodes: how long an answer is waited for, in milliseconds. What is not
/// answered by then is not worked on any more.
pub const TIMEOUT_MS: &str = "tandem-timeout-ms";
/// From query nodes, about one session: its [`SessionState`](crate::row::SessionState). Never to clients.
pub const STATE: &str = "tandem-state";

/// The longest wait for a token, in milliseconds.
pub const WAIT_MS_MAX: u64 = 300;
