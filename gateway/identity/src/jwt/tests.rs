//! Tokens: who they speak for, and a table of those that are refused.

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use serde_json::json;

use super::*;

const NOW_S: u64 = 1_732_190_400;

/// Somebody who makes tokens.
pub(crate) struct Issuer {
    ed: Ed25519KeyPair,
    ec: EcdsaKeyPair,
    random: SystemRandom,
}

impl Issuer {
    pub(crate) fn new() -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Self {
            ed: Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap(),
            ec: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random)
                .unwrap(),
            random,
        }
    }

    pub(crate) fn jwks(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let point = self.ec.public_key().as_ref();
        json!({"keys": [
            {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "alg": "EdDSA", "use": "sig",
             "x": text(self.ed.public_key().as_ref())},
            {"kty": "EC", "crv": "P-256", "kid": "ec", "x": text(&point[1..33]), "y": text(&point[33..])},
            {"kty": "RSA", "kid": "rsa", "alg": "RS256", "n": "AQAB", "e": "AQAB"},
        ]})
    }

    pub(crate) fn rules(&self) -> JwtRules {
        JwtRules {
            issuer: "https://issuer.example".to_owned(),
            audience: "tandem".to_owned(),
            tenant_claim: "tenant".to_owned(),
            keys: Arc::new(Jwks::parse(self.jwks().to_string().as_bytes()).unwrap()),
        }
    }

    /// A token with this header and these claims; the pair of key `kid` signs it.
    pub(crate) fn token(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = match header["kid"].as_str() {
            Some("ec") => self.ec.sign(&self.random, signed.as_bytes()).unwrap().as_ref().to_vec(),
            _ => self.ed.sign(signed.as_bytes()).as_ref().to_vec(),
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn keys() -> KeySet {
    let text = "[[tenants]]\nname = \"mcn\"\nanchors = [\"a1\", \"a2\"]\nchannels = [\"c1\"]\n";
    KeySet::parse(text.as_bytes(), NOW_S * 1_000).unwrap()
}

fn ed() -> Value {
    json!({"alg": "EdDSA", "kid": "ed", "typ": "JWT"})
}

pub(crate) fn claims(more: Value) -> Value {
    let mut claims = json!({
        "iss": "https://issuer.example", "aud": "tandem", "sub": "user-1", "exp": NOW_S + 300, "tenant": "mcn",
    });
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

fn caller(issuer: &Issuer, token: &str) -> Result<Caller, TokenFault> {
    issuer.rules().caller(token, &keys(), NOW_S * 1_000).map(|(caller, _)| caller)
}

#[test]
fn a_token_speaks_for_its_tenant() {
    let issuer = Issuer::new();
    for header in [ed(), json!({"alg": "Ed25519", "kid": "ed"}), json!({"alg": "ES256", "kid": "ec"})] {
        let caller = caller(&issuer, &issuer.token(&header, &claims(json!({"azp": "screen"})))).unwrap();
        assert_eq!(
            (&*caller.key_id, &*caller.tenant, &*caller.application),
            ("jwt:mcn:user-1", "mcn", "screen")
        );
        assert!(caller.may.read && !caller.may.write && !caller.is_operator());
        assert!(caller.scope.owns("a1") && caller.scope.owns("a2") && !caller.scope.owns("a3"));
        assert_eq!(Scope::decode(caller.scope_header.to_str().unwrap()).as_ref(), Ok(&*caller.scope));
    }
    let several = claims(json!({"aud": ["other", "tandem"], "permissions": ["write"]}));
    let caller = caller(&issuer, &issuer.token(&ed(), &several)).unwrap();
    assert!(caller.may.write && !caller.may.read);
}

#[test]
fn a_token_narrows_and_never_widens() {
    let issuer = Issuer::new();
    let narrowed = |grants: Value| {
        let token = issuer.token(&ed(), &claims(json!({ "grants": grants })));
        caller(&issuer, &token).map(|caller| caller.scope)
    };
    let scope = narrowed(json!({"anchors": ["a1", "a9"], "tables": ["dws_session"]})).unwrap();
    assert!(scope.owns("a1") && !scope.owns("a2") && !scope.owns("a9") && !scope.has_table("dws_session"));
    let Scope::Granted(grants) = &*scope else { panic!("not everything") };
    assert!(grants.channels.is_empty(), "what is not named is not granted");
    assert_eq!(*narrowed(json!({})).unwrap(), Scope::Granted(Grants::default()));
    assert_eq!(narrowed(json!({"everything": true})), Err(TokenFault::Claims));
    assert_eq!(narrowed(json!("all")), Err(TokenFault::Claims));
}

#[test]
fn clocks_may_be_a_minute_off() {
    let issuer = Issuer::new();
    let with = |name: &str, at: Value| {
        caller(&issuer, &issuer.token(&ed(), &claims(json!({ name: at })))).map(|_| ())
    };
    assert_eq!(with("exp", json!(NOW_S - 59)), Ok(()));
    assert_eq!(with("exp", json!(NOW_S - 60)), Err(TokenFault::Expired));
    assert_eq!(with("exp", json!(NOW_S as f64 + 0.5)), Ok(()));
    for name in ["nbf", "iat"] {
        assert_eq!(with(name, json!(NOW_S + 60)), Ok(()));
        assert_eq!(with(name, json!(NOW_S + 61)), Err(TokenFault::NotYet), "{name}");
    }
}

#[test]
fn whatever_is_not_right_is_refused() {
    let issuer = Issuer::new();
    let good = issuer.token(&ed(), &claims(json!({})));
    let (signed, _) = good.rsplit_once('.').unwrap();
    let header = |header: Value| issuer.token(&header, &claims(json!({})));
    let with = |more: Value| issuer.token(&ed(), &claims(more));
    let without = |name: &str| {
        let mut claims = claims(json!({}));
        claims.as_object_mut().unwrap().remove(name);
        issuer.token(&ed(), &claims)
    };
    // The public key as a shared secret: the oldest trick.
    let symmetric = header(json!({"alg": "HS256", "kid": "ed"}));
    let other = Issuer { ed: Ed25519KeyPair::from_seed_unchecked(&[8; 32]).unwrap(), ..Issuer::new() };
    let cases = [
        ("..", TokenFault::Shape),
        ("a.b.c", TokenFault::Shape),
        (&format!("{signed}."), TokenFault::Signature),
        (&format!("{signed}.AAAA"), TokenFault::Signature),
        (&format!("{good}="), TokenFault::Shape),
        (
            &format!("{}.{}", header(json!({"alg": "none"})).rsplit_once('.').unwrap().0, ""),
            TokenFault::Algorithm,
        ),
        (&symmetric, TokenFault::Algorithm),
        (&header(json!({"alg": "RS256", "kid": "rsa"})), TokenFault::Algorithm),
        (&header(json!({"alg": "EdDSA"})), TokenFault::NoKeyId),
        (&header(json!({"alg": "EdDSA", "kid": "new"})), TokenFault::UnknownKeyId),
        (&header(json!({"alg": "EdDSA", "kid": "ec"})), TokenFault::OtherAlgorithm),
        (&header(json!({"alg": "ES256", "kid": "ed"})), TokenFault::OtherAlgorithm),
        (&header(json!({"alg": "EdDSA", "kid": "ed", "crit": ["b64"]})), TokenFault::Critical),
        (&other.token(&ed(), &claims(json!({}))), TokenFault::Signature),
        (&with(json!({"iss": "https://other.example"})), TokenFault::Issuer),
        (&with(json!({"aud": "other"})), TokenFault::Audience),
        (&with(json!({"aud": []})), TokenFault::Audience),
        (&with(json!({"tenant": "other"})), TokenFault::Tenant),
        (&with(json!({"tenant": 7})), TokenFault::Claims),
        (&with(json!({"exp": "tomorrow"})), TokenFault::Claims),
        (&with(json!({"sub": ""})), TokenFault::Claims),
        (&with(json!({"sub": "a\nb"})), TokenFault::Claims),
        (&with(json!({"permissions": ["operate"]})), TokenFault::Claims),
        (&without("exp"), TokenFault::Claims),
        (&without("iss"), TokenFault::Claims),
        (&without("aud"), TokenFault::Claims),
        (&without("sub"), TokenFault::Claims),
        (&without("tenant"), TokenFault::Claims),
        (&with(json!({"x": "x".repeat(TOKEN_BYTES_MAX)})), TokenFault::TooLong),
    ];
    assert!(caller(&issuer, &good).is_ok());
    for (token, fault) in cases {
        assert_eq!(caller(&issuer, token).map(|_| ()), Err(fault), "{token}");
    }
}

#[test]
fn one_changed_character_is_noticed() {
    let issuer = Issuer::new();
    let good = issuer.token(&json!({"alg": "ES256", "kid": "ec"}), &claims(json!({})));
    for index in 0..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(caller(&issuer, &changed).is_err(), "{index}");
    }
}

#[test]
fn broken_sets_of_keys_are_refused_as_a_whole() {
    let issuer = Issuer::new();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut set = issuer.jwks();
        change(&mut set);
        Jwks::parse(set.to_string().as_bytes())
    };
    assert_eq!(changed(&|_| ()).unwrap().len(), 2);
    let refused: [&dyn Fn(&mut Value); 6] = [
        &|set| set["keys"][0]["x"] = json!("AAAA"),
        &|set| set["keys"][1]["y"] = Value::Null,
        &|set| set["keys"][0]["alg"] = json!("ES256"),
        &|set| set["keys"][1]["d"] = json!("AAAA"),
        &|set| set["keys"][1]["kid"] = json!("ed"),
        &|set| set["keys"][0]["kid"] = json!("x".repeat(257)),
    ];
    for (index, change) in refused.iter().enumerate() {
        assert!(matches!(changed(change), Err(JwksError::Key { .. })), "case {index}");
    }
    assert_eq!(changed(&|set| set["keys"] = json!([])).unwrap_err(), JwksError::Empty);
    let many = changed(&|set| set["keys"] = json!(vec![json!({"kty": "RSA"}); 65]));
    assert_eq!(many.unwrap_err(), JwksError::TooLarge);
    assert!(matches!(Jwks::parse(b"{}"), Err(JwksError::Syntax(_))));
    // For encryption: none of ours.
    assert_eq!(changed(&|set| set["keys"][0]["use"] = json!("enc")).unwrap().len(), 1);
    assert_eq!(changed(&|set| set["keys"][1]["key_ops"] = json!(["sign"])).unwrap().len(), 1);
}
