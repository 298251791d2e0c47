//! What has to be known before a session is replayed.

use tandem_model::decode::decode;
use tandem_model::event::Line;
use tandem_model::{Record, SessionId, Verdict, Verdicts};

/// A look at the records of a partition, from some place on.
///
/// Where a moment is asked for, its cut lies right behind the newest beat that is not later. That is
/// told by the beats as they stand in the log: whether one of them was put into quarantine
/// afterwards changes what is counted at the cut, not where it lies.
#[derive(Clone, Debug)]
pub struct Survey {
    session_id: SessionId,
    moments: Vec<Moment>,
    clock: u64,
    /// Where the newest beat that counts stands.
    beat_at: Option<u64>,
    start: Option<u64>,
    verdicts: Vec<(u64, Verdict)>,
}

#[derive(Clone, Copy, Debug)]
struct Moment {
    ms: u64,
    next: Option<u64>,
}

impl Survey {
    /// A look for `session_id`, and for the cuts of these moments (milliseconds).
    pub fn new(session_id: SessionId, moments: impl IntoIterator<Item = u64>) -> Self {
        let moments = moments.into_iter().map(|ms| Moment { ms, next: None }).collect();
        Self { session_id, moments, clock: 0, beat_at: None, start: None, verdicts: Vec::new() }
    }

    /// Looks at the record at `offset`, in the order of the log.
    pub fn apply(&mut self, offset: u64, record: &Record) {
        let named = match &record.malformed {
            Some(refusal) => refusal.reason.session_id.as_ref() == Some(&self.session_id),
            None => match decode(&record.value) {
                Ok(Line::Beat { ts }) => {
                    self.beat(offset, ts);
                    false
                }
                Ok(Line::Verdict(verdict)) => {
                    self.verdicts.push((offset, *verdict));
                    false
                }
                Ok(Line::Event(event)) => event.session_id == self.session_id.as_str(),
                Err(malformed) => malformed.session_id.as_ref() == Some(&self.session_id),
            },
        };
        if named && self.start.is_none() {
            // From the beat before on, so that the clock is right.
            self.start = Some(self.beat_at.unwrap_or(offset));
        }
    }

    fn beat(&mut self, offset: u64, ts: u64) {
        if ts <= self.clock {
            return;
        }
        self.clock = ts;
        self.beat_at = Some(offset);
        for moment in self.moments.iter_mut().filter(|moment| ts <= moment.ms) {
            moment.next = Some(offset + 1);
        }
    }

    /// Whether all moments lie before the newest beat: later records don't change their cuts.
    pub fn is_decided(&self) -> bool {
        self.moments.iter().all(|moment| moment.ms < self.clock)
    }

    /// The cuts of the moments, in the order in which they were asked for: the offset after the beat;
    /// none before the first beat.
    pub fn cuts(&self) -> impl Iterator<Item = Option<u64>> {
        self.moments.iter().map(|moment| moment.next)
    }

    /// What was heard of records by whoever has read up to `next`.
    pub fn verdicts(&self, next: u64) -> Verdicts {
        let mut known = Verdicts::default();
        for (at, verdict) in self.verdicts.iter().filter(|(at, _)| *at < next) {
            known.note(*at, verdict);
        }
        known
    }

    /// Where a replay of the session may begin: at or before its first record, and where the clock
    /// comes right. None where no record names the session.
    ///
    /// It holds for what was looked at; a verdict about what stands before is a reason to begin at the
    /// beginning of the log: see [`Survey::reaches_before`].
    pub fn start(&self) -> Option<u64> {
        self.start
    }

    /// Whether a verdict is about a record at or before `start`.
    pub fn reaches_before(&self, start: u64) -> bool {
        self.verdicts.iter().any(|(_, verdict)| verdict.offset <= start)
    }
}
