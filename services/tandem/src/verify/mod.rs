//! Both chains against the log, recomputed by the plain method.
//!
//! A running system changes while one looks, so nothing is compared "now". First every chain is
//! asked for everything it holds; each session comes with the cut it stands for, and these claims
//! are laid down in a temporary file. Then the log is read once, partition by partition, and fed
//! to [`tandem_plain::Plain`]; when the log passes the cut of a claim, the claim is compared with
//! what was recomputed up to exactly there. So a verdict is exact whatever arrives meanwhile.
//!
//! | file | what |
//! |---|---|
//! | `subject.rs` | what is asked of a system |
//! | `running.rs` `direct.rs` | the two kinds of it: asked over HTTP, read from log and stores |
//! | `spool.rs` | claims on disk, so that memory does not grow with the number of rows |
//! | `walk.rs` | one partition of the log, and the claims along it |
//! | `compare.rs` | a claim and what was recomputed: pure |
//! | `difference.rs` | what can differ, in words |
//!
//! In memory are: one page of rows or records, the plain method's state of one partition, and
//! some 60 bytes per claim.

mod compare;
mod difference;
mod direct;
mod report;
mod running;
mod spool;
mod subject;
mod walk;

#[cfg(test)]
mod tests;

use anyhow::Context;
use tandem_model::PartitionId;
use tandem_model::route::Chain;

use crate::failure::Failure;
use crate::progress::Progress;

pub use difference::Difference;
pub use direct::Direct;
pub use report::{ChainReport, Report};
pub use running::Running;

use spool::Spool;
use subject::{Claims, Subject};
use walk::Walk;

/// Compares everything both chains hold with what the log says. Does file and fold work on the
/// calling thread, so it must not be one that others wait for.
///
/// # Errors
///
/// When something can't be read; differences are no errors, they are in the report.
#[allow(private_bounds, reason = "the two kinds of system are public, what they are asked is our own affair")]
pub async fn verify(subject: &impl Subject, progress: &Progress) -> Result<Report, Failure> {
    let mut spool = Spool::new().context("can't create a temporary file for the rows")?;
    let mut report = Report::default();
    let mut claims = Vec::new();
    for chain in Chain::ALL {
        claims.push(read_claims(subject, chain, &mut spool, &mut report).await?);
    }
    let claims: [Claims; 2] =
        claims.try_into().map_err(|_| anyhow::anyhow!("there are not two chains: a bug of ours"))?;
    for partition in (0..subject.partitions()).map(PartitionId) {
        let rules = (subject.pseudonym_key(), subject.calendar());
        let walk = Walk::new(partition, subject.partitions(), &claims, &mut spool, rules);
        walk.run(subject, &mut report, progress).await?;
        report.partitions += 1;
    }
    report.parity = subject.parity().await?;
    Ok(report)
}

/// Everything one chain holds. The progress comes first: whatever the log had up to there must be
/// among the sessions that are listed afterwards.
async fn read_claims(
    subject: &impl Subject,
    chain: Chain,
    spool: &mut Spool,
    report: &mut Report,
) -> Result<Claims, Failure> {
    let progress = subject.progress(chain).await?;
    let beats = subject.beats(chain).await?;
    let partition_rows = subject.partition_rows(chain).await?;
    let retention = subject.retention(chain).await?;
    let mut listed = vec![Default::default(); progress.len()];
    let mut after = None;
    loop {
        let page = subject.sessions(chain, after).await?;
        for claim in &page.sessions {
            report.of(chain).sessions += 1;
            report.of(chain).rows += claim.rows.len() as u64;
            subject::list(&mut listed, claim);
            let reached = progress.get(claim.partition.0 as usize).copied().unwrap_or(0);
            // A session that did not change since is as its chain has it up to there, too.
            let position = claim.cut.next.max(reached);
            spool.put(chain, position, claim).context("can't write the rows to a temporary file")?;
        }
        after = page.next_after;
        if after.is_none() {
            break;
        }
    }
    Ok(Claims { progress, retention, beats, partition_rows, listed })
}
