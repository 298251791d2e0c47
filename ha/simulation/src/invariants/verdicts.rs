//! Nobody innocent is named: the judge quarantines a chain only if its rows were made wrong, not
//! long ago.

use tandem_model::route::Chain;

use super::Held;

/// A verdict may come so long after the chain was right again, in milliseconds: digests are read,
/// a beat is recomputed, a leader found.
const AFTER_MS: u64 = 15_000;

#[derive(Default)]
pub(super) struct Verdicts {
    /// When each chain was last seen wrong; `u64::MAX` while it is.
    wrong_until_ms: [Option<u64>; 2],
}

impl Verdicts {
    pub(super) fn wrong(&mut self, now_ms: u64, chain: Chain, is_wrong: bool) {
        self.wrong_until_ms[chain as usize] = Some(if is_wrong { u64::MAX } else { now_ms });
    }

    pub(super) fn named(&self, now_ms: u64, chain: Chain) -> Held {
        match self.wrong_until_ms[chain as usize] {
            Some(until_ms) if now_ms <= until_ms.saturating_add(AFTER_MS) => Ok(()),
            Some(_) => Err(format!("{chain} is named wrong, and was right for long")),
            None => Err(format!("{chain} is named wrong, and never was")),
        }
    }
}
