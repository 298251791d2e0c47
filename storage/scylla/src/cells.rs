//! Cells of rows, as CQL has them on the wire: written and read in the order of the statement's
//! columns, without a look at each one's type. The statements are made from the same lists.

use scylla::deserialize::row::ColumnIterator;
use scylla::deserialize::value::DeserializeValue;
use scylla::response::query_result::QueryRowsResult;
use scylla::serialize::SerializationError;
use scylla::serialize::writers::RowWriter;
use tandem_storage::{Result, StoreError};

use crate::connection::unreadable;
use crate::position::{from_cql, to_cql};

/// Writes cells one after the other.
pub(crate) struct Cells<'a, 'b>(pub(crate) &'a mut RowWriter<'b>);

type Written = std::result::Result<(), SerializationError>;

impl Cells<'_, '_> {
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Written {
        self.0.make_cell_writer().set_value(bytes).map(|_| ()).map_err(SerializationError::new)
    }

    pub(crate) fn text(&mut self, text: &str) -> Written {
        self.bytes(text.as_bytes())
    }

    pub(crate) fn int(&mut self, number: i32) -> Written {
        self.bytes(&number.to_be_bytes())
    }

    pub(crate) fn bigint(&mut self, number: i64) -> Written {
        self.bytes(&number.to_be_bytes())
    }

    /// A figure or a position.
    pub(crate) fn number(&mut self, number: u64) -> Written {
        self.bigint(to_cql(number))
    }

    /// Null: takes away what was there.
    pub(crate) fn null(&mut self) {
        self.0.make_cell_writer().set_null();
    }

    /// Leaves what is there as it is.
    pub(crate) fn unset(&mut self) {
        self.0.make_cell_writer().set_unset();
    }

    pub(crate) fn text_or_null(&mut self, text: Option<&str>) -> Written {
        match text {
            Some(text) => self.text(text),
            None => {
                self.null();
                Ok(())
            }
        }
    }

    pub(crate) fn number_or_unset(&mut self, number: Option<u64>) -> Written {
        match number {
            Some(number) => self.number(number),
            None => {
                self.unset();
                Ok(())
            }
        }
    }
}

/// Reads cells one after the other.
pub(crate) struct Columns<'frame, 'metadata>(ColumnIterator<'frame, 'metadata>);

impl<'frame> Columns<'frame, '_> {
    /// The next cell; none if it is null.
    pub(crate) fn bytes(&mut self) -> Result<Option<&'frame [u8]>> {
        let column = self.0.next().ok_or_else(|| damaged("a row has too few columns"))?;
        let column = column.map_err(|error| damaged(&error.to_string()))?;
        Ok(column.slice.map(|slice| slice.as_slice()))
    }

    pub(crate) fn text(&mut self) -> Result<Option<&'frame str>> {
        let bytes = self.bytes()?;
        bytes.map(|bytes| std::str::from_utf8(bytes).map_err(|_| damaged("a text is not UTF-8"))).transpose()
    }

    pub(crate) fn bigint(&mut self) -> Result<Option<i64>> {
        let bytes = self.bytes()?;
        let number = |bytes: &[u8]| bytes.try_into().map(i64::from_be_bytes);
        bytes.map(|bytes| number(bytes).map_err(|_| damaged("a bigint has not 8 bytes"))).transpose()
    }

    pub(crate) fn int(&mut self) -> Result<Option<i32>> {
        let bytes = self.bytes()?;
        let number = |bytes: &[u8]| bytes.try_into().map(i32::from_be_bytes);
        bytes.map(|bytes| number(bytes).map_err(|_| damaged("an int has not 4 bytes"))).transpose()
    }

    /// A figure or a position.
    pub(crate) fn number(&mut self) -> Result<Option<u64>> {
        Ok(self.bigint()?.map(from_cql))
    }

    /// Anything else, decoded by the driver.
    pub(crate) fn value<T>(&mut self) -> Result<Option<T>>
    where
        T: for<'f, 'm> DeserializeValue<'f, 'm>,
    {
        let column = self.0.next().ok_or_else(|| damaged("a row has too few columns"))?;
        let column = column.map_err(|error| damaged(&error.to_string()))?;
        T::type_check(column.spec.typ()).map_err(|error| damaged(&error.to_string()))?;
        Option::<T>::deserialize(column.spec.typ(), column.slice).map_err(|error| damaged(&error.to_string()))
    }
}

/// Each row of an answer, read by `read`.
pub(crate) fn each<T>(
    doing: &str,
    answer: &QueryRowsResult,
    mut read: impl FnMut(&mut Columns<'_, '_>) -> Result<T>,
) -> Result<Vec<T>> {
    let rows = answer.rows::<ColumnIterator>().map_err(|error| unreadable(doing, &error))?;
    rows.map(|row| read(&mut Columns(row.map_err(|error| unreadable(doing, &error))?))).collect()
}

/// What a column must hold.
pub(crate) fn present<T>(value: Option<T>, column: &str) -> Result<T> {
    value.ok_or_else(|| damaged(&format!("column {column} is null")))
}

pub(crate) fn damaged(what: &str) -> StoreError {
    StoreError::Damaged(format!("CQL store: {what}"))
}
