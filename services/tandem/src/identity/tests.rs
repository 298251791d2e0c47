//! Keys and tokens' keys that change while a gateway runs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use tandem_identity::Key;

use super::*;
use crate::client::{Client, ServerUrl};
use crate::key::Key as OperatorKey;
use crate::system::{Options, System};

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn file_with(keys: &[&Key]) -> String {
    let mut text = "[[tenants]]\nname = \"mcn\"\n".to_owned();
    for key in keys {
        text.push_str(&format!(
            "[[keys]]\nid = \"{}\"\ntenant = \"mcn\"\napplication = \"screen\"\nmay = [\"read\"]\nsha256 = \"{}\"\n\
             created_at = 2024-01-01T00:00:00Z\n",
            key.id(),
            tandem_identity::to_hexadecimal(&key.secret_sha256())
        ));
    }
    text
}

#[test]
fn a_file_is_told_about_once_for_each_content() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.toml");
    let mut file = KeyFile::new(path.clone());
    assert!(file.look(1).unwrap_err().to_string().contains("opened"));
    assert!(file.look(1).unwrap().is_none(), "told before");
    write(&path, &file_with(&[&Key::from_random(&[1; 40])]));
    assert_eq!(file.look(1).unwrap().unwrap().keys().count(), 1);
    assert!(file.look(1).unwrap().is_none());
    write(&path, "nonsense");
    assert!(file.look(1).is_err());
    assert!(file.look(1).unwrap().is_none());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap();
    assert!(file.look(1).unwrap_err().to_string().contains("open to others"));
    write(&path, "");
    assert_eq!(file.look(1).unwrap().unwrap().keys().count(), 0);
}

/// Waits until a read with this key is answered like this.
async fn until(system: &System, key: &Key, is_let_in: bool) {
    let client =
        Client::new(ServerUrl::at(system.address()), Some(OperatorKey::new(&key.to_text()).unwrap()));
    let waiting = async {
        while client.get_json::<serde_json::Value>("/v1/sessions", &[]).await.is_ok() != is_let_in {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("the keys are loaded anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_system_takes_new_keys_and_keeps_the_old_ones_over_a_wrong_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.toml");
    let (one, other) = (Key::from_random(&[1; 40]), Key::from_random(&[2; 40]));
    let options =
        || Options { keys: Some(path.clone()), ..Options::new(OperatorKey::new("operator").unwrap()) };
    let error = System::start(options()).await.err().unwrap();
    assert!(error.is_configuration() && error.to_string().contains("keys.toml"), "{error}");
    write(&path, &file_with(&[&one]));
    let system = System::start(options()).await.unwrap();
    system.recovered().await;
    until(&system, &one, true).await;
    until(&system, &other, false).await;
    write(&path, "nonsense");
    let failed = async {
        while system.gateway().counts().callers.load_failed == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), failed).await.expect("it is noticed and counted");
    until(&system, &one, true).await;
    write(&path, &file_with(&[&other]));
    until(&system, &other, true).await;
    until(&system, &one, false).await;
    system.stop().await;
}
