//! Rows as Parquet: one row group, its pages compressed with zstd.
//!
//! Whole numbers are unsigned and of 64 bits, moments are timestamps in milliseconds (UTC). The file says
//! of itself which table it is of and under which version of the definitions; where it was read from does
//! not stand in it, so that both chains make the same file.

use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as PhysicalType, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{Type, TypePtr};
use tandem_model::catalogue::DEFINITIONS;

use crate::record::{Cell, Record};
use crate::{Column, Dws, EncodeError, Kind};

pub(crate) fn encode(table: Dws, records: &[Record<'_>]) -> Result<Vec<u8>, EncodeError> {
    let columns = table.columns();
    let mut file =
        SerializedFileWriter::new(Vec::new(), schema(table, &columns)?, Arc::new(properties(table)))?;
    let mut group = file.next_row_group()?;
    for column in columns {
        let mut writer = group.next_column()?.expect("as many columns as the schema has");
        write(writer.untyped(), column, records)?;
        writer.close()?;
    }
    group.close()?;
    Ok(file.into_inner()?)
}

fn properties(table: Dws) -> WriterProperties {
    let said = |key: &str, value: String| KeyValue::new(key.to_owned(), value);
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by("tandem".to_owned())
        .set_key_value_metadata(Some(vec![
            said("tandem.table", table.name().to_owned()),
            said("tandem.definitions", DEFINITIONS.to_string()),
        ]))
        .build()
}

fn schema(table: Dws, columns: &[Column]) -> Result<TypePtr, EncodeError> {
    let fields = columns.iter().map(|column| field(*column)).collect::<Result<Vec<_>, _>>()?;
    Ok(Arc::new(Type::group_type_builder(table.name()).with_fields(fields).build()?))
}

fn field(column: Column) -> Result<TypePtr, EncodeError> {
    let (physical, logical) = match column.kind() {
        Kind::Text => (PhysicalType::BYTE_ARRAY, LogicalType::String),
        Kind::Whole => (PhysicalType::INT64, LogicalType::integer(64, false)),
        Kind::Moment => (PhysicalType::INT64, LogicalType::timestamp(true, TimeUnit::MILLIS)),
    };
    let repetition = if column.is_nullable() { Repetition::OPTIONAL } else { Repetition::REQUIRED };
    let field = Type::primitive_type_builder(column.name(), physical)
        .with_logical_type(Some(logical))
        .with_repetition(repetition)
        .build()?;
    Ok(Arc::new(field))
}

fn write(writer: &mut ColumnWriter<'_>, column: Column, records: &[Record<'_>]) -> Result<(), EncodeError> {
    let mut levels = Vec::new();
    let mut texts = Vec::new();
    let mut numbers = Vec::new();
    for record in records {
        let cell = column.cell(record);
        levels.push(i16::from(cell != Cell::Null));
        match cell {
            Cell::Null => {}
            Cell::Text(text) => texts.push(ByteArray::from(text)),
            // The same 64 bits: the logical type says that they are unsigned.
            Cell::Whole(number) => numbers.push(number.cast_signed()),
        }
    }
    let levels = column.is_nullable().then_some(&*levels);
    match writer {
        ColumnWriter::ByteArrayColumnWriter(writer) => _ = writer.write_batch(&texts, levels, None)?,
        ColumnWriter::Int64ColumnWriter(writer) => _ = writer.write_batch(&numbers, levels, None)?,
        _ => unreachable!("the schema has two physical types"),
    }
    Ok(())
}
