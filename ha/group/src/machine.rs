//! The replicated state: what has been decided, and who is in the group.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tandem_failover::{Bounds, Decided, Decision, Refusal};
use tandem_model::route::Chain;

use crate::MemberId;
use crate::command::Command;

const FORMAT: u32 = 1;

/// What every member holds alike after the same entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    decided: Decided,
    members: BTreeMap<MemberId, MemberInfo>,
    applied: u64,
    decisions: u64,
}

/// A member, as the group knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberInfo {
    /// Where it is reached.
    pub address: String,
    /// Whether it votes; one that does not is learning.
    pub is_voter: bool,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    format: u32,
    applied: u64,
    decisions: u64,
    members: BTreeMap<MemberId, MemberInfo>,
    decided: Decided,
}

/// Why a member can't go on with what stands in its log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {index} of the control log can't be read here ({why}): run the newest version on this node")]
pub struct MachineError {
    /// The entry's place.
    pub index: u64,
    /// Why.
    pub why: String,
}

impl Machine {
    /// The beginning of a group of `members`. All of them must begin alike.
    pub fn new(members: BTreeMap<MemberId, String>) -> Self {
        let voter = |address| MemberInfo { address, is_voter: true };
        Self {
            decided: Decided::new(Chain::A, Bounds::default()),
            members: members.into_iter().map(|(id, address)| (id, voter(address))).collect(),
            applied: 0,
            decisions: 0,
        }
    }

    /// What has been decided.
    pub fn decided(&self) -> &Decided {
        &self.decided
    }

    /// Who is in the group.
    pub fn members(&self) -> &BTreeMap<MemberId, MemberInfo> {
        &self.members
    }

    /// The place of the log that this is the state after.
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// How many decisions there were: of two states the one with more is the later one.
    pub fn decisions(&self) -> u64 {
        self.decisions
    }

    /// Applies a command.
    ///
    /// # Errors
    ///
    /// When it can't be read. The state stays as it was.
    pub fn apply(
        &mut self,
        index: u64,
        data: &[u8],
    ) -> Result<(Command, Result<Decision, Refusal>), MachineError> {
        let command = Command::decode(data).map_err(|why| MachineError { index, why })?;
        let outcome = self.decided.apply(&command.entry);
        self.applied = index;
        self.decisions += u64::from(outcome.is_ok());
        Ok((command, outcome))
    }

    /// Notes that the members are these now. `context` is what [`Machine::context`] made.
    pub fn set_members(&mut self, index: u64, voters: &[MemberId], learners: &[MemberId], context: &[u8]) {
        // A context that can't be read costs an address, which the next change can mend.
        if let Ok((id, address)) = serde_json::from_slice::<(MemberId, String)>(context) {
            self.members.insert(id, MemberInfo { address, is_voter: false });
        }
        self.members.retain(|id, _| voters.contains(id) || learners.contains(id));
        for (id, member) in &mut self.members {
            member.is_voter = voters.contains(id);
        }
        self.applied = index;
    }

    /// What goes along when somebody is added: the address.
    pub fn context(id: MemberId, address: &str) -> Vec<u8> {
        serde_json::to_vec(&(id, address)).expect("a number and a text are plain data")
    }

    /// Notes an entry that says nothing.
    pub fn skip(&mut self, index: u64) {
        self.applied = index;
    }

    /// As it is kept.
    pub fn encode(&self) -> Vec<u8> {
        let kept = Kept {
            format: FORMAT,
            applied: self.applied,
            decisions: self.decisions,
            members: self.members.clone(),
            decided: self.decided.clone(),
        };
        serde_json::to_vec(&kept).expect("decided state holds only plain data with text as keys")
    }

    /// From what was kept.
    ///
    /// # Errors
    ///
    /// Says why it can't be read.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        let kept: Kept = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if kept.format != FORMAT {
            return Err(format!("format {} is not known here, only {FORMAT}", kept.format));
        }
        let Kept { applied, decisions, members, decided, .. } = kept;
        Ok(Self { decided, members, applied, decisions })
    }
}
