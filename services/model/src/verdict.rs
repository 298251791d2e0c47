//! Verdicts: control records in the log that say what is to happen with a record before them.
//!
//! An event that makes the fold fail must not stop a chain, and both chains must do the same about
//! it. So neither decides by itself: a control record in the same partition quarantines the event,
//! and the event does not count, *at its own place*, whoever reads it and when. A chain that has
//! counted it already goes back. Another record releases it; then it counts at its own place again.
//!
//! Of two verdicts about one record the later one in the log holds.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::id::SessionId;
use crate::record::Record;

/// How every control record begins. No event begins so: its sender would be refused.
const BEGINNING: &[u8] = br#"{"tandem":"#;
/// Longest reason of a verdict, in characters; what is longer is cut.
pub const REASON_CHARS_MAX: usize = 500;

/// A verdict about one record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// What is to happen with it.
    #[serde(rename = "tandem")]
    pub ruling: Ruling,
    /// The record's offset, in the partition where the verdict stands.
    pub offset: u64,
    /// The session for which the record is counted as refused; none for the whole partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// Why, for people.
    pub reason: String,
}

/// What is to happen with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ruling {
    /// It does not count.
    Quarantine,
    /// It counts.
    Release,
}

impl Verdict {
    /// A record does not count, and is refused for this session, or for its whole partition.
    pub fn quarantine(offset: u64, session_id: Option<SessionId>, reason: &str) -> Self {
        Self { ruling: Ruling::Quarantine, offset, session_id, reason: cut(reason) }
    }

    /// A record counts.
    pub fn release(offset: u64, reason: &str) -> Self {
        Self { ruling: Ruling::Release, offset, session_id: None, reason: cut(reason) }
    }

    /// As it stands in the log.
    pub fn to_record(&self) -> Record {
        Record::line(Bytes::from(serde_json::to_vec(self).expect("a verdict holds only plain data")))
    }

    /// What stands in a record, if it is a verdict.
    pub fn of(record: &Record) -> Option<Self> {
        match record.malformed {
            None => Self::decode(&record.value),
            Some(_) => None,
        }
    }

    pub(crate) fn decode(line: &[u8]) -> Option<Self> {
        // Asked of every line: the beginning tells nearly all of them apart.
        line.starts_with(BEGINNING).then(|| serde_json::from_slice(line).ok()).flatten()
    }
}

/// Whether a line begins as control records do.
pub(crate) fn is_control(line: &[u8]) -> bool {
    line.starts_with(BEGINNING)
}

fn cut(reason: &str) -> String {
    reason.chars().take(REASON_CHARS_MAX).collect()
}

/// An operator's order to say something about a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerdictRequest {
    /// Where the record stands.
    pub partition: u32,
    /// Where the record stands.
    pub offset: u64,
    /// What is to happen with it.
    pub ruling: Ruling,
    /// Why, for people: 1 to [`REASON_CHARS_MAX`] characters.
    pub reason: String,
}

/// A verdict that stands in the log now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictSpoken {
    /// Where the record stands that it is about.
    pub partition: u32,
    /// Where the record stands that it is about.
    pub offset: u64,
    /// What happens with it.
    pub ruling: Ruling,
    /// The verdict's own offset: who has read beyond it heeds it.
    pub at: u64,
}

/// All verdicts about one partition that are known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdicts(BTreeMap<u64, Known>);

/// The verdict that holds for one record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The offset of the control record that first said what holds.
    pub at: u64,
    /// The quarantine; none where the record was released.
    pub quarantine: Option<Quarantine>,
}

/// A record that does not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// The session for which it is refused; none for the whole partition.
    pub session_id: Option<SessionId>,
}

impl Verdicts {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is known of the record at `offset`.
    pub fn get(&self, offset: u64) -> Option<&Known> {
        self.0.get(&offset)
    }

    /// The quarantine in which the record at `offset` is.
    pub fn quarantine(&self, offset: u64) -> Option<&Quarantine> {
        self.0.get(&offset)?.quarantine.as_ref()
    }

    /// All, by the offset of the record they are about.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Known)> {
        self.0.iter().map(|(offset, known)| (*offset, known))
    }

    /// How many records are in quarantine.
    pub fn quarantined(&self) -> usize {
        self.0.values().filter(|known| known.quarantine.is_some()).count()
    }

    /// Takes note of the verdict at `at`, which may be known already. Answers whether something
    /// else holds now.
    pub fn note(&mut self, at: u64, verdict: &Verdict) -> bool {
        let quarantine = match verdict.ruling {
            Ruling::Quarantine => Some(Quarantine { session_id: verdict.session_id.clone() }),
            Ruling::Release => None,
        };
        let known = self.0.get(&verdict.offset);
        let is_news = match known {
            // Who released what was never in quarantine changed nothing.
            None => quarantine.is_some(),
            Some(known) => known.at < at && known.quarantine != quarantine,
        };
        // A verdict about what comes after it says nothing.
        if !is_news || verdict.offset >= at {
            return false;
        }
        self.0.insert(verdict.offset, Known { at, quarantine });
        true
    }

    /// Whether the same holds for the record at `offset` by both.
    pub fn agree(&self, other: &Self, offset: u64) -> bool {
        self.quarantine(offset) == other.quarantine(offset)
    }

    /// What was said below `next`. Of a record about which more was said since, what held then is not
    /// known any more: it counts as not in quarantine.
    #[must_use]
    pub fn heard(&self, next: u64) -> Self {
        Self(
            self.0
                .iter()
                .filter(|(_, known)| known.at < next)
                .map(|(offset, one)| (*offset, one.clone()))
                .collect(),
        )
    }

    /// The first record before `next` about which something was said at `next` or later: who has
    /// read up to there can't know it.
    pub fn unheard(&self, next: u64) -> Option<u64> {
        self.in_question(next).next().map(|(offset, _)| offset)
    }

    /// All such records, with what is known of them.
    pub fn in_question(&self, next: u64) -> impl Iterator<Item = (u64, &Known)> {
        self.0
            .range(..next)
            .filter(move |(_, known)| known.at >= next)
            .map(|(offset, known)| (*offset, known))
    }

    /// The first record before `next` that `other` treats otherwise.
    pub fn contradiction(&self, other: &Self, next: u64) -> Option<u64> {
        let mut offsets = self.0.range(..next).chain(other.0.range(..next)).map(|(offset, _)| *offset);
        offsets.find(|offset| !self.agree(other, *offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Option<SessionId> {
        SessionId::new(text)
    }

    #[test]
    fn a_verdict_survives_the_log_and_nothing_else_is_one() {
        let verdict = Verdict::quarantine(7, id("s1"), &"long ".repeat(200));
        assert_eq!(verdict.reason.len(), REASON_CHARS_MAX);
        assert_eq!(Verdict::of(&verdict.to_record()), Some(verdict));
        let release = Verdict::release(7, "mended");
        assert_eq!(
            release.to_record().value,
            Bytes::from_static(br#"{"tandem":"release","offset":7,"reason":"mended"}"#)
        );
        for line in [
            r#"{"tandem":"forget","offset":7,"reason":""}"#,
            r#"{"tandem":"release","offset":-7,"reason":""}"#,
            r#"{"tandem":"release","offset":7}"#,
            r#"{"tandem":"quarantine","offset":7,"session_id":"a b","reason":""}"#,
            r#"{"type":"beat","beat":1,"ts":1000}"#,
        ] {
            assert_eq!(Verdict::of(&Record::line(Bytes::from_static(line.as_bytes()))), None, "{line}");
        }
    }

    #[test]
    fn the_later_verdict_holds_in_whatever_order_they_are_heard() {
        let quarantine = Verdict::quarantine(7, id("s1"), "");
        let release = Verdict::release(7, "");
        let mut heard = Verdicts::default();
        assert!(!heard.note(9, &release), "nothing to release");
        assert!(heard.note(10, &quarantine));
        assert!(!heard.note(11, &quarantine), "known");
        assert_eq!(heard.get(7).map(|known| known.at), Some(10));
        assert!(heard.note(20, &release));
        assert!(!heard.note(10, &quarantine), "older than what is known");
        assert_eq!((heard.quarantine(7), heard.quarantined()), (None, 0));
        assert!(heard.note(30, &Verdict::quarantine(7, None, "")));
        assert_eq!(heard.quarantined(), 1);
        assert!(!heard.note(30, &Verdict::quarantine(30, None, "")), "about itself");
        assert!(!heard.note(30, &Verdict::quarantine(31, None, "")), "about what comes");
    }

    #[test]
    fn who_has_not_read_so_far_can_not_know() {
        let mut known = Verdicts::default();
        known.note(10, &Verdict::quarantine(7, None, ""));
        assert_eq!(known.unheard(7), None, "it has not read the record either");
        assert_eq!(known.unheard(8), Some(7));
        assert_eq!(known.unheard(10), Some(7));
        assert_eq!(known.unheard(11), None);
        assert_eq!(known.contradiction(&Verdicts::default(), 8), Some(7));
        assert_eq!(known.contradiction(&Verdicts::default(), 7), None);
        assert_eq!(Verdicts::default().contradiction(&known, 8), Some(7));
    }
}
