//! Boards: who stands where.
//!
//! Boards are worked out here from the rows that the chain's row store has of hours and days
//! ([`tandem_boards`]): each session is read once when it is final and, while it is live, once per
//! edition. A gathering of rows is an edition: it stays as it is until the clock of the log has passed
//! into the next five seconds, and every answer until then comes from it.
//!
//! | what | where |
//! |---|---|
//! | the rows that boards are made of, and standings worked out | `gathered.rs` |
//! | which edition of which period | `edition.rs` |
//! | the calls | `calls.rs`, their answers `answers.rs` |

mod answers;
mod calls;
mod edition;
mod gathered;

pub(crate) use calls::{__path_boards, __path_ranking, __path_subject, boards, ranking, subject};
pub(crate) use gathered::Rankings;
