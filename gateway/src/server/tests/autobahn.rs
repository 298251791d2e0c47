//! The Autobahn fuzzing client against our WebSockets, on a real socket with the guard before it.
//!
//! The endpoint that says everything back exists in tests only; all that it stands on is what clients meet: the
//! guard, hyper's upgrade, the handshake, the frames. Without Python 2.7 this says so and shows nothing.
//!
//! `TANDEM_AUTOBAHN_CASES` names the cases, with commas between them; without it those that take no more than a
//! minute or two run: groups 1 to 7 and 10.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use super::*;
use crate::streams;

/// What does not take long.
const CASES: &str = "1.*,2.*,3.*,4.*,5.*,6.*,7.*,10.*";
/// How long the whole may take.
const DEADLINE: Duration = Duration::from_secs(1_800);
/// Where the echo is asked for: handshakes are those of streams.
const PATH: &str = "/v1/stream";
/// What is there for years and built for Python 2.7.
const PACKAGES: [&str; 1] = ["autobahntestsuite==0.8.2"];

/// What else than `OK` is right here, and why.
fn is_right(case: &str, behavior: &str) -> bool {
    match behavior {
        // Nothing was demanded, only looked at.
        "OK" | "INFORMATIONAL" => true,
        // Bad UTF-8 is found at the end of its frame or message, not at its first byte: what is closed is the
        // same, some bytes later.
        "NON-STRICT" => case.starts_with("6.4."),
        // permessage-deflate is not offered.
        "UNIMPLEMENTED" => case.starts_with("12.") || case.starts_with("13."),
        _ => false,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::print_stderr, reason = "that nothing was shown must be seen")]
async fn the_fuzzing_client_finds_nothing() {
    let wstest = match tokio::task::spawn_blocking(wstest).await.unwrap() {
        Ok(wstest) => wstest,
        Err(reason) => {
            eprintln!("SKIPPED: the Autobahn fuzzing client can't be had here: {reason}");
            return;
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(echo_server(listener, async { _ = stopped.await }));
    let cases = std::env::var("TANDEM_AUTOBAHN_CASES").unwrap_or_default();
    let cases = if cases.is_empty() { CASES } else { &cases };
    let cases: Vec<String> = cases.split(',').map(str::to_owned).collect();
    let folder = own_folder().join(format!("autobahn-{}", std::process::id()));
    let results = tokio::task::spawn_blocking(move || fuzz(&wstest, &folder, port, &cases)).await.unwrap();
    _ = stop.send(());
    let drained = tokio::time::timeout(Duration::from_secs(30), serving).await.expect("it ends").unwrap();
    assert_eq!(drained.connections_cut, 0, "every case ended its connection");
    let wrong: Vec<_> = results
        .iter()
        .filter(|(case, (behavior, close))| !is_right(case, behavior) || !is_right(case, close))
        .collect();
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), results.len());
    assert!(!results.is_empty(), "nothing was tried");
    let mut others: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (case, (behavior, _)) in results.iter().filter(|(_, (behavior, _))| behavior != "OK") {
        others.entry(behavior).or_default().push(case);
    }
    eprintln!("{} cases, all of them right: {others:?}, the others OK", results.len());
}

/// The port of a gateway, on which everything is an echo.
async fn echo_server(listener: TcpListener, shutdown: impl Future<Output = ()>) -> Drained {
    let limits = PortLimits {
        connections_max: 100,
        header_timeout: Duration::from_secs(30),
        drain: Duration::from_secs(10),
    };
    let world = World::with(GatewayConfig::new(KEY), [saying("a"), saying("b")], ClockMode::Live);
    let public = Public(Arc::clone(&world.shared));
    let service = tower::service_fn(|mut request: Request<Incoming>| async move {
        let edge = request.extensions_mut().remove::<Arrival>().map(|arrival| arrival.edge);
        let (parts, _) = request.into_parts();
        let answer = streams::echo(parts);
        // As the stack's own layer does.
        edge.iter().for_each(|edge| edge.upgrade());
        Ok::<_, Infallible>(to_wire(answer, false, edge))
    });
    let (_never, limits) = watch::channel(limits);
    accept(service, limits, Some(public), Ports { plain: listener, tls: None }, shutdown).await
}

/// Runs the cases; how each of them went, and its end.
fn fuzz(wstest: &Path, folder: &Path, port: u16, cases: &[String]) -> BTreeMap<String, (String, String)> {
    std::fs::create_dir_all(folder).unwrap();
    let reports = folder.join("reports");
    let server = json!({"agent": "tandem", "url": format!("ws://127.0.0.1:{port}{PATH}")});
    let spec = json!({
        "outdir": reports, "servers": [server], "cases": cases, "exclude-cases": [], "exclude-agent-cases": {},
    });
    let path = folder.join("spec.json");
    std::fs::write(&path, spec.to_string()).unwrap();
    let mut command = Command::new("timeout");
    command.arg(DEADLINE.as_secs().to_string()).arg(wstest);
    run(command.args(["-m", "fuzzingclient", "-s"]).arg(&path)).unwrap();
    let index = std::fs::read(reports.join("index.json")).unwrap();
    let index: Value = serde_json::from_slice(&index).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of = |case: &Value| (text(&case["behavior"]), text(&case["behaviorClose"]));
    let found = index["tandem"].as_object().expect("a report");
    let found = found.iter().map(|(name, case)| (name.clone(), of(case))).collect();
    _ = std::fs::remove_dir_all(folder);
    found
}

/// The client, in an environment of its own that the first run makes and later ones use again.
fn wstest() -> Result<PathBuf, String> {
    let python = python2().ok_or("there is no Python 2.7")?;
    let folder = own_folder().join("autobahn");
    let (tool, environment, complete) =
        (folder.join("tool"), folder.join("environment"), folder.join("complete"));
    let wstest = environment.join("bin/wstest");
    if complete.exists() {
        return Ok(wstest);
    }
    _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let pip = ["-m", "pip", "install", "--quiet", "--timeout", "20"];
    // The last one that knows Python 2.7.
    run(Command::new(&python).args(pip).arg("--target").arg(&tool).arg("virtualenv<20.16"))?;
    let mut make = Command::new(&python);
    run(make.args(["-m", "virtualenv", "--quiet"]).arg(&environment).env("PYTHONPATH", &tool))?;
    run(Command::new(environment.join("bin/python")).args(pip).args(PACKAGES))?;
    std::fs::write(&complete, []).map_err(|error| error.to_string())?;
    Ok(wstest)
}

/// A Python 2.7, in the path or where pyenv keeps its own.
fn python2() -> Option<PathBuf> {
    let pyenv = std::env::var_os("PYENV_ROOT").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".pyenv"));
    let kept = pyenv.into_iter().chain(home).filter_map(|root| std::fs::read_dir(root.join("versions")).ok());
    let kept = kept.flatten().flatten().map(|entry| entry.path());
    let kept =
        kept.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("2.7")));
    let named = ["python2.7", "python2"].map(PathBuf::from).into_iter();
    named.chain(kept.map(|path| path.join("bin/python2.7"))).find(|python| {
        let mut version = Command::new(python);
        version.args(["-c", "import sys; print(sys.version_info[:2] == (2, 7))"]);
        run(&mut version).is_ok_and(|output| output.stdout.starts_with(b"True"))
    })
}

/// Runs a command to its end; its complaint where it fails.
fn run(command: &mut Command) -> Result<Output, String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    match output.status.success() {
        true => Ok(output),
        false => Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))),
    }
}

/// A folder that stays from run to run: TARGET/tmp.
fn own_folder() -> PathBuf {
    // TARGET/PROFILE/deps/tandem_gateway-0123abcd
    let test = std::env::current_exe().expect("a running test has a path");
    test.ancestors().nth(3).expect("a test binary lies in TARGET/PROFILE/deps").join("tmp")
}
