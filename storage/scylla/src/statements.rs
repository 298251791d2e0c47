//! Every statement there is, made from the catalogue and prepared once.
//!
//! All writes name their timestamp; see [`crate::position`]. All write all columns of what they
//! write, so that nothing of an older write shows through.

use scylla::statement::prepared::PreparedStatement;
use tandem_model::catalogue::Stored;
use tandem_storage::Result;

use crate::connection::{Connection, Use};
use crate::tables::{Column, Kind, header, letter, names, tables};

macro_rules! statements {
    ($($name:ident $what_for:ident $text:expr;)+) => {
        /// The statements, prepared.
        pub(crate) struct Statements {
            $(pub(crate) $name: PreparedStatement,)+
        }

        impl Statements {
            /// Prepares all of them.
            pub(crate) async fn new(connection: &Connection, keyspace: &str, page_rows: u32) -> Result<Self> {
                let texts = Texts::new();
                let mut statements = Self {
                    $($name: {
                        let text: String = $text(&texts);
                        connection.prepare(&text.replace("{k}", keyspace), Use::$what_for).await?
                    },)+
                };
                for paged in statements.paged() {
                    paged.set_page_size(i32::try_from(page_rows).unwrap_or(i32::MAX));
                }
                Ok(statements)
            }

            /// Name, purpose and text of each.
            #[cfg(test)]
            fn texts() -> Vec<(&'static str, Use, String)> {
                let texts = Texts::new();
                vec![$((stringify!($name), Use::$what_for, $text(&texts)),)+]
            }
        }
    };
}

/// Parts of statements.
struct Texts {
    header: Vec<&'static str>,
    figures: Vec<&'static str>,
    letter: Vec<&'static str>,
}

/// What a session's header says of its cut.
const CUT: [&str; 5] = ["generation", "log_partition", "cut_next", "cut_clock", "writing_next"];

impl Texts {
    fn new() -> Self {
        let all = |columns: &[Column]| names(columns, |_| true);
        Self {
            header: all(&header()),
            figures: Stored::ALL.iter().map(|stored| stored.id()).collect(),
            letter: all(&letter()),
        }
    }

    /// The figures of a session, as [`crate::read`] reads them.
    fn figures_where(&self, condition: &str) -> String {
        format!(
            "SELECT cut_next, writing_next, table_name, breakdown, bucket, key, version, {} FROM {{k}}.rows WHERE \
             session_id = ?{condition}",
            self.figures.join(", ")
        )
    }

    fn letters_where(&self, table: &str, key: &str, condition: &str) -> String {
        format!(
            "SELECT {key}, {} FROM {{k}}.{table} WHERE generation = ? AND {condition}",
            self.letter.join(", ")
        )
    }
}

/// `INSERT` of these columns, then the timestamp.
fn insert(table: &str, columns: &[&[&str]]) -> String {
    let columns = columns.concat();
    let marks = vec!["?"; columns.len()].join(", ");
    let columns = columns.join(", ");
    format!("INSERT INTO {{k}}.{table} ({columns}) VALUES ({marks}) USING TIMESTAMP ?")
}

/// `INSERT` of these columns, then the timestamp, then the time to live.
fn insert_expiring(table: &str, columns: &[&[&str]]) -> String {
    insert(table, columns) + " AND TTL ?"
}

/// Like [`insert_expiring`], of all columns.
fn insert_all(table: &str) -> String {
    insert_expiring(table, &[&columns_of(table)])
}

fn columns_of(table: &str) -> Vec<&'static str> {
    let all = tables();
    let found = all.iter().find(|one| one.name == table);
    found.map(|table| names(&table.columns, |kind| kind != Kind::Static)).unwrap_or_default()
}

statements! {
    // A session. All in one CQL partition, so a batch of them is one mutation.
    write_row Write |texts: &Texts| {
        let key = ["session_id", "table_name", "breakdown", "bucket", "key", "version"];
        insert_expiring("rows", &[&key, &texts.figures])
    };
    write_header Write |texts: &Texts| insert_expiring("rows", &[&["session_id"], &texts.header]);
    write_cut Write |_: &Texts| insert_expiring("rows", &[&["session_id"], &CUT]);
    write_mark Write |_: &Texts| insert_expiring("rows", &[&["session_id", "writing_next"]]);
    forget_session Write |_: &Texts| "DELETE FROM {k}.rows USING TIMESTAMP ? WHERE session_id = ?".to_owned();
    read_header Read |texts: &Texts| {
        format!("SELECT DISTINCT session_id, {} FROM {{k}}.rows WHERE session_id = ?", texts.header.join(", "))
    };
    read_rows Read |texts: &Texts| texts.figures_where("");
    read_table Read |texts: &Texts| texts.figures_where(" AND table_name = ?");
    read_breakdown Read |texts: &Texts| texts.figures_where(" AND table_name = ? AND breakdown = ?");
    read_from Read |texts: &Texts| {
        texts.figures_where(" AND table_name = ? AND breakdown = ? AND bucket >= ?")
    };
    read_between Read |texts: &Texts| {
        texts.figures_where(" AND table_name = ? AND breakdown = ? AND bucket >= ? AND bucket < ?")
    };

    // Lists of sessions.
    list Write |_: &Texts| insert_all("session_list");
    list_live Write |_: &Texts| insert_all("session_list_live");
    list_by_anchor Write |_: &Texts| insert_all("session_list_by_anchor");
    list_month Write |_: &Texts| insert_all("session_months");
    list_id Write |_: &Texts| insert_all("session_ids");
    unlist Write |_: &Texts| {
        "DELETE FROM {k}.session_list USING TIMESTAMP ? WHERE generation = ? AND slot = ? AND month = ? AND \
         sort_ts = ? AND session_id = ?".to_owned()
    };
    unlist_live Write |_: &Texts| {
        "DELETE FROM {k}.session_list_live USING TIMESTAMP ? WHERE generation = ? AND slot = ? AND sort_ts = ? \
         AND session_id = ?".to_owned()
    };
    unlist_by_anchor Write |_: &Texts| {
        "DELETE FROM {k}.session_list_by_anchor USING TIMESTAMP ? WHERE generation = ? AND anchor_id = ? AND \
         sort_ts = ? AND session_id = ?".to_owned()
    };
    read_list Read |_: &Texts| listed("session_list", "state", "slot = ? AND month = ?", BELOW);
    read_list_at Read |_: &Texts| listed("session_list", "state", "slot = ? AND month = ?", AT);
    read_live Read |_: &Texts| listed("session_list_live", "log_partition", "slot = ?", BELOW);
    read_live_at Read |_: &Texts| listed("session_list_live", "log_partition", "slot = ?", AT);
    read_anchor Read |_: &Texts| listed("session_list_by_anchor", "state", "anchor_id = ?", BELOW);
    read_anchor_at Read |_: &Texts| listed("session_list_by_anchor", "state", "anchor_id = ?", AT);
    read_months Read |_: &Texts| {
        "SELECT month FROM {k}.session_months WHERE generation = ? AND month <= ? AND month >= ?".to_owned()
    };
    read_ids Read |_: &Texts| {
        "SELECT session_id FROM {k}.session_ids WHERE generation = ? AND slot = ? AND session_id > ? LIMIT ?"
            .to_owned()
    };

    // A partition of the log.
    write_progress Write |_: &Texts| insert("progress", &[&columns_of("progress")]);
    read_progress Read |_: &Texts| {
        let columns = columns_of("progress")[1..].join(", ");
        format!("SELECT {columns} FROM {{k}}.progress WHERE log_partition = ?")
    };
    write_beat Write |_: &Texts| insert("beats", &[&columns_of("beats")]);
    forget_beats Write |_: &Texts| {
        "DELETE FROM {k}.beats USING TIMESTAMP ? WHERE generation = ? AND log_partition = ? AND ts < ?".to_owned()
    };
    read_beats Read |_: &Texts| {
        let columns = columns_of("beats")[2..].join(", ");
        format!("SELECT {columns} FROM {{k}}.beats WHERE generation = ? AND log_partition = ? LIMIT ?")
    };
    read_beat_times Read |_: &Texts| {
        "SELECT ts, offset FROM {k}.beats WHERE generation = ? AND log_partition = ? LIMIT ?".to_owned()
    };

    // Editions.
    write_edition Write |_: &Texts| insert("editions", &[&columns_of("editions")]);
    write_edition_bucket Write |_: &Texts| insert("edition_buckets", &[&columns_of("edition_buckets")]);
    forget_editions Write |_: &Texts| {
        "DELETE FROM {k}.editions USING TIMESTAMP ? WHERE generation = ? AND log_partition = ? AND step = ? AND bucket = ?"
            .to_owned()
    };
    forget_edition_bucket Write |_: &Texts| {
        "DELETE FROM {k}.edition_buckets USING TIMESTAMP ? WHERE generation = ? AND log_partition = ? AND step = ? AND bucket = ?"
            .to_owned()
    };
    read_editions Read |_: &Texts| editions("slot >= ? LIMIT ?");
    read_edition Read |_: &Texts| editions("slot = ?");
    read_last_edition Read |_: &Texts| editions("slot <= ? ORDER BY slot DESC, piece DESC LIMIT 1");
    read_edition_buckets Read |_: &Texts| {
        "SELECT bucket FROM {k}.edition_buckets WHERE generation = ? AND log_partition = ? AND step = ? AND bucket >= ?"
            .to_owned()
    };

    // Repairs.
    write_repair Write |_: &Texts| insert("repairs", &[&columns_of("repairs")]);
    end_repair Write |_: &Texts| {
        "UPDATE {k}.repairs USING TIMESTAMP ? SET state = ?, failure = ? WHERE generation = ? AND log_partition = ?".to_owned()
    };
    read_repair Read |_: &Texts| {
        "SELECT session_id, reason, ordered_ms, state, failure FROM {k}.repairs WHERE generation = ? AND log_partition = ?".to_owned()
    };
    read_header_written Read |_: &Texts| {
        "SELECT WRITETIME(cut_next) FROM {k}.rows WHERE session_id = ? LIMIT 1".to_owned()
    };
    read_rows_written Read |_: &Texts| {
        "SELECT MAX(WRITETIME(version)) FROM {k}.rows WHERE session_id = ?".to_owned()
    };
    read_progress_written Read |_: &Texts| {
        "SELECT WRITETIME(cut_next) FROM {k}.progress WHERE log_partition = ?".to_owned()
    };
    unlist_id Write |_: &Texts| {
        "DELETE FROM {k}.session_ids USING TIMESTAMP ? WHERE generation = ? AND slot = ? AND session_id = ?".to_owned()
    };

    // Dead letters.
    write_letter Write |_: &Texts| insert_all("dead_letters");
    write_letter_of_session Write |_: &Texts| insert_all("dead_letters_by_session");
    write_letter_bucket Write |_: &Texts| insert_all("dead_letter_buckets");
    forget_letter Write |_: &Texts| {
        "DELETE FROM {k}.dead_letters USING TIMESTAMP ? WHERE generation = ? AND log_partition = ? AND bucket = ? \
         AND offset = ?"
            .to_owned()
    };
    forget_letter_of_session Write |_: &Texts| {
        "DELETE FROM {k}.dead_letters_by_session USING TIMESTAMP ? WHERE generation = ? AND session_id = ? AND \
         log_partition = ? AND offset = ?"
            .to_owned()
    };
    read_letter_buckets Read |_: &Texts| {
        "SELECT log_partition, bucket FROM {k}.dead_letter_buckets WHERE generation = ? AND \
         (log_partition, bucket) >= (?, ?)".to_owned()
    };
    // Filtered by the server, within one CQL partition.
    read_letters Read |texts: &Texts| {
        let condition = "log_partition = ? AND bucket = ? AND offset > ? LIMIT ?";
        texts.letters_where("dead_letters", "session_id, log_partition, offset", condition)
    };
    read_letters_for Read |texts: &Texts| {
        let condition = "log_partition = ? AND bucket = ? AND offset > ? AND reason = ? LIMIT ? ALLOW FILTERING";
        texts.letters_where("dead_letters", "session_id, log_partition, offset", condition)
    };
    read_letters_of_session Read |texts: &Texts| {
        let condition = "session_id = ? AND (log_partition, offset) > (?, ?) LIMIT ?";
        texts.letters_where("dead_letters_by_session", "session_id, log_partition, offset", condition)
    };
    read_letters_of_session_for Read |texts: &Texts| {
        let condition = "session_id = ? AND (log_partition, offset) > (?, ?) AND reason = ? LIMIT ? ALLOW FILTERING";
        texts.letters_where("dead_letters_by_session", "session_id, log_partition, offset", condition)
    };
}

impl Statements {
    /// Those whose answers come in pages.
    fn paged(&mut self) -> [&mut PreparedStatement; 5] {
        [
            &mut self.read_rows,
            &mut self.read_table,
            &mut self.read_breakdown,
            &mut self.read_from,
            &mut self.read_between,
        ]
    }
}

const BELOW: &str = "sort_ts <= ? AND sort_ts >= ?";
const AT: &str = "sort_ts = ? AND session_id > ?";

fn editions(place: &str) -> String {
    format!(
        "SELECT slot, piece, pieces, part FROM {{k}}.editions WHERE generation = ? AND log_partition = ? AND step = ? \
         AND bucket = ? AND {place}"
    )
}

fn listed(table: &str, hint: &str, partition: &str, place: &str) -> String {
    format!(
        "SELECT sort_ts, session_id, {hint} FROM {{k}}.{table} WHERE generation = ? AND {partition} AND {place} \
         LIMIT ?"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One without would be written at the server's clock, far above ours, and hide what we write
    /// for ever.
    #[test]
    fn every_write_names_its_timestamp() {
        let texts = Statements::texts();
        let writes: Vec<_> = texts.iter().filter(|(_, what_for, _)| *what_for == Use::Write).collect();
        assert!(writes.len() >= 18);
        for (name, _, text) in writes {
            assert!(text.contains(" USING TIMESTAMP ?"), "{name}: {text}");
            let verbs = ["INSERT INTO ", "UPDATE {k}.", "DELETE FROM "];
            assert!(verbs.iter().any(|verb| text.starts_with(verb)), "{name}: {text}");
        }
        for (name, what_for, text) in &texts {
            assert_eq!(*what_for == Use::Read, text.starts_with("SELECT "), "{name}: {text}");
            assert!(text.contains(" {k}."), "{name}: {text}");
        }
    }

    /// The rest of the crate writes nothing by itself, but for what stands under a condition.
    #[test]
    fn no_other_file_writes() {
        let sources: [(&str, &str); 3] = [
            ("schema/mod.rs", include_str!("schema/mod.rs")),
            ("schema/lock.rs", include_str!("schema/lock.rs")),
            ("identity.rs", include_str!("identity.rs")),
        ];
        for (name, source) in sources {
            let source = source.replace("\\\n", "");
            for line in source.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
                let writes =
                    ["INSERT INTO", "UPDATE {", "DELETE FROM"].iter().any(|verb| line.contains(verb));
                assert!(!writes || line.contains(" IF "), "{name}: {line}");
            }
        }
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut folders = vec![folder.clone()];
        while let Some(one) = folders.pop() {
            for entry in std::fs::read_dir(one).expect("source") {
                let path = entry.expect("entry").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let name = path.strip_prefix(&folder).expect("inside").display().to_string();
                if name == "statements.rs" || sources.iter().any(|(known, _)| *known == name) {
                    continue;
                }
                let source = std::fs::read_to_string(&path).expect("source");
                for verb in ["INSERT INTO", "DELETE FROM", "UPDATE {"] {
                    assert!(!source.contains(verb), "{name} writes: put the statement into statements.rs");
                }
            }
        }
    }
}
