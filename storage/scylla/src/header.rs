//! Reading a session's header.

use tandem_model::row::{Attributes, SessionState};
use tandem_model::{Cut, PartitionId, SessionRow};
use tandem_storage::{Result, StoreError};

use crate::cells::{Columns, damaged, each, present};
use crate::store::Inner;

/// A session's header as it stands.
pub(crate) struct Header {
    pub(crate) partition: PartitionId,
    pub(crate) cut: Cut,
    pub(crate) moment: Moment,
    pub(crate) session: SessionRow,
}

/// What tells one state of a session from another: every change moves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) cut_next: u64,
    pub(crate) writing_next: u64,
}

const DOING: &str = "reading a session's header";

impl Inner {
    /// The header of session `id`; none if there is none of our log.
    pub(crate) async fn header(&self, id: &str) -> Result<Option<Header>> {
        Ok(match self.header_or_older(id).await? {
            Found::Ours(header) => Some(*header),
            Found::Nothing | Found::Older => None,
        })
    }

    pub(crate) async fn header_or_older(&self, id: &str) -> Result<Found> {
        let answer = self.connection.read(DOING, &self.statements.read_header, (id,)).await?;
        let found = each(DOING, &answer, |columns| self.decode(id, columns))?;
        Ok(found.into_iter().next().unwrap_or(Found::Nothing))
    }

    fn decode(&self, id: &str, columns: &mut Columns<'_, '_>) -> Result<Found> {
        let _session_id = columns.text()?;
        let generation = columns.int()?;
        let log_partition = columns.int()?;
        let cut_next = columns.number()?;
        let clock = columns.number()?;
        let writing_next = columns.number()?;
        // No cut: the first change of the session is being written, in parts.
        let (Some(generation), Some(cut_next)) = (generation, cut_next) else { return Ok(Found::Nothing) };
        let generation = generation as u32;
        if generation > self.log.generation {
            return Err(self.newer_generation(&format!("session {id}"), generation));
        }
        if generation < self.log.generation {
            return Ok(Found::Older);
        }
        Ok(Found::Ours(Box::new(Header {
            partition: PartitionId(present(log_partition, "log_partition")? as u32),
            cut: Cut { next: cut_next, clock: present(clock, "cut_clock")? },
            moment: Moment { cut_next, writing_next: present(writing_next, "writing_next")? },
            session: session_row(columns)?,
        })))
    }

    /// Somebody else writes for a log that came after ours.
    pub(crate) fn newer_generation(&self, what: &str, generation: u32) -> StoreError {
        StoreError::Refused(format!(
            "{what} of keyspace {} is of generation {generation} of the log, this process works with generation \
             {}: the log was created anew; restart this process",
            self.keyspace, self.log.generation
        ))
    }
}

/// What stands where a session's header would be.
pub(crate) enum Found {
    Nothing,
    /// A session of a log that was replaced by ours.
    Older,
    Ours(Box<Header>),
}

fn session_row(columns: &mut Columns<'_, '_>) -> Result<SessionRow> {
    let offset = present(columns.number()?, "session_version")?;
    let state = present(columns.text()?, "state")?;
    let state =
        SessionState::from_name(state).ok_or_else(|| damaged(&format!("no state is called {state}")))?;
    let first_ts = columns.number()?;
    let ended_at = columns.number()?;
    let started_at = columns.number()?;
    let mut text = || Ok::<_, StoreError>(columns.text()?.map(str::to_owned));
    let [anchor_id, room_id, title, category, anchor_name] = [text()?, text()?, text()?, text()?, text()?];
    let anchor_fans = columns.number()?;
    let mut text = || Ok::<_, StoreError>(columns.text()?.map(str::to_owned));
    let [content_type, region, merchant_id, brand] = [text()?, text()?, text()?, text()?];
    let attributes = match started_at {
        None => None,
        Some(started_at) => Some(Attributes {
            anchor_id: present(anchor_id, "anchor_id")?,
            room_id: present(room_id, "room_id")?,
            title: present(title, "title")?,
            category: present(category, "category")?,
            anchor_name: present(anchor_name, "anchor_name")?,
            anchor_fans: present(anchor_fans, "anchor_fans")?,
            content_type: present(content_type, "content_type")?,
            region: present(region, "region")?,
            merchant_id,
            brand,
            started_at,
        }),
    };
    Ok(SessionRow { attributes, ended_at, first_ts, state, offset })
}
