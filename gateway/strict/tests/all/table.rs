//! What is refused, in several spellings, and what is not. The gateway's tests send the same table to
//! a real server.

use tandem_strict::Violation::{self, *};

/// A request whose head is fine; what follows it is its body. The key is the one of the gateway's tests.
macro_rules! chunked {
    ($body:literal) => {
        concat!(
            "POST /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer test-key\r\n",
            "transfer-encoding: chunked\r\n\r\n",
            $body
        )
    };
}

/// A request with these lines instead of its header.
macro_rules! post {
    ($lines:literal) => {
        concat!("POST /v1/events HTTP/1.1\r\n", $lines, "\r\nauthorization: Bearer test-key\r\n\r\n12345")
    };
}

/// A read with this target.
macro_rules! get {
    ($target:literal) => {
        concat!("GET ", $target, " HTTP/1.1\r\nhost: x\r\nauthorization: Bearer test-key\r\n\r\n")
    };
}

/// Each violation, and connections that begin with it.
pub(crate) const REFUSED: &[(Violation, &[&str])] = &[
    (
        BareCr,
        &[
            "GET / HTTP/1.1\rhost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: x\r\na: b\rc: d\r\n\r\n",
            "\r\rGET /",
            post!("host: x\r\ncontent-length: 5\r\r\nx: y"),
            chunked!("5\r12345\r\n0\r\n\r\n"),
            chunked!("5;a\rb\n12345\r\n0\r\n\r\n"),
            chunked!("0\r\nx: y\rz\r\n\r\n"),
        ],
    ),
    (
        BareLf,
        &[
            "GET / HTTP/1.1\nhost: x\n\n",
            "GET / HTTP/1.1\r\nhost: x\n\r\n",
            "\nGET / HTTP/1.1\r\nhost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: x\r\n\n",
            post!("host: x\ntransfer-encoding: chunked"),
            chunked!("5\n12345\r\n0\r\n\r\n"),
            chunked!("5;\n12345\r\n0\r\n\r\n"),
            chunked!("5;a=\"\n\"\r\n12345\r\n0\r\n\r\n"),
            chunked!("0\r\n\n"),
        ],
    ),
    (
        ControlCharacter,
        &[
            "GET / HTTP/1.1\r\nhost: x\r\na: b\0c\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: x\r\na\x0b: b\r\n\r\n",
            "\x16\x03\x01\x02",
            "GET /\x7f HTTP/1.1\r\n",
            "\0\x01\x02\x03\r\n\r\n",
            post!("host: x\r\ntransfer-encoding:\x0bchunked"),
            "GET / HTTP/1.1\r\nhost: x\r\na: \x1b[31m\r\n\r\n",
        ],
    ),
    (EmptyLines, &["\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\n\r\n", "\r\n\r\n\r\n"]),
    (
        RequestLine,
        &[
            "GET\r\n\r\n",
            "GET /\r\n\r\n",
            "GET  / HTTP/1.1\r\nhost: x\r\n\r\n",
            "GET / x HTTP/1.1\r\nhost: x\r\n\r\n",
            " GET / HTTP/1.1\r\nhost: x\r\n\r\n",
            "GET / HTTP/1.1 \r\nhost: x\r\n\r\n",
        ],
    ),
    (
        Method,
        &[
            "G\u{e4}T / HTTP/1.1\r\nhost: x\r\n\r\n",
            "GET\t/ / HTTP/1.1\r\nhost: x\r\n\r\n",
            "G(T / HTTP/1.1\r\nhost: x\r\n\r\n",
            "\"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        ],
    ),
    (
        MethodNotImplemented,
        &[
            "CONNECT a.example:443 HTTP/1.1\r\nhost: a.example\r\n\r\n",
            "CONNECT / HTTP/1.1\r\nhost: x\r\n\r\n",
            "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\nhost: x\r\n\r\n",
        ],
    ),
    (
        Version,
        &[
            "GET / http/1.1\r\nhost: x\r\n\r\n",
            "GET / HTTP/1.10\r\nhost: x\r\n\r\n",
            "GET / HTTP/11\r\nhost: x\r\n\r\n",
            "GET / HTTP/1.1;x\r\nhost: x\r\n\r\n",
            "GET / HTTP/x.1\r\nhost: x\r\n\r\n",
            "GET / \r\n\r\n",
        ],
    ),
    (
        VersionNotSupported,
        &[
            "GET / HTTP/9.9\r\nhost: x\r\n\r\n",
            "GET / HTTP/1.2\r\nhost: x\r\n\r\n",
            "GET / HTTP/0.9\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
            "GET / HTTP/2.0\r\nhost: x\r\n\r\n",
        ],
    ),
    (
        TargetForm,
        &[
            get!("v1/sessions"),
            get!("*"),
            get!("x:443"),
            get!("ftp://x/"),
            "POST * HTTP/1.1\r\nhost: x\r\n\r\n",
            get!("?q"),
        ],
    ),
    (
        TargetCharacter,
        &[get!("/v1/\u{e4}"), get!("/v1/a\"b"), get!("/v1/{id}"), get!("/v1/x?a=\u{e4}"), get!("/v1/<x>")],
    ),
    (TargetFragment, &[get!("/v1/x#y"), get!("/#"), get!("http://x#y")]),
    (
        PercentEncoding,
        &[
            get!("/v1/%zz"),
            get!("/v1/%00"),
            get!("/v1/%0d%0a"),
            get!("/v1/%c0%ae"),
            get!("/v1/x?%"),
            get!("/%e4"),
        ],
    ),
    (DoubleEncoding, &[get!("/v1/%252e%252e/internal"), get!("/v1/%2561")]),
    (EncodedSeparator, &[get!("/v1/..%2finternal"), get!("/v1%2Fx"), get!("/v1\\x"), get!("/v1/%5c")]),
    (
        DotSegment,
        &[
            get!("/v1/../internal"),
            get!("/v1/%2e%2e/internal"),
            get!("/v1/.%2E/internal"),
            get!("/./v1"),
            get!("/v1/..;/internal"),
            get!("http://x/v1/.."),
        ],
    ),
    (EmptySegment, &[get!("//internal"), get!("/v1//sessions"), get!("http://x//")]),
    (
        HostMissing,
        &["GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nhostess: x\r\n\r\n", "GET http://x/ HTTP/1.1\r\n\r\n"],
    ),
    (
        HostRepeated,
        &[
            "GET / HTTP/1.1\r\nhost: x\r\nhost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\na: b\r\nhOST: y\r\n\r\n",
        ],
    ),
    (
        Host,
        &[
            "GET / HTTP/1.1\r\nhost:\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a, b\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a b\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a:\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a:99999\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a:8o\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a/b\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: [::1\r\n\r\n",
            "GET / HTTP/1.0\r\nhost: a%00\r\n\r\n",
            get!("http:///v1"),
        ],
    ),
    (
        HostUser,
        &[
            "GET / HTTP/1.1\r\nhost: me@x\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: x:80@evil:80\r\n\r\n",
            get!("http://me:secret@x/"),
            get!("http://x@evil/"),
        ],
    ),
    (
        HostDisagrees,
        &[
            get!("http://y/"),
            get!("http://x:81/"),
            get!("https://x:80/"),
            "GET http://x.example/ HTTP/1.0\r\nhost: x\r\n\r\n",
        ],
    ),
    (
        ObsFold,
        &[
            "GET / HTTP/1.1\r\nhost: x\r\na: b\r\n c\r\n\r\n",
            "GET / HTTP/1.1\r\n host: x\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: x\r\n\tfolded: y\r\n\r\n",
            post!("host: x\r\nx:\r\n transfer-encoding: chunked"),
            chunked!("0\r\nx: y\r\n z\r\n\r\n"),
        ],
    ),
    (
        SpaceBeforeColon,
        &[
            "GET / HTTP/1.1\r\nhost : x\r\n\r\n",
            "GET / HTTP/1.1\r\nhost\t: x\r\n\r\n",
            post!("host: x\r\ntransfer-encoding : chunked"),
            post!("host: x\r\ncontent-length : 5"),
        ],
    ),
    (
        FieldName,
        &[
            "GET / HTTP/1.1\r\nhost: x\r\na b: c\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: x\r\n: c\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: x\r\nnothing\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: x\r\na\u{e4}: c\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: x\r\n\"a\": c\r\n\r\n",
            post!("host: x\r\ntransfer-encoding\u{a0}: chunked"),
            chunked!("0\r\nx y: z\r\n\r\n"),
        ],
    ),
    (
        FieldLookAlike,
        &[post!("host: x\r\ncontent_length: 5"), post!("host: x\r\nTransfer_Encoding: chunked")],
    ),
    (
        Length,
        &[
            post!("host: x\r\ncontent-length: -5"),
            post!("host: x\r\ncontent-length: +5"),
            post!("host: x\r\ncontent-length: 5 5"),
            post!("host: x\r\ncontent-length: 5, 5"),
            post!("host: x\r\ncontent-length: 0x5"),
            post!("host: x\r\ncontent-length: 5.0"),
            post!("host: x\r\ncontent-length:"),
            post!("host: x\r\ncontent-length: 05"),
            post!("host: x\r\ncontent-length: 18446744073709551621"),
            post!("host: x\r\ncontent-length: \u{665}"),
        ],
    ),
    (
        LengthRepeated,
        &[
            post!("host: x\r\ncontent-length: 5\r\ncontent-length: 5"),
            post!("host: x\r\ncontent-length: 5\r\nContent-Length: 6"),
        ],
    ),
    (
        LengthAndCoding,
        &[
            post!("host: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked"),
            post!("host: x\r\ntransfer-encoding: chunked\r\ncontent-length: 5"),
            post!("host: x\r\ntransfer-encoding: chunked\r\ncontent-length: 0"),
        ],
    ),
    (
        Coding,
        &[
            post!("host: x\r\ntransfer-encoding: identity"),
            post!("host: x\r\ntransfer-encoding: chunked, identity"),
            post!("host: x\r\ntransfer-encoding: chunked, chunked"),
            post!("host: x\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked"),
            post!("host: x\r\ntransfer-encoding: xchunked"),
            post!("host: x\r\ntransfer-encoding: \"chunked\""),
            post!("host: x\r\ntransfer-encoding:"),
            post!("host: x\r\ntransfer-encoding: ,chunked"),
            post!("host: x\r\ntransfer-encoding: chunked;q=1"),
            post!("host: x\r\ntransfer-encoding: gzip"),
        ],
    ),
    (
        CodingNotImplemented,
        &[
            post!("host: x\r\ntransfer-encoding: gzip, chunked"),
            post!("host: x\r\ntransfer-encoding: identity,Chunked"),
        ],
    ),
    (
        CodingInOld,
        &[
            "POST /v1/events HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST /v1/events HTTP/1.0\r\nhost: x\r\ntransfer-encoding: gzip\r\n\r\n",
        ],
    ),
    (
        BodyOnRead,
        &[
            "GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n12345",
            "HEAD / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        ],
    ),
    (
        Expect,
        &[
            post!("host: x\r\nexpect: 200-ok"),
            post!("host: x\r\nexpect: y 100-continue"),
            post!("host: x\r\nexpect: 100-continue\r\nexpect: 100-continue"),
        ],
    ),
    (
        ChunkSize,
        &[
            chunked!("\r\n"),
            chunked!("x\r\n"),
            chunked!("0x5\r\n12345\r\n"),
            chunked!("-5\r\n"),
            chunked!("+5\r\n"),
            chunked!(" 5\r\n12345\r\n"),
            chunked!("5 \r\n12345\r\n"),
            chunked!("5 ;a\r\n12345\r\n"),
            chunked!("5_0\r\n"),
            chunked!(";a\r\n"),
        ],
    ),
    (ChunkSizeTooLarge, &[chunked!("10000000000000005\r\n12345"), chunked!("00000000000000005\r\n12345")]),
    (
        ChunkExtension,
        &[
            chunked!("5;\r\n12345\r\n"),
            chunked!("5;a b\r\n12345\r\n"),
            chunked!("5; a\r\n12345\r\n"),
            chunked!("5;a=\r\n12345\r\n"),
            chunked!("5;a=\"b\r\n12345\r\n"),
            chunked!("5;a=\"b\"c\r\n12345\r\n"),
            chunked!("5;a=\0\r\n12345\r\n"),
            chunked!("5;;a\r\n12345\r\n"),
            chunked!("5;=b\r\n12345\r\n"),
        ],
    ),
    (
        ChunkEnd,
        &[
            chunked!("5\r\n1234567\r\n0\r\n\r\n"),
            chunked!("5\r\n12345\n0\r\n\r\n"),
            chunked!("5\r\n123450\r\n\r\n"),
            chunked!("5\r\n12345\r0\r\n\r\n"),
            chunked!("1\r\n12\r\n"),
        ],
    ),
    (
        Trailer,
        &[
            chunked!("0\r\nContent-Length: 5\r\n\r\n"),
            chunked!("0\r\ntransfer-encoding: chunked\r\n\r\n"),
            chunked!("0\r\nhost: y\r\n\r\n"),
            chunked!("5\r\n12345\r\n0\r\nx: y\r\nauthorization: Bearer z\r\n\r\n"),
            chunked!("0\r\nTandem-Chain: a\r\n\r\n"),
        ],
    ),
];

/// Connections of complete requests that pass, with their number.
pub(crate) const GOOD: &[(u64, &str)] = &[
    (1, "GET / HTTP/1.1\r\nhost: x\r\n\r\n"),
    (1, "GET /v1/sessions?status=live&q=%20a%2Fb HTTP/1.1\r\nHost: a.example:8080\r\nAccept: */*\r\n\r\n"),
    (1, "\r\nGET / HTTP/1.1\r\nhost: x\r\n\r\n"),
    (1, "GET / HTTP/1.0\r\n\r\n"),
    (1, "GET / HTTP/1.0\r\nhost: x\r\nconnection: keep-alive\r\n\r\n"),
    (1, "OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n"),
    (1, "GET http://x/v1/y?z HTTP/1.1\r\nhost: X:80\r\n\r\n"),
    (1, "GET https://x?z HTTP/1.1\r\nhost: x:443\r\n\r\n"),
    (1, "GET http://[::1]:8080 HTTP/1.1\r\nhost: [::1]:8080\r\n\r\n"),
    (1, "GET / HTTP/1.1\r\nhost:x\r\na:\r\nb:\t c \t\r\n!#$%&'*+-.^_`|~09: \u{e4} \"\\ ,;\r\n\r\n"),
    (1, "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\nexpect: 100-Continue\r\n\r\n12345"),
    (1, "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"),
    (1, "GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"),
    (1, "BREW / HTTP/1.1\r\nhost: x\r\nx_y: z\r\n\r\n"),
    (
        1,
        "POST / HTTP/1.1\r\nhost: x\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\n12345\r\n0005\r\n\r\n\r\n\n\r\n0\r\n\r\n",
    ),
    (
        1,
        "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nA;a;b=c;d=\"e;\\\"\t\"\r\n0123456789\r\n000;x\r\nx-sum: 5\r\n\r\n",
    ),
    (
        2,
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 29\r\n\r\nGET /inner HTTP/1.1\r\na: b\r\n\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\n\r\n",
    ),
    (
        3,
        "GET /1 HTTP/1.1\r\nhost: x\r\n\r\nPOST /2 HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n\r\nGET /3 HTTP/1.1\r\nhost: x\r\n\r\n",
    ),
];
