//! Publishing is fenced: nothing is published in an epoch once there is a marker of a newer one;
//! every beat is published once, in order.

use super::Held;
use crate::live::Marker;

#[derive(Default)]
pub(super) struct Publishing {
    last: Option<Marker>,
}

impl Publishing {
    pub(super) fn published(&mut self, marker: Marker) -> Held {
        let Some(last) = self.last.replace(marker) else { return Ok(()) };
        if marker.epoch < last.epoch {
            return Err(format!("{marker:?} after {last:?}: a writer of an old epoch"));
        }
        match marker.beat == last.beat + 1 {
            true => Ok(()),
            false => Err(format!("{marker:?} after {last:?}: a beat is missing, or there twice")),
        }
    }
}
