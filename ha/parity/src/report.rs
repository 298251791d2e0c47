//! What is known of the equality of the chains, as it is shown, and what the judge is told.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use tandem_failover::DigestVerdict;
use tandem_model::route::Chain;
use tandem_model::{PartitionId, SessionId};

use crate::claim::{Claim, Place, Store};
use crate::digests::{Parity, Verdict};
use crate::vote::{Judged, Wrong, columns};

/// How a difference showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// In digests: the chains computed different things.
    Computed,
    /// In a store: what was computed is not what is there.
    Stored,
}

/// Whom the third vote names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Culprit {
    /// Chain a.
    A,
    /// Chain b.
    B,
    /// Both: neither says what the log gives.
    Both,
}

impl Culprit {
    /// The culprit where each of the chains a and b is wrong or not; none where neither is.
    pub const fn of(wrong: [bool; 2]) -> Option<Self> {
        match wrong {
            [false, false] => None,
            [true, false] => Some(Culprit::A),
            [false, true] => Some(Culprit::B),
            [true, true] => Some(Culprit::Both),
        }
    }

    /// The chain, where it is one.
    pub const fn chain(self) -> Option<Chain> {
        match self {
            Culprit::A => Some(Chain::A),
            Culprit::B => Some(Chain::B),
            Culprit::Both => None,
        }
    }
}

/// A row as each side has it: columns that are not 0 and `offset`; none where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RowEvidence {
    /// As chain a has it.
    pub a: Option<BTreeMap<&'static str, u64>>,
    /// As chain b has it.
    pub b: Option<BTreeMap<&'static str, u64>>,
    /// As the log gives it, at the cut of the copy that is wrong.
    pub log: Option<BTreeMap<&'static str, u64>>,
}

/// Something that is wrong, after the third vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Whom the third vote names.
    pub wrong: Culprit,
    /// How it showed.
    pub level: Level,
    /// The store that holds the wrong copy; none where a digest is wrong.
    pub store: Option<Store>,
    /// The partition.
    pub partition: u32,
    /// The beat whose digests differ, in milliseconds since the epoch, where it showed in digests.
    pub beat: Option<u64>,
    /// The session.
    pub session_id: Option<SessionId>,
    /// The table.
    pub table: Option<&'static str>,
    /// The breakdown.
    pub breakdown: Option<&'static str>,
    /// The key within the breakdown.
    pub key: Option<String>,
    /// The start of the bucket in milliseconds since the epoch; none in totals.
    pub bucket: Option<u64>,
    /// The column; none where the whole row is missing or superfluous.
    pub column: Option<&'static str>,
    /// What chain a has there.
    pub a: String,
    /// What chain b has there.
    pub b: String,
    /// What the log gives there.
    pub log: String,
    /// The whole row.
    pub rows: RowEvidence,
    /// How many places of the wrong copy differ.
    pub places: u64,
    /// Since when it is known, in milliseconds since the epoch.
    pub since_ms: u64,
}

impl Finding {
    /// What a vote about a session found: `judged` is wrong, `claims` are all copies that were put
    /// to the vote; those of the same store as the wrong one are shown, else those of row stores.
    pub fn of_session(
        level: Level,
        partition: PartitionId,
        culprit: Culprit,
        judged: &Judged,
        wrong: &Wrong,
        claims: &[Claim],
        since_ms: u64,
    ) -> Self {
        let shown = |chain: Chain| {
            let of = |store| {
                claims.iter().find(|claim| {
                    (claim.chain, Some(claim.store)) == (chain, store)
                        && Some(&claim.session_id) == judged.session_id.as_ref()
                })
            };
            of(judged.store).or_else(|| of(Some(Store::Rows)))
        };
        let text = |chain| match (&wrong.place, shown(chain)) {
            (Some(place), Some(claim)) => claim.text(place),
            _ if judged.chain == chain => wrong.found.clone(),
            _ => "not read".to_owned(),
        };
        let key = wrong.place.as_ref().and_then(Place::key);
        let row = |chain| {
            let row = shown(chain)?.row(key?)?;
            Some(columns(&row.values, row.offset))
        };
        Self {
            wrong: culprit,
            level,
            store: judged.store,
            partition: partition.0,
            beat: None,
            session_id: judged.session_id.clone(),
            table: Some(key.map_or("session", |key| key.table.name())),
            breakdown: key.map(|key| key.breakdown.name()),
            key: key.map(|key| key.key.to_string()),
            bucket: key.map(|key| key.bucket).filter(|bucket| *bucket > 0),
            column: wrong.place.as_ref().and_then(Place::column),
            a: text(Chain::A),
            b: text(Chain::B),
            log: wrong.log.clone(),
            rows: RowEvidence { a: row(Chain::A), b: row(Chain::B), log: wrong.row.clone() },
            places: wrong.places,
            since_ms,
        }
    }

    /// What a vote about digests found; `texts` are the digests of chains a and b.
    pub fn of_digest(
        partition: PartitionId,
        culprit: Culprit,
        beat: u64,
        wrong: &Wrong,
        texts: [String; 2],
        since_ms: u64,
    ) -> Self {
        let [a, b] = texts;
        Self {
            wrong: culprit,
            level: Level::Computed,
            store: None,
            partition: partition.0,
            beat: Some(beat),
            session_id: None,
            table: wrong.table,
            breakdown: None,
            key: None,
            bucket: None,
            column: None,
            a,
            b,
            log: wrong.log.clone(),
            rows: RowEvidence::default(),
            places: wrong.places,
            since_ms,
        }
    }

    /// Whether it is about the same copy: another look at it replaces this one.
    pub fn is_about(&self, other: &Finding) -> bool {
        (self.partition, &self.session_id, self.store) == (other.partition, &other.session_id, other.store)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.wrong.chain() {
            Some(chain) => write!(formatter, "chain {chain} is wrong: ")?,
            None => formatter.write_str("both chains are wrong: ")?,
        }
        let mut parts = Vec::new();
        parts.extend(self.session_id.as_ref().map(|id| format!("session {id}")));
        let is_digest = self.session_id.is_none();
        let table = self.table.unwrap_or("session");
        parts.push(if is_digest { format!("digest of table {table}") } else { format!("table {table}") });
        parts.extend(
            self.breakdown
                .map(|name| format!("breakdown {name}/{}", self.key.as_deref().unwrap_or_default())),
        );
        parts.extend(self.bucket.map(|bucket| format!("bucket {bucket}")));
        parts.extend(self.column.map(|column| format!("column {column}")));
        parts.extend(
            self.store
                .map(|store| format!("in the {} store", if store == Store::Hot { "hot" } else { "row" })),
        );
        write!(
            formatter,
            "{}: a has {}, b has {}, the log gives {}",
            parts.join(", "),
            self.a,
            self.b,
            self.log
        )
    }
}

/// Findings that stand: until another look finds nothing. Bounded: what is wrong beyond that shows
/// when the first ones are mended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// How many are kept at most.
    pub const MAX: usize = 32;

    /// Adds one. One about the same copy keeps the moment since when it is known.
    pub fn add(&mut self, mut finding: Finding) {
        if let Some(known) = self.0.iter_mut().find(|known| known.is_about(&finding)) {
            finding.since_ms = known.since_ms;
            *known = finding;
        } else if self.0.len() < Self::MAX {
            self.0.push(finding);
        }
    }

    /// Takes out those that are settled; says how many.
    pub fn settle(&mut self, is_settled: impl Fn(&Finding) -> bool) -> usize {
        let before = self.0.len();
        self.0.retain(|finding| !is_settled(finding));
        before - self.0.len()
    }

    /// Those that name a row first, and then in the order in which they were found.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        let (rows, digests): (Vec<_>, Vec<_>) =
            self.0.iter().partition(|finding| finding.session_id.is_some());
        rows.into_iter().chain(digests)
    }

    /// The one to show where there is room for one: the first that names a row, else the first.
    pub fn first(&self) -> Option<&Finding> {
        self.iter().next()
    }

    /// Whom all of them together name.
    pub fn culprit(&self) -> Option<Culprit> {
        let names =
            |culprit| self.0.iter().any(|finding| finding.wrong == culprit || finding.wrong == Culprit::Both);
        Culprit::of([names(Culprit::A), names(Culprit::B)])
    }
}

/// How the slow scan of the stores gets on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ScanProgress {
    /// Sessions compared in all stores since the start; one counts each time.
    pub sessions_compared: u64,
    /// Rounds through all sessions that came to their end.
    pub rounds: u64,
    /// When the last one did, in milliseconds since the epoch.
    pub last_round_at_ms: Option<u64>,
    /// Copies that contradicted another one, since the start.
    pub suspicions: u64,
    /// Third votes taken since the start.
    pub votes: u64,
    /// Suspicions that came to nothing: the log gives what every copy has, or it was mended
    /// meanwhile.
    pub vanished: u64,
}

/// All that is known of the equality of the chains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParityReport {
    /// What the digests say; none before the first look.
    pub digests: Option<Parity>,
    /// Differing partitions that are still being looked into, or could not be.
    pub is_open: bool,
    /// What is wrong.
    pub findings: Findings,
    /// The slow scan.
    pub scan: ScanProgress,
}

impl ParityReport {
    /// Both levels together.
    pub fn verdict(&self) -> Verdict {
        let digests = self.digests.as_ref().map_or(Verdict::Indeterminate, |digests| digests.verdict);
        match self.findings.culprit() {
            Some(_) => Verdict::Different,
            None => digests,
        }
    }

    /// What the judge is told: a chain is wrong only after the third vote, and the chains are equal
    /// only where every partition was compared and nothing is open.
    pub fn digest_verdict(&self) -> DigestVerdict {
        match self.findings.culprit().map(Culprit::chain) {
            Some(Some(chain)) => DigestVerdict::Wrong(chain),
            Some(None) => DigestVerdict::Indeterminate,
            None if !self.is_open && self.verdict() == Verdict::Equal => DigestVerdict::Equal,
            None => DigestVerdict::Indeterminate,
        }
    }
}
