//! The auditor: compares both chains all the time, and finds out which one is wrong.
//!
//! It asks both chains' query nodes, reads the log, and gives everything to the pure core
//! (`tandem_parity`). Two things go on side by side:
//!
//! - At every beat the **digests** are compared. Where they differ, the sessions of the partition
//!   are compared row by row, and what differs goes to the third vote together with the digests.
//! - All the time the **stores** are scanned: each session as the hot and the row store of each
//!   chain hold it, newest live sessions first, the rest by and by. A copy that contradicts another
//!   one goes to the third vote.
//!
//! What was found stands until another vote says that the copies are right again. A difference
//! alone names nobody.
//!
//! Bounded: one session at a time, and at most a tenth of the time; so the scan costs little where
//! sessions are large, and is quick where they are small.

mod auditor;
mod scan;
mod view;

pub use auditor::{Auditor, AuditorSettings};
pub use view::{ChainView, Copies, ServiceView, ViewError};
