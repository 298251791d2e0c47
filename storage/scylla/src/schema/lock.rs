//! One at a time: two `CREATE TABLE` at once leave Cassandra with two tables of one name.
//!
//! The lock is a row that a lightweight transaction puts there, with the holder's name, and that
//! expires by itself when its holder died. The table it stands in can't be created under it; on
//! Cassandra it has a fixed id, so that two that create it at once create the same table (ScyllaDB
//! puts changes of the schema in order by itself). A holder that slept
//! through its lock's end does no more harm than two without a lock, as every step can be done
//! twice.

use std::time::Duration;

use scylla::statement::prepared::PreparedStatement;
use scylla::value::CqlValue;
use tandem_storage::{Result, StoreError};
use tokio::time::{Instant, sleep};

use crate::connection::{Connection, Product, Use, unreadable};

/// How long a lock outlives the last sign of its holder, in seconds. Longer than a step takes.
const EXPIRY_S: i32 = 60;
/// How long to wait for somebody else's.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often to look.
const POLL: Duration = Duration::from_millis(200);

/// The lock, held.
pub(super) struct Lock<'a> {
    connection: &'a Connection,
    renew: PreparedStatement,
    release: PreparedStatement,
    holder: String,
}

/// Creates the table of the lock.
pub(super) async fn create(connection: &Connection, keyspace: &str) -> Result<()> {
    let mut text =
        format!("CREATE TABLE IF NOT EXISTS {keyspace}.schema_lock (name text PRIMARY KEY, holder text)");
    if connection.product == Product::Cassandra {
        text += &format!(" WITH ID = {}", table_id(keyspace));
    }
    match connection.define("creating schema_lock", &text).await {
        // Somebody else did, this very moment.
        Err(StoreError::Refused(said)) if said.contains("exist") => Ok(()),
        other => other,
    }
}

impl<'a> Lock<'a> {
    /// Waits until nobody else holds it.
    pub(super) async fn acquire(connection: &'a Connection, keyspace: &str) -> Result<Self> {
        const DOING: &str = "acquiring the schema's lock";
        let acquire = connection
            .prepare(
                &format!(
                    "INSERT INTO {keyspace}.schema_lock (name, holder) VALUES ('schema', ?) IF NOT EXISTS USING TTL \
                     {EXPIRY_S}"
                ),
                Use::Condition,
            )
            .await?;
        let renew = format!(
            "UPDATE {keyspace}.schema_lock USING TTL {EXPIRY_S} SET holder = ? WHERE name = 'schema' IF holder = ?"
        );
        let release = format!("DELETE FROM {keyspace}.schema_lock WHERE name = 'schema' IF holder = ?");
        let lock = Self {
            connection,
            renew: connection.prepare(&renew, Use::Condition).await?,
            release: connection.prepare(&release, Use::Condition).await?,
            holder: holder(),
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = connection.read(DOING, &acquire, (&lock.holder,)).await;
            match answer {
                // A timeout may have taken it: then it is ours.
                Ok(answer) if is_applied(&answer)? => return Ok(lock),
                Ok(_) | Err(StoreError::Timeout(_)) => {}
                Err(error) => return Err(error),
            }
            if lock.renew().await.is_ok() {
                return Ok(lock);
            }
            if Instant::now() >= deadline {
                return Err(StoreError::Unavailable(format!(
                    "another process has been changing the schema of keyspace {keyspace} for {} s; if none is, \
                     its lock expires in {EXPIRY_S} s: try again",
                    PATIENCE.as_secs()
                )));
            }
            sleep(POLL).await;
        }
    }

    /// Holds it for longer; an error if it is somebody else's by now.
    pub(super) async fn renew(&self) -> Result<()> {
        let values = (&self.holder, &self.holder);
        let answer = self.connection.read("renewing the schema's lock", &self.renew, values).await?;
        if is_applied(&answer)? {
            return Ok(());
        }
        Err(StoreError::Unavailable(
            "another process took over changing the schema: `tandem schema status` tells how far it is"
                .to_owned(),
        ))
    }

    /// Lets others have it.
    pub(super) async fn release(&self) -> Result<()> {
        self.connection.read("releasing the schema's lock", &self.release, (&self.holder,)).await.map(|_| ())
    }
}

/// Whether a condition was met: the first column of every such answer.
pub(crate) fn is_applied(answer: &scylla::response::query_result::QueryRowsResult) -> Result<bool> {
    let row = answer.first_row::<scylla::value::Row>().map_err(|error| unreadable("a condition", &error))?;
    Ok(matches!(row.columns.first(), Some(Some(CqlValue::Boolean(true)))))
}

/// Names this process among all that could want the lock at once.
fn holder() -> String {
    use std::hash::{BuildHasher, RandomState};
    let random = RandomState::new().hash_one(std::time::SystemTime::now());
    format!("process {} {random:016x}", std::process::id())
}

/// An id that is the same for every process and another in every keyspace: FNV-1a (Fowler, Noll,
/// Vo) twice, in the form of a UUID of version 5.
fn table_id(keyspace: &str) -> String {
    let hash = |seed: u64| {
        let name = format!("tandem.{keyspace}.schema_lock");
        name.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
    };
    let (high, low) = (hash(0xcbf2_9ce4_8422_2325), hash(0x8422_2325_cbf2_9ce4));
    format!(
        "{:08x}-{:04x}-5{:03x}-8{:03x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        low >> 48 & 0xfff,
        low & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_the_same_every_time_and_differ_by_keyspace() {
        assert_eq!(table_id("a"), table_id("a"));
        assert_ne!(table_id("a"), table_id("b"));
        assert_eq!(table_id("a").len(), 36);
        assert_ne!(holder(), holder());
    }
}
