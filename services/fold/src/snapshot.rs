//! The state as bytes, and back.

use serde::{Deserialize, Serialize};
use tandem_model::catalogue::{DEFINITIONS, STORED};
use tandem_model::{PartitionId, Rules};

use crate::fold::{Fold, State};
use crate::session::Session;

/// Rises when the form of a snapshot changes.
const FORM: u32 = 6;

/// Why a snapshot can't be taken up. Replaying the log from its beginning always can.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// It was written by a build with another form of state or other metrics, or in another calendar.
    #[error("the snapshot was written by another version, or in another time zone")]
    Version,
    /// It belongs to another partition.
    #[error("the snapshot is of partition {0} of {1}")]
    Partition(PartitionId, u32),
    /// It is not whole.
    #[error("the snapshot is damaged: {0}")]
    Damaged(String),
}

#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    form: u32,
    definitions: u32,
    columns: u32,
    calendar: u64,
}

impl Header {
    fn of(rules: &Rules) -> Self {
        let calendar = rules.calendar.fingerprint();
        Self { form: FORM, definitions: DEFINITIONS, columns: STORED as u32, calendar }
    }
}

impl Fold {
    /// The state as bytes: without secrets, viewers as pseudonyms.
    ///
    /// # Panics
    ///
    /// When changes wait to be taken: they would be lost. When a verdict came that it can't heed.
    pub fn snapshot(&self) -> Vec<u8> {
        assert!(!self.has_changes(), "a snapshot is taken between changes");
        assert!(self.revised().is_none(), "a state that does not heed a verdict is kept nowhere");
        postcard::to_stdvec(&(Header::of(&self.setting.rules), &self.state))
            .expect("the state holds only plain data")
    }

    /// The fold that wrote `bytes`.
    ///
    /// # Errors
    ///
    /// When they are of another version or partition, or damaged.
    pub fn restore(
        bytes: &[u8],
        partition: PartitionId,
        partitions: u32,
        rules: impl Into<Rules>,
    ) -> Result<Self, RestoreError> {
        let rules = rules.into();
        let damaged = |error: postcard::Error| RestoreError::Damaged(error.to_string());
        let (header, rest) = postcard::take_from_bytes::<Header>(bytes).map_err(damaged)?;
        if header != Header::of(&rules) {
            return Err(RestoreError::Version);
        }
        let mut state: State = postcard::from_bytes(rest).map_err(damaged)?;
        if (state.partition, state.partitions) != (partition, partitions) {
            return Err(RestoreError::Partition(state.partition, state.partitions));
        }
        state.live.values_mut().for_each(Session::index);
        Ok(Self::with_state(state, rules))
    }
}

/// A final session: packed, unless something came for it since changes were last taken.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Parked {
    packed: Vec<u8>,
    #[serde(skip)]
    loaded: Option<Box<Session>>,
}

impl Parked {
    pub(crate) fn new(session: Session) -> Self {
        Self { packed: Vec::new(), loaded: Some(Box::new(session)) }
    }

    pub(crate) fn load(&mut self) -> &mut Session {
        let packed = &self.packed;
        self.loaded.get_or_insert_with(|| {
            let mut session: Session =
                postcard::from_bytes(packed).expect("packed by us in this process, or in a checked snapshot");
            session.index();
            Box::new(session)
        })
    }

    pub(crate) fn park(&mut self) {
        if let Some(session) = self.loaded.take() {
            self.packed = postcard::to_stdvec(&*session).expect("a session holds only plain data");
        }
    }
}
