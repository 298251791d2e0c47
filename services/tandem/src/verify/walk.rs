//! One partition of the log from its beginning, and the claims along it.

use anyhow::{Context, anyhow};
use tandem_model::calendar::Calendar;
use tandem_model::rejected::Rejected;
use tandem_model::route::Chain;
use tandem_model::{PartitionId, PseudonymKey, Rules, Verdict, Verdicts};
use tandem_plain::Plain;

use super::compare::{self, Found};
use super::difference::What;
use super::report::Report;
use super::spool::Spool;
use super::subject::{Claims, Subject};
use crate::failure::Failure;
use crate::progress::Progress;

/// How often progress is shown, in records.
const SHOWN_EVERY: u64 = 1_000;

/// A partition while it is recomputed.
pub(super) struct Walk<'a> {
    partition: PartitionId,
    claims: &'a [Claims; 2],
    spool: &'a mut Spool,
    plain: Plain,
    has_rejected: bool,
    /// What else is due: the position, then what.
    checks: Vec<(u64, Chain, Check)>,
}

/// A comparison that is due at a position, beside the sessions' rows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Check {
    /// All sessions there are must have been listed.
    Listed,
    PartitionRow,
    Digest,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        partition: PartitionId,
        partitions: u32,
        claims: &'a [Claims; 2],
        spool: &'a mut Spool,
        (key, calendar): (Option<PseudonymKey>, &Calendar),
    ) -> Self {
        let rules = Rules { key: key.unwrap_or(PseudonymKey::new([0; 16])), calendar: calendar.clone() };
        let plain = Plain::new(partition, partitions, rules);
        let has_rejected = key.is_some();
        let plain = if has_rejected { plain } else { plain.without_rejected() };
        let mut walk = Self { partition, claims, spool, plain, has_rejected, checks: Vec::new() };
        walk.plan();
        walk
    }

    fn plan(&mut self) {
        let index = self.partition.0 as usize;
        for (chain, claims) in Chain::ALL.into_iter().zip(self.claims) {
            self.checks.extend(claims.progress.get(index).map(|next| (*next, chain, Check::Listed)));
            let row = claims.partition_rows.get(index);
            self.checks.extend(row.map(|claim| (claim.next, chain, Check::PartitionRow)));
            let beat = claims.beats.iter().find(|beat| beat.partition == self.partition);
            self.checks.extend(beat.map(|beat| (beat.offset + 1, chain, Check::Digest)));
        }
        // The earliest last, so that it is popped first.
        self.checks.sort_by_key(|(position, chain, _)| std::cmp::Reverse((*position, *chain)));
    }

    /// Reads the log as far as anything is due, and compares.
    pub(super) async fn run(
        mut self,
        subject: &impl Subject,
        report: &mut Report,
        progress: &Progress,
    ) -> Result<(), Failure> {
        let last = self
            .checks
            .first()
            .map(|(position, _, _)| *position)
            .max(self.spool.last_position(self.partition));
        let last = last.unwrap_or(0);
        let mut next = 0;
        // What a verdict is about stands before it: they are looked for first. Who stands between the
        // two has not heard of it, and goes back when it does: that is not what it holds for good.
        let verdicts = self.verdicts(subject).await?;
        if let Some(offset) = verdicts.unheard(last) {
            return Err(Failure::failed(anyhow!(
                "partition {}: a verdict about offset {offset} has come just now, and a chain has not heard of it \
                 yet; verify again in a moment",
                self.partition
            )));
        }
        self.plain = self.plain.with_verdicts(verdicts);
        self.compare_until(0, report)?;
        'log: while next < last {
            let records = subject.records(self.partition, next).await?;
            if records.is_empty() {
                break;
            }
            for (offset, record) in records {
                // Offsets may have holes, so what is due is anything up to this record.
                self.compare_until(offset, report)?;
                if offset >= last {
                    break 'log;
                }
                self.plain.apply(offset, &record);
                next = offset + 1;
                report.records += 1;
                if report.records.is_multiple_of(SHOWN_EVERY) {
                    progress.advance(report.records, report.records);
                }
            }
        }
        // After the last record everything up to `next` is due, and with holes at the log's end
        // nothing beyond it can be told apart from it.
        self.compare_until(next, report)?;
        self.beyond(next, report)?;
        if self.has_rejected {
            for chain in Chain::ALL {
                self.compare_rejected(subject, chain, report).await?;
            }
        }
        Ok(())
    }

    async fn verdicts(&self, subject: &impl Subject) -> Result<Verdicts, Failure> {
        let mut verdicts = Verdicts::default();
        let mut next = 0;
        loop {
            let records = subject.records(self.partition, next).await?;
            let Some((last, _)) = records.last() else { return Ok(verdicts) };
            next = last + 1;
            for (offset, record) in &records {
                if let Some(verdict) = Verdict::of(record) {
                    verdicts.note(*offset, &verdict);
                }
            }
        }
    }

    /// Compares everything that is due at `position` or before.
    fn compare_until(&mut self, position: u64, report: &mut Report) -> Result<(), Failure> {
        while let Some(due) = self.spool.first_position(self.partition).filter(|due| *due <= position) {
            while let Some((chain, claim)) = self.take(due)? {
                let mut found = Vec::new();
                let retention = self.claims[chain as usize].retention;
                let figures = self.plain.session(claim.session_id.as_str());
                compare::session(&claim, retention, figures.as_ref(), &mut found);
                report.add(chain, self.partition, due, found);
            }
        }
        while let Some((due, chain, check)) = self.checks.pop_if(|(due, _, _)| *due <= position) {
            let found = self.check(chain, check, report);
            report.add(chain, self.partition, due, found);
        }
        Ok(())
    }

    fn check(&self, chain: Chain, check: Check, report: &mut Report) -> Vec<Found> {
        let (claims, index) = (&self.claims[chain as usize], self.partition.0 as usize);
        let mut found = Vec::new();
        match check {
            Check::Listed => {
                let listed = &claims.listed[index];
                let missing = self.plain.sessions().filter(|id| !listed.contains(*id));
                found.extend(missing.map(|id| {
                    (What::Session(id.clone()), "a session".to_owned(), "no such session".to_owned())
                }));
            }
            Check::PartitionRow => {
                compare::partition(
                    &self.plain.partition_row(),
                    &claims.partition_rows[index].row,
                    &mut found,
                );
            }
            Check::Digest => {
                for beat in claims.beats.iter().filter(|beat| beat.partition == self.partition) {
                    compare::digests(beat.ts, &self.plain.digests(), &beat.digests, &mut found);
                    report.of(chain).digests += 1;
                }
            }
        }
        found
    }

    /// Whatever is due beyond the end of the log claims to have read what is not there.
    fn beyond(&mut self, end: u64, report: &mut Report) -> Result<(), Failure> {
        let found = |due: u64| vec![(What::Position, format!("at most {end}"), due.to_string())];
        while let Some(due) = self.spool.first_position(self.partition) {
            while let Some((chain, _)) = self.take(due)? {
                report.add(chain, self.partition, end, found(due));
            }
        }
        while let Some((due, chain, _)) = self.checks.pop() {
            report.add(chain, self.partition, end, found(due));
        }
        Ok(())
    }

    /// Both lists are in the order of the log. Dead letters are written before rows, so a chain
    /// may be further there than it says; what is beyond its progress is left out.
    async fn compare_rejected(
        &self,
        subject: &impl Subject,
        chain: Chain,
        report: &mut Report,
    ) -> Result<(), Failure> {
        let reached =
            self.claims[chain as usize].progress.get(self.partition.0 as usize).copied().unwrap_or(0);
        let mut expected = self.plain.rejected().iter().filter(|event| event.offset < reached).peekable();
        let differs = |report: &mut Report, offset, expected: Option<&Rejected>, found: Option<&Rejected>| {
            let text =
                |event: Option<&Rejected>| event.map_or("none".to_owned(), |event| format!("{event:?}"));
            let found = vec![(What::Rejected(offset), text(expected), text(found))];
            report.add(chain, self.partition, reached, found);
        };
        let mut after = None;
        loop {
            let page = subject.rejected(chain, self.partition, after).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.offset);
            for event in page.iter().filter(|event| event.offset < reached) {
                report.of(chain).rejected += 1;
                while let Some(missing) = expected.next_if(|expected| expected.offset < event.offset) {
                    differs(report, missing.offset, Some(missing), None);
                }
                let same = expected.next_if(|expected| expected.offset == event.offset);
                if same != Some(event) {
                    differs(report, event.offset, same, Some(event));
                }
            }
        }
        for missing in expected {
            differs(report, missing.offset, Some(missing), None);
        }
        Ok(())
    }

    fn take(&mut self, due: u64) -> Result<Option<(Chain, super::subject::SessionClaim)>, Failure> {
        let taken = self.spool.take(self.partition, due);
        Ok(taken.context("can't read the rows back from the temporary file")?)
    }
}
