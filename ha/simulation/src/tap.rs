//! Between a control node's member and its raft: what is committed is looked at here, and two of
//! the mistakes are made here.

use std::cell::RefCell;
use std::rc::Rc;

use tandem_group::{
    Barrier, Change, CommandId, Committed, Engine, EngineError, Machine, MemberId, NotProposed, RaftEngine,
    Standing, Work,
};

use crate::disk::SimDisk;
use crate::mutant::Mutant;

/// An entry that the engine handed out as committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) index: u64,
    pub(crate) term: u64,
    /// What was proposed; nothing where it is an entry of raft's own.
    pub(crate) data: Option<Vec<u8>>,
}

/// What was handed out, since somebody looked.
#[derive(Clone, Default)]
pub(crate) struct Tap(Rc<RefCell<Seen>>);

#[derive(Default)]
struct Seen {
    commits: Vec<Commit>,
    /// Up to where, in this start.
    index: u64,
}

impl Tap {
    pub(crate) fn take(&self) -> Vec<Commit> {
        std::mem::take(&mut self.0.borrow_mut().commits)
    }

    /// The last place that was handed out.
    pub(crate) fn index(&self) -> u64 {
        self.0.borrow().index
    }
}

/// Raft, looked at.
pub(crate) struct Tapped {
    engine: RaftEngine<SimDisk>,
    tap: Tap,
    mutant: Option<Mutant>,
    barriers: Vec<Barrier>,
}

impl Tapped {
    pub(crate) fn new(engine: RaftEngine<SimDisk>, tap: Tap, mutant: Option<Mutant>) -> Self {
        Self { engine, tap, mutant, barriers: Vec::new() }
    }

    /// Held to the rules of a planned switch, what the judge wants knows no cool-down.
    fn drop_cool_down(data: &mut Vec<u8>) {
        if let Ok(text) = std::str::from_utf8(data) {
            *data = text.replace("\"kind\":\"Automatic\"", "\"kind\":\"Planned\"").into_bytes();
        }
    }
}

impl Engine for Tapped {
    fn tick(&mut self) {
        self.engine.tick();
    }

    fn receive(&mut self, message: &[u8]) -> Result<(), EngineError> {
        self.engine.receive(message)
    }

    fn propose(&mut self, data: Vec<u8>) -> Result<(), NotProposed> {
        self.engine.propose(data)
    }

    fn change(&mut self, change: Change, context: Vec<u8>) -> Result<(), NotProposed> {
        self.engine.change(change, context)
    }

    fn hand_over(&mut self, to: MemberId) {
        self.engine.hand_over(to);
    }

    fn stand(&mut self) {
        self.engine.stand();
    }

    fn barrier(&mut self, id: CommandId) {
        let standing = self.engine.standing();
        if self.mutant == Some(Mutant::LeaseReads) && standing.is_leader() {
            self.barriers.push(Barrier { id, index: standing.committed });
        } else {
            self.engine.barrier(id);
        }
    }

    fn work(&mut self) -> Result<Work, EngineError> {
        let mut work = self.engine.work()?;
        work.barriers.append(&mut self.barriers);
        let mut seen = self.tap.0.borrow_mut();
        if let Some(state) = &work.state
            && let Ok(machine) = Machine::decode(state)
        {
            seen.index = seen.index.max(machine.applied());
        }
        for committed in &mut work.committed {
            let commit = match committed {
                Committed::Nothing { index, term } | Committed::Members { index, term, .. } => {
                    Commit { index: *index, term: *term, data: None }
                }
                Committed::Data { index, term, data } => {
                    if self.mutant == Some(Mutant::CoolDownDropped) {
                        Self::drop_cool_down(data);
                    }
                    Commit { index: *index, term: *term, data: Some(data.clone()) }
                }
            };
            seen.index = commit.index;
            seen.commits.push(commit);
        }
        Ok(work)
    }

    fn compact(&mut self, state: Vec<u8>) -> Result<(), EngineError> {
        self.engine.compact(state)
    }

    fn standing(&self) -> Standing {
        self.engine.standing()
    }
}
