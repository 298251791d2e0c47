//! Exports: the DWS tables, part by part.
//!
//! A part is a file that stands for itself: whole sessions in the order of the list of sessions, newest
//! first, as many as fit. Who has it asks for the next one by the cursor that came with it, and can stop and
//! go on whenever they like; a node never holds more than a part. Parts are pure functions of rows, so both
//! chains make the same bytes, and their digests can be compared.
//!
//! | what | where |
//! |---|---|
//! | the call | `calls.rs` |
//! | which rows are in a part, and where it ends | `part.rs` |
//! | where the next one begins | `place.rs` |
//! | large sessions that are under way to somebody | `kept.rs` |
//! | headers that say what a part is | `headers.rs` |
//!
//! # Large sessions
//! A session with more rows than a part holds comes in pieces, one part each. All pieces are of one
//! consistent cut: the cursor names it by a hash of the rows, and the node keeps them for the time it takes
//! to fetch them. Where they are gone from memory (another node, another chain) they are read again; where
//! they are not the same any more, it is a 409, and the session is fetched from its first piece on.

mod calls;
mod headers;
mod kept;
mod part;
mod place;

use tokio::sync::Semaphore;

pub(crate) use calls::{__path_export, export};

/// How many parts a node puts together at once. Others wait: each takes some ten megabytes while it is made.
const AT_ONCE: usize = 4;

/// What a node has of exports that are under way.
pub(crate) struct Exports {
    room: Semaphore,
    kept: kept::Kept,
}

impl Default for Exports {
    fn default() -> Self {
        Self { room: Semaphore::new(AT_ONCE), kept: kept::Kept::default() }
    }
}
