//! What partner teams get of the same rows in three formats: the same cells.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

use bytes::Bytes;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use tandem_exports::{Cell, Column, Dws, Format, Kind, Record, encode};
use tandem_model::row::Attributes;
use tandem_model::{Breakdown, PartitionId, Row, RowKey, SessionRow, Stored, Table};

/// Labels that every format has to take care of.
const NASTY: [&str; 6] = ["a,b", "say \"no\"", "two\r\nlines", "", "冬装 ❄", "=1+1"];

fn session(title: &str) -> SessionRow {
    let attributes = Attributes {
        anchor_id: "a1".to_owned(),
        room_id: "r1".to_owned(),
        title: title.to_owned(),
        category: "c".to_owned(),
        anchor_name: "n".to_owned(),
        anchor_fans: 7,
        content_type: "live".to_owned(),
        region: "浙江".to_owned(),
        merchant_id: None,
        brand: None,
        started_at: 1_732_190_400_123,
    };
    SessionRow { attributes: Some(attributes), offset: 41, ..SessionRow::default() }
}

fn rows(table: Table) -> Vec<Row> {
    let row = |(number, (breakdown, key)): (u64, (Breakdown, &str))| Row {
        key: RowKey { table, breakdown, key: key.into(), bucket: 60_000 * number },
        values: [number * 1_000_000_007; Stored::ALL.len()],
        offset: number,
    };
    let keys = NASTY.iter().map(|key| (Breakdown::Channel, *key));
    let mut rows: Vec<Row> =
        (1..).zip([(Breakdown::Room, "room")].into_iter().chain(keys)).map(row).collect();
    // No figure is too large for a column.
    rows[0].values[Stored::GmvFen as usize] = u64::MAX;
    rows
}

/// Calls `check` with every table and some rows of it.
fn each(mut check: impl FnMut(Dws, &[Record<'_>])) {
    let unknown = SessionRow::default();
    for table in Dws::ALL {
        let known = NASTY.map(session);
        let rows = if let Dws::Figures(table) = table { rows(table) } else { Vec::new() };
        let record =
            |session, figures| Record { session_id: "s1", partition: PartitionId(3), session, figures };
        let records: Vec<_> = match table {
            Dws::Session => known.iter().chain([&unknown]).map(|session| record(session, None)).collect(),
            Dws::Figures(_) => rows.iter().map(|row| record(&known[0], Some(row))).collect(),
        };
        check(table, &records);
        check(table, &[]);
    }
}

#[test]
fn every_format_has_every_cell() {
    each(|table, records| {
        let columns = table.columns();
        let names: Vec<&str> = columns.iter().map(|column| column.name()).collect();
        let csv = encode(table, Format::Csv, records).unwrap();
        let mut csv = csv::Reader::from_reader(&*csv);
        assert_eq!(csv.headers().unwrap().iter().collect::<Vec<_>>(), names);
        let csv: Vec<csv::StringRecord> = csv.records().map(Result::unwrap).collect();
        let lines = String::from_utf8(encode(table, Format::Json, records).unwrap()).unwrap();
        let lines: Vec<serde_json::Value> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let parquet = encode(table, Format::Parquet, records).unwrap();
        let parquet = SerializedFileReader::new(Bytes::from(parquet)).unwrap();
        let said = parquet.metadata().file_metadata().key_value_metadata().unwrap();
        assert!(said.iter().any(|said| said.value.as_deref() == Some(table.name())), "{said:?}");
        let parquet: Vec<_> = parquet.get_row_iter(None).unwrap().map(Result::unwrap).collect();
        assert_eq!((csv.len(), lines.len(), parquet.len()), (records.len(), records.len(), records.len()));

        for (index, record) in records.iter().enumerate() {
            let row: Vec<(&String, &Field)> = parquet[index].get_column_iter().collect();
            assert_eq!(row.len(), columns.len());
            for (place, column) in columns.iter().enumerate() {
                let cell = column.cell(record);
                let what = format!("{} {} {cell:?}", table.name(), column.name());
                assert!(cell != Cell::Null || column.is_nullable(), "{what}");
                let (text, json) = match cell {
                    Cell::Null => (String::new(), serde_json::Value::Null),
                    Cell::Text(text) => (text.to_owned(), text.into()),
                    Cell::Whole(number) => (number.to_string(), number.into()),
                };
                assert_eq!(csv[index][place], text, "{what}");
                assert_eq!(lines[index][column.name()], json, "{what}");
                assert_eq!(
                    (row[place].0.as_str(), row[place].1),
                    (column.name(), &field(*column, cell)),
                    "{what}"
                );
            }
        }
    });
}

/// What a reader of Parquet finds there.
fn field(column: Column, cell: Cell<'_>) -> Field {
    match (cell, column.kind()) {
        (Cell::Null, _) => Field::Null,
        (Cell::Text(text), _) => Field::Str(text.to_owned()),
        (Cell::Whole(number), Kind::Moment) => Field::TimestampMillis(number.cast_signed()),
        (Cell::Whole(number), _) => Field::ULong(number),
    }
}

#[test]
fn the_same_rows_are_the_same_bytes() {
    each(|table, records| {
        for format in Format::ALL {
            assert_eq!(encode(table, format, records).unwrap(), encode(table, format, records).unwrap());
        }
    });
}

#[test]
fn columns_are_described_and_keys_are_columns() {
    let mut metrics = std::collections::BTreeSet::new();
    for table in Dws::ALL {
        assert_eq!(Dws::from_name(table.name()), Some(table));
        let columns = table.columns();
        let names: Vec<&str> = columns.iter().map(|column| column.name()).collect();
        let distinct: std::collections::BTreeSet<&str> = names.iter().copied().collect();
        assert_eq!(distinct.len(), names.len(), "{}", table.name());
        assert!(table.key().iter().all(|name| distinct.contains(name)), "{}", table.name());
        assert!(columns.iter().all(|column| column.meaning().ends_with('.')), "{}", table.name());
        metrics.extend(columns.iter().filter(|column| column.unit().is_some()).map(|column| column.name()));
    }
    assert!(Stored::ALL.iter().all(|stored| metrics.contains(stored.id())), "{metrics:?}");
    assert_eq!(Dws::from_name("dws_nothing"), None);
}

#[test]
fn it_knows_no_clock_and_no_store() {
    let banned = [("std::time", "a part is a function of rows"), ("async", "a part is made at once")];
    tandem_purity::check_source(env!("CARGO_MANIFEST_DIR"), 6, &banned);
}
