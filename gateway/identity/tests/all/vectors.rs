//! The vectors of `docs/signing.md`, held against the code: who writes a client from that page alone must
//! be understood.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use tandem_identity::{
    Head, Identity, Key, KeySet, Parameters, canonical_request, sha256, sign, to_hexadecimal,
};

const PAGE: &str = include_str!("../../../../docs/signing.md");

/// One block of the page.
#[derive(Default)]
struct Vector<'a> {
    name: &'a str,
    method: &'a str,
    target: &'a str,
    headers: Vec<(&'a str, &'a str)>,
    body: &'a str,
    timestamp: &'a str,
    nonce: &'a str,
    canonical: Vec<&'a str>,
    authorization: &'a str,
}

impl<'a> Vector<'a> {
    fn read(block: &'a str) -> Self {
        let mut vector = Self::default();
        for line in block.lines().filter(|line| !line.is_empty()) {
            if let Some(line) = line.strip_prefix('>') {
                vector.canonical.push(line.strip_prefix(' ').unwrap_or(line));
                continue;
            }
            let (name, value) = line.split_once(':').unwrap();
            let value = value.trim();
            match name {
                "name" => vector.name = value,
                "method" => vector.method = value,
                "target" => vector.target = value,
                "header" => vector.headers.push(value.split_once(": ").unwrap()),
                "body" => vector.body = value,
                "timestamp" => vector.timestamp = value,
                "nonce" => vector.nonce = value,
                "canonical" => {}
                "authorization" => vector.authorization = value,
                other => panic!("the page has an unknown line: {other}"),
            }
        }
        vector
    }
}

fn vectors() -> Vec<Vector<'static>> {
    let blocks = PAGE.split("```vector\n").skip(1);
    blocks.map(|block| Vector::read(block.split("```").next().unwrap())).collect()
}

/// The first line of a text block that looks like this.
fn line(is_it: impl Fn(&str) -> bool) -> &'static str {
    PAGE.lines().find(|line| is_it(line)).unwrap()
}

#[test]
fn the_pages_key_is_a_key_and_signs_with_what_the_page_says() {
    let key = Key::parse(line(|line| line.starts_with("tdm_"))).unwrap();
    assert!(PAGE.contains(&format!("`{}`", key.id())));
    assert_eq!(line(|line| line.len() == 64 && !line.contains(' ')), to_hexadecimal(&key.signing_key()));
}

#[test]
fn the_pages_vectors_are_what_the_code_does() {
    let key = Key::parse(line(|line| line.starts_with("tdm_"))).unwrap();
    let file = format!(
        "[[tenants]]\nname = \"mcn-one\"\n[[keys]]\nid = \"{}\"\ntenant = \"mcn-one\"\napplication = \"uploader\"\n\
         may = [\"write\"]\nsigning_key = \"{}\"\ncreated_at = 2024-01-01T00:00:00Z\n",
        key.id(),
        to_hexadecimal(&key.signing_key())
    );
    let keys = KeySet::parse(file.as_bytes(), 0).unwrap();
    let identity = Identity::new("operator").with_keys(keys.into());
    let vectors = vectors();
    assert!(vectors.len() >= 4, "the page has {} vectors", vectors.len());
    for vector in vectors {
        let (method, uri): (Method, Uri) = (vector.method.parse().unwrap(), vector.target.parse().unwrap());
        let mut headers = HeaderMap::new();
        for (name, value) in &vector.headers {
            let name: HeaderName = name.parse().unwrap();
            assert!(headers.insert(name, HeaderValue::from_str(value).unwrap()).is_none());
        }
        let mut names: Vec<String> = headers.keys().map(|name| name.as_str().to_owned()).collect();
        names.sort();
        let timestamp_s = vector.timestamp.parse().unwrap();
        let parameters = Parameters {
            key: key.id().to_owned(),
            timestamp_s,
            nonce: vector.nonce.to_owned(),
            headers: names,
            body_sha256: sha256(vector.body.as_bytes()),
        };
        let canonical = canonical_request(&parameters, &method, &uri, &headers).unwrap();
        assert_eq!(String::from_utf8(canonical).unwrap(), vector.canonical.join("\n"), "{}", vector.name);
        let signed = sign(&key.signing_key(), &parameters, &method, &uri, &headers).unwrap();
        assert_eq!(signed, vector.authorization, "{}", vector.name);
        // And the server takes it.
        headers.insert("authorization", HeaderValue::from_str(vector.authorization).unwrap());
        let head = Head { method: &method, uri: &uri, headers: &headers };
        let found = identity.identify(head, timestamp_s * 1_000 + 59_000).unwrap();
        assert_eq!(&*found.caller.application, "uploader");
        assert_eq!(found.signed.unwrap().body_sha256, sha256(vector.body.as_bytes()));
    }
}
