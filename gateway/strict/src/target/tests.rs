use super::*;
use crate::Violation::*;

fn refused(method: &str, target: &str) -> Violation {
    check_target(method.as_bytes(), target.as_bytes()).expect_err(target)
}

#[test]
fn paths_with_one_reading_pass() {
    for good in [
        "/",
        "/v1/sessions",
        "/v1/sessions/",
        "/v1/sessions/s-1/report?breakdowns=source,fan&at=2026-01-01T00:00:00Z",
        "/v1/a%20b/%C3%A4",
        "/v1/100%25",
        "/v1/.hidden/a..b/...",
        "/v1/a;b=c",
        "/~user/(x)!$&'*+,=:@",
        "/x?",
        "/x?filter[a]=1|2&q=%0A%2F..//",
        "/x?a=/../b",
    ] {
        assert_eq!(check_target(b"GET", good.as_bytes()), Ok(Form::Origin), "{good}");
    }
    assert_eq!(check_target(b"OPTIONS", b"*"), Ok(Form::Asterisk));
}

#[test]
fn urls_name_their_host() {
    for (url, host, port, port_default) in [
        ("http://a.example/v1/x?y", "a.example", None, 80),
        ("HTTP://a.example:8080", "a.example", Some(8080), 80),
        ("https://[::1]?q", "[::1]", None, 443),
    ] {
        let expected = Form::Absolute { authority: Authority { host, port }, port_default };
        assert_eq!(check_target(b"GET", url.as_bytes()), Ok(expected), "{url}");
    }
}

#[test]
fn what_has_two_readings_is_refused() {
    let cases: &[(Violation, &[&str])] = &[
        (TargetForm, &["", "v1/x", "a.example:443", "*", "?x", "ftp://a/x", "http:/a", "http:a"]),
        (
            TargetCharacter,
            &[
                "/a\u{e4}", "/a b", "/\x7f", "/a\"b", "/<x>", "/a|b", "/{x}", "/[x]", "/a^", "/?a\"", "/?<",
                "/?a\\b", "/?\u{e4}",
            ],
        ),
        (TargetFragment, &["/a#b", "/#", "/?a#b", "http://a#b"]),
        (
            PercentEncoding,
            &[
                "/%", "/%z", "/%zz", "/%4", "/%+1", "/%00", "/%0a", "/%7f", "/%ff", "/%c0%ae", "/?%zz",
                "/?%", "/?%00", "/a%20%e4",
            ],
        ),
        (DoubleEncoding, &["/%252e%252e/x", "/%2500"]),
        (
            EncodedSeparator,
            &["/a%2fb", "/a%2Fb", "/a%5cb", "/a\\b", "/\\\\a", "/v1/..%2finternal", "http://a\\b/"],
        ),
        (
            DotSegment,
            &[
                "/.",
                "/..",
                "/v1/../internal",
                "/v1/./x",
                "/v1/%2e%2e/internal",
                "/v1/.%2E/x",
                "/v1/..;/x",
                "/v1/%2e;a=b/x",
                "http://a/../x",
            ],
        ),
        (EmptySegment, &["//", "//v1/x", "/v1//x", "/v1/x//"]),
        (Host, &["http:///x", "http://", "http://a:0/x", "http://a,b/"]),
        (HostUser, &["http://me@a/x", "http://me:pw@a"]),
    ];
    for (violation, targets) in cases {
        for target in *targets {
            assert_eq!(refused("GET", target), *violation, "{target:?}");
        }
    }
    // The path of CONNECT is an authority, and there is no CONNECT here.
    assert_eq!(refused("CONNECT", "a.example:443"), TargetForm);
    assert_eq!(refused("GET", "*"), TargetForm);
}
