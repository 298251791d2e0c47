//! A log partition as a formula, a writer as compute has one, and readers that check what they
//! see against the formula: every session that is there must be what the log says it is, at the
//! cut the answer claims.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tandem_model::catalogue::STORED;
use tandem_model::row::PartitionRow;
use tandem_model::{Breakdown, Changes, Row, SessionChange, SessionId, Table};
use tandem_storage::suite::fixtures;

use super::*;

pub(super) const SESSIONS: u64 = 12;
const ROWS: u64 = 7;
/// Offsets begin beyond what a Lua number tells apart.
pub(super) const FIRST: u64 = (1 << 53) + 1;

pub(super) fn name(session: u64) -> String {
    format!("m-{session}")
}

/// Whether the record before `next` changes the session.
fn touches(next: u64, session: u64) -> bool {
    !(next + session).is_multiple_of(3)
}

fn row(index: u64, value: u64) -> Row {
    match index {
        0 => fixtures::row(Table::Total, Breakdown::Room, "room", 0, value),
        _ => fixtures::row(Table::Total, Breakdown::Item, &format!("item-{index}"), 0, value),
    }
}

/// Which row a change at `next` changes, beside that of the room.
fn changed_row(next: u64) -> u64 {
    1 + next % (ROWS - 1)
}

/// The change that brings the partition from `next - 1` to `next`.
pub(super) fn change(next: u64) -> Changes {
    let sessions = (0..SESSIONS).filter(|session| touches(next, *session)).map(|session| SessionChange {
        session_id: id(session),
        session: Some(fixtures::session_row(next)),
        rows: vec![row(0, next), row(changed_row(next), next)],
    });
    Changes {
        partition: PARTITION,
        cut: cut(next),
        partition_row: PartitionRow::default(),
        sessions: sessions.collect(),
        rejected: Vec::new(),
        beats: Vec::new(),
        editions: Vec::new(),
    }
}

fn id(session: u64) -> SessionId {
    SessionId::new(&name(session)).unwrap()
}

/// The session as the row store has it once everything up to `next` is applied.
pub(super) fn whole(session: u64, next: u64) -> SessionRows {
    // The last change of the session that changed this row, 0 for none; any seven records
    // contain one for every row.
    let last = |is_it: &dyn Fn(u64) -> bool| {
        (next.saturating_sub(60).max(FIRST)..=next).rev().find(|at| touches(*at, session) && is_it(*at))
    };
    let newest = last(&|_| true).unwrap_or(0);
    let rows = (0..ROWS).map(|index| match index {
        0 => row(0, newest),
        _ => row(index, last(&|at| changed_row(at) == index).unwrap_or(0)),
    });
    SessionRows {
        session_id: id(session),
        partition: PARTITION,
        cut: cut(newest),
        session: fixtures::session_row(newest),
        rows: rows.collect(),
    }
}

/// Whether what a reader saw is what the log says; panics where it is not. True where the session
/// was there.
pub(super) fn check(session: u64, seen: &HotSession) -> bool {
    let Some(found) = &seen.session else { return false };
    let progress = seen.progress.expect("a session is there, and no progress");
    let at = found.cut.next.max(progress.next);
    let expected = whole(session, at);
    let values = |rows: &SessionRows| {
        rows.rows.iter().map(|row| (row.key.clone(), row.offset, row.values[STORED - 1])).collect::<Vec<_>>()
    };
    assert_eq!(values(found), values(&expected), "{} at {at}, written at {:?}", name(session), found.cut);
    assert_eq!(found.session, expected.session);
    true
}

/// Follows the log and writes it, as compute does.
pub(super) struct Writer {
    hot: Hot,
    standing: Option<(Incarnation, Cut)>,
    pub(super) next: u64,
    /// How often it had to begin.
    pub(super) begun: u64,
}

impl Writer {
    pub(super) fn new(hot: Hot) -> Self {
        Self { hot, standing: None, next: FIRST, begun: 0 }
    }

    /// Writes the next change, however often that has to be tried.
    pub(super) async fn step(&mut self) {
        let changes = change(self.next);
        let standing = self.standing;
        let (standing, begun) = persistently(async || self.write(standing, &changes).await).await;
        self.standing = standing;
        self.begun += u64::from(begun);
        self.next += 1;
    }

    async fn write(
        &self,
        standing: Option<(Incarnation, Cut)>,
        changes: &Changes,
    ) -> Result<(Option<(Incarnation, Cut)>, bool), StoreError> {
        let applied = match standing {
            Some((incarnation, base)) => {
                Some((incarnation, self.hot.apply(incarnation, base, changes).await?))
            }
            None => None,
        };
        let (incarnation, absent, begun) = match applied {
            Some((incarnation, Applied::Done { absent })) => (incarnation, absent, false),
            Some((_, Applied::Lost)) | None => {
                let Some(incarnation) = self.hot.begin(PARTITION, changes.cut).await? else {
                    return Ok((None, false));
                };
                let all = changes.sessions.iter().map(|change| change.session_id.clone());
                (incarnation, all.collect(), true)
            }
        };
        for absent in absent {
            let session = (0..SESSIONS).find(|session| absent == id(*session)).unwrap();
            self.hot.put(incarnation, whole(session, changes.cut.next)).await?;
        }
        Ok((Some((incarnation, changes.cut)), begun))
    }

    /// Where it stands, to be misused by a zombie.
    pub(super) fn standing(&self) -> Option<(Incarnation, Cut)> {
        self.standing
    }
}

/// Readers that read at random and check, until they are told to stop.
pub(super) struct Readers {
    stop: Arc<AtomicBool>,
    found: Arc<AtomicU64>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Readers {
    pub(super) fn start(hots: Vec<Hot>) -> Self {
        let (stop, found) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let tasks = hots.into_iter().enumerate().map(|(index, hot)| {
            let (stop, found) = (stop.clone(), found.clone());
            tokio::spawn(async move {
                let mut turn = index as u64;
                while !stop.load(Ordering::Relaxed) {
                    turn += 1;
                    let session = turn % SESSIONS;
                    match hot.session(PARTITION, &name(session)).await {
                        Ok(seen) => {
                            found.fetch_add(check(session, &seen).into(), Ordering::Relaxed);
                        }
                        // The server is away: a reader would go to the row store.
                        Err(error) if error.is_retryable() => {
                            tokio::time::sleep(Duration::from_millis(5)).await;
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        });
        Self { tasks: tasks.collect(), stop, found }
    }

    /// How many sessions they have seen so far.
    pub(super) fn found(&self) -> u64 {
        self.found.load(Ordering::Relaxed)
    }

    /// Ends them; panics where one of them saw what cannot be.
    pub(super) async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}
