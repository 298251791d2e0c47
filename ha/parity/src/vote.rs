//! The third vote: what is in question, recomputed from the log by the plain method.
//!
//! Copies of sessions and digests at beats go in, then the records of one partition from its first
//! on; each copy is held against what was recomputed up to exactly its own cut. Only records that
//! concern the sessions in question are applied (and the beats, which concern all), so memory does
//! not grow with the partition; digests are of everything, so for them everything is.

use std::collections::BTreeMap;

use tandem_model::calendar::Calendar;
use tandem_model::decode::decode;
use tandem_model::digest::TABLES;
use tandem_model::event::Line;
use tandem_model::route::Chain;
use tandem_model::row::BeatDigest;
use tandem_model::{PartitionId, PseudonymKey, Record, Rules, SessionId, Stored, Values, Verdicts};
use tandem_plain::Plain;

use crate::claim::{Claim, OFFSET, Place, Store, against_log, text};

/// A chain's digests after one beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BeatClaim {
    /// The chain.
    pub chain: Chain,
    /// What it says.
    pub beat: BeatDigest,
}

/// A vote while the log is read.
pub struct Vote {
    plain: Plain,
    verdicts: Verdicts,
    sessions: Vec<SessionId>,
    is_about_all: bool,
    /// The earliest last, so that it is popped first.
    due: Vec<(u64, Due)>,
    outcome: Outcome,
}

enum Due {
    Claim(Claim),
    Beat(BeatClaim),
}

/// What came of a vote.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Each copy and digest that was put to the vote, in the order of their cuts.
    pub judged: Vec<Judged>,
}

/// What the log says of one copy.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The chain.
    pub chain: Chain,
    /// Where the copy lies; none for digests.
    pub store: Option<Store>,
    /// The session; none for digests.
    pub session_id: Option<SessionId>,
    /// What is wrong with it, if anything.
    pub wrong: Option<Wrong>,
}

/// What is wrong with a copy.
#[derive(Clone, Debug)]
pub struct Wrong {
    /// The first place, in a fixed order: session, table, breakdown, key, bucket, column. None for
    /// digests, and for a copy of what the log does not hold yet.
    pub place: Option<Place>,
    /// The table whose digest differs.
    pub table: Option<&'static str>,
    /// What the copy says there.
    pub found: String,
    /// What the log gives there.
    pub log: String,
    /// The whole row as the log gives it: columns that are not 0, and its version.
    pub row: Option<BTreeMap<&'static str, u64>>,
    /// How many places differ in this copy.
    pub places: u64,
}

impl Vote {
    /// A vote about these copies and digests, all of one `partition` of `partitions`, whose rows are in
    /// `calendar`.
    ///
    /// None where something was said about a record (`verdicts`, all that the log holds) that some
    /// of them have counted and can't have heard of: they go back for it, and then it can be told
    /// who is wrong.
    pub fn new(
        partition: PartitionId,
        partitions: u32,
        calendar: &Calendar,
        claims: Vec<Claim>,
        beats: Vec<BeatClaim>,
        verdicts: Verdicts,
    ) -> Option<Self> {
        let mut nexts =
            claims.iter().map(|claim| claim.cut.next).chain(beats.iter().map(|beat| beat.beat.offset + 1));
        if nexts.any(|next| verdicts.unheard(next).is_some()) {
            return None;
        }
        let mut sessions: Vec<SessionId> = claims.iter().map(|claim| claim.session_id.clone()).collect();
        sessions.sort_unstable();
        sessions.dedup();
        let is_about_all = !beats.is_empty();
        let beats = beats.into_iter().map(|beat| (beat.beat.offset + 1, Due::Beat(beat)));
        let claims = claims.into_iter().map(|claim| (claim.cut.next, Due::Claim(claim)));
        let mut due: Vec<(u64, Due)> = claims.chain(beats).collect();
        due.sort_by_key(|(position, _)| std::cmp::Reverse(*position));
        // No rejected events are compared, and nothing else shows a pseudonym.
        let rules = Rules { key: PseudonymKey::new([0; 16]), calendar: calendar.clone() };
        let plain = Plain::new(partition, partitions, rules).without_rejected();
        let plain = plain.with_verdicts(verdicts.clone());
        Some(Self { plain, verdicts, sessions, is_about_all, due, outcome: Outcome::default() })
    }

    /// The record at `offset`, in the order of the log, from its first on.
    pub fn apply(&mut self, offset: u64, record: &Record) {
        // Offsets may have holes, so what is due is anything up to this record.
        self.judge_until(offset);
        if self.is_about_all || self.concerns(offset, record) {
            self.plain.apply(offset, record);
        }
    }

    /// Whether everything is judged: no more records are needed.
    pub fn is_decided(&self) -> bool {
        self.due.is_empty()
    }

    /// The outcome, where the log was read up to `next`. What stands for more than that claims to
    /// have read what is not there.
    pub fn finish(mut self, next: u64) -> Outcome {
        self.judge_until(next);
        while let Some((position, due)) = self.due.pop() {
            let wrong = Wrong {
                place: None,
                table: None,
                found: format!("everything below offset {position}"),
                log: format!("ends at offset {next}"),
                row: None,
                places: 1,
            };
            self.note(&due, Some(wrong));
        }
        self.outcome
    }

    fn concerns(&self, offset: u64, record: &Record) -> bool {
        let named = |id: &str| self.sessions.iter().any(|session| session.as_str() == id);
        if let Some(quarantine) = self.verdicts.quarantine(offset) {
            return quarantine.session_id.as_ref().is_some_and(|id| named(id.as_str()));
        }
        let malformed = match &record.malformed {
            Some(refusal) => refusal.reason.clone(),
            None => match decode(&record.value) {
                Ok(Line::Beat { .. } | Line::Verdict(_) | Line::Definition(_)) => return true,
                Ok(Line::Event(event)) => return named(&event.session_id),
                Err(malformed) => malformed,
            },
        };
        malformed.session_id.is_some_and(|id| named(id.as_str()))
    }

    fn judge_until(&mut self, position: u64) {
        while let Some((_, due)) = self.due.pop_if(|(due, _)| *due <= position) {
            let wrong = match &due {
                Due::Claim(claim) => self.claim(claim),
                Due::Beat(beat) => self.beat(beat),
            };
            self.note(&due, wrong);
        }
    }

    fn note(&mut self, due: &Due, wrong: Option<Wrong>) {
        let judged = match due {
            Due::Claim(claim) => Judged {
                chain: claim.chain,
                store: Some(claim.store),
                session_id: Some(claim.session_id.clone()),
                wrong,
            },
            Due::Beat(beat) => Judged { chain: beat.chain, store: None, session_id: None, wrong },
        };
        self.outcome.judged.push(judged);
    }

    fn claim(&self, claim: &Claim) -> Option<Wrong> {
        let figures = self.plain.session(claim.session_id.as_str());
        let (place, places) = against_log(claim, figures.as_ref());
        let place = place?;
        let row = place.key().and_then(|key| figures.as_ref()?.rows.get(key));
        let row = row.map(|(values, offset)| (values, *offset));
        let session = figures.as_ref().map(|figures| &figures.session);
        Some(Wrong {
            table: None,
            found: claim.text(&place),
            log: text(&place, session, row),
            row: row.map(|(values, offset)| columns(values, offset)),
            place: Some(place),
            places,
        })
    }

    fn beat(&self, claim: &BeatClaim) -> Option<Wrong> {
        let digests = self.plain.digests();
        let tables = TABLES.iter().zip(digests.0.iter().zip(&claim.beat.digests.0));
        let mut differing = tables.filter(|(_, (log, found))| log != found);
        let (table, (log, found)) = differing.next()?;
        Some(Wrong {
            place: None,
            table: Some(table),
            found: format!("{found:032x}"),
            log: format!("{log:032x}"),
            row: None,
            places: 1 + differing.count() as u64,
        })
    }
}

/// A row as it is shown: columns that are not 0, and its version.
pub(crate) fn columns(values: &Values, offset: u64) -> BTreeMap<&'static str, u64> {
    let columns = Stored::ALL.iter().zip(values).filter(|(_, value)| **value != 0);
    columns.map(|(stored, value)| (stored.id(), *value)).chain([(OFFSET, offset)]).collect()
}

impl Outcome {
    /// Whether each of the chains a and b was found wrong somewhere.
    pub fn wrong_chains(&self) -> [bool; 2] {
        Chain::ALL
            .map(|chain| self.judged.iter().any(|judged| judged.chain == chain && judged.wrong.is_some()))
    }
}
