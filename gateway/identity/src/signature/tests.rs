//! Canonical requests: equal ones have equal texts, and no two different ones do.

use http::HeaderValue;
use proptest::prelude::*;

use super::*;
use crate::sha256;

fn parameters(headers: &[&str]) -> Parameters {
    Parameters {
        key: "k".to_owned(),
        timestamp_s: 1,
        nonce: "n".to_owned(),
        headers: headers.iter().map(|name| (*name).to_owned()).collect(),
        body_sha256: sha256(b""),
    }
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(*name, HeaderValue::from_str(value).unwrap());
    }
    map
}

fn canonical(
    target: &str,
    signed: &[&str],
    pairs: &[(&'static str, &str)],
) -> Result<String, CanonicalError> {
    let uri: Uri = target.parse().unwrap();
    let text = canonical_request(&parameters(signed), &Method::GET, &uri, &headers(pairs))?;
    Ok(String::from_utf8(text).unwrap())
}

#[test]
fn the_text_is_what_the_page_says() {
    let text =
        canonical("/v1/x?b=2&a=1&a=0&B", &["host", "prefer"], &[("host", "h:1"), ("prefer", " fresh ")]);
    let hash = to_hexadecimal(&sha256(b""));
    let expected = format!(
        "tandem-hmac-sha256-v1\nk\n1\nn\nGET\n/v1/x\n?B&a=1&a=0&b=2\nhost;prefer\nhost:h:1\nprefer:fresh\n{hash}"
    );
    assert_eq!(text.unwrap(), expected);
}

#[test]
fn signed_headers_stand_there_once_and_what_matters_is_signed() {
    let host = ("host", "h");
    assert!(canonical("/", &["host"], &[host]).is_ok());
    assert!(canonical("/", &["host", "x-a"], &[host, ("x-a", "")]).is_ok());
    // HTTP/2 has the host in its target.
    assert_eq!(canonical("http://h/", &["host"], &[]), canonical("/", &["host"], &[host]));
    assert_eq!(canonical("http://h/", &["host"], &[host]), canonical("/", &["host"], &[host]));
    let refused = [
        canonical("/", &["host"], &[]),
        canonical("/", &["host"], &[host, host]),
        canonical("http://other/", &["host"], &[host]),
        canonical("/", &["host", "x-a"], &[host]),
        canonical("/", &["host", "x-a"], &[host, ("x-a", "1"), ("x-a", "1")]),
    ];
    assert!(refused.into_iter().all(|text| text == Err(CanonicalError::Header)));
    for name in SIGNED_WHEN_PRESENT {
        assert_eq!(canonical("/", &["host"], &[host, (name, "x")]), Err(CanonicalError::Unsigned), "{name}");
        let mut signed = ["host", name];
        signed.sort_unstable();
        assert!(canonical("/", &signed, &[host, (name, "x")]).is_ok(), "{name}");
    }
}

#[test]
fn parameters_have_one_form() {
    let hash = "0".repeat(64);
    let good =
        format!("key=k, timestamp=12, nonce=0123456789abcdef, headers=host, body={hash}, signature={hash}");
    let (parsed, signature) = Parameters::parse(&good).unwrap();
    assert_eq!((parsed.key.as_str(), parsed.timestamp_s, signature), ("k", 12, [0; 32]));
    assert_eq!(parsed.headers, ["host"]);
    assert!(Parameters::parse(&good.replace(", ", ",\t")).is_ok());
    let faults = [
        ("", "", None),
        ("key=k, ", "", None),
        ("key=k", "key=k, key=k", None),
        ("nonce=", "nonsense=", None),
        ("key=k, ", "key=k,, ", None),
        ("key=k", "key", None),
        ("key=k", "key=", Some("key")),
        ("key=k", "key=k_", Some("key")),
        ("timestamp=12", "timestamp=+12", Some("timestamp")),
        ("timestamp=12", "timestamp=012", Some("timestamp")),
        ("timestamp=12", "timestamp=123456789012", Some("timestamp")),
        ("timestamp=12", "timestamp=1.5", Some("timestamp")),
        ("0123456789abcdef", "0123456789abcde", Some("nonce")),
        ("0123456789abcdef", "0123456789abcde=", Some("nonce")),
        ("=host", "=", Some("headers")),
        ("=host", "=Host", Some("headers")),
        ("=host", "=prefer", Some("headers")),
        ("=host", "=prefer;host", Some("headers")),
        ("=host", "=host;host", Some("headers")),
        ("=host", "=authorization;host", Some("headers")),
        ("body=0", "body=A", Some("body")),
        ("signature=0", "signature=", Some("signature")),
    ];
    for (from, to, parameter) in faults {
        let text = if from.is_empty() { String::new() } else { good.replacen(from, to, 1) };
        let fault = parameter.map_or(SignatureFault::Parameters, SignatureFault::Parameter);
        assert_eq!(Parameters::parse(&text), Err(fault), "{text}");
    }
}

#[test]
fn clocks_may_be_a_minute_off() {
    let signed = Parameters { timestamp_s: 1_000, ..parameters(&["host"]) };
    for (now_ms, is_fresh) in [(940_000, true), (939_999, false), (1_060_000, true), (1_060_001, false)] {
        assert_eq!(signed.is_fresh(now_ms), is_fresh, "{now_ms}");
    }
    assert!(!Parameters { timestamp_s: u64::MAX, ..signed }.is_fresh(0));
}

/// A request, small enough that two of them are often nearly the same.
#[derive(Clone, Debug)]
struct Sent {
    key: String,
    nonce: String,
    method: Method,
    path: String,
    query: Option<String>,
    headers: Vec<(&'static str, String)>,
    body: u8,
}

fn sent() -> impl Strategy<Value = Sent> {
    let header =
        |name: &'static str| prop_oneof![Just(None), "[a:;]{0,2}".prop_map(move |value| Some((name, value)))];
    (
        ("[ab]{1,2}", "[ab]{1,2}", prop_oneof![Just(Method::GET), Just(Method::POST)], "/[a/?]{0,2}"),
        proptest::option::of("([ab](=[ab]?)?&?){0,3}"),
        (header("prefer"), header("x-a")),
        0_u8..2,
    )
        .prop_map(|((key, nonce, method, path), query, (one, two), body)| Sent {
            key,
            nonce,
            method,
            path: path.replace('?', "b"),
            query,
            headers: [Some(("host", "h".to_owned())), one, two].into_iter().flatten().collect(),
            body,
        })
}

impl Sent {
    fn text(&self) -> Vec<u8> {
        let target = match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        };
        let mut map = HeaderMap::new();
        for (name, value) in &self.headers {
            map.insert(*name, HeaderValue::from_str(value).unwrap());
        }
        let parameters = Parameters {
            key: self.key.clone(),
            timestamp_s: 1,
            nonce: self.nonce.clone(),
            headers: self.headers.iter().map(|(name, _)| (*name).to_owned()).collect(),
            body_sha256: sha256(&[self.body]),
        };
        canonical_request(&parameters, &self.method, &target.parse().unwrap(), &map).unwrap()
    }

    /// Whether both mean the same: the order of parameters of different names does not matter.
    fn equals(&self, other: &Sent) -> bool {
        fn name(parameter: &str) -> &str {
            parameter.split('=').next().unwrap()
        }
        let same_query = match (&self.query, &other.query) {
            (None, None) => true,
            (Some(one), Some(other)) => {
                let of = |query: &str, wanted: &str| -> Vec<String> {
                    query.split('&').filter(|part| name(part) == wanted).map(str::to_owned).collect()
                };
                let all = one.split('&').chain(other.split('&'));
                all.map(name).all(|wanted| of(one, wanted) == of(other, wanted))
            }
            _ => false,
        };
        same_query
            && self.key == other.key
            && self.nonce == other.nonce
            && self.method == other.method
            && self.path == other.path
            && self.headers == other.headers
            && self.body == other.body
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Two requests that differ in few places: equal texts if and only if they mean the same.
    #[test]
    fn texts_are_equal_exactly_where_requests_are(one in sent(), other in sent(), keep in 0_u8..128) {
        // Otherwise nearly all pairs would differ in the first field already.
        let kept = |bit: u8| keep & 1 << bit != 0;
        let other = Sent {
            key: if kept(0) { one.key.clone() } else { other.key },
            nonce: if kept(1) { one.nonce.clone() } else { other.nonce },
            method: if kept(2) { one.method.clone() } else { other.method },
            path: if kept(3) { one.path.clone() } else { other.path },
            query: if kept(4) { one.query.clone() } else { other.query },
            headers: if kept(5) { one.headers.clone() } else { other.headers },
            body: if kept(6) { one.body } else { other.body },
        };
        prop_assert_eq!(one.text() == other.text(), one.equals(&other), "{:?} {:?}", one, other);
    }

    /// The order of parameters with different names is of no meaning.
    #[test]
    fn parameters_may_be_sent_in_any_order(
        mut names in proptest::collection::btree_set("[a-z]{1,3}", 1..5)
            .prop_map(|names| names.into_iter().collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let text = |names: &[String]| canonical(&format!("/?{}", names.join("=1&")), &["host"], &[("host", "h")]);
        let shuffled = text(&names);
        // Each has a value but the last one, so give that one back its own.
        let last = names.pop().unwrap();
        let mut sorted = names.clone();
        sorted.sort();
        let parts: Vec<String> = sorted.iter().map(|name| format!("{name}=1")).chain([last]).collect();
        let target = format!("/?{}", parts.join("&"));
        prop_assert_eq!(shuffled, canonical(&target, &["host"], &[("host", "h")]));
    }

    /// Whatever is sent is read or refused.
    #[test]
    fn any_text_is_parameters_or_not(text in "\\PC{0,120}") {
        _ = Parameters::parse(&text);
    }
}
