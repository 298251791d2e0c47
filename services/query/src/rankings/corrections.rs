//! Corrections: what verdicts changed of editions that were closed when they were spoken.
//!
//! A closed edition stays as it was. What it was is worked out when somebody asks: the sessions that were
//! judged since then are replayed from the log up to the cut where the period was closed, by what had been
//! heard there ([`tandem_past`]), and stand in for what is known of them now. So no store keeps more for it, and
//! both chains say the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::try_join_all;
use tandem_boards::{Facts, Replaced};
use tandem_model::problem::Problem;
use tandem_model::{PartitionId, SessionId, Step};
use tandem_storage::{ChainStores, EventLog, StoreError};

use super::gathered::{Gathered, PARTS};
use crate::past::{Answer, Desk, Question, What};

/// How many sets of sessions as they were are kept for who asks next.
const REPLACED_MAX: usize = 4;

/// What is known of corrections.
#[derive(Default)]
pub(super) struct Corrections {
    /// Sessions that were judged, in the order of slots within each partition.
    judged: Vec<Judged>,
    /// Up to which slot they are known.
    to: Option<u64>,
    /// By the slots of the closed edition and of the one as of which it was known: the oldest question first.
    replaced: Vec<((u64, u64), Replaced)>,
}

/// A session about whose records there is a verdict.
#[derive(Clone, Debug)]
pub(super) struct Judged {
    /// Slot of the cut behind the verdict.
    slot: u64,
    /// `ts` of its beat.
    ts: u64,
    /// The clock when its record came.
    came_at: u64,
    partition: PartitionId,
    session_id: SessionId,
}

impl Judged {
    /// Whether its record was there when a period was closed by the cut of `closed`, and the verdict was not
    /// heard by the one of `heard`.
    const fn is_about(&self, closed: u64, heard: u64) -> bool {
        self.came_at < closed && self.slot > heard
    }
}

impl Corrections {
    /// Who was judged up to the cut of `slot` and is not known yet.
    pub(super) async fn news(
        &self,
        stores: &ChainStores,
        partitions: u32,
        slot: u64,
    ) -> Result<Vec<Judged>, StoreError> {
        let mut news = Vec::new();
        for partition in (0..partitions).map(PartitionId) {
            let mut from = self.to.map_or(0, |to| to + 1);
            loop {
                let parts = stores.editions.parts(partition, Step::Judged, from, PARTS).await?;
                let Some(last) = parts.last() else { break };
                from = last.slot + 1;
                for part in parts.into_iter().filter(|part| part.slot <= slot) {
                    let (slot, ts) = (part.slot, part.ts);
                    news.extend(part.sessions.into_iter().map(|session| Judged {
                        slot,
                        ts,
                        came_at: session.came_at,
                        partition,
                        session_id: session.session_id,
                    }));
                }
                if from > slot {
                    break;
                }
            }
        }
        Ok(news)
    }

    pub(super) fn note(&mut self, news: Vec<Judged>, slot: u64) {
        self.judged.extend(news);
        self.to = Some(slot);
    }

    /// When the last verdict about what was closed by the cut of `closed` was heard: after that cut, and not after
    /// the one of `heard`.
    pub(super) fn last(&self, closed: u64, heard: u64) -> Option<u64> {
        let judged = self.judged.iter().filter(|one| one.is_about(closed, closed) && one.slot <= heard);
        judged.map(|one| one.ts).max()
    }

    /// Whether there are verdicts about what was closed by the cut of `closed` that came after the one of `heard`.
    pub(super) fn has_since(&self, closed: u64, heard: u64) -> bool {
        self.judged.iter().any(|one| one.is_about(closed, heard))
    }

    /// The sessions as they were at the cut of `closed` by what was known at that of `heard`, if they are at
    /// hand.
    pub(super) fn then(&self, closed: u64, heard: u64) -> Option<&Replaced> {
        self.replaced.iter().find(|(slots, _)| *slots == (closed, heard)).map(|(_, replaced)| replaced)
    }
}

impl Gathered {
    /// Sees to it that the sessions that were judged after the cut of `heard` are at hand as they were at the cut
    /// of `closed`, by what was known at that of `heard`: those of which anything was there by then.
    ///
    /// # Errors
    ///
    /// When it takes long; when the log can't be read that far back, or this build can't count what another one
    /// had counted then.
    pub(super) async fn look_back(
        &mut self,
        desk: &Desk,
        log: &Arc<dyn EventLog>,
        closed: u64,
        heard: u64,
    ) -> Result<(), Problem> {
        if self.corrections.then(closed, heard).is_some() {
            return Ok(());
        }
        let judged = self.corrections.judged.iter().filter(|one| one.is_about(closed, heard));
        let sessions: BTreeMap<&SessionId, PartitionId> =
            judged.map(|one| (&one.session_id, one.partition)).collect();
        let answers = sessions.into_iter().map(async |(session_id, partition)| {
            let what = What::Edition { at: closed, heard };
            let question = Question { session_id: session_id.clone(), partition, what };
            let limit = self.cuts.get(partition.0 as usize).map_or(0, |cut| cut.next);
            Ok::<_, Problem>((session_id.clone(), desk.ask(log, &question, limit).await?))
        });
        let answers = try_join_all(answers).await?;
        let replaced = replaced(&mut self.facts, answers);
        let kept = &mut self.corrections.replaced;
        if kept.len() >= REPLACED_MAX {
            kept.remove(0);
        }
        kept.push(((closed, heard), replaced));
        Ok(())
    }
}

fn replaced(facts: &mut Facts, answers: Vec<(SessionId, Answer)>) -> Replaced {
    let mut replaced = Replaced::default();
    for (session_id, answer) in answers {
        let id = session_id.as_str();
        match answer {
            Answer::Session(then) => {
                facts.replace(&mut replaced, id, then.session.attributes.as_ref(), &then.rows);
            }
            // It was not there.
            Answer::Unknown | Answer::Explained(_) => facts.replace(&mut replaced, id, None, &[]),
        }
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_about_what_was_closed_between_its_record_and_itself() {
        let judged = Judged {
            slot: 900_000,
            ts: 900_123,
            came_at: 500_000,
            partition: PartitionId(0),
            session_id: SessionId::new("s1").expect("an id"),
        };
        let corrections = Corrections { judged: vec![judged], ..Corrections::default() };
        for (closed, is_about) in [(400_000, false), (500_000, false), (500_001, true), (899_999, true)] {
            assert_eq!(corrections.has_since(closed, closed), is_about, "closed at {closed}");
            assert_eq!(corrections.last(closed, 900_000), is_about.then_some(900_123), "closed at {closed}");
        }
        // Heard before it was closed, so it counts there; and asked as of before it was heard.
        assert!(!corrections.has_since(900_000, 900_000));
        assert_eq!(corrections.last(600_000, 899_999), None);
        assert!(corrections.has_since(600_000, 899_999));
        assert!(!corrections.has_since(600_000, 900_000));
    }
}
