//! Pure: the figures of hours and days in, boards out.
//!
//! [`Facts`] holds what boards are made of: the rows of the calendar tables (room, item, region; per hour
//! and per day) as of the newest cut through the log, and what sessions said of themselves since which
//! cut. A [`View`] is that at one cut. [`View::standing`] works out one board of one period under any filters: every subject with its
//! exact score, in order. Nothing here knows a single board: a board is data
//! ([`tandem_model::catalogue::boards`]), and the kinds of scores are what is known.
//!
//! Scores are integer fractions and compared as such ([`Fraction`]), so that two that print alike are
//! still told apart, on every machine in the same way.
//!
//! # Cost
//!
//! A board is one pass over the rows of its period (adding up by subject, into a dense array) and one
//! sort of those that are listed. Rows hold the columns that boards ask for and no others.

mod facts;
mod filter;
mod fraction;
mod gather;
mod listed;
mod moved;
mod score;
mod standing;
mod stretch;
mod symbols;

pub use facts::{Facts, Past, Replaced, View};
pub use filter::{FanTier, Filter};
pub use fraction::Fraction;
pub use listed::Listed;
pub use moved::Moved;
pub use standing::{Own, Place, Standing, Subject};

/// Hash maps with a fixed state: nothing may depend on a random seed.
type Map<K, V> = hashbrown::HashMap<K, V, foldhash::fast::FixedState>;
