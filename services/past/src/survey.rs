//! What has to be known before a session is replayed.

use tandem_model::decode::decode;
use tandem_model::event::Line;
use tandem_model::{Record, SessionId, Verdict, Verdicts};

/// A look at the records of a partition, from some place on.
///
/// Where a moment is asked for, its cut lies right behind the newest beat that is not later, or, of an
/// edition, behind the first that is not earlier. That is told by the beats as they stand in the log:
/// whether one of them was put into quarantine afterwards changes what is counted at the cut, not
/// where it lies.
#[derive(Clone, Debug)]
pub struct Survey {
    session_id: SessionId,
    moments: Vec<Looked>,
    clock: u64,
    /// Where the newest beat that counts stands.
    beat_at: Option<u64>,
    start: Option<u64>,
    verdicts: Vec<(u64, Verdict)>,
}

/// A moment, in milliseconds, that a cut is looked for at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Behind the newest beat that is not later.
    UpTo(u64),
    /// Behind the first beat that is not earlier: so editions are cut.
    Edition(u64),
}

#[derive(Clone, Copy, Debug)]
struct Looked {
    moment: Moment,
    /// Where its cut lies, as far as was looked.
    next: Option<u64>,
}

impl Looked {
    fn beat(&mut self, offset: u64, ts: u64) {
        let is_its = match self.moment {
            Moment::UpTo(ms) => ts <= ms,
            Moment::Edition(ms) => ts >= ms && self.next.is_none(),
        };
        if is_its {
            self.next = Some(offset + 1);
        }
    }

    fn is_decided(&self, clock: u64) -> bool {
        match self.moment {
            Moment::UpTo(ms) => ms < clock,
            Moment::Edition(_) => self.next.is_some(),
        }
    }
}

impl Survey {
    /// A look for `session_id`, and for the cuts of these moments.
    pub fn new(session_id: SessionId, moments: impl IntoIterator<Item = Moment>) -> Self {
        let moments = moments.into_iter().map(|moment| Looked { moment, next: None }).collect();
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
                Ok(Line::Definition(_)) => false,
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
        self.moments.iter_mut().for_each(|moment| moment.beat(offset, ts));
    }

    /// Whether no later record changes the cuts of the moments.
    pub fn is_decided(&self) -> bool {
        self.moments.iter().all(|moment| moment.is_decided(self.clock))
    }

    /// The cuts of the moments, in the order in which they were asked for: the offset after the beat;
    /// none where there was no such beat.
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
