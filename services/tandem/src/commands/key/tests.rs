//! The life of a file of keys, from the command line.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tandem_identity::KeySet;

use super::*;
use crate::commands::key::file::Edited;

fn parsed(arguments: &[&str]) -> Result<Args, clap::Error> {
    #[derive(Debug, clap::Parser)]
    struct Parsed {
        #[command(flatten)]
        args: Args,
    }
    let all = ["key"].iter().chain(arguments);
    <Parsed as clap::Parser>::try_parse_from(all).map(|parsed| parsed.args)
}

fn key(file: &Path, arguments: &[&str]) -> Result<(), Failure> {
    let file = file.display().to_string();
    let all: Vec<&str> = arguments.iter().copied().chain(["--file", &file]).collect();
    run(parsed(&all).unwrap_or_else(|error| panic!("{error}")))
}

fn keys(file: &Path) -> KeySet {
    KeySet::parse(&fs::read(file).unwrap(), wall_ms()).unwrap()
}

#[test]
fn keys_are_made_listed_and_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.toml");
    key(&file, &["create", "--tenant", "mcn", "--anchors", "a1,a2", "--expires-in", "90d"]).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let comment = "# do not lose me\n";
    fs::write(&file, format!("{comment}{}", fs::read_to_string(&file).unwrap())).unwrap();
    key(&file, &["create", "--tenant", "mcn", "--application", "up", "--write", "--signing"]).unwrap();
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.starts_with(comment), "{text}");
    let set = keys(&file);
    let all: Vec<_> = set.keys().collect();
    assert_eq!(all.len(), 2);
    assert!(all[0].may.read && !all[0].may.write && all[0].kind == KeyKind::Bearer);
    assert!(!all[1].may.read && all[1].may.write && all[1].kind == KeyKind::Signing);
    let life = all[0].life;
    assert_eq!(life.expires_ms.unwrap() - life.created_ms, 90 * 86_400_000);
    assert_eq!((&*all[1].tenant, &*all[1].application), ("mcn", "up"));
    assert_eq!(set.tenants().count(), 1);

    let listed = shown::keys(&set, None, wall_ms());
    assert!(listed.contains(&format!("tdm_{}_…", all[0].id)) && listed.contains("live until"), "{listed}");
    assert!(!listed.contains(&text[text.find("sha256").unwrap() + 10..][..16]), "{listed}");
    assert_eq!(shown::keys(&set, Some("other"), wall_ms()), "There are no keys.");

    // Who finds a key finds its id with what stands around it.
    let id = format!("tdm_{}_x", all[1].id);
    key(&file, &["revoke", &id, "--yes"]).unwrap();
    let revoked: Vec<bool> = keys(&file).keys().map(|key| key.life.is_live(wall_ms())).collect();
    assert_eq!(revoked, [true, false]);
    let before = fs::read_to_string(&file).unwrap();
    key(&file, &["revoke", &id, "--yes"]).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), before, "once is enough");
    assert!(before.starts_with(comment));
    assert_eq!(key(&file, &["revoke", "nobodys", "--yes"]).unwrap_err().code(), 1);
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing else is left behind");
}

#[test]
fn a_tenant_is_granted_more_only_when_that_is_meant() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.toml");
    let create = |application: &str, anchors: &str, more: &[&str]| {
        let front = ["create", "--tenant", "mcn", "--application", application, "--anchors", anchors];
        key(&file, &[&front, more].concat())
    };
    create("one", "a1,a2", &[]).unwrap();
    create("one", "a2", &[]).unwrap();
    // Nobody is here to answer.
    assert_eq!(create("two", "a2,a3", &[]).unwrap_err().code(), 2);
    assert_eq!(keys(&file).keys().count(), 2);
    create("two", "a2,a3", &["--yes"]).unwrap();
    let set = keys(&file);
    let granted = set.tenants().next().unwrap().grants;
    assert_eq!(granted.anchors.iter().map(String::as_str).collect::<Vec<_>>(), ["a1", "a2", "a3"]);
    // A third living key of an application.
    let before = fs::read(&file).unwrap();
    let error = create("one", "a1", &[]).unwrap_err();
    assert!(error.to_string().contains("2 are allowed"), "{error}");
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn files_that_are_wrong_or_open_to_others_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.toml");
    assert_eq!(key(&file, &["list"]).unwrap_err().code(), 64);
    fs::write(&file, "nonsense").unwrap();
    for mode in [0o600, 0o644, 0o660] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let error = key(&file, &["create", "--tenant", "mcn"]).unwrap_err();
        assert_eq!(error.code(), 64);
        assert_eq!(error.to_string().contains("chmod 600"), mode != 0o600, "{error}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "nonsense");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    fs::write(&file, "").unwrap();
    key(&file, &["create", "--tenant", "mcn"]).unwrap();
    // What changes while we think about it is not overwritten.
    let edited = Edited::open(&file, wall_ms()).unwrap();
    key(&file, &["create", "--tenant", "other"]).unwrap();
    let error = edited.save(wall_ms()).unwrap_err();
    assert!(error.to_string().contains("meanwhile"), "{error}");
    assert_eq!(keys(&file).tenants().count(), 2);
}

#[test]
fn nonsense_on_the_command_line_is_refused() {
    for arguments in [
        &["create", "--file", "f"][..],
        &["create", "--tenant", "m n", "--file", "f"],
        &["create", "--tenant", "m", "--application", "", "--file", "f"],
        &["create", "--tenant", "m", "--expires-in", "90", "--file", "f"],
        &["create", "--tenant", "m", "--expires-in", "0d", "--file", "f"],
        &["create", "--tenant", "m", "--expires-in", "99999999999999999999w", "--file", "f"],
        &["create", "--tenant", "m", "--expires-in", "5é", "--file", "f"],
        &["revoke", "--file", "f"],
    ] {
        assert!(parsed(arguments).is_err(), "{arguments:?}");
    }
    assert_eq!(life("2w"), Ok(Duration::from_secs(14 * 86_400)));
}
