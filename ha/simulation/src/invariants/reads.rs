//! Reads are current: an answer holds everything that anybody could know to be committed when it
//! was asked for.

use super::Held;
use crate::place::Place;

pub(super) fn check(place: Place, floor: u64, index: u64) -> Held {
    match index >= floor {
        true => Ok(()),
        false => Err(format!(
            "{place} answered a read from entry {index}, when {floor} had been committed as it was asked"
        )),
    }
}
