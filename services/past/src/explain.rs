//! Why two readings of a session differ.
//!
//! Records are applied one at a time, and what the session's total row gains or loses by each is put
//! down to its cause. So the parts add up to the difference by construction: no second rule counts
//! anything. What verdicts say about records that the first reading had counted is the difference
//! between two replays up to its cut, one that knows them and one that does not.

use std::collections::BTreeMap;

use tandem_model::catalogue::STORED;
use tandem_model::decode::decode;
use tandem_model::event::{Kind, Line};
use tandem_model::{PartitionId, Record, Rules, SessionId, Stored, Values, Verdicts};

use crate::replay::{Replay, Then};

/// How many samples a part has at most: the first ones in the log.
pub const SAMPLES_MAX: usize = 5;

/// What a difference comes of. A record has one cause: the first here that fits, from the bottom up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Accepted events whose `ts` is at or after the clock of the first reading, or that came before
    /// there was a clock.
    NewEvents,
    /// Accepted events whose `ts` is before that clock: they belong to time that the first reading
    /// had covered.
    LateArrivals,
    /// Accepted `order_refunded` events, whatever their `ts`.
    Refunds,
    /// Beats: gauges are sampled.
    Beats,
    /// Events that were refused, and are counted as such: late, future, duplicate, malformed.
    Refused,
    /// Verdicts: what they took away or gave back of what the first reading had counted, and records
    /// after it that are refused because of them.
    Quarantine,
}

impl Cause {
    /// All causes.
    pub const ALL: [Self; 6] =
        [Self::NewEvents, Self::LateArrivals, Self::Refunds, Self::Beats, Self::Refused, Self::Quarantine];

    /// Its name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NewEvents => "new_events",
            Self::LateArrivals => "late_arrivals",
            Self::Refunds => "refunds",
            Self::Beats => "beats",
            Self::Refused => "refused",
            Self::Quarantine => "quarantine",
        }
    }
}

/// One record that a difference comes of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Where it stands in the session's partition; of a verdict, where that stands.
    pub offset: u64,
    /// The record that a verdict is about, where it is one.
    pub about: Option<u64>,
    /// The type of the event; `beat`, `malformed`, `quarantine` or `release` for what is none.
    pub what: &'static str,
    /// The event's id, where it has one.
    pub event_id: Option<String>,
    /// When it happened, in milliseconds, where that is known.
    pub ts: Option<u64>,
    /// What it added; none where several verdicts changed a figure together.
    pub added: Option<i128>,
}

/// What one cause adds to a difference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// How much.
    pub difference: i128,
    /// By how many records.
    pub records: u64,
    /// The first of them, [`SAMPLES_MAX`] at most.
    pub samples: Vec<Sample>,
}

/// Two readings, and what lies between them.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The first reading.
    pub from: Then,
    /// The second.
    pub to: Then,
    /// Per metric and cause; what is not there is nothing.
    pub parts: BTreeMap<(Stored, Cause), Part>,
}

/// A way from one reading to another.
pub struct Explaining {
    /// Where the first reading ends.
    from_next: u64,
    /// Who knows what was known then; none where the other one treats the same records alike.
    earlier: Option<Replay>,
    later: Replay,
    verdicts: Verdicts,
    /// The first reading, once it is passed.
    passed: Option<Passed>,
    parts: BTreeMap<(Stored, Cause), Part>,
}

struct Passed {
    then: Option<Then>,
    clock: u64,
    room: Values,
}

impl Explaining {
    /// A way from the cut that ends at `from_next`, where `heard` was known of records, to one at which
    /// `verdicts` are. None of the log was applied.
    pub fn new(
        session_id: &SessionId,
        partition: PartitionId,
        partitions: u32,
        rules: impl Into<Rules>,
        from_next: u64,
        heard: &Verdicts,
        verdicts: &Verdicts,
    ) -> Self {
        let rules = rules.into();
        let replay = |known: &Verdicts| {
            Replay::new(session_id.clone(), partition, partitions, rules.clone(), known.clone())
        };
        Self {
            from_next,
            earlier: heard.contradiction(verdicts, from_next).map(|_| replay(heard)),
            later: replay(verdicts),
            verdicts: verdicts.clone(),
            passed: None,
            parts: BTreeMap::new(),
        }
    }

    /// Applies the record at `offset`: as with [`Replay::apply`].
    pub fn apply(&mut self, offset: u64, record: &Record) {
        if offset < self.from_next {
            self.later.apply(offset, record);
            if let Some(earlier) = &mut self.earlier {
                earlier.apply(offset, record);
            }
            return;
        }
        let (clock, before) = {
            let passed = self.pass();
            (passed.clock, passed.room)
        };
        let Some(step) = self.later.step(offset, record) else { return };
        if step.room == before {
            return;
        }
        let is_quarantined = self.verdicts.quarantine(offset).is_some();
        let (cause, sample) = cause_of(offset, record, clock, step.is_refused, is_quarantined);
        for (column, added) in differences(&before, &step.room) {
            let part = self.parts.entry((column, cause)).or_default();
            part.difference += added;
            part.records += 1;
            if part.samples.len() < SAMPLES_MAX {
                part.samples.push(Sample { added: Some(added), ..sample.clone() });
            }
        }
        if let Some(passed) = &mut self.passed {
            passed.room = step.room;
        }
    }

    /// The explanation, where everything below `to_next` was applied; none where the session does not
    /// exist yet at the first cut.
    pub fn finish(mut self, to_next: u64) -> Option<Explanation> {
        let from = self.pass().then.take()?;
        let to = self.later.then(to_next)?;
        Some(Explanation { from, to, parts: self.parts })
    }

    /// Passes the first reading, unless it is passed already.
    fn pass(&mut self) -> &mut Passed {
        if self.passed.is_none() {
            let reading = self.earlier.as_mut().unwrap_or(&mut self.later);
            let (then, clock, before) = (reading.then(self.from_next), reading.clock(), reading.room());
            let room = self.later.room();
            self.correct(&before, &room);
            self.earlier = None;
            self.passed = Some(Passed { then, clock, room });
        }
        self.passed.as_mut().expect("it was put there")
    }

    /// Puts down what verdicts changed of the first reading.
    fn correct(&mut self, before: &Values, after: &Values) {
        let verdicts: Vec<_> = self.verdicts.in_question(self.from_next).collect();
        let is_one = verdicts.len() == 1;
        for (column, added) in differences(before, after) {
            let samples = verdicts.iter().take(SAMPLES_MAX).map(|(about, known)| Sample {
                offset: known.at,
                about: Some(*about),
                what: if known.quarantine.is_some() { "quarantine" } else { "release" },
                event_id: None,
                ts: None,
                added: is_one.then_some(added),
            });
            let part = Part { difference: added, records: verdicts.len() as u64, samples: samples.collect() };
            self.parts.insert((column, Cause::Quarantine), part);
        }
    }
}

fn differences(before: &Values, after: &Values) -> impl Iterator<Item = (Stored, i128)> {
    let columns: [i128; STORED] =
        std::array::from_fn(|index| i128::from(after[index]) - i128::from(before[index]));
    Stored::ALL.iter().copied().zip(columns).filter(|(_, added)| *added != 0)
}

fn cause_of(
    offset: u64,
    record: &Record,
    clock: u64,
    is_refused: bool,
    is_quarantined: bool,
) -> (Cause, Sample) {
    let nothing = Sample { offset, about: None, what: "malformed", event_id: None, ts: None, added: None };
    let line = record.malformed.is_none().then(|| decode(&record.value).ok()).flatten();
    let (accepted, sample) = match line {
        Some(Line::Event(event)) => {
            let cause = match event.kind {
                Kind::OrderRefunded { .. } => Cause::Refunds,
                _ if event.ts < clock => Cause::LateArrivals,
                _ => Cause::NewEvents,
            };
            let sample = Sample {
                what: event.kind.event_type().name(),
                event_id: Some(event.event_id.into_owned()),
                ts: Some(event.ts),
                ..nothing
            };
            (cause, sample)
        }
        Some(Line::Beat { ts }) => (Cause::Beats, Sample { what: "beat", ts: Some(ts), ..nothing }),
        Some(Line::Verdict(_) | Line::Definition(_)) | None => (Cause::Refused, nothing),
    };
    match (is_quarantined, is_refused) {
        (true, _) => (Cause::Quarantine, sample),
        (false, true) => (Cause::Refused, sample),
        (false, false) => (accepted, sample),
    }
}
