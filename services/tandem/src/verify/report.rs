//! What a verification came to.

use tandem_model::PartitionId;
use tandem_model::route::Chain;

use super::compare::Found;
use super::difference::Difference;
use crate::terminal::counted;

/// How many differences are kept; all are counted.
const KEPT_MAX: usize = 10;

/// What was compared, and what differed.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Partitions of the log that were read.
    pub partitions: u32,
    /// Records that were recomputed.
    pub records: u64,
    /// Chain a, then chain b.
    pub chains: [ChainReport; 2],
    /// The first differences, in the order they were found.
    pub first: Vec<Difference>,
    /// How many there are.
    pub differences: u64,
    /// What the system itself says about the equality of its chains, if it runs.
    pub parity: Option<String>,
}

/// What of one chain was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChainReport {
    /// Sessions.
    pub sessions: u64,
    /// Rows of figures.
    pub rows: u64,
    /// Rejected events.
    pub rejected: u64,
    /// Beats whose digests were compared.
    pub digests: u64,
    /// What differs from the log.
    pub differences: u64,
}

impl Report {
    /// Whether everything is as the log says.
    pub fn holds(&self) -> bool {
        self.differences == 0 && self.parity.as_deref() != Some("different")
    }

    pub(super) fn of(&mut self, chain: Chain) -> &mut ChainReport {
        &mut self.chains[chain as usize]
    }

    pub(super) fn add(&mut self, chain: Chain, partition: PartitionId, position: u64, found: Vec<Found>) {
        let count = found.len() as u64;
        self.differences += count;
        self.of(chain).differences += count;
        let room = KEPT_MAX.saturating_sub(self.first.len());
        self.first.extend(found.into_iter().take(room).map(|(what, expected, found)| Difference {
            chain,
            partition,
            position,
            what,
            expected,
            found,
        }));
    }

    /// The report for people.
    pub fn text(&self) -> String {
        let mut text = format!(
            "Recomputed {} of {} from the log and compared:\n",
            counted(self.records, "record"),
            counted(u64::from(self.partitions), "partition")
        );
        for (chain, report) in Chain::ALL.iter().zip(&self.chains) {
            text.push_str(&format!(
                "  chain {chain}: {}, {}",
                counted(report.sessions, "session"),
                counted(report.rows, "row")
            ));
            if report.rejected > 0 {
                text.push_str(&format!(", {}", counted(report.rejected, "rejected event")));
            }
            if report.digests > 0 {
                text.push_str(&format!(", digests at {}", counted(report.digests, "beat")));
            }
            match report.differences {
                0 => text.push_str(": all as the log says\n"),
                differences => text.push_str(&format!(": {}\n", counted(differences, "difference"))),
            }
        }
        if let Some(parity) = &self.parity {
            text.push_str(&format!("The system's own comparison of both chains says: {parity}.\n"));
        }
        for difference in &self.first {
            text.push_str(&format!("DIFFERENT: {difference}\n"));
        }
        if self.differences > self.first.len() as u64 {
            text.push_str("…\n");
        }
        text.push_str(if self.holds() { "It holds." } else { "It does NOT hold." });
        text
    }
}
