//! Changes to a file of keys. Comments and order stay; what comes out is parsed before it is written, so
//! no gateway ever finds a file of ours that it would refuse.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use tandem_identity::{Key, KeyKind, KeySet, to_hexadecimal, to_text};
use tandem_model::scope::Grants;
use tempfile::NamedTempFile;
use toml_edit::{Array, ArrayOfTables, Datetime, DocumentMut, Item, Table, Value, value};

use crate::failure::Failure;
use crate::identity::read_keys;

/// A file of keys that is being changed.
pub(super) struct Edited {
    path: PathBuf,
    /// What it held, if it was there.
    before: Option<Vec<u8>>,
    document: DocumentMut,
    keys: KeySet,
}

/// A key that is to be put into the file.
pub(super) struct NewKey<'a> {
    pub(super) key: &'a Key,
    pub(super) kind: KeyKind,
    pub(super) tenant: &'a str,
    pub(super) application: &'a str,
    pub(super) may: &'a [&'a str],
    pub(super) created_ms: u64,
    pub(super) expires_ms: Option<u64>,
}

impl Edited {
    /// The file at `path`, which must be there.
    pub(super) fn open(path: &Path, now_ms: u64) -> Result<Self, Failure> {
        let failed = |error: anyhow::Error| Failure::configuration(error.context(path.display().to_string()));
        // Where it is a link, what it leads to is changed.
        let path = fs::canonicalize(path).context("can't be found").map_err(failed)?;
        let before = read_keys(&path).map_err(failed)?;
        let (document, keys) = parsed(&before, now_ms).map_err(failed)?;
        Ok(Self { path, before: Some(before), document, keys })
    }

    /// The same, or an empty one where there is none.
    pub(super) fn open_or_new(path: &Path, now_ms: u64) -> Result<Self, Failure> {
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self {
                path: path.to_owned(),
                before: None,
                document: DocumentMut::new(),
                keys: KeySet::default(),
            }),
            _ => Self::open(path, now_ms),
        }
    }

    /// The keys as they were.
    pub(super) fn keys(&self) -> &KeySet {
        &self.keys
    }

    /// What of `asked` a tenant that is there already was not granted, in words.
    pub(super) fn missing_grants(&self, tenant: &str, asked: &Grants) -> Option<String> {
        let granted = self.keys.tenants().find(|known| &*known.name == tenant)?.grants;
        let lists = lists(asked).into_iter().zip(lists(&granted));
        let missing: Vec<String> = lists
            .filter_map(|((name, asked), (_, granted))| {
                let more: Vec<&str> = asked.difference(granted).map(String::as_str).collect();
                (!more.is_empty()).then(|| format!("{name} {}", more.join(", ")))
            })
            .collect();
        (!missing.is_empty()).then(|| missing.join(" and "))
    }

    /// Puts a key into the file, its tenant where that is new, and what it is granted more.
    pub(super) fn add(&mut self, grants: &Grants, new: &NewKey<'_>) -> Result<(), Failure> {
        let tenants = tables(&mut self.document, "tenants")?;
        let place = tenants.iter().position(|tenant| text(tenant, "name") == Some(new.tenant));
        if place.is_none() {
            let mut tenant = Table::new();
            tenant.insert("name", value(new.tenant));
            tenants.push(tenant);
        }
        let place = place.unwrap_or_else(|| tenants.len().saturating_sub(1));
        if let Some(tenant) = tenants.get_mut(place) {
            for (name, asked) in lists(grants) {
                grant(tenant, name, asked)?;
            }
        }
        let mut key = Table::new();
        key.insert("id", value(new.key.id()));
        key.insert("tenant", value(new.tenant));
        key.insert("application", value(new.application));
        key.insert("may", value(new.may.iter().copied().collect::<Array>()));
        let (name, secret) = match new.kind {
            KeyKind::Bearer => ("sha256", new.key.secret_sha256()),
            KeyKind::Signing => ("signing_key", new.key.signing_key()),
        };
        key.insert(name, value(to_hexadecimal(&secret)));
        key.insert("created_at", moment(new.created_ms)?);
        if let Some(expires_ms) = new.expires_ms {
            key.insert("expires_at", moment(expires_ms)?);
        }
        tables(&mut self.document, "keys")?.push(key);
        Ok(())
    }

    /// Ends a key.
    pub(super) fn revoke(&mut self, id: &str, now_ms: u64) -> Result<(), Failure> {
        let keys = tables(&mut self.document, "keys")?;
        let key = keys.iter_mut().find(|key| text(key, "id") == Some(id));
        let key = key.ok_or_else(|| Failure::failed(anyhow!("there is no key {id}")))?;
        key.insert("revoked_at", moment(now_ms)?);
        Ok(())
    }

    /// Writes it in one step, for its owner alone.
    pub(super) fn save(&self, now_ms: u64) -> Result<(), Failure> {
        let text = self.document.to_string();
        // Among other things this knows how many keys an application may have.
        KeySet::parse(text.as_bytes(), now_ms).map_err(|error| Failure::failed(anyhow!(error)))?;
        self.write(&text).map_err(|error| {
            Failure::failed(error.context(format!("{} was not changed", self.path.display())))
        })
    }

    fn write(&self, text: &str) -> Result<(), anyhow::Error> {
        let folder = match self.path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        // Such files are their owner's alone from the first moment.
        let mut file = NamedTempFile::new_in(folder).context("no file can be made beside it")?;
        file.write_all(text.as_bytes()).context("can't be written")?;
        file.as_file().sync_all().context("can't be written")?;
        if self.before.is_none() {
            let made = file.persist_noclobber(&self.path);
            made.context("somebody else made it meanwhile: try again")?;
        } else {
            if read_keys(&self.path).ok() != self.before {
                return Err(anyhow!("somebody else changed it meanwhile: try again"));
            }
            file.persist(&self.path).context("can't be put in its place")?;
        }
        // The new name lasts once the folder does.
        fs::File::open(folder).and_then(|folder| folder.sync_all()).context("can't be made to last")
    }
}

fn parsed(content: &[u8], now_ms: u64) -> Result<(DocumentMut, KeySet), anyhow::Error> {
    let keys = KeySet::parse(content, now_ms)?;
    let text = std::str::from_utf8(content).context("is not text")?;
    Ok((text.parse().context("is no TOML")?, keys))
}

fn lists(grants: &Grants) -> [(&'static str, &BTreeSet<String>); 4] {
    [
        ("anchors", &grants.anchors),
        ("merchants", &grants.merchants),
        ("channels", &grants.channels),
        ("tables", &grants.tables),
    ]
}

/// Adds to a list of a tenant what is not there.
fn grant(tenant: &mut Table, name: &str, asked: &BTreeSet<String>) -> Result<(), Failure> {
    if asked.is_empty() {
        return Ok(());
    }
    let list = tenant.entry(name).or_insert_with(|| value(Array::new()));
    let list = list.as_array_mut();
    let list = list.ok_or_else(|| Failure::failed(anyhow!("`{name}` of a tenant must be a list")))?;
    for more in asked {
        if !list.iter().any(|known| known.as_str() == Some(more)) {
            list.push(Value::from(more));
        }
    }
    Ok(())
}

fn tables<'a>(document: &'a mut DocumentMut, name: &str) -> Result<&'a mut ArrayOfTables, Failure> {
    let item = document.entry(name).or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
    item.as_array_of_tables_mut().ok_or_else(|| {
        Failure::failed(anyhow!("`{name}` is written as one list: write each entry as a table, [[{name}]]"))
    })
}

fn text<'a>(table: &'a Table, name: &str) -> Option<&'a str> {
    table.get(name).and_then(Item::as_str)
}

fn moment(ms: u64) -> Result<Item, Failure> {
    let parsed: Result<Datetime, _> = to_text(ms).parse();
    parsed.map(value).map_err(|error| Failure::failed(anyhow!("this moment can't be written: {error}")))
}
