//! What can be wrong with a request: names for counters, a status and a sentence for the client.

use std::fmt;

/// Declares the violations in one place: name, status, sentence.
macro_rules! violations {
    ($($(#[$meta:meta])* $variant:ident $name:literal $status:literal $sentence:literal;)+) => {
        /// Why a request is refused. Names are stable: counters carry them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Violation {
            $($(#[$meta])* $variant),+
        }

        impl Violation {
            /// All of them, in the order in which they are declared.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name: lower case and hyphens.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The status to answer with: 400, 414, 431, 501 or 505.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status),+ }
            }

            /// What is wrong and what to do about it, for the client's developer.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence),+ }
            }
        }
    };
}

violations! {
    /// A CR without an LF after it.
    BareCr "bare-cr" 400 "a line holds a CR that is not followed by LF: lines end with CRLF, and only there";
    /// An LF without a CR before it.
    BareLf "bare-lf" 400 "a line ends with LF alone: lines end with CRLF";
    /// NUL or another control character in a line of the head or the trailers.
    ControlCharacter "control-character" 400 "a header line holds a control character; is this HTTP at all, or TLS on a plain port?";
    /// More than one empty line before a request.
    EmptyLines "empty-lines" 400 "more than one empty line stands before the request";
    /// Not `method SP target SP version`.
    RequestLine "request-line" 400 "the first line must be method, target and version with one space between each";
    /// A method that is no token.
    Method "method" 400 "the method holds characters that no method has";
    /// CONNECT, or a method longer than any.
    MethodNotImplemented "method-not-implemented" 501 "this server is no proxy and knows no such method";
    /// No HTTP version at all.
    Version "version" 400 "the version must be HTTP/1.1 or HTTP/1.0, in capitals";
    /// A version that is not spoken here.
    VersionNotSupported "version-not-supported" 505 "this port speaks HTTP/1.1, HTTP/1.0 and HTTP/2 with prior knowledge";
    /// The target is over its limit.
    TargetTooLong "target-too-long" 414 "the path with its query is too long";
    /// A target of a form that this method does not have.
    TargetForm "target-form" 400 "the target must be a path that begins with /, or a whole http URL; * belongs to OPTIONS";
    /// A character in the target that URIs don't have.
    TargetCharacter "target-character" 400 "the target holds a character that must be percent-encoded";
    /// A fragment, which is the client's alone.
    TargetFragment "target-fragment" 400 "the target holds a fragment: leave out # and what follows";
    /// `%` without two hexadecimal digits, or with ones that no name has.
    PercentEncoding "percent-encoding" 400 "the target holds a percent-encoding that is malformed, no UTF-8 or a control character";
    /// `%25` before two hexadecimal digits.
    DoubleEncoding "double-encoding" 400 "the path is percent-encoded twice";
    /// A separator that is one to some and none to others.
    EncodedSeparator "encoded-separator" 400 "the path holds a backslash or an encoded slash";
    /// `.` or `..`, spelt out, encoded or with parameters.
    DotSegment "dot-segment" 400 "the path holds . or .. as a segment: send the path that is meant";
    /// Two slashes in a row.
    EmptySegment "empty-segment" 400 "the path holds an empty segment: send one slash, not two";
    /// HTTP/1.1 without `Host`.
    HostMissing "host-missing" 400 "HTTP/1.1 needs a Host header";
    /// `Host` more than once.
    HostRepeated "host-repeated" 400 "send one Host header, not several";
    /// A `Host` that names no host.
    Host "host" 400 "the host must be a name or an address, with a port at most";
    /// A user or a password before the host.
    HostUser "host-user" 400 "the host holds a user name: leave out what stands before @";
    /// `Host` says something else than the target.
    HostDisagrees "host-disagrees" 400 "the Host header and the target name different hosts";
    /// A line that begins with white space.
    ObsFold "obs-fold" 400 "a header line begins with white space: send each field on one line";
    /// White space between name and colon.
    SpaceBeforeColon "space-before-colon" 400 "white space stands between a header's name and its colon";
    /// A name that is no token, or none, or no colon.
    FieldName "field-name" 400 "a header line must be a name, a colon and a value; the name has letters, digits and -";
    /// A name that some read as that of a framing field.
    FieldLookAlike "field-look-alike" 400 "a header's name is that of a framing field with _ for -";
    /// More fields than may be.
    FieldsTooMany "fields-too-many" 431 "the request has too many header fields";
    /// One field over its limit.
    FieldTooLong "field-too-long" 431 "a header line is too long";
    /// All fields over their limit.
    HeaderTooLong "header-too-long" 431 "the request header is too long";
    /// A `Content-Length` that is no plain number.
    Length "length" 400 "Content-Length must be one decimal number";
    /// More than one `Content-Length`.
    LengthRepeated "length-repeated" 400 "send one Content-Length, not several";
    /// Both framings.
    LengthAndCoding "length-and-coding" 400 "send Content-Length or Transfer-Encoding, not both";
    /// A transfer coding that does not end with `chunked`, once.
    Coding "coding" 400 "Transfer-Encoding must be chunked, once";
    /// A transfer coding before `chunked`.
    CodingNotImplemented "coding-not-implemented" 501 "no transfer coding but chunked is implemented";
    /// A transfer coding in HTTP/1.0, which has none.
    CodingInOld "coding-in-http-1.0" 400 "HTTP/1.0 has no transfer codings";
    /// A body on GET or HEAD.
    BodyOnRead "body-on-read" 400 "GET and HEAD have no body here";
    /// An expectation other than `100-continue`.
    Expect "expect" 400 "the only expectation that can be met is 100-continue";
    /// A chunk size that is no hexadecimal number.
    ChunkSize "chunk-size" 400 "a chunk's size must be a hexadecimal number";
    /// A chunk size over 64 bits.
    ChunkSizeTooLarge "chunk-size-too-large" 400 "a chunk's size is larger than any chunk";
    /// A chunk extension against the grammar.
    ChunkExtension "chunk-extension" 400 "a chunk extension is malformed";
    /// Chunk extensions over their limit.
    ChunkExtensionTooLong "chunk-extension-too-long" 400 "the chunk extensions are too long";
    /// A chunk that is longer or shorter than it says.
    ChunkEnd "chunk-end" 400 "a chunk's data must end with CRLF, after as many bytes as its size says";
    /// A trailer that would have to be known before the body.
    Trailer "trailer" 400 "a trailer field is one that belongs into the header";
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.sentence())
    }
}

impl std::error::Error for Violation {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_statuses_are_refusals() {
        let names: BTreeSet<_> = Violation::ALL.iter().map(|violation| violation.name()).collect();
        assert_eq!(names.len(), Violation::ALL.len());
        for violation in Violation::ALL {
            let is_name =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
            assert!(violation.name().bytes().all(is_name), "{violation:?}");
            assert!([400, 414, 431, 501, 505].contains(&violation.status()), "{violation:?}");
            assert!(violation.sentence().len() > 20, "{violation:?}");
        }
    }
}
