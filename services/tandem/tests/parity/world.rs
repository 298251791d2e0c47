//! A system in this process, a log that the test writes, and corruptions of one chain.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tandem::client::{Client, ServerUrl};
use tandem::key::Key;
use tandem::progress::Progress;
use tandem::system::{self, Options, System};
use tandem::verify::{Direct, Running, verify};
use tandem_compute::SeededFault;
use tandem_embedded::Data;
use tandem_failover::DigestVerdict;
use tandem_fold::Fold;
use tandem_gateway::ClockMode;
use tandem_model::partition::partition_of;
use tandem_model::route::Chain;
use tandem_model::{Breakdown, PartitionId, Record, SessionId, Stored, Table};
use tandem_parity::{Finding, ParityReport};
use tandem_storage::{Append, EventLog, Replacement, Select, SessionRows, Snapshot};

pub(crate) const PARTITIONS: u32 = 2;
pub(crate) const BEGIN_MS: u64 = 1_732_190_400_000;
/// What is eventual has this long.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct World {
    pub(crate) system: System,
    pub(crate) folder: tempfile::TempDir,
    /// Seconds of event time so far.
    seconds: u64,
    events: u64,
}

fn key() -> Key {
    Key::new("secret").expect("a key")
}

fn options(folder: &Path) -> Options {
    Options {
        data: Some(folder.to_owned()),
        partitions: Some(PARTITIONS),
        clock: ClockMode::Replay,
        ..Options::new(key())
    }
}

pub(crate) fn id(session: &str) -> SessionId {
    SessionId::new(session).expect("an id")
}

pub(crate) fn partition(session: &str) -> PartitionId {
    partition_of(session.as_bytes(), PARTITIONS)
}

impl World {
    /// The same, where the fold of `chain` fails at events that contain `text`.
    pub(crate) async fn with_fault(chain: Chain, text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let seeded_faults =
            Chain::ALL.map(|one| if one == chain { SeededFault::at(text) } else { SeededFault::NONE });
        let options = Options { seeded_faults, ..options(folder.path()) };
        Self::begun(System::start(options).await.expect("a system"), folder).await
    }

    /// The same system, started again without a fault.
    pub(crate) async fn without_faults(self) -> Self {
        let Self { system, folder, seconds, events } = self;
        system.stop().await;
        let system = System::start(options(folder.path())).await.expect("a system");
        system.recovered().await;
        Self { system, folder, seconds, events }
    }

    /// Six sessions, three minutes of events, everything read and equal.
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let system = System::start(options(folder.path())).await.expect("a system");
        Self::begun(system, folder).await
    }

    async fn begun(system: System, folder: tempfile::TempDir) -> Self {
        let mut world = Self { system, folder, seconds: 0, events: 0 };
        for _ in 0..3 {
            world.minute().await;
        }
        world.until_equal().await;
        world
    }

    /// One more minute: events of all sessions, and beats.
    pub(crate) async fn minute(&mut self) {
        for _ in 0..6 {
            self.seconds += 9;
            // An event that is ahead of the clock would not count.
            self.beat().await;
            let ts = BEGIN_MS + self.seconds * 1_000;
            let mut records = Vec::new();
            for session in ["s1", "s2", "s3", "s4", "s5", "s6"] {
                let user = format!("u{}", self.events % 7);
                let (enter, order) = (self.events, self.events + 1);
                self.events += 2;
                let lines = [
                    json!({"event_id": format!("e{enter}"), "type": "enter", "ts": ts, "session_id": session,
                        "user_id": user, "source": "recommend"}),
                    json!({"event_id": format!("e{order}"), "type": "order_paid", "ts": ts, "session_id": session,
                        "user_id": user, "order_id": format!("o{order}"), "item_id": "i1", "amount_fen": 10_900,
                        "quantity": 1, "source": "recommend"}),
                ];
                let lines =
                    lines.map(|line| (partition(session), Record::line(Bytes::from(line.to_string()))));
                records.extend(lines);
            }
            self.append(records).await;
        }
        self.beat().await;
    }

    /// Lets time pass without events, up to this minute since the beginning.
    pub(crate) async fn skip_to_minute(&mut self, minute: u64) {
        self.seconds = minute * 60 - 1;
        self.beat().await;
    }

    pub(crate) async fn beat(&mut self) {
        self.seconds += 1;
        let second = BEGIN_MS / 1_000 + self.seconds;
        let beats = (0..PARTITIONS).map(|id| (PartitionId(id), Record::beat(second)));
        self.append(beats.collect()).await;
    }

    async fn append(&self, records: Vec<(PartitionId, Record)>) {
        self.system.log().append(Append { records, receipt: None }).await.expect("append");
    }

    pub(crate) fn client(&self) -> Client {
        let server: ServerUrl = format!("http://{}", self.system.address()).parse().expect("an address");
        Client::new(server, Some(key()))
    }

    /// Waits for a report.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&ParityReport) -> bool) -> ParityReport {
        let mut reports = self.system.parity();
        let waiting = reports.wait_for(|report| is_so(report));
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(report) => report.expect("the auditor works").clone(),
            Err(_) => panic!("{what}: {:?}", self.system.parity().borrow()),
        }
    }

    /// Waits until both chains have everything, and say the same in digests and in stores.
    pub(crate) async fn until_equal(&self) {
        let reached = async {
            loop {
                let ends = self.system.log().ends().borrow().clone();
                let has_all = |chain| {
                    let status = self.system.compute(chain).status();
                    status.iter().zip(ends.iter()).all(|(status, end)| status.cut.next >= *end)
                };
                if Chain::ALL.into_iter().all(has_all) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.expect("both chains read on");
        let rounds = self.system.parity().borrow().scan.rounds;
        self.until("equal", |report| {
            report.digest_verdict() == DigestVerdict::Equal && report.scan.rounds > rounds + 1
        })
        .await;
        let running = Running::connect(self.client()).await.expect("a system");
        let report = verify(&running, &Progress::hidden()).await.expect("verify");
        assert!(report.holds(), "{}", report.text());
    }

    /// Waits until a chain is named, and answers what was found first.
    pub(crate) async fn until_found(&self) -> Finding {
        let report = self.until("found", |report| report.findings.iter().next().is_some()).await;
        report.findings.iter().next().expect("one").clone()
    }

    /// Waits until `/v1/status` shows a verdict, which it may do a moment late: gateways give a
    /// status out again for a while.
    pub(crate) async fn until_shown(&self, verdict: &str) -> Value {
        let client = self.client();
        let shown = async {
            loop {
                let mut status: Value = client.get_json("/v1/status", &[]).await.expect("status");
                if status["parity"]["verdict"] == verdict {
                    return status["parity"].take();
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, shown).await.expect("the status shows it")
    }

    pub(crate) async fn repair(&self, order: Value) {
        let answer =
            self.client().post("/v1/repairs", &[], order.to_string().into()).await.expect("an answer");
        answer.successful().expect("ordered");
    }

    /// A session as the row store has it, with one figure changed.
    async fn tampered(&self, chain: Chain, session: &str) -> SessionRows {
        let rows = &self.system.stores(chain).rows;
        let mut all = rows.session(session, &Select::All).await.expect("rows").expect("a session");
        let row = all
            .rows
            .iter_mut()
            .find(|row| (row.key.table, row.key.breakdown) == (Table::Total, Breakdown::Room));
        row.expect("a row").values[Stored::GmvFen as usize] -= 1_000;
        all
    }

    /// Changes a figure in the row store, behind the chain's back; adds a row that should not be.
    pub(crate) async fn corrupt_rows(&self, chain: Chain, session: &str) {
        let mut wrong = self.tampered(chain, session).await;
        let mut stranger = wrong.rows[0].clone();
        stranger.key.key = "~stranger".into();
        wrong.rows.push(stranger);
        let rows = &self.system.stores(chain).rows;
        let cut = rows.progress(partition(session)).await.expect("progress").expect("begun");
        let sessions = vec![(id(session), Some(wrong))];
        let replacement = Replacement { partition: partition(session), cut, sessions, partition_row: None };
        rows.replace(&replacement).await.expect("replace");
    }

    /// The same in the hot store.
    pub(crate) async fn corrupt_hot(&self, chain: Chain, session: &str) {
        let wrong = self.tampered(chain, session).await;
        let stores = self.system.stores(chain);
        let cut = stores.rows.progress(partition(session)).await.expect("progress").expect("begun");
        let life = stores.hot.begin(partition(session), cut).await.expect("begin").expect("ours");
        stores.hot.put(life, wrong).await.expect("put");
    }

    /// Stops the system, changes the state of a chain's fold as if one order of `session` had been
    /// another amount, and starts it again.
    pub(crate) async fn corrupt_fold(self, chain: Chain, session: &str) -> Self {
        let Self { system, folder, seconds, events } = self;
        system.stop().await;
        let data = Data::open_existing(folder.path()).expect("data");
        let (stores, partition) = (system::stores(&data, chain).clone(), partition(session));
        let next = stores.rows.progress(partition).await.expect("progress").expect("begun").next;
        let mut fold = Fold::new(partition, PARTITIONS, data.pseudonym_key);
        let records = data.log.read(partition, 0, usize::MAX).await.expect("records");
        let mut is_changed = false;
        for (offset, mut record) in records.into_iter().filter(|(offset, _)| *offset < next) {
            let text = String::from_utf8(record.value.to_vec()).expect("text");
            if !is_changed && text.contains(&format!("\"{session}\"")) && text.contains("10900") {
                record = Record::line(Bytes::from(text.replace("10900", "9900")));
                is_changed = true;
            }
            fold.apply(offset, &record);
        }
        assert!(is_changed);
        fold.take_changes();
        let bytes = fold.snapshot().into();
        stores.snapshots.put(partition, Snapshot { next, bytes }).await.expect("put");
        drop((stores, data));
        let system = System::start(options(folder.path())).await.expect("a system");
        system.recovered().await;
        Self { system, folder, seconds, events }
    }

    /// Stops the system and holds everything it leaves behind against the log, digests and events
    /// that were not counted included.
    pub(crate) async fn end(self) {
        self.system.stop().await;
        let stored = Direct::open(self.folder.path()).await.expect("data");
        let report = verify(&stored, &Progress::hidden()).await.expect("verify");
        assert!(report.holds(), "{}", report.text());
    }
}
