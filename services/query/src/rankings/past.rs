//! Older editions, put together from the parts since their hours and days began.

use tandem_boards::Past;
use tandem_model::calendar::Calendar;
use tandem_model::problem::Problem;
use tandem_model::time::MINUTE_MS;
use tandem_model::{PartitionId, Step};
use tandem_storage::{ChainStores, StoreError};

use super::gathered::{CutOf, Gathered, PARTS, patiently};
use crate::answer::Failure;

/// How many older editions are kept for who asks next.
const PASTS_MAX: usize = 4;

/// Older editions that were put together, the oldest question first.
#[derive(Default)]
pub(super) struct Pasts(Vec<(Vec<CutOf>, Past)>);

impl Pasts {
    /// The rows that still changed at the cut of `slot`.
    pub(super) fn get(&self, slot: u64) -> Option<&Past> {
        self.0.iter().find(|(cuts, _)| slot_of(cuts) == slot).map(|(_, past)| past)
    }
}

fn slot_of(cuts: &[CutOf]) -> u64 {
    cuts.iter().map(|cut| cut.slot).min().unwrap_or(0)
}

impl Gathered {
    /// The cuts of the edition that was cut first at or after the five seconds that `at` lies in, with its
    /// rows at hand.
    ///
    /// # Errors
    ///
    /// When it is not kept any more, or not cut yet; when the store fails or takes too long.
    pub(super) async fn edition(
        &mut self,
        stores: &ChainStores,
        calendar: &Calendar,
        at: u64,
    ) -> Result<Vec<CutOf>, Failure> {
        let newest = self.slot();
        let wanted = Step::FiveSeconds.slot(at);
        if wanted > newest {
            return Err(
                Problem::not_found(format!("the newest edition is the one of {}", self.cut_at())).into()
            );
        }
        if wanted == newest {
            return Ok(self.cuts.clone());
        }
        let age = newest - wanted;
        let kept = |step: Step| step.kept_ms().is_none_or(|kept| age <= kept);
        if !kept(Step::Minute) {
            return Err(gone().into());
        }
        let partitions = self.cuts.len() as u32;
        let cuts = patiently(cuts_at(stores, partitions, wanted)).await?.ok_or_else(gone)?;
        let slot = slot_of(&cuts);
        if slot >= newest {
            return Ok(self.cuts.clone());
        }
        let is_of_minute = slot.is_multiple_of(MINUTE_MS) || patiently(begins_minute(stores, &cuts)).await?;
        if !kept(Step::FiveSeconds) && !is_of_minute {
            return Err(gone().into());
        }
        if self.pasts.get(slot).is_none() {
            let mut past = Past::at(calendar, slot);
            let parts = patiently(async {
                let mut parts = Vec::new();
                for (partition, cut) in (0..).map(PartitionId).zip(&cuts) {
                    let minute =
                        read(stores, partition, Step::Minute, past.begins_at(), cut, &mut parts).await?;
                    let after = minute.map_or(past.begins_at(), |minute| minute + 1);
                    read(stores, partition, Step::FiveSeconds, after, cut, &mut parts).await?;
                }
                Ok(parts)
            })
            .await?;
            for session in parts.iter().flat_map(|part| &part.sessions) {
                self.facts.apply_past(&mut past, session.session_id.as_str(), &session.rows);
            }
            if self.pasts.0.len() >= PASTS_MAX {
                self.pasts.0.remove(0);
            }
            self.pasts.0.push((cuts.clone(), past));
        }
        Ok(cuts)
    }
}

fn gone() -> Problem {
    Problem::not_found(
        "this edition is not kept any more: those of every five seconds are kept for an hour, the first of each \
         minute for a day, the closed one always",
    )
}

/// Of each partition the first cut at or after `slot`; nothing where that is gone.
async fn cuts_at(stores: &ChainStores, partitions: u32, slot: u64) -> Result<Option<Vec<CutOf>>, StoreError> {
    let mut cuts = Vec::new();
    for partition in (0..partitions).map(PartitionId) {
        let five = stores.editions.parts(partition, Step::FiveSeconds, slot, 1).await?;
        let minute = stores.editions.parts(partition, Step::Minute, Step::Minute.slot(slot), 1).await?;
        // Where those of five seconds are gone, the next that is there would be another one.
        let minute = minute.first().map(CutOf::of).filter(|cut| cut.slot >= slot);
        let first = [five.first().map(CutOf::of), minute].into_iter().flatten().min_by_key(|cut| cut.slot);
        let Some(first) = first else { return Ok(None) };
        cuts.push(first);
    }
    Ok(Some(cuts))
}

/// Whether these are the first cuts of a minute.
async fn begins_minute(stores: &ChainStores, cuts: &[CutOf]) -> Result<bool, StoreError> {
    for (partition, cut) in (0..).map(PartitionId).zip(cuts) {
        let first = stores.editions.parts(partition, Step::Minute, Step::Minute.slot(cut.slot), 1).await?;
        if first.first().map(CutOf::of) != Some(*cut) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The parts of a step from the slot `from` up to a cut. Answers the slot of five seconds of the last.
async fn read(
    stores: &ChainStores,
    partition: PartitionId,
    step: Step,
    mut from: u64,
    cut: &CutOf,
    parts: &mut Vec<tandem_model::EditionPart>,
) -> Result<Option<u64>, StoreError> {
    let mut last = None;
    loop {
        let found = stores.editions.parts(partition, step, from, PARTS).await?;
        if found.is_empty() {
            return Ok(last);
        }
        for part in found {
            if part.next > cut.next {
                return Ok(last);
            }
            from = part.slot + 1;
            last = Some(Step::FiveSeconds.slot(part.ts));
            parts.push(part);
        }
    }
}
