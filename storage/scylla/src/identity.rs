//! Which log the rows are computed from: noted by compute, read by query nodes.

use scylla::value::CqlValue;
use tandem_model::{Calendar, LogId};
use tandem_storage::{GENERATION_MAX, Result, StoreError};

use crate::connection::{Connection, Use, unreadable};
use crate::schema::is_applied;

/// Which log the rows are computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogIdentity {
    /// The log's own id.
    pub id: LogId,
    /// Which of the logs that stood under its name it is, from 0 to
    /// [`tandem_storage::GENERATION_MAX`].
    pub generation: u32,
    /// How many partitions it has.
    pub partitions: u32,
}

impl std::fmt::Display for LogIdentity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "log {} (generation {}, {} partitions)", self.id, self.generation, self.partitions)
    }
}

const DOING: &str = "reading which log the rows are of";
/// Two compute processes that start at once get in each other's way once; more are not many more.
const ATTEMPTS: usize = 20;

/// The log that was noted, if one was, and the calendar of its rows.
pub(crate) async fn read(connection: &Connection, keyspace: &str) -> Result<Option<(LogIdentity, Calendar)>> {
    let text = format!(
        "SELECT log_id, generation, partitions, time_zone FROM {keyspace}.log_identity WHERE name = 'log'"
    );
    let statement = connection.prepare(&text, Use::Read).await?;
    let answer = connection.read(DOING, &statement, ()).await?;
    let row = answer
        .maybe_first_row::<(Vec<u8>, i32, i32, Option<String>)>()
        .map_err(|error| unreadable(DOING, &error))?;
    row.map(|(id, generation, partitions, zone)| {
        let id = id.try_into().map_err(|_| unreadable(DOING, &"a log's id has not 16 bytes"))?;
        let calendar = match zone {
            // Rows from before zones were noted.
            None => Calendar::default(),
            Some(zone) => Calendar::new(&zone).map_err(|error| unreadable(DOING, &error))?,
        };
        let (generation, partitions) = (generation as u32, partitions as u32);
        Ok((LogIdentity { id: LogId(id), generation, partitions }, calendar))
    })
    .transpose()
}

/// Notes `log` and its calendar, unless the rows are of another one that it must not replace.
pub(crate) async fn note(
    connection: &Connection,
    keyspace: &str,
    log: LogIdentity,
    calendar: &Calendar,
) -> Result<()> {
    if log.generation > GENERATION_MAX {
        return Err(StoreError::Refused(format!(
            "{log}: generations end at {GENERATION_MAX}: use a new keyspace and begin with generation 0"
        )));
    }
    let text = format!(
        "INSERT INTO {keyspace}.log_identity (name, log_id, generation, partitions, time_zone) VALUES ('log', ?, ?, ?, ?) \
         IF NOT EXISTS"
    );
    let insert = connection.prepare(&text, Use::Condition).await?;
    let text = format!(
        "UPDATE {keyspace}.log_identity SET log_id = ?, generation = ?, partitions = ?, time_zone = ? WHERE name = \
         'log' IF log_id = ? AND generation = ?"
    );
    let update = connection.prepare(&text, Use::Condition).await?;
    let blob = |id: LogId| CqlValue::Blob(id.0.to_vec());
    let (generation, partitions, zone) = (log.generation as i32, log.partitions as i32, calendar.zone());
    for _ in 0..ATTEMPTS {
        let stored = read(connection, keyspace).await?;
        let answer = match stored {
            Some((stored, known)) if stored == log => return same_zone(keyspace, &known, calendar),
            Some((stored, _)) => {
                refuse(keyspace, stored, log)?;
                let (id, before) = (blob(stored.id), stored.generation as i32);
                let values = (blob(log.id), generation, partitions, zone, id, before);
                connection.read("noting the log", &update, values).await
            }
            None => {
                let values = (blob(log.id), generation, partitions, zone);
                connection.read("noting the log", &insert, values).await
            }
        };
        match answer {
            Ok(answer) if is_applied(&answer)? => return Ok(()),
            // Somebody else noted one, or perhaps we did: look again.
            Ok(_) | Err(StoreError::Timeout(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Err(StoreError::Timeout("noting the log: others note theirs all the time".to_owned()))
}

/// Refuses a calendar that is not that of the rows: theirs would stand beside others.
fn same_zone(keyspace: &str, known: &Calendar, wanted: &Calendar) -> Result<()> {
    if known.zone() == wanted.zone() {
        return Ok(());
    }
    Err(StoreError::Refused(format!(
        "keyspace {keyspace} holds hours and days of the time zone {}, and those of this log are of {}: use another \
         keyspace",
        known.zone(),
        wanted.zone()
    )))
}

/// Refuses `log` where the rows of `stored` must stay.
fn refuse(keyspace: &str, stored: LogIdentity, log: LogIdentity) -> Result<()> {
    let refused = |text: String| Err(StoreError::Refused(text));
    if stored.generation > log.generation {
        return refused(format!(
            "keyspace {keyspace} already holds rows of {stored}, a later generation than {log}: this process \
             reads a log that was replaced; point it to the new one"
        ));
    }
    if stored.id == log.id {
        return refused(format!(
            "keyspace {keyspace} holds rows of {stored}, and this is {log}: a log keeps its number of \
             partitions and its generation"
        ));
    }
    if stored.generation == log.generation {
        return refused(format!(
            "keyspace {keyspace} holds rows of {stored}, and this is {log}: use another keyspace; or, if the log \
             was created anew on purpose, give it generation {}",
            stored.generation + 1
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: LogIdentity = LogIdentity { id: LogId([1; 16]), generation: 2, partitions: 6 };

    #[test]
    fn a_zone_stays_what_it_is() {
        let [here, there] =
            ["Asia/Shanghai", "Asia/Bangkok"].map(|zone| Calendar::new(zone).expect("a zone"));
        same_zone("k", &here, &Calendar::default()).expect("the same");
        assert!(matches!(same_zone("k", &here, &there), Err(StoreError::Refused(_))));
    }

    #[test]
    fn only_a_later_log_replaces_another() {
        let other = LogId([2; 16]);
        refuse("k", LOG, LogIdentity { id: other, generation: 3, partitions: 12 }).expect("a later one");
        for (bad, advice) in [
            (LogIdentity { id: other, ..LOG }, "give it generation 3"),
            (LogIdentity { id: other, generation: 1, ..LOG }, "a log that was replaced"),
            (LogIdentity { partitions: 7, ..LOG }, "keeps its number of partitions"),
            (LogIdentity { generation: 3, ..LOG }, "keeps its number of partitions and its generation"),
        ] {
            let Err(StoreError::Refused(text)) = refuse("k", LOG, bad) else { panic!("{bad}") };
            assert!(text.contains(advice), "{text}");
        }
    }
}
