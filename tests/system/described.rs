//! The OpenAPI document before a linter that is not ours: `@redocly/cli` from npm, in a folder that the
//! first run makes and later ones use again. Where Node.js or the package can't be had the test says so
//! and passes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::virtualenv::run;

const PACKAGE: &str = "@redocly/cli@2.77.0";
const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/system/redocly.yaml");

fn folder() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("redocly-2.77.0");
    let complete = folder.join("complete");
    if !complete.exists() {
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let options = ["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"];
        run(Command::new("npm").args(options).arg(&folder).arg(PACKAGE))?;
        run(&mut redocly(&folder, &["--version"]))?;
        std::fs::write(&complete, []).map_err(|error| error.to_string())?;
    }
    Ok(folder)
}

fn redocly(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(folder.join("node_modules/.bin/redocly"));
    command.args(arguments).env("REDOCLY_TELEMETRY", "off").env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true");
    command
}

/// The rules that a document breaks, and all that was said.
fn broken(folder: &Path, name: &str, document: &Value) -> (Vec<String>, Output) {
    let file = folder.join(name);
    std::fs::write(&file, document.to_string()).expect("written");
    let mut lint =
        redocly(folder, &["lint", "--config", RULES, "--format", "json", "--max-problems", "1000"]);
    let output = lint.arg(&file).output().expect("the linter runs");
    let found: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let found = found["problems"].as_array().expect("a list of problems");
    (found.iter().map(|one| one["ruleId"].as_str().unwrap_or("?").to_owned()).collect(), output)
}

#[test]
fn the_linter_finds_nothing() {
    let folder = match folder() {
        Ok(folder) => folder,
        Err(why) => return println!("skipped: no linter: {why}"),
    };
    let document = tandem_query::openapi();
    let (found, output) = broken(&folder, "openapi.json", &document);
    assert!(found.is_empty() && output.status.success(), "{output:?}");

    // It is a linter: what is wrong is found.
    let get = "/paths/~1v1~1sessions/get";
    for (place, value, rule) in [
        (format!("{get}/operationId"), json!("report"), "operation-operationId-unique"),
        (format!("{get}/description"), json!(""), "operation-description"),
        (format!("{get}/parameters/0/schema/type"), json!("strings"), "struct"),
        (format!("{get}/parameters/0/example"), json!(7), "no-invalid-parameter-examples"),
        (format!("{get}/parameters/0/example"), Value::Null, "no-invalid-parameter-examples"),
        (format!("{get}/responses/503/$ref"), json!("#/components/responses/Nothing"), "no-unresolved-refs"),
        (format!("{get}/security/0"), json!({"password": []}), "security-defined"),
        ("/components/responses/Unauthorized/headers".to_owned(), json!({}), "response-contains-header"),
    ] {
        let mut wrong = document.clone();
        *wrong.pointer_mut(&place).unwrap_or_else(|| panic!("{place} is there")) = value;
        let (found, output) = broken(&folder, "wrong.json", &wrong);
        assert!(found.iter().any(|one| one == rule), "{place}: {found:?}: {output:?}");
    }
}
