//! Rows as CSV.

use csv::{Terminator, WriterBuilder};

use crate::record::{Cell, Record};
use crate::{Dws, EncodeError};

pub(crate) fn encode(table: Dws, records: &[Record<'_>]) -> Result<Vec<u8>, EncodeError> {
    let columns = table.columns();
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    let failed = |error: csv::Error| EncodeError::Csv(error.to_string());
    writer.write_record(columns.iter().map(|column| column.name())).map_err(failed)?;
    for record in records {
        for column in &columns {
            match column.cell(record) {
                Cell::Null => writer.write_field(""),
                Cell::Text(text) => writer.write_field(text),
                Cell::Whole(number) => writer.write_field(number.to_string()),
            }
            .map_err(failed)?;
        }
        // Ends the row.
        writer.write_record(None::<&[u8]>).map_err(failed)?;
    }
    writer.into_inner().map_err(|error| EncodeError::Csv(error.to_string()))
}
