//! Routes are decided and kept: one chain per epoch, and one that the log names; nobody follows
//! anything else, so without control nothing changes; and a gateway never goes back, not over a
//! restart either.

use std::collections::BTreeMap;

use tandem_model::route::Chain;

use super::Held;
use crate::log::News;
use crate::place::{PLACES, Place};

pub(super) struct Routes {
    decided: BTreeMap<u64, Chain>,
    followed: [u64; PLACES],
}

impl Default for Routes {
    fn default() -> Self {
        let first = News::first();
        Self { decided: BTreeMap::from([(first.epoch, first.active)]), followed: [0; PLACES] }
    }
}

impl Routes {
    pub(super) fn decided(&mut self, epoch: u64, active: Chain) {
        self.decided.insert(epoch, active);
    }

    pub(super) fn follows(&mut self, place: Place, news: News) -> Held {
        if self.decided.get(&news.epoch) != Some(&news.active) {
            return Err(format!(
                "{place} follows {} in epoch {}, and decided is {:?}",
                news.active,
                news.epoch,
                self.decided.get(&news.epoch)
            ));
        }
        // A chain asks the group before it publishes; it may begin with nothing.
        if let Place::Gateway(_) = place {
            let before = std::mem::replace(&mut self.followed[place.index()], news.epoch);
            if news.epoch < before {
                return Err(format!("{place} follows epoch {} after {before}", news.epoch));
            }
        }
        Ok(())
    }
}
