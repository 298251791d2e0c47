//! Chunked bodies: RFC 9112, 7.1, byte by byte, without the white space that it tolerates.

use crate::{Limits, Violation};

/// Most digits of a size: 64 bits.
const DIGITS_MAX: u8 = 16;

/// Where in a chunked body the next byte stands. Trailers are lines, and not read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// In a chunk's size, after so many digits.
    Size(u8),
    /// At the beginning of an extension's name.
    Name,
    /// After at least one byte of it.
    InName,
    /// At the beginning of an extension's value.
    Value,
    /// After at least one byte of a value that is a token.
    InToken,
    /// In a quoted value.
    Quoted,
    /// After a backslash in it.
    Escaped,
    /// After the quote that ends it.
    Unquoted,
    /// Before the LF of the line.
    Lf,
    /// In a chunk's data.
    Data,
    /// Before the CR after it.
    DataCr,
    /// Before the LF after it.
    DataLf,
}

/// A chunked body that is being received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunks {
    at: At,
    /// The size that is being read, then what is left of the data, in bytes.
    left: u64,
    extension_bytes: usize,
}

impl Chunks {
    pub(crate) fn new() -> Self {
        Self { at: At::Size(0), left: 0, extension_bytes: 0 }
    }

    /// Reads on: how many bytes are read, and whether the last chunk's line is among them, behind
    /// which trailers come. A violation comes with the number of bytes before it.
    pub(crate) fn read(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
    ) -> Result<(usize, bool), (usize, Violation)> {
        let mut read = 0;
        while let Some(byte) = bytes.get(read) {
            if self.at == At::Data {
                let here = (bytes.len() - read).min(usize::try_from(self.left).unwrap_or(usize::MAX));
                self.left -= here as u64;
                read += here;
                if self.left == 0 {
                    self.at = At::DataCr;
                }
                continue;
            }
            let was = self.at;
            self.at = self.step(*byte, limits).map_err(|violation| (read, violation))?;
            read += 1;
            if was == At::Lf && self.left == 0 {
                return Ok((read, true));
            }
        }
        Ok((read, false))
    }

    fn step(&mut self, byte: u8, limits: &Limits) -> Result<At, Violation> {
        match self.at {
            At::Size(digits) => self.size(digits, byte),
            At::Lf => match byte {
                b'\n' => Ok(At::Data),
                _ => Err(Violation::BareCr),
            },
            // `read` takes data by the slice.
            At::Data => Ok(At::Data),
            At::DataCr => match byte {
                b'\r' => Ok(At::DataLf),
                _ => Err(Violation::ChunkEnd),
            },
            At::DataLf => match byte {
                b'\n' => Ok(At::Size(0)),
                _ => Err(Violation::ChunkEnd),
            },
            _ => {
                self.extension_bytes += 1;
                match self.extension_bytes > limits.extension_bytes_max {
                    true => Err(Violation::ChunkExtensionTooLong),
                    false => self.extension(byte),
                }
            }
        }
    }

    fn size(&mut self, digits: u8, byte: u8) -> Result<At, Violation> {
        match (char::from(byte).to_digit(16), byte) {
            (Some(_), _) if digits == DIGITS_MAX => Err(Violation::ChunkSizeTooLarge),
            (Some(digit), _) => {
                // The last chunk's size is 0, so each size begins anew.
                self.left = self.left << 4 | u64::from(digit);
                Ok(At::Size(digits + 1))
            }
            (None, b'\r') if digits > 0 => Ok(At::Lf),
            (None, b';') if digits > 0 => Ok(At::Name),
            (None, b'\n') if digits > 0 => Err(Violation::BareLf),
            _ => Err(Violation::ChunkSize),
        }
    }

    fn extension(&self, byte: u8) -> Result<At, Violation> {
        let is_token = crate::field::is_token_byte(byte);
        // RFC 9110, 5.6.4.
        let is_text = byte == b'\t' || byte >= 0x20 && byte != 0x7f;
        match (self.at, byte) {
            (_, b'\n') => Err(Violation::BareLf),
            (At::Name | At::InName, _) if is_token => Ok(At::InName),
            (At::InName, b'=') => Ok(At::Value),
            (At::Value, b'"') => Ok(At::Quoted),
            (At::Value | At::InToken, _) if is_token => Ok(At::InToken),
            (At::Quoted, b'"') => Ok(At::Unquoted),
            (At::Quoted, b'\\') => Ok(At::Escaped),
            (At::Quoted | At::Escaped, _) if is_text => Ok(At::Quoted),
            (At::InName | At::InToken | At::Unquoted, b';') => Ok(At::Name),
            (At::InName | At::InToken | At::Unquoted, b'\r') => Ok(At::Lf),
            _ => Err(Violation::ChunkExtension),
        }
    }
}
