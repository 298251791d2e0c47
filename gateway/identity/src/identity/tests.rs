//! Requests and who sent them.

use http::HeaderValue;
use proptest::prelude::*;

use super::*;
use crate::hexadecimal::to_hexadecimal;
use crate::jwt::tests::{Issuer, claims};
use crate::keys::KeyFormError;
use crate::signature::sign;

const NOW_MS: u64 = 1_732_190_400_000;
const OPERATOR: &str = "operator.key.with-dots";

fn key(byte: u8) -> Key {
    Key::from_random(&[byte; 40])
}

/// Keys 1 (live), 2 (expired), 3 (revoked), 4 (signs), 5 (signed, revoked).
fn keys() -> KeySet {
    let mut text = "[[tenants]]\nname = \"mcn\"\nanchors = [\"a1\"]\n".to_owned();
    for (byte, more) in [
        (1, format!("sha256 = \"{}\"", to_hexadecimal(&key(1).secret_sha256()))),
        (
            2,
            format!(
                "sha256 = \"{}\"\nexpires_at = 2024-01-01T00:00:00Z",
                to_hexadecimal(&key(2).secret_sha256())
            ),
        ),
        (
            3,
            format!(
                "sha256 = \"{}\"\nrevoked_at = 2024-01-01T00:00:00Z",
                to_hexadecimal(&key(3).secret_sha256())
            ),
        ),
        (4, format!("signing_key = \"{}\"", to_hexadecimal(&key(4).signing_key()))),
        (
            5,
            format!(
                "signing_key = \"{}\"\nrevoked_at = 2024-01-01T00:00:00Z",
                to_hexadecimal(&key(5).signing_key())
            ),
        ),
    ] {
        let id = key(byte).id().to_owned();
        text.push_str(&format!(
            "[[keys]]\nid = \"{id}\"\ntenant = \"mcn\"\napplication = \"screen\"\nmay = [\"read\"]\n\
             created_at = 2023-01-01T00:00:00Z\n{more}\n"
        ));
    }
    KeySet::parse(text.as_bytes(), NOW_MS).unwrap()
}

fn identity() -> Identity {
    Identity::new(OPERATOR).with_keys(Arc::new(keys()))
}

fn ask(identity: &Identity, authorization: &[&str]) -> Result<Identified, Refusal> {
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("h"));
    for value in authorization {
        headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
    }
    identify(identity, &Method::GET, "/v1/sessions?limit=1", &headers, NOW_MS)
}

fn identify(
    identity: &Identity,
    method: &Method,
    target: &str,
    headers: &HeaderMap,
    now_ms: u64,
) -> Result<Identified, Refusal> {
    identity.identify(Head { method, uri: &target.parse().unwrap(), headers }, now_ms)
}

fn bearer(text: &str) -> Result<Identified, Refusal> {
    ask(&identity(), &[&format!("Bearer {text}")])
}

#[test]
fn an_operators_key_may_begin_as_keys_of_tenants_do() {
    let theirs = key(1).to_text();
    for operator in ["tdm_operator", &theirs, OPERATOR] {
        let identity = Identity::new("another").with_operator(operator).with_keys(Arc::new(keys()));
        let shown = format!("Bearer {operator}");
        assert!(ask(&identity, &[&shown]).unwrap().caller.is_operator(), "{operator}");
    }
    let shown = format!("Bearer {theirs}");
    assert!(!ask(&identity(), &[&shown]).unwrap().caller.is_operator());
}

#[test]
fn the_operator_and_tenants_are_told_apart() {
    for form in ["Bearer ", "bearer ", "BEARER   "] {
        let found = ask(&identity(), &[&format!("{form}{OPERATOR}")]).unwrap();
        assert!(found.caller.is_operator() && found.signed.is_none());
        assert_eq!(&*found.caller.key_id, "operator");
    }
    let found = bearer(&key(1).to_text()).unwrap().caller;
    assert_eq!((&*found.key_id, &*found.tenant, &*found.application), (key(1).id(), "mcn", "screen"));
    assert!(!found.is_operator() && found.may.read && !found.may.write);
    assert!(found.scope.owns("a1") && !found.scope.owns("a2"));
}

#[test]
fn nothing_else_opens() {
    let good = format!("Bearer {}", key(1).to_text());
    let cases = [
        (vec![], Refusal::Missing),
        (vec![good.as_str(), good.as_str()], Refusal::Several),
        (vec!["Bearer"], Refusal::Scheme),
        (vec![OPERATOR], Refusal::Scheme),
        (vec!["Basic b3A6a2V5"], Refusal::Scheme),
        (vec!["Bearer "], Refusal::Scheme),
        (vec!["Bearer operator.key.with-dot"], Refusal::Unknown),
        (vec!["Bearer operator.key.with-dotss"], Refusal::Unknown),
        (vec!["Bearer a.b.c"], Refusal::Unknown),
        (vec!["Bearer tdm_x"], Refusal::Form(KeyFormError::Shape)),
        (vec![&good[..good.len() - 1]], Refusal::Form(KeyFormError::Check)),
    ];
    for (authorization, refusal) in cases {
        let trimmed: Vec<&str> = authorization.iter().map(|value| value.trim_end()).collect();
        assert_eq!(ask(&identity(), &trimmed), Err(refusal), "{authorization:?}");
    }
}

#[test]
fn who_was_let_in_can_be_asked_for_again_and_what_ends_says_when() {
    let identity = identity();
    assert_eq!(identity.holder(key(1).id(), NOW_MS), Ok(bearer(&key(1).to_text()).unwrap().caller));
    assert_eq!(identity.holder(key(2).id(), NOW_MS), Err(Refusal::Expired));
    assert_eq!(identity.holder(key(5).id(), NOW_MS), Err(Refusal::Revoked));
    assert_eq!(identity.holder(key(9).id(), NOW_MS), Err(Refusal::Unknown));
    let expired = identity.keys.key(key(2).id()).unwrap().2;
    assert_eq!(expired.ends_ms(), expired.expires_ms);
    let before = expired.expires_ms.unwrap() - 1;
    let head = HeaderMap::from_iter([(
        AUTHORIZATION,
        HeaderValue::try_from(format!("Bearer {}", key(2).to_text())).unwrap(),
    )]);
    let found = identify(&identity, &Method::GET, "/", &head, before).unwrap();
    assert_eq!(found.until_ms, expired.expires_ms, "it ends by itself");
    assert_eq!(bearer(&key(1).to_text()).unwrap().until_ms, None);
    let issuer = Issuer::new();
    let with_tokens = identity.with_jwt(Some(issuer.rules()));
    let token =
        issuer.token(&serde_json::json!({"alg": "EdDSA", "kid": "ed"}), &claims(serde_json::json!({})));
    let found = ask(&with_tokens, &[&format!("Bearer {token}")]).unwrap();
    let exp_ms = claims(serde_json::json!({}))["exp"].as_u64().unwrap() * 1_000;
    assert_eq!(found.until_ms, Some(exp_ms + crate::SKEW_MS));
}

#[test]
fn only_who_shows_the_secret_hears_how_it_is_with_the_key() {
    assert_eq!(bearer(&key(2).to_text()), Err(Refusal::Expired));
    assert_eq!(bearer(&key(3).to_text()), Err(Refusal::Revoked));
    // The ids are right, the secrets are not; one id is nobody's; one key must not be sent at all.
    for (id, secret) in [(1, 9), (2, 9), (3, 9), (4, 9), (9, 9), (4, 4), (5, 5)] {
        let mut random = [secret; 40];
        random[..8].fill(id);
        let text = Key::from_random(&random).to_text();
        assert_eq!(bearer(&text), Err(Refusal::Unknown), "{id} {secret}");
    }
}

/// Signs `GET target` with the key of `byte`, whose id is that of `id`.
fn signed(id: u8, byte: u8, target: &str, timestamp_s: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("h"));
    let parameters = Parameters {
        key: key(id).id().to_owned(),
        timestamp_s,
        nonce: "0123456789abcdef".to_owned(),
        headers: vec!["host".to_owned()],
        body_sha256: sha256(b"body"),
    };
    let value = sign(&key(byte).signing_key(), &parameters, &Method::GET, &target.parse().unwrap(), &headers);
    headers.insert(AUTHORIZATION, HeaderValue::from_str(&value.unwrap()).unwrap());
    headers
}

#[test]
fn a_signed_request_says_who_sent_it_and_what_must_hold() {
    const TARGET: &str = "/v1/x?b=1&a=2";
    let found = |headers: &HeaderMap, target: &str, now_ms| {
        identify(&identity(), &Method::GET, target, headers, now_ms)
    };
    let headers = signed(4, 4, TARGET, NOW_MS / 1_000);
    let known = found(&headers, TARGET, NOW_MS).unwrap();
    assert_eq!(&*known.caller.key_id, key(4).id());
    assert_eq!(known.caller.how, crate::Credential::Signature);
    let expected = known.signed.unwrap();
    assert_eq!(expected.body_sha256, sha256(b"body"));
    assert_eq!(expected.nonce, Nonce::new(key(4).id().into(), NOW_MS / 1_000, "0123456789abcdef"));
    assert!(found(&headers, "/v1/x?a=2&b=1", NOW_MS).is_ok(), "the order has no meaning");
    let stale = Refusal::Signature(SignatureFault::Stale);
    assert_eq!(found(&headers, TARGET, NOW_MS + 60_001), Err(stale));
    // What was not signed so; the wrong secret; a key that does not sign; nobody's; the key of nobody.
    let mismatch = Err(Refusal::Signature(SignatureFault::Mismatch));
    assert_eq!(found(&headers, "/v1/x?b=1&a=3", NOW_MS), mismatch);
    let mut other_host = headers.clone();
    other_host.insert("host", HeaderValue::from_static("i"));
    assert_eq!(found(&other_host, TARGET, NOW_MS), mismatch);
    assert_eq!(identify(&identity(), &Method::HEAD, TARGET, &headers, NOW_MS), mismatch);
    for (id, byte) in [(4, 9), (1, 1), (9, 9), (5, 9)] {
        assert_eq!(found(&signed(id, byte, TARGET, NOW_MS / 1_000), TARGET, NOW_MS), mismatch, "{id} {byte}");
    }
    assert_eq!(found(&signed(5, 5, TARGET, NOW_MS / 1_000), TARGET, NOW_MS), Err(Refusal::Revoked));
    let unsigned = |value: &'static str| ask(&identity(), &[value]);
    assert_eq!(unsigned("Tandem-HMAC-SHA256 x"), Err(Refusal::Signature(SignatureFault::Parameters)));
}

#[test]
fn nobodys_key_signs_for_nobody() {
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("h"));
    let parameters = Parameters {
        key: key(9).id().to_owned(),
        timestamp_s: NOW_MS / 1_000,
        nonce: "0123456789abcdef".to_owned(),
        headers: vec!["host".to_owned()],
        body_sha256: [0; 32],
    };
    let value = sign(&[0; 32], &parameters, &Method::GET, &"/".parse().unwrap(), &headers).unwrap();
    headers.insert(AUTHORIZATION, HeaderValue::from_str(&value).unwrap());
    let found = identify(&identity(), &Method::GET, "/", &headers, NOW_MS);
    assert_eq!(found, Err(Refusal::Signature(SignatureFault::Mismatch)));
}

#[test]
fn tokens_count_where_they_are_configured() {
    let issuer = Issuer::new();
    let token =
        issuer.token(&serde_json::json!({"alg": "EdDSA", "kid": "ed"}), &claims(serde_json::json!({})));
    assert_eq!(bearer(&token), Err(Refusal::Unknown));
    let identity = identity().with_jwt(Some(issuer.rules()));
    let found = ask(&identity, &[&format!("Bearer {token}")]).unwrap().caller;
    assert_eq!((&*found.tenant, found.how), ("mcn", crate::Credential::Jwt));
    // The operator's key may look like one.
    assert!(ask(&identity, &[&format!("Bearer {OPERATOR}")]).unwrap().caller.is_operator());
    let unknown =
        issuer.token(&serde_json::json!({"alg": "EdDSA", "kid": "new"}), &claims(serde_json::json!({})));
    let refusal = ask(&identity, &[&format!("Bearer {unknown}")]).unwrap_err();
    assert!(refusal.is_unknown_token_key() && !Refusal::Unknown.is_unknown_token_key());
}

proptest! {
    /// Whatever is sent is answered, and opens nothing.
    #[test]
    fn no_header_breaks_anything(value in proptest::collection::vec(any::<u8>(), 0..200), form in 0_u8..4) {
        let front: &[u8] = [&b""[..], b"Bearer ", b"Bearer tdm_", b"Tandem-HMAC-SHA256 "][usize::from(form)];
        let bytes = [front, &value].concat();
        let Ok(value) = HeaderValue::from_bytes(&bytes) else { return Ok(()) };
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, value);
        let identity = identity().with_jwt(Some(Issuer::new().rules()));
        prop_assert!(identify(&identity, &Method::GET, "/", &headers, NOW_MS).is_err());
    }
}
