//! How decisions stand in the replicated log: JSON with a format number, so that people can read a
//! log and a later version can tell what it is.

use serde::{Deserialize, Serialize};
use tandem_failover::Entry;

use crate::MemberId;

const FORMAT: u32 = 1;

/// Who proposed a command, or asked something, so that whoever waits for it knows it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CommandId {
    /// The member that proposed it.
    pub member: MemberId,
    /// Which start of that member: what it proposed before a restart is nobody's any more.
    pub start: u64,
    /// Counted since that start.
    pub number: u64,
}

/// An entry of the replicated log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Who proposed it.
    pub id: CommandId,
    /// What is to be decided.
    pub entry: Entry,
}

impl CommandId {
    /// How many bytes it takes as a question.
    const BYTES: usize = 24;

    /// As it goes along with a question to the leader.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        [self.member.0, self.start, self.number].into_iter().flat_map(u64::to_be_bytes).collect()
    }

    /// From the bytes that came back; what the leader put behind them is left out.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (numbers, _) = bytes.get(..Self::BYTES)?.as_chunks::<8>();
        let [member, start, number] = *numbers else { return None };
        let [member, start, number] = [member, start, number].map(u64::from_be_bytes);
        Some(Self { member: MemberId(member), start, number })
    }
}

#[derive(Serialize, Deserialize)]
struct Framed<T> {
    format: u32,
    command: T,
}

impl Command {
    /// As it stands in the log.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(&Framed { format: FORMAT, command: self })
            .expect("a command holds only plain data with text as keys")
    }

    /// From the log.
    ///
    /// # Errors
    ///
    /// Says why it can't be read. Another member could, so whoever can't must not go on.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct OnlyFormat {
            format: u32,
        }
        let found = serde_json::from_slice::<OnlyFormat>(bytes).map_err(|error| error.to_string())?.format;
        if found != FORMAT {
            return Err(format!("format {found} is not known here, only {FORMAT}"));
        }
        let framed: Framed<Self> = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        Ok(framed.command)
    }
}
