//! What figures depend on besides the log.

use crate::calendar::Calendar;
use crate::pseudonym::PseudonymKey;

/// What figures depend on besides the log; the same for both chains, so that their rows agree.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The key of the pseudonyms.
    pub key: PseudonymKey,
    /// Where calendar hours and days begin.
    pub calendar: Calendar,
}

impl From<PseudonymKey> for Rules {
    /// In the calendar that holds where nobody says otherwise.
    fn from(key: PseudonymKey) -> Self {
        Self { key, calendar: Calendar::default() }
    }
}
