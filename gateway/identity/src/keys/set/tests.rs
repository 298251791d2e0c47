//! Files of keys: what is taken, and what is refused with which words.

use super::*;
use crate::hexadecimal::to_hexadecimal;
use crate::keys::Key;

const NOW_MS: u64 = 1_732_190_400_000;

fn hash(byte: u8) -> String {
    to_hexadecimal(&[byte; 32])
}

fn id(byte: u8) -> String {
    Key::from_random(&[byte; 40]).id().to_owned()
}

fn key(byte: u8, more: &str) -> String {
    format!(
        "[[keys]]\nid = \"{}\"\ntenant = \"mcn\"\napplication = \"screen\"\nmay = [\"read\"]\n\
         created_at = 2024-01-01T00:00:00Z\n{more}\n",
        id(byte)
    )
}

fn bearer(byte: u8) -> String {
    key(byte, &format!("sha256 = \"{}\"", hash(byte)))
}

const TENANT: &str = "[[tenants]]\nname = \"mcn\"\nanchors = [\"a1\", \"a2\"]\n";

#[test]
fn a_file_becomes_tenants_and_keys() {
    let signing = key(2, &format!("signing_key = \"{}\"\nexpires_at = 2030-01-01T00:00:00+08:00", hash(2)));
    let text = format!("# comment\n{TENANT}{}{signing}", bearer(1));
    let set = KeySet::parse(text.as_bytes(), NOW_MS).unwrap();
    let keys: Vec<KeySummary> = set.keys().collect();
    assert_eq!(keys.iter().map(|key| key.id.to_string()).collect::<Vec<_>>(), [id(1), id(2)]);
    assert_eq!((keys[0].kind, keys[1].kind), (KeyKind::Bearer, KeyKind::Signing));
    assert_eq!(keys[0].may, Permissions { read: true, ..Permissions::default() });
    assert_eq!(keys[1].life.expires_ms, Some(1_893_427_200_000));
    let tenants: Vec<TenantSummary> = set.tenants().collect();
    assert_eq!((tenants.len(), &*tenants[0].name, tenants[0].grants.anchors.len()), (1, "mcn", 2));
    let shown = format!("{set:?}");
    assert!(!shown.contains(&hash(1)) && !shown.contains("[1, 1"), "{shown}");
    assert_eq!(KeySet::parse(b"", NOW_MS).unwrap().keys().count(), 0);
}

#[test]
fn wrong_files_are_refused_and_the_entry_is_named() {
    let good = format!("{TENANT}{}", bearer(1));
    assert!(KeySet::parse(good.as_bytes(), NOW_MS).is_ok());
    let long: Vec<String> = (0..1_000).map(|index| format!("\"anchor-{index}\"")).collect();
    let cases = [
        (format!("{good}nonsense"), "line "),
        (format!("{good}unknown = 1\n"), "unknown"),
        (good.replace("may =", "expire_at = 2030-01-01T00:00:00Z\nmay ="), "expire_at"),
        (format!("{good}{TENANT}"), "tenant \"mcn\": stands there twice"),
        (format!("{good}{}", bearer(1)), "stands there twice"),
        (good.replace("name = \"mcn\"", "name = \"operator\""), "tenant \"operator\""),
        (good.replace("name = \"mcn\"", "name = \"m c\""), "tenant \"m c\""),
        (good.replace("tenant = \"mcn\"", "tenant = \"other\""), "its tenant \"other\" is not in the file"),
        (good.replace("\"read\"", ""), "may do nothing"),
        (good.replace("\"read\"", "\"operate\""), "operate"),
        (good.replace(&hash(1), &hash(1)[1..]), "`sha256` must be 64"),
        (good.replace("sha256 =", "signing_key = \"\"\nsha256 ="), "`sha256` or else `signing_key`"),
        (good.replace("sha256 = ", "# "), "`sha256` or else `signing_key`"),
        (good.replace(&id(1), "operator"), "an id is 11"),
        (good.replace("2024-01-01T00:00:00Z", "2024-01-01"), "`created_at` must be"),
        (good.replace("\"screen\"", "\"\""), "its application"),
        (good.replace("[\"a1\", \"a2\"]", &format!("[{}]", long.join(","))), "split it into several"),
    ];
    for (text, words) in cases {
        let error = KeySet::parse(text.as_bytes(), NOW_MS).unwrap_err().to_string();
        assert!(error.contains(words), "{words}: {error}");
        assert!(!error.contains(&hash(1)[..32]), "no hash in messages: {error}");
    }
    assert_eq!(KeySet::parse(b"\xff", NOW_MS).unwrap_err(), KeyFileError::NotText);
    assert_eq!(KeySet::parse(&vec![b'#'; FILE_BYTES_MAX + 1], NOW_MS).unwrap_err(), KeyFileError::TooLarge);
}

#[test]
fn two_keys_of_an_application_may_live_at_one_time() {
    let of = |byte: u8, more: &str| key(byte, &format!("sha256 = \"{}\"\n{more}", hash(byte)));
    let three = |more: &str| format!("{TENANT}{}{}{}", bearer(1), bearer(2), of(3, more));
    let parse = |text: String| KeySet::parse(text.as_bytes(), NOW_MS);
    let error = parse(three("")).unwrap_err();
    assert!(matches!(&error, KeyFileError::Live { count: 3, .. }), "{error}");
    assert!(parse(three("revoked_at = 2024-02-01T00:00:00Z")).is_ok());
    assert!(parse(three("expires_at = 2024-02-01T00:00:00Z")).is_ok());
    // Its end is known, but has not come.
    assert!(parse(three("revoked_at = 2030-02-01T00:00:00Z")).is_err());
    let elsewhere = three("").replacen("\"screen\"", "\"other\"", 1);
    assert!(parse(elsewhere).is_ok());
}
