//! The decision maker of a single process: its decisions are a small JSON file.
//!
//! A decision is written to a temporary file, synced, renamed over the old one, and the folder is
//! synced; only then does anybody hear of it. So after a crash the file holds the decisions with
//! or without the newest one, never half of them.
//!
//! The file needs no checksum: epochs in it are consecutive and the chains alternate, so a changed
//! byte in what matters shows. What does not fit is an error that names the file; we never start
//! again from epoch 1 by ourselves.

use std::collections::VecDeque;
use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tandem_model::route::{Chain, Route};
use tokio::sync::watch;

use crate::{Control, ControlError, Decision, REASON_CHARS_MAX};

/// The name of the file in the data directory.
pub const FILE_NAME: &str = "control.json";
/// How many decisions are kept.
pub const HISTORY_MAX: usize = 256;
const FORMAT: u32 = 1;

/// [`Control`] in one process, durable in a directory.
pub struct Local {
    state: Arc<State>,
}

struct State {
    directory: PathBuf,
    /// Held for as long as we live, so that no second process decides on the same file.
    _lock: File,
    /// Oldest first, never empty.
    decisions: Mutex<VecDeque<Decision>>,
    route: watch::Sender<Route>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    format: u32,
    decisions: VecDeque<Decision>,
}

impl Local {
    /// Opens the decisions kept in `directory` (created if missing). The first start decides that
    /// chain a serves, in epoch 1. Blocks for a few disk accesses.
    ///
    /// # Errors
    ///
    /// When the file is damaged, held by another process, or can't be read or written.
    pub fn open(directory: &Path) -> Result<Self, ControlError> {
        std::fs::create_dir_all(directory).map_err(|source| store("creating", directory, source))?;
        let lock = lock(directory)?;
        let decisions = match read(&directory.join(FILE_NAME))? {
            Some(decisions) => decisions,
            None => {
                let first = Route { active: Chain::A, epoch: 1, reason: "first start".to_owned() };
                let decisions = VecDeque::from([Decision { route: first, decided_ms: wall_ms() }]);
                write(directory, &decisions)?;
                decisions
            }
        };
        let newest = decisions.back().expect("read and first start give at least one decision").route.clone();
        tracing::info!(active = %newest.active, epoch = newest.epoch, "route opened");
        let route = watch::Sender::new(newest);
        let state =
            State { directory: directory.to_owned(), _lock: lock, decisions: Mutex::new(decisions), route };
        Ok(Self { state: Arc::new(state) })
    }
}

#[async_trait]
impl Control for Local {
    fn route(&self) -> watch::Receiver<Route> {
        self.state.route.subscribe()
    }

    async fn current(&self) -> Result<Route, ControlError> {
        Ok(self.state.route.borrow().clone())
    }

    async fn switch(&self, to: Chain, reason: String) -> Result<Route, ControlError> {
        if reason.trim().is_empty() || reason.chars().count() > REASON_CHARS_MAX {
            return Err(ControlError::BadReason);
        }
        let state = Arc::clone(&self.state);
        // The whole decision runs to its end even if whoever asked goes away: what is on disk and
        // what was made known must not differ.
        match tokio::task::spawn_blocking(move || state.decide(to, reason)).await {
            Ok(outcome) => outcome,
            Err(error) => {
                Err(store("writing", &self.state.directory.join(FILE_NAME), std::io::Error::other(error)))
            }
        }
    }

    async fn history(&self, limit: usize) -> Result<Vec<Decision>, ControlError> {
        Ok(self.state.decisions.lock().iter().rev().take(limit).cloned().collect())
    }
}

impl State {
    fn decide(&self, to: Chain, reason: String) -> Result<Route, ControlError> {
        // Held over the write: decisions are rare, and two at once must not take one epoch.
        let mut decisions = self.decisions.lock();
        let present = self.route.borrow().clone();
        if present.active == to {
            return Ok(present);
        }
        let route = Route { active: to, epoch: present.epoch + 1, reason };
        let mut next = decisions.clone();
        next.push_back(Decision { route: route.clone(), decided_ms: wall_ms() });
        while next.len() > HISTORY_MAX {
            next.pop_front();
        }
        write(&self.directory, &next)?;
        *decisions = next;
        self.route.send_replace(route.clone());
        tracing::info!(active = %route.active, epoch = route.epoch, reason = route.reason, "route switched");
        Ok(route)
    }
}

fn lock(directory: &Path) -> Result<File, ControlError> {
    let path = directory.join("control.lock");
    let file = File::create(&path).map_err(|source| store("opening", &path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ControlError::Held { file: path.display().to_string() }),
        Err(TryLockError::Error(source)) => Err(store("locking", &path, source)),
    }
}

fn read(path: &Path) -> Result<Option<VecDeque<Decision>>, ControlError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(store("reading", path, source)),
    };
    let damaged = |why: String| ControlError::Damaged { file: path.display().to_string(), why };
    let stored: Stored = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    check(&stored).map_err(damaged)?;
    Ok(Some(stored.decisions))
}

fn check(stored: &Stored) -> Result<(), String> {
    if stored.format != FORMAT {
        return Err(format!("format {} is not known, only {FORMAT}", stored.format));
    }
    let Some(first) = stored.decisions.front() else { return Err("there is no decision".to_owned()) };
    let trimmed = stored.decisions.len() >= HISTORY_MAX;
    if first.route.epoch != 1 && !trimmed {
        return Err(format!("it begins with epoch {} instead of 1", first.route.epoch));
    }
    let pairs = stored.decisions.iter().zip(stored.decisions.iter().skip(1));
    for (before, after) in pairs.map(|(before, after)| (&before.route, &after.route)) {
        if before.epoch.checked_add(1) != Some(after.epoch) {
            return Err(format!("epoch {} follows epoch {}", after.epoch, before.epoch));
        }
        if after.active == before.active {
            return Err(format!("epoch {} changes nothing", after.epoch));
        }
    }
    Ok(())
}

fn write(directory: &Path, decisions: &VecDeque<Decision>) -> Result<(), ControlError> {
    let path = directory.join(FILE_NAME);
    let temporary = directory.join("control.json.new");
    let stored = Stored { format: FORMAT, decisions: decisions.clone() };
    let bytes = serde_json::to_vec_pretty(&stored).expect("decisions hold only plain data");
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(&bytes)?;
        file.sync_all()
    });
    written.map_err(|source| store("writing", &temporary, source))?;
    std::fs::rename(&temporary, &path).map_err(|source| store("renaming to", &path, source))?;
    // Without this the rename itself may be lost with the power.
    File::open(directory)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| store("syncing", directory, source))
}

fn store(doing: &'static str, path: &Path, source: std::io::Error) -> ControlError {
    ControlError::Store { doing, file: path.display().to_string(), source }
}

pub(crate) fn wall_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(local: &Local) -> u64 {
        local.route().borrow().epoch
    }

    #[tokio::test]
    async fn the_first_start_is_chain_a_in_epoch_1_and_lasts() {
        let directory = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let local = Local::open(directory.path()).unwrap();
            let route = local.route().borrow().clone();
            assert_eq!(route, Route { active: Chain::A, epoch: 1, reason: "first start".to_owned() });
        }
    }

    #[tokio::test]
    async fn epochs_rise_by_one_and_survive_restarts() {
        let directory = tempfile::tempdir().unwrap();
        for round in 0..5 {
            let local = Local::open(directory.path()).unwrap();
            assert_eq!(epoch(&local), 1 + round);
            let to = local.route().borrow().active.other();
            let mut watching = local.route();
            let route = local.switch(to, format!("round {round}")).await.unwrap();
            assert_eq!((route.active, route.epoch), (to, 2 + round));
            watching.changed().await.unwrap();
            assert_eq!(*watching.borrow(), route);
        }
        let local = Local::open(directory.path()).unwrap();
        let history = local.history(3).await.unwrap();
        let epochs: Vec<u64> = history.iter().map(|decision| decision.route.epoch).collect();
        assert_eq!(epochs, [6, 5, 4]);
    }

    #[tokio::test]
    async fn switching_to_the_active_chain_decides_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let local = Local::open(directory.path()).unwrap();
        assert_eq!(local.switch(Chain::A, "again".to_owned()).await.unwrap().epoch, 1);
        assert_eq!(local.history(10).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn simultaneous_switches_never_share_an_epoch() {
        let directory = tempfile::tempdir().unwrap();
        let local = Arc::new(Local::open(directory.path()).unwrap());
        let switches = (0..20).map(|index| {
            let local = Arc::clone(&local);
            let to = Chain::ALL[index % 2];
            tokio::spawn(async move { local.switch(to, "race".to_owned()).await.unwrap() })
        });
        for switch in switches.collect::<Vec<_>>() {
            switch.await.unwrap();
        }
        let epochs: Vec<u64> =
            local.history(100).await.unwrap().iter().map(|made| made.route.epoch).collect();
        let expected: Vec<u64> = (1..=epochs.len() as u64).rev().collect();
        assert_eq!(epochs, expected);
    }

    #[tokio::test]
    async fn history_is_bounded_and_still_opens() {
        let directory = tempfile::tempdir().unwrap();
        let local = Local::open(directory.path()).unwrap();
        let rounds = HISTORY_MAX + 3;
        for round in 0..rounds {
            let to = if round % 2 == 0 { Chain::B } else { Chain::A };
            local.switch(to, "on and on".to_owned()).await.unwrap();
        }
        drop(local);
        let local = Local::open(directory.path()).unwrap();
        assert_eq!(epoch(&local), 1 + rounds as u64);
        assert_eq!(local.history(usize::MAX).await.unwrap().len(), HISTORY_MAX);
    }

    #[tokio::test]
    async fn a_failed_write_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let local = Local::open(directory.path()).unwrap();
        // A folder in the place of the temporary file makes writing fail, also for root.
        let obstacle = directory.path().join("control.json.new");
        std::fs::create_dir(&obstacle).unwrap();
        let error = local.switch(Chain::B, "test".to_owned()).await.unwrap_err();
        assert!(matches!(error, ControlError::Store { doing: "writing", .. }), "{error:?}");
        assert_eq!(epoch(&local), 1);
        std::fs::remove_dir(&obstacle).unwrap();
        assert_eq!(local.switch(Chain::B, "test".to_owned()).await.unwrap().epoch, 2);
    }

    #[tokio::test]
    async fn a_second_process_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let _first = Local::open(directory.path()).unwrap();
        assert!(matches!(Local::open(directory.path()), Err(ControlError::Held { .. })));
    }

    #[tokio::test]
    async fn reasons_are_checked() {
        let directory = tempfile::tempdir().unwrap();
        let local = Local::open(directory.path()).unwrap();
        for reason in [String::new(), "  ".to_owned(), "x".repeat(REASON_CHARS_MAX + 1)] {
            assert!(matches!(local.switch(Chain::B, reason).await, Err(ControlError::BadReason)));
        }
        assert!(local.switch(Chain::B, "直".repeat(REASON_CHARS_MAX)).await.is_ok());
    }

    #[tokio::test]
    async fn a_damaged_file_is_named_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE_NAME);
        let local = Local::open(directory.path()).unwrap();
        for to in [Chain::B, Chain::A, Chain::B] {
            local.switch(to, "test".to_owned()).await.unwrap();
        }
        drop(local);
        let good = std::fs::read_to_string(&path).unwrap();
        let damages = [
            String::new(),
            good[..good.len() / 2].to_owned(),
            good.replace("\"epoch\": 4", "\"epoch\": 3"),
            good.replace("\"epoch\": 4", "\"epoch\": 9"),
            good.replace("\"epoch\": 1,", "\"epoch\": 0,"),
            good.replacen("\"active\": \"b\"", "\"active\": \"a\"", 1),
            good.replace("\"format\": 1", "\"format\": 2"),
            r#"{"format":1,"decisions":[]}"#.to_owned(),
        ];
        for damage in damages {
            assert_ne!(damage, good);
            std::fs::write(&path, &damage).unwrap();
            match Local::open(directory.path()) {
                Err(error @ ControlError::Damaged { .. }) => {
                    assert!(error.to_string().contains(FILE_NAME), "{error}");
                }
                other => panic!("{damage}: {:?}", other.map(|_| "opened")),
            }
            assert_eq!(std::fs::read_to_string(&path).unwrap(), damage);
        }
    }
}
