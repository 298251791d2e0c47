//! New definitions of computed metrics: control records in the log that say by which formula a metric
//! is computed from when on.
//!
//! They stand in partition [`PARTITION`], and hold for all. From when on is a moment of the log's clock,
//! at least [`NOTICE_MS`] after the clock at the record, so whoever knows the partition up to a beat
//! knows what holds at every cut of any partition for that long ahead. An answer is computed by what
//! holds at the clock of its cut (`as_of`): a function of the log, the same on both chains and for
//! whoever reads the past. Stored metrics never change their meaning.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::catalogue::{COMPUTED, Computed, Formula, Metric};
use crate::position::PartitionId;
use crate::record::Record;
use crate::time::{INT_MAX, MINUTE_MS};
use crate::verdict::REASON_CHARS_MAX;

/// Where definitions stand.
pub const PARTITION: PartitionId = PartitionId(0);
/// How far ahead a definition says that it will hold, at least, in milliseconds of the log's clock.
pub const NOTICE_MS: u64 = MINUTE_MS;
/// How many definitions a log can hold.
pub const DEFINITIONS_MAX: usize = 1_000;

const BEGINNING: &[u8] = br#"{"tandem":"define","#;

/// A new definition of a computed metric, as an operator gives it and as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// The id of the metric.
    pub metric: String,
    /// The version of the definition: one more than that of the newest before it.
    pub version: u32,
    /// The formula, as text.
    pub formula: String,
    /// It holds at every cut whose clock is not before this, in milliseconds: from the first beat that is
    /// not before it.
    pub from: u64,
    /// Why, for people: 1 to [`REASON_CHARS_MAX`] characters.
    pub reason: String,
}

/// A definition that stands in the log now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefinitionSpoken {
    /// The id of the metric.
    pub metric: String,
    /// The version of the definition.
    pub version: u32,
    /// The formula, in its one form.
    pub formula: String,
    /// From when on it holds, in milliseconds of the log's clock.
    pub from: u64,
    /// Where it stands.
    pub partition: u32,
    /// The record's own offset.
    pub at: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "tandem", rename_all = "lowercase")]
enum Control {
    Define(Definition),
}

impl Definition {
    /// As it stands in the log.
    pub fn to_record(&self) -> Record {
        let control = Control::Define(self.clone());
        Record::line(Bytes::from(serde_json::to_vec(&control).expect("a definition holds only plain data")))
    }

    /// Whether a line begins as definitions do: it is one, or a malformed one.
    pub fn is_one(line: &[u8]) -> bool {
        line.starts_with(BEGINNING)
    }

    pub(crate) fn decode(line: &[u8]) -> Option<Self> {
        let Control::Define(definition) = serde_json::from_slice(line).ok()?;
        Some(definition)
    }

    /// What it says, as far as it can be told without what was said before.
    ///
    /// # Errors
    ///
    /// What is wrong with it, for people.
    pub fn read(&self) -> Result<(&'static Computed, Formula), String> {
        let Some(Metric::Computed(computed)) = Metric::from_id(&self.metric) else {
            let known: Vec<_> = COMPUTED.iter().map(|computed| computed.id).collect();
            return Err(format!("only computed metrics can be defined anew: {}", known.join(", ")));
        };
        let formula: Formula = self.formula.parse()?;
        computed.admits(&formula)?;
        if !(1..=REASON_CHARS_MAX).contains(&self.reason.trim().chars().count()) {
            return Err(format!("`reason` must have 1 to {REASON_CHARS_MAX} characters"));
        }
        if self.from > INT_MAX {
            return Err(format!("`from` is at most {INT_MAX} milliseconds"));
        }
        Ok((computed, formula))
    }
}

/// The definitions that a log holds beside those in the catalogue, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definitions(Vec<Definition>);

impl Definitions {
    /// All, in the order of the log.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Definition> {
        self.0.iter()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none: the catalogue holds as it is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The newest definition of a metric: its version, and from when on it holds.
    pub fn newest(&self, computed: &Computed) -> (u32, u64) {
        let newest = self.0.iter().rev().find(|known| known.metric == computed.id);
        newest.map_or((computed.definition, 0), |known| (known.version, known.from))
    }

    /// Takes in a definition that came when the log's clock stood at `clock`.
    ///
    /// # Errors
    ///
    /// Why it does not hold, for people; then nothing changes.
    pub fn note(&mut self, definition: &Definition, clock: u64) -> Result<(), String> {
        let (computed, _) = definition.read()?;
        let (version, from) = self.newest(computed);
        if definition.version != version.saturating_add(1) {
            return Err(format!("the newest definition of {} is {version}", computed.id));
        }
        let earliest = clock.saturating_add(NOTICE_MS).max(from);
        if definition.from < earliest {
            return Err(format!("`from` is at least {earliest}"));
        }
        if self.0.len() == DEFINITIONS_MAX {
            return Err(format!("a log holds at most {DEFINITIONS_MAX} definitions"));
        }
        self.0.push(definition.clone());
        Ok(())
    }

    /// Adds definitions that a log took in after these.
    pub fn extend(&mut self, later: impl IntoIterator<Item = Definition>) {
        self.0.extend(later);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::decode;
    use crate::event::Line;

    fn definition(version: u32, from: u64) -> Definition {
        Definition {
            metric: "aov_fen".to_owned(),
            version,
            formula: "(gmv_fen-refund_fen)/orders".to_owned(),
            from,
            reason: "what is given back was not sold".to_owned(),
        }
    }

    #[test]
    fn a_definition_survives_the_log() {
        let record = definition(2, 60_000).to_record();
        assert!(Definition::is_one(&record.value));
        let expected = br#"{"tandem":"define","metric":"aov_fen","version":2,"formula":"(gmv_fen-refund_fen)/orders","from":60000,"reason":"what is given back was not sold"}"#;
        assert_eq!(record.value, Bytes::from_static(expected));
        assert_eq!(decode(&record.value), Ok(Line::Definition(Box::new(definition(2, 60_000)))));
        let text = std::str::from_utf8(expected).expect("text");
        for wrong in [
            text.replace("define", "defined"),
            text.replace(r#""version":2"#, r#""version":-2"#),
            text.replace(r#""version":2,"#, ""),
            text.replace(r#""version":2"#, r#""version":2,"more":1"#),
            text.replace('}', ""),
        ] {
            let problem = decode(wrong.as_bytes()).expect_err(&wrong).problem;
            assert_eq!(problem, crate::malformed::Problem::BadControl, "{wrong}");
        }
    }

    #[test]
    fn versions_follow_one_another_and_are_told_ahead() {
        let mut known = Definitions::default();
        let mut note = |definition: Definition, clock| known.note(&definition, clock);
        assert_eq!(note(definition(1, 60_000), 0), Err("the newest definition of aov_fen is 1".to_owned()));
        assert!(note(definition(3, 60_000), 0).is_err());
        assert_eq!(note(definition(2, 69_999), 10_000), Err("`from` is at least 70000".to_owned()));
        assert_eq!(note(definition(2, 90_000), 10_000), Ok(()));
        assert!(note(definition(2, 90_000), 10_000).is_err(), "the same again");
        assert_eq!(note(definition(3, 89_999), 20_000), Err("`from` is at least 90000".to_owned()));
        assert_eq!(note(definition(3, 90_000), 20_000), Ok(()), "instead of one that never held");
        assert_eq!(known.len(), 2);
    }

    #[test]
    fn only_what_can_define_a_metric_does() {
        let wrong = [
            Definition { metric: "gmv_fen".to_owned(), ..definition(2, 60_000) },
            Definition { metric: "nothing".to_owned(), ..definition(2, 60_000) },
            Definition { formula: "gmv_fen".to_owned(), ..definition(2, 60_000) },
            Definition { formula: "gmv_fen/".to_owned(), ..definition(2, 60_000) },
            Definition { reason: " ".to_owned(), ..definition(2, 60_000) },
            Definition { reason: "x".repeat(REASON_CHARS_MAX + 1), ..definition(2, 60_000) },
            definition(2, INT_MAX + 1),
        ];
        let mut known = Definitions::default();
        for definition in wrong {
            assert!(known.note(&definition, 0).is_err(), "{definition:?}");
        }
        assert!(known.is_empty());
    }
}
