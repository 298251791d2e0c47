//! What a folder of an export says of itself.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, anyhow};
use form_urlencoded::Serializer;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// Readers of whole folders (pyarrow, Spark) leave out what begins so.
const FILE: &str = "_manifest.json";
const SUMS: &str = "_SHA256SUMS";

/// What is exported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The table.
    pub table: String,
    /// How rows are written.
    pub format: String,
    /// Which sessions and rows, by the parameter's name.
    pub filters: BTreeMap<String, String>,
}

impl Order {
    /// Path and query of the part at this cursor.
    pub(super) fn path(&self, cursor: Option<&str>) -> String {
        let mut query = Serializer::new(String::new());
        query.append_pair("format", &self.format).extend_pairs(&self.filters);
        cursor.into_iter().for_each(|cursor| _ = query.append_pair("cursor", cursor));
        format!("/v1/export/{}?{}", self.table, query.finish())
    }
}

/// A file of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its name.
    pub file: String,
    /// How many rows it has.
    pub rows: u64,
    /// Of a piece of a large session: how many of its rows are in the files before.
    pub first_row: u64,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal digits.
    pub sha256: String,
    /// Where its rows are from, as the server said.
    pub provenance: String,
    /// The cursor that it was asked for with.
    pub asked_with: Option<String>,
}

/// All of it, and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// What is exported.
    #[serde(flatten)]
    pub order: Order,
    /// Whether all of it is there.
    pub is_complete: bool,
    /// The cursor of the next part.
    pub next: Option<String>,
    /// How far the log was read for it.
    pub token: Option<String>,
    /// The files.
    pub parts: Vec<Part>,
}

impl Manifest {
    /// Of what `folder` holds of this order: nothing at first.
    pub(super) fn open(folder: &Path, order: &Order) -> Result<Self, Failure> {
        let file = folder.join(FILE);
        let known: Self = match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("{} can't be read: export into another folder", file.display()))?,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let order = order.clone();
                return Ok(Self { order, is_complete: false, next: None, token: None, parts: Vec::new() });
            }
            Err(error) => {
                return Err(anyhow!(error).context(format!("can't read {}", file.display())).into());
            }
        };
        if known.order != *order {
            return Err(Failure::usage(anyhow!(
                "{} holds another export, of {} as {}: export into another folder",
                folder.display(),
                known.order.table,
                known.order.format,
            )));
        }
        if known.is_complete {
            return Err(Failure::usage(anyhow!(
                "{} holds this export already, and all of it: export into another folder for one as of now",
                folder.display(),
            )));
        }
        for part in &known.parts {
            let path = folder.join(&part.file);
            let size = fs::metadata(&path).map(|metadata| metadata.len()).ok();
            if size != Some(part.bytes) {
                return Err(Failure::failed(anyhow!(
                    "{} is not as it was written: export into another folder",
                    path.display()
                )));
            }
        }
        Ok(known)
    }

    /// Forgets the pieces of the session that was being fetched.
    pub(super) fn drop_pieces(&mut self, folder: &Path) -> Result<(), Failure> {
        while let Some(part) = self.parts.pop() {
            let path = folder.join(&part.file);
            fs::remove_file(&path).with_context(|| format!("can't remove {}", path.display()))?;
            self.next = part.asked_with;
            if part.first_row == 0 {
                break;
            }
        }
        self.write(folder)
    }

    pub(super) fn write(&self, folder: &Path) -> Result<(), Failure> {
        let json = serde_json::to_vec_pretty(self).context("a manifest is plain data")?;
        replace(&folder.join(FILE), &json)?;
        if self.is_complete {
            let line = |part: &Part| format!("{}  {}\n", part.sha256, part.file);
            replace(&folder.join(SUMS), self.parts.iter().map(line).collect::<String>().as_bytes())?;
        }
        Ok(())
    }

    /// How many rows there are.
    pub fn rows(&self) -> u64 {
        self.parts.iter().map(|part| part.rows).sum()
    }

    /// How many bytes.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }

    /// The time of the log that the last part is of, in milliseconds.
    pub fn as_of(&self) -> Option<u64> {
        let members = self.parts.last()?.provenance.split(", ");
        members.filter_map(|member| member.strip_prefix("as-of=")).find_map(|ms| ms.parse().ok())
    }
}

/// Writes a file as a whole or not at all.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let write = || {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let beside = folder.join(format!(".{name}.part"));
        let mut file = fs::File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    Ok(write().with_context(|| format!("can't write {}", path.display()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Order {
        Order {
            table: "dws_total".to_owned(),
            format: "csv".to_owned(),
            filters: BTreeMap::from([("anchor_id".to_owned(), "a:1".to_owned())]),
        }
    }

    fn part(number: u64, first_row: u64) -> Part {
        Part {
            file: format!("p{number}"),
            rows: 3,
            first_row,
            bytes: 1,
            sha256: "00".to_owned(),
            provenance: "log=\"1\", as-of=7, stale=?0".to_owned(),
            asked_with: Some(format!("c{number}")),
        }
    }

    #[test]
    fn a_folder_goes_on_with_its_own_export_and_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        let mut manifest = Manifest::open(folder, &order()).expect("nothing is there");
        assert_eq!(
            manifest.order.path(Some("x")),
            "/v1/export/dws_total?format=csv&anchor_id=a%3A1&cursor=x"
        );
        for (number, first_row) in [(0, 0), (1, 0), (2, 3), (3, 6)] {
            replace(&folder.join(format!("p{number}")), b"x").expect("written");
            manifest.parts.push(part(number, first_row));
        }
        manifest.next = Some("c4".to_owned());
        manifest.write(folder).expect("written");
        let mut known = Manifest::open(folder, &order()).expect("it goes on");
        assert_eq!(known, manifest);
        assert_eq!((known.rows(), known.bytes(), known.as_of()), (12, 4, Some(7)));
        // What is in pieces goes as a whole.
        known.drop_pieces(folder).expect("dropped");
        assert_eq!((known.parts.len(), known.next.as_deref()), (1, Some("c1")));
        assert!(folder.join("p0").exists() && !folder.join("p1").exists() && !folder.join("p3").exists());

        let other = Order { format: "json".to_owned(), ..order() };
        assert_eq!(Manifest::open(folder, &other).expect_err("another one").code(), 2);
        fs::write(folder.join("p0"), b"xy").expect("written");
        assert_eq!(Manifest::open(folder, &order()).expect_err("damaged").code(), 1);
        fs::write(folder.join("p0"), b"x").expect("written");
        known.is_complete = true;
        known.write(folder).expect("written");
        assert_eq!(fs::read_to_string(folder.join(SUMS)).expect("sums"), "00  p0\n");
        assert_eq!(Manifest::open(folder, &order()).expect_err("it is complete").code(), 2);
    }
}
