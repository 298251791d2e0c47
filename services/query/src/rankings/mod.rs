//! Boards: who stands where.
//!
//! Boards are worked out here ([`tandem_boards`]) from the rows that the chain's row store has of hours
//! and days, and from what changed of them at each cut through the log ([`tandem_model::edition`]). So both
//! chains, and every node, have the same editions. Older ones are put together when asked for.
//!
//! | what | where |
//! |---|---|
//! | the newest edition, brought from cut to cut | `gathered.rs` |
//! | older editions | `past.rs` |
//! | closed ones, after a verdict about what they count | `corrections.rs` |
//! | which edition of which period | `edition.rs` |
//! | what was worked out, kept | `standings.rs` |
//! | what people look at, worked out before they ask | `ahead.rs` |
//! | the calls | `calls.rs`, their answers `answers.rs` |

mod ahead;
mod answers;
mod calls;
mod corrections;
mod edition;
mod gathered;
mod past;
mod standings;

pub(crate) use calls::{__path_boards, __path_ranking, __path_subject, boards, ranking, subject};
pub(crate) use gathered::Rankings;
