//! The HTTP/2 of the gateway against h2spec (<https://github.com/summerwind/h2spec>): with prior
//! knowledge on the plain port, and with ALPN over TLS.
//!
//! It is built once by Go, into cargo's folder for tests; or `TANDEM_H2SPEC` names a program that is
//! there. Where there is neither, the test says so and is left out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::write;
use crate::reload::certify;
use crate::stand::{Gateway, Nodes};

const MODULE: &str = "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible";
/// So many cases there are at least; fewer were not all.
const CASES_MIN: usize = 140;

/// So often all cases are run while one that may not fail does.
const RUNS_MAX: usize = 3;

/// Cases that may fail on both ports. In all of them an answer is on its way, or done, before the fault
/// comes: a server may answer before it has the whole request (RFC 9113, 8.1), and h2spec, which can
/// show no key, is told so at once. What it sees then depends on which was faster.
const EARLY_ANSWERS: [&str; 6] = [
    "Sends multiple WINDOW_UPDATE frames increasing the flow control window to above 2^31-1 on a stream",
    "Sends a second HEADERS frame without the END_STREAM flag",
    "Sends a HEADERS frame that contains a pseudo-header field as trailers",
    "Sends a HEADERS frame with the \"content-length\" header field which does not equal the DATA frame payload length",
    "Sends a HEADERS frame with the \"content-length\" header field which does not equal the sum of the multiple DATA \
     frames payload length",
    "closed: Sends a HEADERS frame after sending RST_STREAM frame",
];
/// The plain port speaks HTTP/1.1 as well: what is no preface of HTTP/2 is read as that, answered 400
/// and closed.
const NO_PREFACE: &str = "Sends invalid connection preface";

/// The program; or why there is none.
fn h2spec() -> Result<PathBuf, String> {
    if let Some(program) = std::env::var_os("TANDEM_H2SPEC").filter(|program| !program.is_empty()) {
        return Ok(program.into());
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("h2spec");
    let program = folder.join("h2spec");
    if program.exists() {
        return Ok(program);
    }
    // Into a folder of its own, and from there to its place: half a program is none.
    let making = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).map_err(|error| error.to_string())?;
    let output = Command::new("go")
        .args(["install", MODULE])
        .env("GOBIN", making.path())
        .output()
        .map_err(|error| format!("go can't be run: {error}"))?;
    if !output.status.success() {
        return Err(format!("go install {MODULE}: {}", String::from_utf8_lossy(&output.stderr)));
    }
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    std::fs::rename(making.path().join("h2spec"), &program).map_err(|error| error.to_string())?;
    Ok(program)
}

/// Runs all cases; answers how many there were, and the names of those that failed.
fn failed(program: &Path, authority: &str, more: &[&str], folder: &Path) -> (usize, BTreeSet<String>) {
    let (host, port) = authority.rsplit_once(':').unwrap();
    let report = folder.join("report.xml");
    // Strict: also what is only recommended. It ends with an error where a case fails.
    let output = Command::new(program)
        .args(["-h", host, "-p", port, "-P", "/healthz", "-S", "-o", "10", "-j"])
        .arg(&report)
        .args(more)
        .output()
        .unwrap();
    let report = std::fs::read_to_string(&report)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stdout)));
    let cases: Vec<&str> = report.split("<testcase ").skip(1).collect();
    let names =
        cases.iter().filter(|case| case.contains("<failure") || case.contains("<error")).map(|case| {
            let name =
                case.split("classname=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or(case);
            name.replace("&#34;", "\"").replace("&quot;", "\"")
        });
    (cases.len(), names.collect())
}

#[test]
#[allow(clippy::print_stderr, reason = "what is left out is said")]
fn http_2_is_as_the_standard_says_on_both_ports() {
    let program = match h2spec() {
        Ok(program) => program,
        Err(why) => return eprintln!("LEFT OUT: h2spec is not there: {why}"),
    };
    let folder = tempfile::tempdir().unwrap();
    let nodes = Nodes::start();
    certify(folder.path(), "localhost");
    let tls = "[gateway.tls]\nlisten = \"127.0.0.1:0\"\ncertificate = \"server.pem\"\nkey = \"server.key\"\n";
    let file = write(folder.path(), &nodes.configuration(tls));
    let mut gateway = Gateway::start(&file);
    let secure = gateway.process.rest_of("listening with TLS on https://");
    let early: BTreeSet<String> = EARLY_ANSWERS.iter().map(|name| (*name).to_owned()).collect();
    let plain: BTreeSet<String> = early.iter().cloned().chain([NO_PREFACE.to_owned()]).collect();
    for (authority, more, allowed) in
        [(gateway.authority(), &[][..], &plain), (secure, &["-t", "-k"][..], &early)]
    {
        // What is wrong is wrong every time; what fails once in a while is a race between two answers of
        // which either is right, of the kind above.
        let mut wrong: Option<BTreeSet<String>> = None;
        for _ in 0..RUNS_MAX {
            let (count, failed) = failed(&program, &authority, more, folder.path());
            assert!(count >= CASES_MIN, "{count} cases");
            let now: BTreeSet<String> = failed.difference(allowed).cloned().collect();
            let still =
                wrong.map_or_else(|| now.clone(), |before| before.intersection(&now).cloned().collect());
            let done = still.is_empty();
            wrong = Some(still);
            if done {
                break;
            }
        }
        assert_eq!(wrong, Some(BTreeSet::new()), "{more:?}");
    }
    assert_eq!(gateway.process.stop().code, Some(0));
}
