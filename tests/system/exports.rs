//! Tables as files: the same from both chains and after a kill, complete, and opened by the programs that
//! partner teams use. Where Python or its packages can't be had, the test says so and leaves that out.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tandem_model::Stored;
use tandem_model::route::Chain;

use crate::api::{Api, CHAINS, Call};
use crate::duckdb::python;
use crate::input::{Input, Packing};
use crate::program::run;
use crate::server::{Kind, Server, text};

const TABLES: [&str; 7] =
    ["dws_session", "dws_total", "dws_trend_10s", "dws_trend_1m", "dws_trend_5m", "dws_hour", "dws_day"];
const FORMATS: [&str; 3] = ["csv", "json", "parquet"];
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/system/exports.py");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_come_whole_from_either_chain() {
    let input = Input::generated(Packing::Zstd);
    let mut server = Server::start(Kind::Replay);
    let loaded = run(&["ingest", text(&input.file), "--replay", "--to", &server.url()]).await;
    // Some lines are malformed.
    assert!(loaded.stdout.contains("Both chains have read all of it"), "{loaded:?}");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let place = |table: &str, format: &str| folder.path().join(format!("{table}-{format}"));
    let mut sums = BTreeMap::new();
    for table in TABLES {
        for format in FORMATS {
            let into = place(table, format);
            let sent = ["export", table, "--format", format, "--into", text(&into), "--to", &server.url()];
            let exported = run(&sent).await;
            assert_eq!(exported.code, Some(0), "{exported:?}");
            sums.insert((table, format), check_folder(&into));
        }
    }
    assert!(sums[&("dws_trend_10s", "json")].len() > 1, "more than one part");

    // Stopped before its last part it goes on, to the same end.
    let into = place("dws_trend_10s", "json");
    go_back(&into);
    let again = ["export", "dws_trend_10s", "--format", "json", "--into", text(&into), "--to", &server.url()];
    assert_eq!(run(&again).await.code, Some(0));
    assert_eq!(check_folder(&into), sums[&("dws_trend_10s", "json")]);
    // What is complete is not touched.
    assert_eq!(run(&again).await.code, Some(2));

    let api = server.api();
    for chain in CHAINS {
        check_chain(&api, chain, &sums).await;
    }
    server.kill();
    server.start_again();
    let api = server.api();
    api.newest_token().await;
    for chain in CHAINS {
        check_chain(&api, chain, &sums).await;
    }

    write_expected(&input, &folder.path().join("expected.csv"));
    open(folder.path());
}

/// Every file is as the manifest says. Answers their digests, in order.
fn check_folder(folder: &Path) -> Vec<String> {
    let manifest: Value =
        serde_json::from_slice(&fs::read(folder.join("_manifest.json")).expect("a manifest")).expect("JSON");
    assert_eq!(manifest["is_complete"], true, "{manifest}");
    let parts = manifest["parts"].as_array().expect("parts");
    let sums = fs::read_to_string(folder.join("_SHA256SUMS")).expect("sums");
    assert_eq!(sums.lines().count(), parts.len());
    let entries = fs::read_dir(folder).expect("the folder").count();
    assert_eq!(entries, parts.len() + 2, "nothing else lies there");
    let digest = |part: &Value| {
        let file = part["file"].as_str().expect("a name");
        let sha256 = tandem_exports::digest(&fs::read(folder.join(file)).expect("the file"));
        assert_eq!(part["sha256"], json!(sha256), "{file}");
        assert!(sums.contains(&format!("{sha256}  {file}\n")), "{file}");
        assert!(part["provenance"].as_str().is_some_and(|said| said.contains("positions=(\"0:")), "{part}");
        sha256
    };
    parts.iter().map(digest).collect()
}

/// Leaves the folder as it was before its last part came.
fn go_back(folder: &Path) {
    let file = folder.join("_manifest.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&file).expect("a manifest")).expect("JSON");
    let last = manifest["parts"].as_array_mut().and_then(Vec::pop).expect("a part");
    manifest["next"] = last["asked_with"].clone();
    manifest["is_complete"] = json!(false);
    fs::write(&file, manifest.to_string()).expect("written");
    fs::remove_file(folder.join(last["file"].as_str().expect("a name"))).expect("removed");
    fs::remove_file(folder.join("_SHA256SUMS")).expect("removed");
}

/// One chain gives the very files.
async fn check_chain(api: &Api, chain: Chain, sums: &BTreeMap<(&str, &str), Vec<String>>) {
    for ((table, format), expected) in sums {
        let mut path = format!("/v1/export/{table}?format={format}");
        let mut found = Vec::new();
        loop {
            let answer = api.call(Call::get(&path).chain(chain)).await;
            assert_eq!((answer.status, answer.header("tandem-chain")), (200, chain.name()), "{answer:?}");
            assert_eq!(answer.header("repr-digest"), tandem_exports::repr_digest(&answer.body));
            if answer.header("tandem-export-rows") != "0" {
                found.push(tandem_exports::digest(&answer.body));
            }
            let link = answer.headers.get("link").map(|link| link.to_str().expect("text").to_owned());
            let Some(link) = link else { break };
            link[1..].split('>').next().expect("an address").clone_into(&mut path);
        }
        assert_eq!(&found, expected, "{table} as {format} from chain {chain}");
    }
}

fn write_expected(input: &Input, file: &Path) {
    let names: Vec<&str> = Stored::ALL.iter().map(|stored| stored.id()).collect();
    let mut lines = vec![format!("session_id,breakdown,key,{}", names.join(","))];
    for (id, session) in &input.expected.sessions {
        for (breakdown, key, values) in session.totals() {
            let values: Vec<String> = values.iter().map(u64::to_string).collect();
            lines.push(format!("{id},{breakdown},\"{}\",{}", key.replace('"', "\"\""), values.join(",")));
        }
    }
    fs::write(file, lines.join("\n")).expect("written");
}

/// With DuckDB and pandas: see the script.
fn open(folder: &Path) {
    let python = match python() {
        Ok(python) => python,
        Err(why) => return println!("left out: no DuckDB and pandas: {why}"),
    };
    let output = Command::new(python).arg(SCRIPT).arg(folder).output().expect("Python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    print!("{}", String::from_utf8_lossy(&output.stdout));
}
