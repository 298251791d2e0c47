//! The migrations. What stands here is frozen: a keyspace out there may have done it. A change to
//! the tables is a new migration at the end, and the tests say so when one is missing.

use crate::connection::Product;

/// A step from one version of the schema to the next.
pub(super) struct Migration {
    /// The version it leads to.
    pub(super) version: u32,
    /// What it does, for people.
    pub(super) what: &'static str,
    /// CQL; `;` ends a statement, `--` begins a comment. `{keyspace}` stands for the keyspace,
    /// `{whole_partitions}` for the option that keeps batches whole under read repair.
    text: &'static str,
}

/// All of them, in order.
pub(super) const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        what: "create the tables",
        text: include_str!("../../migrations/0001_begin.cql"),
    },
    Migration {
        version: 2,
        what: "keep orders to repair",
        text: include_str!("../../migrations/0002_repairs.cql"),
    },
    Migration {
        version: 3,
        what: "keep how repairs ended",
        text: include_str!("../../migrations/0003_repairs_end.cql"),
    },
    Migration {
        version: 4,
        what: "keep digests of hours and days",
        text: include_str!("../../migrations/0004_calendar.cql"),
    },
    Migration { version: 5, what: "keep editions", text: include_str!("../../migrations/0005_editions.cql") },
    Migration {
        version: 6,
        what: "say the time zone of hours and days",
        text: include_str!("../../migrations/0006_time_zone.cql"),
    },
];

/// One statement.
pub(super) struct Step(String);

impl Migration {
    /// Its statements.
    pub(super) fn steps(&self, keyspace: &str, product: Product) -> Vec<Step> {
        let whole_partitions = match product {
            Product::Cassandra => "AND read_repair = 'NONE'",
            Product::Scylla => "",
        };
        let lines = self.text.lines().map(|line| line.split("--").next().unwrap_or_default());
        let text = lines.collect::<Vec<_>>().join("\n");
        text.split(';')
            .map(str::trim)
            .filter(|statement| !statement.is_empty())
            .map(|statement| {
                let text = statement.replace("{keyspace}", keyspace);
                Step(text.replace("{whole_partitions}", whole_partitions))
            })
            .collect()
    }
}

impl Step {
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// Its first line.
    pub(super) fn what(&self) -> &str {
        self.0.lines().next().unwrap_or_default().trim_end_matches(['(', ' '])
    }

    /// For `ALTER TABLE keyspace.table ADD column type`: the table and the column. Not every
    /// server knows `ADD IF NOT EXISTS`.
    pub(super) fn adds_column(&self) -> Option<(&str, &str)> {
        let mut words = self.0.split_whitespace();
        let is_altering = words.next()? == "ALTER" && words.next()? == "TABLE";
        let (_, table) = words.next()?.split_once('.')?;
        let is_adding = words.next()? == "ADD";
        (is_altering && is_adding).then_some((table, words.next()?))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::tables::{Kind, tables};

    /// Columns with types, by table, as the migrations leave them.
    fn migrated() -> BTreeMap<String, BTreeMap<String, String>> {
        let mut tables: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for step in MIGRATIONS.iter().flat_map(|migration| migration.steps("k", Product::Cassandra)) {
            let text = step.text();
            if let Some((table, column)) = step.adds_column() {
                let cql_type = text.split_whitespace().last().expect("a type").to_owned();
                tables.entry(table.to_owned()).or_default().insert(column.to_owned(), cql_type);
            } else if let Some(rest) = text.strip_prefix("CREATE TABLE IF NOT EXISTS k.") {
                let (name, rest) = rest.split_once(" (").expect("columns");
                let (columns, _) = rest.split_once("PRIMARY KEY").expect("a key");
                let columns = columns.lines().filter_map(|line| {
                    let (name, cql_type) = line.trim().trim_end_matches(',').split_once(' ')?;
                    Some((name.to_owned(), cql_type.to_owned()))
                });
                tables.insert(name.to_owned(), columns.collect());
            } else {
                panic!("{text}");
            }
        }
        tables
    }

    #[test]
    fn migrations_are_numbered_and_lead_to_the_tables() {
        assert!(MIGRATIONS.iter().zip(1..).all(|(migration, version)| migration.version == version));
        let mut expected = BTreeMap::new();
        for table in tables() {
            let columns = table.columns.iter().map(|column| {
                let of_session = if column.kind == Kind::Static { " static" } else { "" };
                (column.name.to_owned(), format!("{}{of_session}", column.cql_type))
            });
            expected.insert(table.name.to_owned(), columns.collect::<BTreeMap<_, _>>());
        }
        // Made by `schema` itself.
        for name in ["schema_versions", "schema_lock"] {
            expected.remove(name);
        }
        assert_eq!(
            migrated(),
            expected,
            "the tables changed: add a migration (`ALTER TABLE {{keyspace}}.rows ADD name bigint`), do not \
             change one that is there"
        );
    }

    #[test]
    fn added_columns_are_found() {
        let step = Step("ALTER TABLE k.rows ADD likes bigint".to_owned());
        assert_eq!(step.adds_column(), Some(("rows", "likes")));
        assert_eq!(Step("CREATE TABLE k.rows (a int)".to_owned()).adds_column(), None);
    }
}
