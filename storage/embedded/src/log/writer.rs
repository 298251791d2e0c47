//! The one thread that writes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use redb::{Database, ReadableTable, WriteTransaction};
use tandem_storage::{Appended, Receipt, Result, StoreError, StoredReceipt};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};

use super::batch::Encoded;
use super::mark::Mark;
use super::tables::{self, BATCHES, META, RECEIPTS, RECEIPTS_BY_TIME, STATE, State};

/// A group is committed once it holds as much, in bytes, even if more waits: an append should not
/// wait for the work of too many others.
const GROUP_BYTES: usize = 16 << 20;

/// What the writer can be asked to do.
pub(super) enum Command {
    Append(Waiting),
    Forget { written_before_ms: u64, answer: oneshot::Sender<Result<()>> },
}

/// An append that waits.
pub(super) struct Waiting {
    pub(super) encoded: Encoded,
    pub(super) receipt: Option<Receipt>,
    pub(super) answer: oneshot::Sender<Result<Appended>>,
    /// Its share of what may wait; given back when it is answered.
    pub(super) _permit: OwnedSemaphorePermit,
}

/// An answer that is given once the commit is durable.
enum Answer {
    Append(oneshot::Sender<Result<Appended>>, Appended, OwnedSemaphorePermit),
    Forget(oneshot::Sender<Result<()>>),
}

pub(super) struct Writer {
    pub(super) path: Arc<PathBuf>,
    pub(super) database: Arc<Database>,
    pub(super) mark: Mark,
    pub(super) state: State,
    pub(super) ends: Arc<watch::Sender<Arc<[u64]>>>,
}

impl Writer {
    /// Carries out commands until nobody can send any more.
    pub(super) fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        while let Some(first) = commands.blocking_recv() {
            let mut group = vec![first];
            let mut bytes = size(&group[0]);
            while bytes < GROUP_BYTES
                && let Ok(next) = commands.try_recv()
            {
                bytes += size(&next);
                group.push(next);
            }
            self.commit(group);
        }
    }

    /// Carries out a group in one transaction and answers everybody.
    fn commit(&mut self, group: Vec<Command>) {
        let mut state = self.state.clone();
        let mut answers = Vec::with_capacity(group.len());
        let outcome = self.write(group, &mut state, &mut answers);
        if outcome.is_ok() && state.sequence > self.state.sequence {
            self.state = state;
            if let Err(error) = self.mark.set(self.state.sequence) {
                // The append is durable all the same. Only the guard against a database that
                // goes back is weaker, until the next commit.
                tracing::error!(%error, path = %self.path.display(), "the log's mark can't be written");
            }
            let ends = self.ends.borrow().clone();
            if *ends != *self.state.next {
                self.ends.send_replace(self.state.next.as_slice().into());
            }
        }
        for answer in answers {
            answer.give(&outcome);
        }
    }

    /// Everything in one transaction; `Ok` once it is durable. Whoever is not in `answers` when
    /// it fails has been dropped unanswered, which callers take for a timeout.
    fn write(&self, group: Vec<Command>, state: &mut State, answers: &mut Vec<Answer>) -> Result<()> {
        let transaction = self.database.begin_write().map_err(tables::error(&self.path))?;
        let mut changed = false;
        for command in group {
            match command {
                Command::Append(waiting) => {
                    let Waiting { mut encoded, receipt, answer, _permit } = waiting;
                    let kept = self.kept(&transaction, receipt.as_ref());
                    let appended = kept.and_then(|kept| match kept {
                        Some(appended) => Ok(appended),
                        None => {
                            changed = true;
                            self.append(&transaction, state, &mut encoded, receipt)
                        }
                    });
                    // Half an append must not be committed with the rest.
                    let failed = appended.as_ref().err().cloned();
                    answers.push(Answer::Append(answer, appended.unwrap_or_default(), _permit));
                    failed.map_or(Ok(()), Err)?;
                }
                Command::Forget { written_before_ms, answer } => {
                    answers.push(Answer::Forget(answer));
                    changed |= self.forget(&transaction, written_before_ms)?;
                }
            }
        }
        if !changed {
            return transaction.abort().map_err(tables::error(&self.path));
        }
        state.sequence += 1;
        self.put_state(&transaction, state)?;
        // From here on nobody knows, unless it succeeds.
        transaction.commit().map_err(|error| {
            StoreError::Timeout(format!("{}: the commit failed: {error}", self.path.display()))
        })
    }

    /// What was answered to the same append before.
    fn kept(&self, transaction: &WriteTransaction, receipt: Option<&Receipt>) -> Result<Option<Appended>> {
        let Some(receipt) = receipt else { return Ok(None) };
        let receipts = transaction.open_table(RECEIPTS).map_err(tables::error(&self.path))?;
        let stored = tables::receipt(&receipts, &self.path, &receipt.scope, &receipt.key)?;
        Ok(stored.filter(|stored| stored.receipt == *receipt).map(|stored| stored.appended))
    }

    fn append(
        &self,
        transaction: &WriteTransaction,
        state: &mut State,
        encoded: &mut Encoded,
        receipt: Option<Receipt>,
    ) -> Result<Appended> {
        let mut next = BTreeMap::new();
        let mut batches = transaction.open_table(BATCHES).map_err(tables::error(&self.path))?;
        for batch in &mut encoded.batches {
            let partition = batch.partition;
            let end = &mut state.next[partition.0 as usize];
            let base = *end;
            *end += u64::from(batch.count);
            next.insert(partition, *end);
            batches.insert((partition.0, base), batch.value(base)).map_err(tables::error(&self.path))?;
        }
        let appended = Appended { next: next.into_iter().collect() };
        if let Some(receipt) = receipt {
            self.put_receipt(transaction, StoredReceipt { receipt, appended: appended.clone() })?;
        }
        Ok(appended)
    }

    fn put_receipt(&self, transaction: &WriteTransaction, stored: StoredReceipt) -> Result<()> {
        let error = || tables::error(&self.path);
        let mut receipts = transaction.open_table(RECEIPTS).map_err(tables::error(&self.path))?;
        let mut by_time = transaction.open_table(RECEIPTS_BY_TIME).map_err(tables::error(&self.path))?;
        let Receipt { scope, key, written_ms, .. } = &stored.receipt;
        if let Some(old) = tables::receipt(&receipts, &self.path, scope, key)? {
            by_time.remove((old.receipt.written_ms, scope.as_str(), key.as_str())).map_err(error())?;
        }
        let sealed = tables::seal(&tables::receipt_place(scope, key), &stored);
        receipts.insert((scope.as_str(), key.as_str()), sealed.as_slice()).map_err(error())?;
        by_time.insert((*written_ms, scope.as_str(), key.as_str()), ()).map_err(error())?;
        Ok(())
    }

    /// Forgets old receipts; answers whether there were any.
    fn forget(&self, transaction: &WriteTransaction, written_before_ms: u64) -> Result<bool> {
        let error = || tables::error(&self.path);
        let mut receipts = transaction.open_table(RECEIPTS).map_err(tables::error(&self.path))?;
        let mut by_time = transaction.open_table(RECEIPTS_BY_TIME).map_err(tables::error(&self.path))?;
        let mut old = Vec::new();
        for entry in by_time.range(..(written_before_ms, "", "")).map_err(error())? {
            let (listed, _) = entry.map_err(error())?;
            let (written_ms, scope, key) = listed.value();
            old.push((written_ms, scope.to_owned(), key.to_owned()));
        }
        for (written_ms, scope, key) in &old {
            by_time.remove((*written_ms, scope.as_str(), key.as_str())).map_err(error())?;
            receipts.remove((scope.as_str(), key.as_str())).map_err(error())?;
        }
        Ok(!old.is_empty())
    }

    fn put_state(&self, transaction: &WriteTransaction, state: &State) -> Result<()> {
        let mut meta = transaction.open_table(META).map_err(tables::error(&self.path))?;
        let sealed = tables::seal(STATE, state);
        meta.insert(STATE, sealed.as_slice()).map_err(tables::error(&self.path))?;
        Ok(())
    }
}

impl Answer {
    fn give(self, outcome: &Result<()>) {
        // Whoever no longer waits for an answer needs none.
        match self {
            Answer::Append(answer, appended, permit) => {
                let _ = answer.send(outcome.clone().map(|()| appended));
                drop(permit);
            }
            Answer::Forget(answer) => {
                let _ = answer.send(outcome.clone());
            }
        }
    }
}

fn size(command: &Command) -> usize {
    match command {
        Command::Append(waiting) => waiting.encoded.bytes,
        Command::Forget { .. } => 0,
    }
}
