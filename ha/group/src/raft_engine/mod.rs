//! [`Engine`] by TiKV's `raft`.
//!
//! Pre-vote and check-quorum are on: a member that was cut off does not unseat the leader when it
//! comes back, and a leader that reaches no majority steps down. Reads are by read index with the
//! crate's option `Safe`; its lease reads were found stale in partitions. Also `Safe` was, until no
//! two questions looked alike to it (`RaftEngine::tell_apart`; the simulation found that).
//!
//! Everything is synced before anything of it leaves: also the commit index, which raft itself
//! would not need. So a member that starts again knows every decision it ever made known, and never
//! goes back to members of which it knew that they had changed.

mod image;

use std::collections::BTreeMap;

use protobuf::Message as _;
use raft::eraftpb::{ConfChange, ConfChangeType, ConfState, EntryType, HardState, MessageType};
use raft::{Config, ProgressState, RawNode, ReadOnlyOption, SnapshotStatus};
use slog::{Discard, Logger, o};

use self::image::Image;
use crate::command::CommandId;
use crate::disk::{Disk, Write};
use crate::engine::{
    Barrier, Change, Committed, Engine, EngineError, Message, NotProposed, Peer, Standing, Work,
};
use crate::{MemberId, Settings};

/// Largest message of entries, in bytes.
const MESSAGE_BYTES_MAX: u64 = 1 << 20;
/// Messages of entries that may be under way to one member.
const INFLIGHT_MAX: usize = 64;
/// Entries that were proposed and not committed may have so many bytes; more is refused.
const UNCOMMITTED_BYTES_MAX: u64 = 8 << 20;

/// How a member finds its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Founding {
    /// It is one of these, who begin the group together, with this state. All begin alike.
    Together {
        /// Who votes at the beginning.
        voters: Vec<MemberId>,
        /// What the log begins from.
        state: Vec<u8>,
    },
    /// The group is there already, and somebody in it adds this member.
    Join,
}

/// One member's raft.
pub struct RaftEngine<D> {
    node: RawNode<Image>,
    disk: D,
    /// The last entry that was handed out.
    handed_out: u64,
    /// The state that the log began from when this engine was opened, until it is handed out.
    first_state: Option<Vec<u8>>,
    /// Since how many ticks each member has been waited for after it was sent the state.
    awaited: BTreeMap<u64, u32>,
    patience_ticks: u32,
    /// Questions that other members put to this one.
    questions: u64,
}

impl<D: Disk> RaftEngine<D> {
    /// Goes on from what `disk` holds, or founds the group where it holds nothing.
    ///
    /// # Errors
    ///
    /// When the disk does not hold what was written, or can't be used.
    pub fn open(
        id: MemberId,
        settings: &Settings,
        mut disk: D,
        founding: &Founding,
    ) -> Result<Self, EngineError> {
        let stored = disk.load()?;
        let image = if stored.hard.is_some() || stored.state.is_some() {
            Image::of(stored)?
        } else {
            let (image, write) = Image::founded(founding);
            disk.write(&write)?;
            image
        };
        let election_tick = settings.election_ticks as usize;
        let pinned = settings.pinned_election_ticks.map(|ticks| ticks as usize);
        let config = Config {
            id: id.0,
            election_tick,
            heartbeat_tick: settings.heartbeat_ticks as usize,
            min_election_tick: pinned.unwrap_or(election_tick),
            max_election_tick: pinned.map_or(2 * election_tick, |ticks| ticks + 1),
            applied: image.first_index() - 1,
            max_size_per_msg: MESSAGE_BYTES_MAX,
            max_inflight_msgs: INFLIGHT_MAX,
            max_uncommitted_size: UNCOMMITTED_BYTES_MAX,
            check_quorum: true,
            pre_vote: true,
            read_only_option: ReadOnlyOption::Safe,
            ..Config::default()
        };
        let handed_out = image.first_index() - 1;
        let first_state = image.state();
        let node = RawNode::new(&config, image, &Logger::root(Discard, o!())).map_err(broken)?;
        let (awaited, patience_ticks) = (BTreeMap::new(), 2 * settings.election_ticks);
        Ok(Self { node, disk, handed_out, first_state, awaited, patience_ticks, questions: 0 })
    }

    /// Raft waits for ever for a member that was sent the state. Messages get lost here, so after a
    /// while it is told that this one was.
    fn lose_patience(&mut self) {
        let progress = self.node.raft.prs().iter();
        let waiting: Vec<u64> = progress
            .filter(|(_, progress)| progress.state == ProgressState::Snapshot)
            .map(|(id, _)| *id)
            .collect();
        self.awaited.retain(|id, _| waiting.contains(id));
        for id in waiting {
            let ticks = self.awaited.entry(id).or_default();
            *ticks += 1;
            if *ticks >= self.patience_ticks {
                self.awaited.remove(&id);
                self.node.report_snapshot(id, SnapshotStatus::Failure);
            }
        }
    }

    /// Raft knows a question by its bytes alone, and answers with it all that were asked before. So
    /// if one comes a second time, a late sign of life that a member gave for the first would count
    /// for the second: from before questions that it then answers, and maybe from before another
    /// leader. Hence each one that arrives is another one, by a number behind its bytes.
    fn tell_apart(&mut self, message: &mut raft::eraftpb::Message) {
        self.questions += 1;
        for entry in message.mut_entries().iter_mut() {
            let mut data = entry.data.to_vec();
            data.extend(self.questions.to_be_bytes());
            entry.data = data.into();
        }
    }

    fn write(&mut self, write: &Write) -> Result<(), EngineError> {
        if !write.is_empty() {
            self.disk.write(write)?;
        }
        Ok(())
    }

    fn hand_out(
        &mut self,
        entries: Vec<raft::eraftpb::Entry>,
        out: &mut Vec<Committed>,
    ) -> Result<(), EngineError> {
        for entry in entries {
            let (index, term) = (entry.index, entry.term);
            self.handed_out = index;
            let committed = match entry.get_entry_type() {
                EntryType::EntryNormal if entry.data.is_empty() => Committed::Nothing { index, term },
                EntryType::EntryNormal => Committed::Data { index, term, data: entry.data.to_vec() },
                EntryType::EntryConfChange => {
                    let change = ConfChange::parse_from_bytes(&entry.data)
                        .map_err(|error| EngineError::Broken(error.to_string()))?;
                    let now = self.node.apply_conf_change(&change).map_err(broken)?;
                    self.node.mut_store().set_members(now.clone());
                    let done = change_of(&change);
                    members((index, term), done, &now, entry.context.to_vec())
                }
                EntryType::EntryConfChangeV2 => {
                    return Err(EngineError::Broken(format!(
                        "entry {index} changes several members at once, which nobody here proposes"
                    )));
                }
            };
            out.push(committed);
        }
        Ok(())
    }
}

impl<D: Disk> Engine for RaftEngine<D> {
    fn tick(&mut self) {
        _ = self.node.tick();
        self.lose_patience();
    }

    fn receive(&mut self, message: &[u8]) -> Result<(), EngineError> {
        let mut message = raft::eraftpb::Message::parse_from_bytes(message)
            .map_err(|error| EngineError::BadMessage(error.to_string()))?;
        if message.to != self.node.raft.id {
            return Err(EngineError::BadMessage(format!("it is for member {}", message.to)));
        }
        if message.get_msg_type() == MessageType::MsgReadIndex {
            self.tell_apart(&mut message);
        }
        // What raft does not want now (from somebody who was removed, or late) it leaves out.
        _ = self.node.step(message);
        Ok(())
    }

    fn propose(&mut self, data: Vec<u8>) -> Result<(), NotProposed> {
        if !self.standing().is_leader() {
            return Err(NotProposed);
        }
        self.node.propose(Vec::new(), data).map_err(|_| NotProposed)
    }

    fn change(&mut self, change: Change, context: Vec<u8>) -> Result<(), NotProposed> {
        // Raft turns a second change at one time into an entry that says nothing.
        if !self.standing().is_leader() || self.node.raft.has_pending_conf() {
            return Err(NotProposed);
        }
        let (kind, id) = match change {
            Change::Learn(id) => (ConfChangeType::AddLearnerNode, id),
            Change::Promote(id) => (ConfChangeType::AddNode, id),
            Change::Remove(id) => (ConfChangeType::RemoveNode, id),
        };
        let mut wanted = ConfChange::default();
        wanted.set_change_type(kind);
        wanted.set_node_id(id.0);
        self.node.propose_conf_change(context, wanted).map_err(|_| NotProposed)
    }

    fn hand_over(&mut self, to: MemberId) {
        self.node.transfer_leader(to.0);
    }

    fn stand(&mut self) {
        _ = self.node.campaign();
    }

    fn barrier(&mut self, id: CommandId) {
        self.node.read_index(id.to_bytes());
    }

    fn work(&mut self) -> Result<Work, EngineError> {
        let mut work = Work { state: self.first_state.take(), ..Work::default() };
        while self.node.has_ready() {
            let mut ready = self.node.ready();
            let mut write = Write::default();
            messages(ready.take_messages(), &mut work.messages);
            if !ready.snapshot().is_empty() {
                let snapshot = ready.snapshot().clone();
                self.handed_out = snapshot.get_metadata().index;
                work.state = Some(snapshot.data.to_vec());
                // What it holds is the outcome of those.
                work.committed.clear();
                self.node.mut_store().replace(snapshot, &mut write);
            }
            if !ready.entries().is_empty() {
                self.node.mut_store().append(ready.entries(), &mut write);
            }
            if let Some(hard) = ready.hs() {
                self.node.mut_store().set_hard(hard.clone(), &mut write);
            }
            self.write(&write)?;
            messages(ready.take_persisted_messages(), &mut work.messages);
            barriers(ready.take_read_states(), &mut work.barriers);
            let committed = ready.take_committed_entries();
            let mut light = self.node.advance_append(ready);
            if let Some(commit) = light.commit_index() {
                let mut write = Write::default();
                let hard = HardState { commit, ..self.node.store().hard().clone() };
                self.node.mut_store().set_hard(hard, &mut write);
                self.write(&write)?;
            }
            messages(light.take_messages(), &mut work.messages);
            self.hand_out(committed, &mut work.committed)?;
            self.hand_out(light.take_committed_entries(), &mut work.committed)?;
            self.node.advance_apply();
        }
        Ok(work)
    }

    fn compact(&mut self, state: Vec<u8>) -> Result<(), EngineError> {
        let mut write = Write::default();
        self.node.mut_store().compact(self.handed_out, state, &mut write)?;
        self.write(&write)
    }

    fn standing(&self) -> Standing {
        let raft = &self.node.raft;
        let leader = Some(raft.leader_id).filter(|id| *id != raft::INVALID_ID).map(MemberId);
        let id = MemberId(raft.id);
        let mut peers = BTreeMap::new();
        if leader == Some(id) {
            for (peer, progress) in raft.prs().iter().filter(|(peer, _)| **peer != raft.id) {
                let (matched, is_active) = (progress.matched, progress.recent_active);
                peers.insert(*peer, Peer { id: MemberId(*peer), matched, is_active });
            }
        }
        let committed = raft.raft_log.committed;
        Standing { id, term: raft.term, leader, committed, peers: peers.into_values().collect() }
    }
}

fn messages(from: Vec<raft::eraftpb::Message>, into: &mut Vec<Message>) {
    into.extend(from.into_iter().filter_map(|message| {
        let to = MemberId(message.to);
        message.write_to_bytes().ok().map(|bytes| Message { to, bytes })
    }));
}

fn barriers(from: Vec<raft::ReadState>, into: &mut Vec<Barrier>) {
    into.extend(from.into_iter().filter_map(|state| {
        Some(Barrier { id: CommandId::from_bytes(&state.request_ctx)?, index: state.index })
    }));
}

/// As [`Engine::change`] was told it.
fn change_of(change: &ConfChange) -> Change {
    let id = MemberId(change.get_node_id());
    match change.get_change_type() {
        ConfChangeType::AddLearnerNode => Change::Learn(id),
        ConfChangeType::AddNode => Change::Promote(id),
        ConfChangeType::RemoveNode => Change::Remove(id),
    }
}

fn members((index, term): (u64, u64), change: Change, now: &ConfState, context: Vec<u8>) -> Committed {
    let ascending = |ids: &[u64]| {
        let mut ids: Vec<MemberId> = ids.iter().copied().map(MemberId).collect();
        ids.sort_unstable();
        ids
    };
    let (voters, learners) = (ascending(&now.voters), ascending(&now.learners));
    Committed::Members { index, term, change, voters, learners, context }
}

fn broken(error: raft::Error) -> EngineError {
    EngineError::Broken(error.to_string())
}
