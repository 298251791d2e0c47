//! Request targets: RFC 9112, 3.2, and RFC 3986.
//!
//! A path is refused when two readers could find two different pages in it: dot segments and empty
//! ones (some normalise, some don't), encoded slashes and backslashes (some decode before they
//! split), a second layer of encoding, bytes that are no UTF-8 (overlong dots).

use crate::Violation;
use crate::authority::{Authority, check_host};

/// The form of a request target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form<'a> {
    /// A path, perhaps with a query.
    Origin,
    /// A whole URL.
    Absolute {
        /// Whom it names.
        authority: Authority<'a>,
        /// The port that its scheme has where none is named.
        port_default: u16,
    },
    /// `*`, of OPTIONS.
    Asterisk,
}

/// Checks the target of a request line, whatever its form.
///
/// # Errors
///
/// What is wrong with it. The form of CONNECT is [`Violation::TargetForm`], too.
pub fn check_target<'a>(method: &[u8], target: &'a [u8]) -> Result<Form<'a>, Violation> {
    match target {
        b"*" if method == b"OPTIONS" => Ok(Form::Asterisk),
        [b'/', ..] => check_path(target).map(|()| Form::Origin),
        _ => check_absolute(target),
    }
}

fn check_absolute(target: &[u8]) -> Result<Form<'_>, Violation> {
    let (rest, port_default) = match () {
        () if has_scheme(target, b"http://") => (&target[7..], 80),
        () if has_scheme(target, b"https://") => (&target[8..], 443),
        () => return Err(Violation::TargetForm),
    };
    let end = rest.iter().position(|byte| b"/?#\\".contains(byte)).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let authority = check_host(authority)?;
    match path {
        [] => {}
        [b'/', ..] => check_path(path)?,
        [b'?', query @ ..] => check_query(query)?,
        [b'#', ..] => return Err(Violation::TargetFragment),
        _ => return Err(Violation::EncodedSeparator),
    }
    Ok(Form::Absolute { authority, port_default })
}

fn has_scheme(target: &[u8], scheme: &[u8]) -> bool {
    target.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme))
}

/// Checks a path with its query, if it has one. Its length is the caller's matter.
///
/// # Errors
///
/// What is wrong with it; [`Violation::TargetForm`] if it does not begin with `/`.
pub fn check_path(path_and_query: &[u8]) -> Result<(), Violation> {
    let (path, query) = match path_and_query.iter().position(|byte| *byte == b'?') {
        Some(mark) => (&path_and_query[..mark], &path_and_query[mark + 1..]),
        None => (path_and_query, &[][..]),
    };
    let [b'/', path @ ..] = path else {
        return Err(Violation::TargetForm);
    };
    let mut segments = path.split(|byte| *byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        // The last one is empty when the path ends with a slash.
        if segment.is_empty() && segments.peek().is_some() {
            return Err(Violation::EmptySegment);
        }
        check_segment(segment)?;
    }
    check_query(query)
}

fn check_segment(segment: &[u8]) -> Result<(), Violation> {
    let mut rest = segment;
    let mut is_ascii = true;
    while let [byte, after @ ..] = rest {
        rest = after;
        match byte {
            b'%' => {
                let decoded = decode(after)?;
                rest = &after[2..];
                match decoded {
                    0..=0x1f | 0x7f => return Err(Violation::PercentEncoding),
                    b'/' | b'\\' => return Err(Violation::EncodedSeparator),
                    b'%' if decode(rest).is_ok() => return Err(Violation::DoubleEncoding),
                    _ => is_ascii &= decoded.is_ascii(),
                }
            }
            b'\\' => return Err(Violation::EncodedSeparator),
            b'#' => return Err(Violation::TargetFragment),
            byte if is_path_byte(*byte) => {}
            _ => return Err(Violation::TargetCharacter),
        }
    }
    if is_dots(segment) {
        return Err(Violation::DotSegment);
    }
    if !is_ascii && !is_utf8(segment) {
        return Err(Violation::PercentEncoding);
    }
    Ok(())
}

/// Whether it is `.` or `..`, each dot spelt out or encoded. Parameters after `;` don't count: some
/// servers cut them off before they look for dots.
fn is_dots(segment: &[u8]) -> bool {
    let mut rest = segment;
    let mut dots = 0;
    loop {
        rest = match rest {
            [] | [b';', ..] => return (1..=2).contains(&dots),
            [b'.', after @ ..] | [b'%', b'2', b'e' | b'E', after @ ..] => after,
            _ => return false,
        };
        dots += 1;
    }
}

/// Whether a segment whose percent-encodings are known to be well-formed decodes to UTF-8.
fn is_utf8(segment: &[u8]) -> bool {
    let mut decoded = Vec::with_capacity(segment.len());
    let mut rest = segment;
    while let [byte, after @ ..] = rest {
        let code = if *byte == b'%' { decode(after).ok() } else { None };
        decoded.push(code.unwrap_or(*byte));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    str::from_utf8(&decoded).is_ok()
}

/// A query's text is data to whoever reads it: line ends may be in it, encoded. What browsers leave
/// alone in it passes, although RFC 3986 would have it encoded.
fn check_query(query: &[u8]) -> Result<(), Violation> {
    let mut rest = query;
    while let [byte, after @ ..] = rest {
        rest = after;
        match byte {
            b'%' if decode(after)? == 0 => return Err(Violation::PercentEncoding),
            b'%' => rest = &after[2..],
            b'#' => return Err(Violation::TargetFragment),
            byte if is_path_byte(*byte) || b"/?[]{}|^`".contains(byte) => {}
            _ => return Err(Violation::TargetCharacter),
        }
    }
    Ok(())
}

/// RFC 3986's `pchar`, without `%`.
fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte)
}

/// What two hexadecimal digits at the beginning of `text` stand for.
fn decode(text: &[u8]) -> Result<u8, Violation> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    match text {
        [high, low, ..] => digit(high).zip(digit(low)).map(|(high, low)| high << 4 | low),
        _ => None,
    }
    .ok_or(Violation::PercentEncoding)
}

#[cfg(test)]
mod tests;
