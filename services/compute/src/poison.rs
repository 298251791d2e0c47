//! Events that make the fold fail.
//!
//! A fold that panics at a record would stop its partition for good: wherever it starts again, it
//! meets the record again. One chain may not leave the record out by itself either, since then the
//! chains would differ. So the record is put into quarantine by a [`Verdict`] in the log, which both
//! chains heed in the same way, at the record's own place:
//!
//! - Who meets a record that makes its fold fail looks ahead for a verdict about it, and writes one
//!   if there is none. Then the partition begins again from what is stored: a fold that panicked is
//!   in no known state. The record becomes a dead letter, `quarantined`.
//! - Who has counted the record already, because its build can, goes back: to the newest snapshot before
//!   it, and from there on without it ([`crate::revise`]); then it goes on where it stood.
//! - A person releases the record by another verdict, once a build is running that can take it.
//!   Where that fails again, it is in quarantine again.
//!
//! Two bounds keep a broken build from throwing away what is good. Only records that the row store
//! has not counted are put into quarantine: a build that fails at what another one could count
//! stops the partition, which then stays with the figures it has. And no more than
//! [`QUARANTINED_MAX`] records of a partition are.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tandem_fold::Fold;
use tandem_model::decode;
use tandem_model::{PartitionId, Record, SessionId, Verdict, Verdicts};
use tandem_storage::{Append, EventLog, StoreError};

/// Records of one partition that are put into quarantine without a person, at one time.
pub const QUARANTINED_MAX: usize = 20;

/// A fault that is put into the fold on purpose, for drills: it panics once it has applied an event
/// whose line contains this text.
#[derive(Clone, Debug, Default)]
pub struct SeededFault(Option<Arc<str>>);

impl SeededFault {
    /// No fault.
    pub const NONE: Self = Self(None);

    /// Events that contain `text` make the fold fail. An empty one stands for no fault.
    pub fn at(text: &str) -> Self {
        Self((!text.is_empty()).then(|| text.into()))
    }

    fn strikes(&self, record: &Record) -> bool {
        self.0.as_ref().is_some_and(|text| {
            record.malformed.is_none()
                && Verdict::of(record).is_none()
                && String::from_utf8_lossy(&record.value).contains(&**text)
        })
    }
}

/// The record at which a fold failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) offset: u64,
    session_id: Option<SessionId>,
    reason: String,
}

/// Does `step` with one record after the other until it breaks off, or fails at one: then whatever
/// it worked on is in no known state any more.
pub(crate) fn each<'r>(
    records: impl Iterator<Item = &'r (u64, Record)>,
    known: &Verdicts,
    fault: &SeededFault,
    mut step: impl FnMut(u64, &Record) -> ControlFlow<()>,
) -> Result<(), Failed> {
    let at: Cell<Option<&(u64, Record)>> = Cell::new(None);
    let work = AssertUnwindSafe(|| {
        for one in records {
            at.set(Some(one));
            let flow = step(one.0, &one.1);
            assert!(known.quarantine(one.0).is_some() || !fault.strikes(&one.1), "a fault that was seeded");
            if flow.is_break() {
                break;
            }
        }
    });
    let Err(panic) = catch_unwind(work) else { return Ok(()) };
    let reason = panic.downcast_ref::<String>().map(String::as_str);
    let reason = reason.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it did not say why");
    // Before the first record there is nothing that could fail.
    let (offset, record) = at.get().map_or((0, None), |(offset, record)| (*offset, Some(record)));
    let session_id = record.and_then(session_of);
    Err(Failed { offset, session_id, reason: reason.to_owned() })
}

/// The session that a record names.
pub(crate) fn session_of(record: &Record) -> Option<SessionId> {
    // Whatever is wrong with the line may make this fail, too.
    catch_unwind(|| decode::session_of(&record.value)).ok().flatten()
}

/// What keeps a fold from going on.
pub(crate) enum Interruption {
    /// It failed.
    Failed(Failed),
    /// A verdict came about what it has counted.
    Revised,
}

/// Folds records. After an interruption the fold is to be dropped.
pub(crate) fn fold_on<'r>(
    fold: &mut Fold,
    records: impl Iterator<Item = &'r (u64, Record)>,
    fault: &SeededFault,
) -> Result<(), Interruption> {
    let known = fold.verdicts().clone();
    let step = |offset, record: &Record| {
        fold.apply(offset, record);
        if fold.revised().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    each(records, &known, fault, step).map_err(Interruption::Failed)?;
    if fold.revised().is_some() { Err(Interruption::Revised) } else { Ok(()) }
}

/// Sees to it that a verdict about the record stands in the log: one that whoever failed, knowing
/// `applied`, has not heeded yet.
///
/// # Errors
///
/// Those of the log. [`StoreError::Damaged`] where nothing more can be done: the fold fails although
/// the record is left out, or there are too many like it.
pub(crate) async fn quarantine(
    log: &dyn EventLog,
    partition: PartitionId,
    failed: &Failed,
    applied: &Verdicts,
) -> Result<(), StoreError> {
    let Failed { offset, session_id, reason } = failed;
    let offset = *offset;
    tracing::error!(%partition, offset, reason, "an event makes the fold fail");
    let known = tandem_storage::verdicts(log, partition, applied.clone(), offset + 1).await?;
    if !known.agree(applied, offset) {
        // Somebody was faster, the other chain perhaps.
        return Ok(());
    }
    let session_id = match applied.quarantine(offset) {
        None => session_id.clone(),
        // Counting it as refused fails, too: then for nobody's session.
        Some(quarantine) if quarantine.session_id.is_some() => None,
        Some(_) => {
            return Err(StoreError::Damaged(format!(
                "the fold fails at offset {offset} of partition {partition} although it is left out: {reason}"
            )));
        }
    };
    let is_new = known.quarantine(offset).is_none();
    if is_new && known.quarantined() >= QUARANTINED_MAX {
        return Err(StoreError::Damaged(format!(
            "the fold fails at offset {offset} of partition {partition} ({reason}), and {QUARANTINED_MAX} events \
             are in quarantine already: this build can't be trusted; go back to the one before"
        )));
    }
    let verdict = Verdict::quarantine(offset, session_id, reason);
    log.append(Append { records: vec![(partition, verdict.to_record())], receipt: None }).await?;
    tracing::error!(%partition, offset, "the event was put into quarantine, for both chains");
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn records() -> Vec<(u64, Record)> {
        let line = |id: u64| {
            let line = format!(r#"{{"event_id":"e{id}","session_id":"s{id}","type":"comment"}}"#);
            (id, Record::line(Bytes::from(line)))
        };
        (0..5).map(line).collect()
    }

    #[test]
    fn who_fails_is_named_with_its_session() {
        let (records, mut seen) = (records(), Vec::new());
        let step = |offset, _: &Record| {
            seen.push(offset);
            ControlFlow::Continue(())
        };
        let failed = each(records.iter(), &Verdicts::default(), &SeededFault::at(r#""e3""#), step);
        let failed = failed.expect_err("it fails");
        assert_eq!((failed.offset, failed.session_id), (3, SessionId::new("s3")));
        assert_eq!(failed.reason, "a fault that was seeded");
        assert_eq!(seen, [0, 1, 2, 3], "after it was applied");
    }

    #[test]
    fn what_is_in_quarantine_harms_nobody() {
        let mut known = Verdicts::default();
        known.note(9, &Verdict::quarantine(3, None, ""));
        let step = |_, _: &Record| ControlFlow::Continue(());
        assert_eq!(each(records().iter(), &known, &SeededFault::at(r#""e3""#), step), Ok(()));
        assert_eq!(each(records().iter(), &Verdicts::default(), &SeededFault::at(""), step), Ok(()));
    }
}
