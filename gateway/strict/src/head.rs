//! One request's head, line by line.

use crate::authority::{Authority, check_host};
use crate::field;
use crate::target::{Form, check_target};
use crate::{Limits, Violation};

/// Longest method, in bytes. The longest registered one has 17 (UPDATEREDIRECTREF).
const METHOD_BYTES_MAX: usize = 32;
/// What a request line has besides its method and its target: two spaces and a version, with room
/// for a version that is wrong.
const LINE_REST_BYTES_MAX: usize = 32;

/// What comes after a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// As many bytes; none at all, too.
    Length(u64),
    /// Chunks.
    Chunked,
}

/// What a request's lines have said so far.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    is_old: bool,
    is_read: bool,
    /// The host of a target that is a whole URL, and the port that its scheme stands for.
    target: Option<(String, Option<u16>, u16)>,
    has_host: bool,
    length: Option<u64>,
    is_chunked: bool,
    has_expect: bool,
    fields: Fields,
}

/// How many fields there are, and how long they are together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fields {
    count: usize,
    bytes: usize,
}

impl Fields {
    /// How long the next line may be, and what it is if it is longer.
    pub(crate) fn line_bytes_max(&self, limits: &Limits) -> (usize, Violation) {
        let left = limits.header_bytes_max.saturating_sub(self.bytes);
        match left < limits.field_bytes_max {
            true => (left, Violation::HeaderTooLong),
            false => (limits.field_bytes_max, Violation::FieldTooLong),
        }
    }

    /// Counts a line.
    pub(crate) fn add(&mut self, line: &[u8], limits: &Limits) -> Result<(), Violation> {
        self.bytes += line.len();
        self.count += 1;
        if self.count > limits.fields_max { Err(Violation::FieldsTooMany) } else { Ok(()) }
    }
}

/// How long a request line may be. Whatever makes it longer, the target is named.
pub(crate) fn request_line_bytes_max(limits: &Limits) -> usize {
    limits.target_bytes_max + METHOD_BYTES_MAX + LINE_REST_BYTES_MAX
}

impl Head {
    /// Reads the request line.
    pub(crate) fn begin(line: &[u8], limits: &Limits) -> Result<Self, Violation> {
        let mut parts = line.split(|byte| *byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Violation::RequestLine);
        };
        if method.is_empty() || target.is_empty() {
            return Err(Violation::RequestLine);
        }
        if !method.iter().all(|byte| field::is_token_byte(*byte)) {
            return Err(Violation::Method);
        }
        let is_old = is_old(version)?;
        if method == b"CONNECT" || method.len() > METHOD_BYTES_MAX {
            return Err(Violation::MethodNotImplemented);
        }
        if target.len() > limits.target_bytes_max {
            return Err(Violation::TargetTooLong);
        }
        let target = match check_target(method, target)? {
            Form::Absolute { authority: Authority { host, port }, port_default } => {
                Some((host.to_owned(), port, port_default))
            }
            Form::Origin | Form::Asterisk => None,
        };
        Ok(Self {
            is_old,
            is_read: matches!(method, b"GET" | b"HEAD"),
            target,
            has_host: false,
            length: None,
            is_chunked: false,
            has_expect: false,
            fields: Fields::default(),
        })
    }

    pub(crate) fn fields(&self) -> &Fields {
        &self.fields
    }

    /// Reads one field's line.
    pub(crate) fn field(&mut self, line: &[u8], limits: &Limits) -> Result<(), Violation> {
        self.fields.add(line, limits)?;
        let (name, value) = field::split(line)?;
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        // Lengths first: most names differ in them.
        match name.len() {
            4 if is(b"host") => self.host(value),
            6 if is(b"expect") => self.expect(value),
            14 if is(b"content-length") => self.content_length(value),
            17 if is(b"transfer-encoding") => self.transfer_encoding(value),
            _ => Ok(()),
        }
    }

    fn host(&mut self, value: &[u8]) -> Result<(), Violation> {
        if std::mem::replace(&mut self.has_host, true) {
            return Err(Violation::HostRepeated);
        }
        let named = check_host(value)?;
        match &self.target {
            Some((host, port, port_default)) => {
                let target = Authority { host, port: *port };
                if named.means(&target, *port_default) { Ok(()) } else { Err(Violation::HostDisagrees) }
            }
            None => Ok(()),
        }
    }

    fn expect(&mut self, value: &[u8]) -> Result<(), Violation> {
        let is_first = !std::mem::replace(&mut self.has_expect, true);
        if is_first && value.eq_ignore_ascii_case(b"100-continue") { Ok(()) } else { Err(Violation::Expect) }
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), Violation> {
        if self.length.is_some() {
            return Err(Violation::LengthRepeated);
        }
        self.length = Some(field::length(value)?);
        Ok(())
    }

    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), Violation> {
        if self.is_old {
            return Err(Violation::CodingInOld);
        }
        // Several fields make one list, in which chunked would stand twice.
        if self.is_chunked {
            return Err(Violation::Coding);
        }
        field::coding(value)?;
        self.is_chunked = true;
        Ok(())
    }

    /// The empty line has come: what follows it.
    ///
    /// HTTP/1.0 may leave `Host` out (RFC 9112, 3.2, asks for it in 1.1 only): health checks of
    /// old load balancers do, and nothing here hangs on the host.
    pub(crate) fn end(&self) -> Result<Framing, Violation> {
        if !self.has_host && !self.is_old {
            return Err(Violation::HostMissing);
        }
        let framing = match (self.length, self.is_chunked) {
            (Some(_), true) => return Err(Violation::LengthAndCoding),
            (None, true) => Framing::Chunked,
            (length, false) => Framing::Length(length.unwrap_or(0)),
        };
        if self.is_read && framing != Framing::Length(0) {
            return Err(Violation::BodyOnRead);
        }
        Ok(framing)
    }
}

/// Whether a version is 1.0; 1.1 is the other one that is spoken.
fn is_old(version: &[u8]) -> Result<bool, Violation> {
    match version {
        b"HTTP/1.1" => Ok(false),
        b"HTTP/1.0" => Ok(true),
        // RFC 9112, 2.3: one digit each.
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(Violation::VersionNotSupported)
        }
        _ => Err(Violation::Version),
    }
}
