//! The schema: what `tandem schema apply` and `tandem schema status` do.
//!
//! Migrations are numbered, stand in the program, and are done once each, in order, under a lock
//! in the keyspace itself. `schema_versions` says which were done. Every step can be done twice, so
//! a migration that was cut short is simply begun again.

mod lock;
mod migrations;

pub(crate) use lock::is_applied;
use scylla::value::CqlValue;
use serde::Serialize;
use tandem_storage::{Result, StoreError};

use crate::Settings;
use crate::connection::{Connection, Product, Use, unreadable};
use crate::schema::lock::Lock;
use crate::schema::migrations::{MIGRATIONS, Migration, Step};

/// The version of the schema that this program needs.
pub const VERSION: u32 = MIGRATIONS[MIGRATIONS.len() - 1].version;

/// The schema as it stands in a keyspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The keyspace.
    pub keyspace: String,
    /// Which server it is, with its version.
    pub server: String,
    /// The version that stands there; 0: nothing does.
    pub version: u32,
    /// The version this program needs.
    pub version_wanted: u32,
    /// What `apply` would do, one sentence each, in order.
    pub pending: Vec<String>,
    /// What an operator should know of, one sentence each.
    pub warnings: Vec<String>,
}

/// Brings the keyspace to the version this program needs, creating it if it is not there. Safe to
/// do twice, and by two processes at once: the second waits, up to two minutes. Answers what was
/// done, one sentence each; nothing if all was done before.
///
/// # Errors
///
/// `Refused` when the schema is newer than this program, or the user may not change it.
pub async fn apply(settings: &Settings) -> Result<Vec<String>> {
    let connection = Connection::new(settings).await?;
    let schema = Schema { settings, connection: &connection };
    let mut done = Vec::new();
    // Nothing here can be under the lock that stands in it; see `lock` on why that is safe.
    if schema.replication().await?.is_none() {
        connection.define("creating the keyspace", &schema.create_keyspace()).await?;
        done.push(format!("created keyspace {}", settings.keyspace));
    }
    let version = schema.version().await?;
    if version > VERSION {
        return Err(too_new(settings, version));
    }
    if version == VERSION {
        return Ok(done);
    }
    lock::create(&connection, &settings.keyspace).await?;
    let lock = Lock::acquire(&connection, &settings.keyspace).await?;
    let outcome = schema.migrate(&lock).await;
    // Also after a failure; if this fails, too, the lock expires.
    let released = lock.release().await;
    done.extend(outcome?);
    released?;
    Ok(done)
}

/// How the schema stands; changes nothing.
pub async fn status(settings: &Settings) -> Result<Status> {
    let connection = Connection::new(settings).await?;
    let schema = Schema { settings, connection: &connection };
    let replication = schema.replication().await?;
    let version = if replication.is_some() { schema.version().await? } else { 0 };
    let mut pending = Vec::new();
    if replication.is_none() {
        pending.push(format!("create keyspace {}", settings.keyspace));
    }
    pending.extend(missing(version).map(|migration| format!("{}: {}", migration.version, migration.what)));
    let mut warnings = Vec::new();
    if version > VERSION {
        warnings.push(format!("the schema is of version {version}, this program knows {VERSION}: update it"));
    }
    if let Some(replication) = replication {
        let factors = replication.iter().filter(|(name, _)| name != "class");
        let lowest = factors.filter_map(|(_, copies)| copies.parse::<u32>().ok()).min();
        if let Some(copies @ 0..=2) = lowest {
            warnings.push(format!(
                "keyspace {} has {copies} copies of everything: the loss of one machine loses rows or stops \
                 the chain; 3 are usual",
                settings.keyspace
            ));
        }
    }
    Ok(Status {
        keyspace: settings.keyspace.clone(),
        server: schema.server().await?,
        version,
        version_wanted: VERSION,
        pending,
        warnings,
    })
}

/// Refuses a keyspace whose schema is not the one this program needs.
pub(crate) async fn check(settings: &Settings, connection: &Connection) -> Result<()> {
    let schema = Schema { settings, connection };
    let keyspace = &settings.keyspace;
    if schema.replication().await?.is_none() {
        return Err(StoreError::Refused(format!(
            "there is no keyspace {keyspace}: run `tandem schema apply`"
        )));
    }
    match schema.version().await? {
        VERSION => Ok(()),
        version if version > VERSION => Err(too_new(settings, version)),
        0 => Err(StoreError::Refused(format!(
            "keyspace {keyspace} has no schema of ours: run `tandem schema apply`"
        ))),
        version => Err(StoreError::Refused(format!(
            "the schema of keyspace {keyspace} is of version {version}, this program needs {VERSION}: run \
             `tandem schema apply`"
        ))),
    }
}

fn too_new(settings: &Settings, version: u32) -> StoreError {
    StoreError::Refused(format!(
        "the schema of keyspace {} is of version {version}, this program knows {VERSION}: use the program that \
         changed it, or a newer one",
        settings.keyspace
    ))
}

fn missing(version: u32) -> impl Iterator<Item = &'static Migration> {
    MIGRATIONS.iter().filter(move |migration| migration.version > version)
}

struct Schema<'a> {
    settings: &'a Settings,
    connection: &'a Connection,
}

impl Schema<'_> {
    async fn migrate(&self, lock: &Lock<'_>) -> Result<Vec<String>> {
        let keyspace = &self.settings.keyspace;
        let create = format!(
            "CREATE TABLE IF NOT EXISTS {keyspace}.schema_versions (name text, version int, what text, \
             PRIMARY KEY ((name), version)) WITH CLUSTERING ORDER BY (version DESC)"
        );
        self.connection.define("creating schema_versions", &create).await?;
        // Another process may have been faster.
        let version = self.version().await?;
        let text = format!(
            "INSERT INTO {keyspace}.schema_versions (name, version, what) VALUES ('tandem', ?, ?) IF NOT EXISTS"
        );
        let note = self.connection.prepare(&text, Use::Condition).await?;
        let mut done = Vec::new();
        for migration in missing(version) {
            for step in migration.steps(keyspace, self.connection.product) {
                lock.renew().await?;
                self.take(&step).await?;
            }
            let values = (migration.version as i32, migration.what);
            self.connection.write("noting a migration", &note, values).await?;
            done.push(format!("{}: {}", migration.version, migration.what));
        }
        Ok(done)
    }

    async fn take(&self, step: &Step) -> Result<()> {
        if let Some((table, column)) = step.adds_column() {
            let text = "SELECT column_name FROM system_schema.columns WHERE keyspace_name = ? AND table_name = ? \
                        AND column_name = ?";
            let find = self.connection.prepare(text, Use::Read).await?;
            let values = (&self.settings.keyspace, table, column);
            if self.connection.read("looking for a column", &find, values).await?.rows_num() > 0 {
                return Ok(());
            }
        }
        self.connection.define(step.what(), step.text()).await
    }

    fn create_keyspace(&self) -> String {
        let settings = self.settings;
        let copies = if settings.replicas_by_datacenter.is_empty() {
            format!("'replication_factor': {}", settings.replicas)
        } else {
            let each = settings.replicas_by_datacenter.iter();
            each.map(|(name, copies)| format!("'{name}': {copies}")).collect::<Vec<_>>().join(", ")
        };
        format!(
            "CREATE KEYSPACE IF NOT EXISTS {} WITH replication = {{'class': 'NetworkTopologyStrategy', {copies}}} \
             {}",
            settings.keyspace, settings.keyspace_options
        )
    }

    /// The keyspace's replication; none if there is no such keyspace.
    async fn replication(&self) -> Result<Option<Vec<(String, String)>>> {
        const DOING: &str = "looking for the keyspace";
        let text = "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = ?";
        let statement = self.connection.prepare(text, Use::Read).await?;
        let found = self.connection.read(DOING, &statement, (&self.settings.keyspace,)).await?;
        let found = found.maybe_first_row::<(CqlValue,)>().map_err(|error| unreadable(DOING, &error))?;
        Ok(found.map(|(replication,)| match replication {
            CqlValue::Map(pairs) => pairs
                .into_iter()
                .filter_map(|(name, value)| Some((name.into_string()?, value.into_string()?)))
                .collect(),
            _ => Vec::new(),
        }))
    }

    /// The highest migration that was done; 0 if none was.
    async fn version(&self) -> Result<u32> {
        const DOING: &str = "reading the schema's version";
        let keyspace = &self.settings.keyspace;
        let text = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ? AND table_name = ?";
        let statement = self.connection.prepare(text, Use::Read).await?;
        let found = self.connection.read(DOING, &statement, (keyspace, "schema_versions")).await?;
        if found.rows_num() == 0 {
            return Ok(0);
        }
        let text = format!("SELECT version FROM {keyspace}.schema_versions WHERE name = 'tandem' LIMIT 1");
        let statement = self.connection.prepare(&text, Use::Read).await?;
        let found = self.connection.read(DOING, &statement, ()).await?;
        let found = found.maybe_first_row::<(i32,)>().map_err(|error| unreadable(DOING, &error))?;
        Ok(found.map_or(0, |(version,)| version as u32))
    }

    async fn server(&self) -> Result<String> {
        const DOING: &str = "asking for the server's version";
        let text = "SELECT release_version FROM system.local";
        let statement = self.connection.prepare(text, Use::Read).await?;
        let found = self.connection.read(DOING, &statement, ()).await?;
        let (version,) = found.first_row::<(String,)>().map_err(|error| unreadable(DOING, &error))?;
        Ok(match self.connection.product {
            Product::Cassandra => format!("Apache Cassandra {version}"),
            Product::Scylla => format!("ScyllaDB, compatible with Apache Cassandra {version}"),
        })
    }
}
