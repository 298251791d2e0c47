//! A control node's disk: it outlives crashes, with what was synced, and may refuse to write.

use std::cell::RefCell;
use std::rc::Rc;

use tandem_group::{Disk, DiskError, MemoryDisk, Stored, Write};

/// Clones share what they hold.
#[derive(Clone, Default)]
pub(crate) struct SimDisk {
    synced: MemoryDisk,
    state: Rc<RefCell<State>>,
}

#[derive(Default)]
struct State {
    /// The mistake: a write is done before it is synced.
    is_lazy: bool,
    unsynced: Vec<Write>,
    is_failing: bool,
}

impl SimDisk {
    pub(crate) fn new(is_lazy: bool) -> Self {
        let disk = Self::default();
        disk.state.borrow_mut().is_lazy = is_lazy;
        disk
    }

    /// The next write fails.
    pub(crate) fn fail(&self) {
        self.state.borrow_mut().is_failing = true;
    }

    /// Whether a failure is on its way.
    pub(crate) fn is_failing(&self) -> bool {
        self.state.borrow().is_failing
    }

    /// What was written is synced now.
    pub(crate) fn sync(&mut self) {
        for write in self.state.borrow_mut().unsynced.drain(..) {
            // A disk in memory takes everything.
            _ = self.synced.write(&write);
        }
    }

    /// Its machine crashes.
    pub(crate) fn crash(&self) {
        let mut state = self.state.borrow_mut();
        state.unsynced.clear();
        state.is_failing = false;
    }
}

impl Disk for SimDisk {
    fn load(&mut self) -> Result<Stored, DiskError> {
        self.synced.load()
    }

    fn write(&mut self, write: &Write) -> Result<(), DiskError> {
        let mut state = self.state.borrow_mut();
        if state.is_failing {
            let (file, why) = ("the simulated disk".to_owned(), "it is to fail now".to_owned());
            return Err(DiskError::Failed { file, why });
        }
        if state.is_lazy {
            state.unsynced.push(write.clone());
            return Ok(());
        }
        self.synced.write(write)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hard(byte: u8) -> Write {
        Write { hard: Some(vec![byte]), ..Write::default() }
    }

    #[test]
    fn only_the_lazy_one_loses_what_was_written() {
        for is_lazy in [false, true] {
            let mut disk = SimDisk::new(is_lazy);
            disk.write(&hard(1)).unwrap();
            disk.sync();
            disk.write(&hard(2)).unwrap();
            disk.crash();
            let kept = disk.load().unwrap().hard;
            assert_eq!(kept, Some(vec![if is_lazy { 1 } else { 2 }]));
        }
        let mut disk = SimDisk::new(false);
        disk.fail();
        assert!(disk.write(&hard(1)).is_err());
    }
}
