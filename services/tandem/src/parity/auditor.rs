//! The loop, and the third vote's way through the log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tandem_model::calendar::Calendar;
use tandem_model::partition::partition_of;
use tandem_model::route::Chain;
use tandem_model::status::{Beat, ChainStatus};
use tandem_model::{PartitionId, SessionId, Verdicts};
use tandem_parity::{
    BeatClaim, Claim, Culprit, Finding, Judged, Level, Outcome, Parity, ParityReport, PartitionParity,
    Verdict, Vote,
};
use tandem_storage::{EventLog, StoreError};
use tokio::sync::watch;
use tokio::time::Instant;

use super::scan::{Next, Scan};
use super::view::{ChainView, Copies};

/// How many bytes of the log are recomputed before others have their turn.
const LOG_BYTES: usize = 256 * 1024;
/// First pause before a partition whose digests differ is looked into again, and the longest: the
/// log is read from its beginning each time.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// How much the auditor does.
#[derive(Clone, Copy, Debug)]
pub struct AuditorSettings {
    /// Pause between two looks at the digests. Default 500 ms: two per beat.
    pub digests_every: Duration,
    /// Shortest pause after a session of the scan. Default 40 ms: 25 sessions a second at most.
    pub scan_pause: Duration,
    /// How many times as long as a session took the scan pauses afterwards. Default 9: it takes a
    /// tenth of the time.
    pub scan_rest: u32,
    /// Pause between two looks at what was found wrong. Default 1 s.
    pub recheck_every: Duration,
}

impl Default for AuditorSettings {
    fn default() -> Self {
        Self {
            digests_every: Duration::from_millis(500),
            scan_pause: Duration::from_millis(40),
            scan_rest: 9,
            recheck_every: Duration::from_secs(1),
        }
    }
}

/// Compares both chains until it is told to stop.
pub struct Auditor {
    views: [Box<dyn ChainView>; 2],
    log: Arc<dyn EventLog>,
    settings: AuditorSettings,
    calendar: Calendar,
    now_ms: fn() -> u64,
    report: watch::Sender<ParityReport>,
    stopped: watch::Receiver<bool>,
    scan: Scan,
    /// Partitions whose digests differ: when they are looked into again, and the pause after that.
    again_at: BTreeMap<u32, (Instant, Duration)>,
}

impl Auditor {
    /// An auditor of `views` (chains a and b) on `log`; and where its report is read. It works
    /// until `stopped` says so, and names moments by `now_ms` (wall clock, milliseconds).
    pub fn new(
        views: [Box<dyn ChainView>; 2],
        log: Arc<dyn EventLog>,
        settings: AuditorSettings,
        now_ms: fn() -> u64,
        stopped: watch::Receiver<bool>,
    ) -> (Self, watch::Receiver<ParityReport>) {
        let (report, reports) = watch::channel(ParityReport::default());
        (
            Self {
                views,
                log,
                settings,
                calendar: Calendar::default(),
                now_ms,
                report,
                stopped,
                scan: Scan::default(),
                again_at: BTreeMap::new(),
            },
            reports,
        )
    }

    /// The same, of chains whose rows are in this calendar.
    #[must_use]
    pub fn within(self, calendar: Calendar) -> Self {
        Self { calendar, ..self }
    }

    /// Compares.
    pub async fn run(mut self) {
        let mut digests_at = Instant::now();
        let mut recheck_at = Instant::now();
        let mut stopped = self.stopped.clone();
        while !self.is_over() {
            let began = Instant::now();
            if began >= digests_at {
                self.look_at_digests().await;
                digests_at = Instant::now() + self.settings.digests_every;
            }
            if began >= recheck_at {
                self.recheck().await;
                recheck_at = Instant::now() + self.settings.recheck_every;
            }
            let scanned = Instant::now();
            self.scan_one().await;
            let rest = (scanned.elapsed() * self.settings.scan_rest).max(self.settings.scan_pause);
            let until =
                (Instant::now() + rest).min(digests_at.max(Instant::now() + self.settings.scan_pause));
            tokio::select! {
                () = tokio::time::sleep_until(until) => {}
                // Whoever holds the other end either said so or is gone.
                _ = stopped.changed() => {}
            }
        }
    }

    fn is_over(&self) -> bool {
        *self.stopped.borrow() || self.stopped.has_changed().is_err()
    }

    /// The first level: what was computed.
    async fn look_at_digests(&mut self) {
        let (a, b) = futures::join!(self.views[0].status(), self.views[1].status());
        let log = self.log.id().to_string();
        // Digests of another log have nothing to do with ours.
        let beats = |status: Result<ChainStatus, _>| -> Vec<Beat> {
            status.ok().filter(|status| status.log == log).map(|status| status.beats).unwrap_or_default()
        };
        let beats = [beats(a), beats(b)];
        let parity = tandem_parity::compare(&beats[0], &beats[1], self.log.partitions());
        self.settle_digests(&parity);
        let differing: Vec<PartitionParity> =
            parity.partitions.iter().filter(|one| one.verdict == Verdict::Different).cloned().collect();
        let is_known = |partition: u32| {
            let report = self.report.borrow();
            let mut named = report.findings.iter().filter(|finding| finding.beat.is_some());
            let is_named =
                named.any(|finding| finding.partition == partition && finding.session_id.is_some());
            drop(named);
            is_named
        };
        self.again_at.retain(|partition, _| differing.iter().any(|one| one.partition == *partition));
        let now = Instant::now();
        let is_due = |partition: u32| self.again_at.get(&partition).is_none_or(|(at, _)| *at <= now);
        let is_open = differing.iter().any(|one| !is_known(one.partition));
        let new: Vec<PartitionParity> =
            differing.into_iter().filter(|one| !is_known(one.partition) && is_due(one.partition)).collect();
        self.report.send_modify(|report| {
            report.digests = Some(parity);
            report.is_open = is_open;
        });
        for one in new {
            tracing::warn!(partition = one.partition, tables = ?one.tables, "the chains' digests differ; looking for the row");
            self.investigate(&one, &beats).await;
            // A digest that differs without a row that does: the row shows when it changes next.
            let pause = self.again_at.get(&one.partition).map_or(PAUSES.0, |(_, pause)| *pause);
            self.again_at.insert(one.partition, (Instant::now() + pause, (pause * 2).min(PAUSES.1)));
        }
    }

    /// A finding about a digest is settled when the digests of its partition are equal again.
    fn settle_digests(&self, parity: &Parity) {
        let is_equal = |partition: u32| {
            parity.partitions.iter().any(|one| one.partition == partition && one.verdict == Verdict::Equal)
        };
        self.report.send_if_modified(|report| {
            let settled =
                report.findings.settle(|finding| finding.session_id.is_none() && is_equal(finding.partition));
            if settled > 0 {
                tracing::info!(settled, "digests are equal again");
            }
            settled > 0
        });
    }

    /// Digests of one partition differ: the first session that does goes to the vote, with them.
    async fn investigate(&self, one: &PartitionParity, beats: &[Vec<Beat>; 2]) {
        let partition = PartitionId(one.partition);
        let Some(ts) = one.beat else { return };
        let claims = self.first_contradiction(partition).await.map(|copies| copies.0).unwrap_or_default();
        let beats: Vec<BeatClaim> = Chain::ALL
            .into_iter()
            .zip(beats)
            .filter_map(|(chain, beats)| {
                let beat = beats.iter().find(|beat| (beat.partition, beat.ts) == (one.partition, ts))?;
                Some(BeatClaim { chain, beat: beat.to_digest()? })
            })
            .collect();
        let Some(outcome) = self.vote(partition, claims.clone(), beats.clone()).await else { return };
        if self.note(Level::Computed, partition, Some(ts), &outcome, &claims) {
            return;
        }
        let wrong: Vec<(&Judged, &tandem_parity::Wrong)> =
            outcome.judged.iter().filter_map(|judged| Some((judged, judged.wrong.as_ref()?))).collect();
        let (Some((_, wrong)), Some(culprit)) = (wrong.first(), Culprit::of(outcome.wrong_chains())) else {
            return;
        };
        let digest = |chain: Chain| {
            let beat = beats.iter().find(|beat| beat.chain == chain);
            let table = tandem_model::digest::TABLES.iter().position(|table| Some(*table) == wrong.table);
            let digest = beat.zip(table).and_then(|(beat, table)| beat.beat.digests.0.get(table));
            digest.map_or_else(|| "none".to_owned(), |digest| format!("{digest:032x}"))
        };
        let texts = Chain::ALL.map(digest);
        let finding = Finding::of_digest(partition, culprit, ts, wrong, texts, (self.now_ms)());
        self.add(finding);
    }

    /// The copies of the first session of `partition` whose rows contradict each other.
    async fn first_contradiction(&self, partition: PartitionId) -> Option<Copies> {
        let mut scan = Scan::every_one();
        let partitions = self.log.partitions();
        while let (Next::Session(id), false) = (scan.next(&self.views).await, self.is_over()) {
            if partition_of(id.as_str().as_bytes(), partitions) == partition {
                let copies = Copies::read(&self.views, &id).await;
                if copies.contradict() {
                    return Some(copies);
                }
            }
        }
        None
    }

    /// The second level: what the stores hold of one session.
    async fn scan_one(&mut self) {
        let id = match self.scan.next(&self.views).await {
            Next::Session(id) => id,
            Next::RoundDone => {
                let now_ms = (self.now_ms)();
                self.report.send_modify(|report| {
                    report.scan.rounds += 1;
                    report.scan.last_round_at_ms = Some(now_ms);
                });
                return;
            }
            Next::Nothing => return,
        };
        let copies = Copies::read(&self.views, &id).await;
        if copies.are_of_both() {
            self.report.send_modify(|report| report.scan.sessions_compared += 1);
        }
        if !copies.contradict() || self.is_known(&id) {
            return;
        }
        self.report.send_modify(|report| {
            report.scan.suspicions += 1;
            report.is_open = true;
        });
        self.put_to_vote(&id, copies).await;
        self.report.send_modify(|report| report.is_open = false);
    }

    async fn put_to_vote(&self, id: &SessionId, copies: Copies) {
        let Some(partition) = copies.0.first().map(|claim| claim.partition) else { return };
        let Some(outcome) = self.vote(partition, copies.0.clone(), Vec::new()).await else { return };
        // What was mended while we counted needs nobody.
        let is_still_there = Copies::read(&self.views, id).await.contradict();
        if !(is_still_there && self.note(Level::Stored, partition, None, &outcome, &copies.0)) {
            self.report.send_modify(|report| report.scan.vanished += 1);
        }
    }

    fn is_known(&self, id: &SessionId) -> bool {
        self.report.borrow().findings.iter().any(|finding| finding.session_id.as_ref() == Some(id))
    }

    /// Looks again at what was found: it stands until a vote says that all copies are right.
    async fn recheck(&self) {
        let mut ids: Vec<SessionId> =
            self.report.borrow().findings.iter().filter_map(|finding| finding.session_id.clone()).collect();
        ids.dedup();
        for id in ids {
            let copies = Copies::read(&self.views, &id).await;
            // As long as they contradict each other, one of them is wrong.
            if !copies.are_of_both() || copies.contradict() {
                continue;
            }
            let Some(partition) = copies.0.first().map(|claim| claim.partition) else { continue };
            let Some(outcome) = self.vote(partition, copies.0, Vec::new()).await else { continue };
            if outcome.wrong_chains() == [false, false] {
                tracing::info!(session = %id, "all copies are what the log gives");
                self.report.send_modify(|report| {
                    report.findings.settle(|finding| finding.session_id.as_ref() == Some(&id));
                });
            }
        }
    }

    /// Adds a finding for each copy of a session that is wrong; says whether there was one.
    fn note(
        &self,
        level: Level,
        partition: PartitionId,
        beat: Option<u64>,
        outcome: &Outcome,
        claims: &[Claim],
    ) -> bool {
        let now_ms = (self.now_ms)();
        let mut is_any = false;
        for judged in outcome.judged.iter().filter(|judged| judged.session_id.is_some()) {
            let Some(wrong) = &judged.wrong else { continue };
            let culprit = if judged.chain == Chain::A { Culprit::A } else { Culprit::B };
            let finding = Finding::of_session(level, partition, culprit, judged, wrong, claims, now_ms);
            self.add(Finding { beat, ..finding });
            is_any = true;
        }
        is_any
    }

    fn add(&self, finding: Finding) {
        tracing::error!(finding = %finding, "a chain holds wrong data");
        self.report.send_modify(|report| report.findings.add(finding));
    }

    /// Recomputes from the log; none where it can't be read, which names nobody.
    async fn vote(
        &self,
        partition: PartitionId,
        claims: Vec<Claim>,
        beats: Vec<BeatClaim>,
    ) -> Option<Outcome> {
        self.report.send_modify(|report| report.scan.votes += 1);
        match self.count(partition, claims, beats).await {
            Ok(outcome) => outcome,
            Err(error) => {
                tracing::warn!(%partition, %error, "the log can't be read: no third vote");
                None
            }
        }
    }

    async fn count(
        &self,
        partition: PartitionId,
        claims: Vec<Claim>,
        beats: Vec<BeatClaim>,
    ) -> Result<Option<Outcome>, StoreError> {
        let verdicts = tandem_storage::verdicts(&*self.log, partition, Verdicts::default(), 0).await?;
        let vote = Vote::new(partition, self.log.partitions(), &self.calendar, claims, beats, verdicts);
        let Some(mut vote) = vote else {
            tracing::info!(%partition, "a verdict came just now: who is wrong can be told once it is heard");
            return Ok(None);
        };
        let mut next = 0;
        while !vote.is_decided() {
            if self.is_over() {
                return Ok(None);
            }
            let records = self.log.read(partition, next, LOG_BYTES).await?;
            let Some((last, _)) = records.last() else { break };
            next = last + 1;
            for (offset, record) in &records {
                vote.apply(*offset, record);
            }
            // Counting is work for a core; others want it, too.
            tokio::task::yield_now().await;
        }
        Ok(Some(vote.finish(next)))
    }
}
