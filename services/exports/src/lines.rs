//! Rows as JSON, one object per line.

use crate::Dws;
use crate::record::{Cell, Record};

pub(crate) fn encode(table: Dws, records: &[Record<'_>]) -> Vec<u8> {
    let columns = table.columns();
    let mut out = Vec::new();
    for record in records {
        for (index, column) in columns.iter().enumerate() {
            out.push(if index == 0 { b'{' } else { b',' });
            // Names are ids: nothing in them is to be escaped.
            out.push(b'"');
            out.extend_from_slice(column.name().as_bytes());
            out.extend_from_slice(b"\":");
            match column.cell(record) {
                Cell::Null => out.extend_from_slice(b"null"),
                Cell::Text(text) => serde_json::to_writer(&mut out, text).expect("text goes into memory"),
                Cell::Whole(number) => out.extend_from_slice(number.to_string().as_bytes()),
            }
        }
        out.extend_from_slice(b"}\n");
    }
    out
}
