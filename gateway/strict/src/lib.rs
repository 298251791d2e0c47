//! Strict HTTP/1.x: a [`Guard`] is fed every byte that a client sends before the server's own parser
//! sees it, and says what may pass.
//!
//! Requests are smuggled where two parsers disagree about where one ends and the next begins. So
//! whatever two parsers could read in two ways is refused here, also where the standard would have a
//! server repair it: a bare LF, several lengths, a length beside a transfer coding, folded lines,
//! `Host` twice. What passes has one reading.
//!
//! Sources: RFC 9110 (HTTP semantics), RFC 9112 (HTTP/1.1), RFC 3986 (URIs). The traps are those of
//! the literature on request smuggling: CL.TE, TE.CL, TE.TE and CL.0 (Kettle, "HTTP Desync Attacks",
//! 2019; "Browser-Powered Desync Attacks", 2022; "HTTP/1.1 Must Die", 2025, for `Expect`), and line
//! ends in chunk extensions and chunk bodies (Weikop, "Funky chunks", 2025: TERM.EXT, EXT.TERM,
//! TERM.SPILL, SPILL.TERM).
//!
//! The guard knows no clock and no socket, and keeps at most one unfinished line. [`check_target`],
//! [`check_path`] and [`check_host`] are the same rules for requests that came another way, by
//! HTTP/2 above all.

mod authority;
mod chunks;
mod field;
mod guard;
mod head;
mod limits;
mod line;
mod target;
mod violation;

pub use authority::{Authority, check_host};
pub use guard::{Guard, Progress, Refusal};
pub use limits::Limits;
pub use target::{Form, check_path, check_target};
pub use violation::Violation;
