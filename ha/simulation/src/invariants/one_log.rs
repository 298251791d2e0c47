//! One log: at one place there is one entry, whoever hands it out and whenever; and the same
//! entries make the same state, at every member.

use std::collections::BTreeMap;

use tandem_failover::{Decided, Decision, Refusal};
use tandem_group::Machine;

use super::Held;
use crate::place::Place;
use crate::tap::Commit;

/// Places before the first entry: what the group begins from.
const FOUNDED: u64 = 1;

pub(super) struct OneLog {
    entries: BTreeMap<u64, (u64, Option<Vec<u8>>)>,
    /// What comes of the entries, in their order.
    reference: Machine,
    applied: u64,
}

impl Default for OneLog {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), reference: Machine::new(BTreeMap::new()), applied: FOUNDED }
    }
}

impl OneLog {
    /// An entry was handed out as committed. What it leads to, where it is the first of its place.
    pub(super) fn committed(
        &mut self,
        place: Place,
        commit: Commit,
    ) -> Result<Option<Result<Decision, Refusal>>, String> {
        let Commit { index, term, data } = commit;
        if let Some(before) = self.entries.get(&index) {
            if *before == (term, data.clone()) {
                return Ok(None);
            }
            let text = |data: &Option<Vec<u8>>| {
                data.as_ref()
                    .map_or_else(|| "nothing".into(), |data| String::from_utf8_lossy(data).into_owned())
            };
            return Err(format!(
                "entry {index} was committed in term {} as {}, and {place} has it of term {term} as {}",
                before.0,
                text(&before.1),
                text(&data)
            ));
        }
        if index != self.applied + 1 {
            return Err(format!("{place} has entry {index}, and nobody has had {}", self.applied + 1));
        }
        self.applied = index;
        self.entries.insert(index, (term, data.clone()));
        let Some(data) = data else {
            self.reference.skip(index);
            return Ok(None);
        };
        match self.reference.apply(index, &data) {
            Ok((_, outcome)) => Ok(Some(outcome)),
            Err(error) => Err(error.to_string()),
        }
    }

    pub(super) fn committed_index(&self) -> u64 {
        self.applied
    }

    pub(super) fn decided(&self) -> &Decided {
        self.reference.decided()
    }

    /// Every member has come to the same.
    pub(super) fn end(&self, members: &[(Place, Decided)]) -> Held {
        for (place, decided) in members {
            if decided != self.decided() {
                return Err(format!(
                    "{place} ends with {:?} after {} decisions, the log says {:?} after {}",
                    decided.route(),
                    decided.history().len(),
                    self.decided().route(),
                    self.decided().history().len()
                ));
            }
        }
        Ok(())
    }
}
