//! One chain is always on: never both drained, never the active one, and nobody works on a chain
//! that serves.

use tandem_failover::Decided;
use tandem_model::route::Chain;

use super::Held;

#[derive(Default)]
pub(super) struct OneChainOn {
    worked_on: Option<Chain>,
}

impl OneChainOn {
    pub(super) fn work_begins(&mut self, decided: &Decided, chain: Chain) -> bool {
        let is_drained = *decided.drained().of(chain);
        if is_drained {
            self.worked_on = Some(chain);
        }
        is_drained
    }

    pub(super) fn work_ends(&mut self, chain: Chain) {
        self.worked_on = self.worked_on.filter(|worked_on| *worked_on != chain);
    }

    /// After each decision.
    pub(super) fn check(&mut self, decided: &Decided) -> Held {
        let drained = decided.drained();
        if drained.a && drained.b {
            return Err("both chains are drained".to_owned());
        }
        let active = decided.active();
        if *drained.of(active) {
            return Err(format!("{active} serves and is drained"));
        }
        // Only somebody who breaks the glass, or says that the work is done, gets past a drain.
        let is_drained = |chain: &Chain| *drained.of(*chain);
        match self.worked_on.filter(|chain| !is_drained(chain)) {
            None => Ok(()),
            Some(chain) => {
                self.worked_on = None;
                let last = decided.history().next_back();
                match last.map(|decision| &decision.entry) {
                    Some(entry) if entry.by == "operator" => Ok(()),
                    entry => Err(format!("{chain} is worked on, and on again by {entry:?}")),
                }
            }
        }
    }
}
