use rustix::process::Signal;

use crate::process::{KEY, Process, get, run, until_page, write};

const CONTROL: &str = "[control]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\ndata = \"control\"\n";

struct Node {
    process: Process,
    admin: String,
    api: String,
}

fn start(file: &str) -> Node {
    let mut process = Process::start(&["control", "--config", file], &[("TANDEM_KEY", KEY)]);
    let admin = process.rest_of("admin listening on ");
    let api = process.rest_of("listening on ");
    Node { process, admin, api }
}

#[test]
fn it_decides_remembers_and_stops_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), CONTROL);
    let node = start(&file);
    assert_eq!(get(&format!("{}/healthz", node.admin), None).0, 200);
    let (status, body) = until_page(&format!("{}/readyz", node.admin), "\"ready\":true");
    assert_eq!(status, 200, "{body}");
    let (_, metrics) = get(&format!("{}/metrics", node.admin), None);
    assert!(metrics.contains("tandem_control_epoch 1"), "{metrics}");
    assert_eq!(get(&format!("{}/control/v1/state", node.api), None).0, 401);
    assert_eq!(get(&format!("{}/metrics", node.api), Some(KEY)).0, 404, "metrics are on the admin port only");

    // Nobody has seen how chain b is: a planned switch is refused, and the rules say why.
    let planned = ["switch", "--to", "b", "--reason", "planned", "--within", "0", "--to", &node.api];
    let refused = run(&planned, &[("TANDEM_KEY", KEY)]);
    assert_eq!(refused.code, Some(1), "{}", refused.said);
    assert!(refused.said.contains("nobody") || refused.said.contains("known"), "{}", refused.said);
    let unasked = ["switch", "b", "--reason", "planned", "--break-glass", "--to", &node.api];
    let refused = run(&unasked, &[("TANDEM_KEY", KEY)]);
    assert_eq!(refused.code, Some(2), "{}", refused.said);
    assert!(refused.said.contains("say --yes"), "{}", refused.said);

    let switch = ["switch", "b", "--reason", "planned", "--break-glass", "--yes", "--to", &node.api];
    let switched = run(&switch, &[("TANDEM_KEY", KEY)]);
    assert_eq!(switched.code, Some(0), "{}", switched.said);
    assert!(switched.said.starts_with("Chain b serves (epoch 2: planned)."), "{}", switched.said);
    assert!(switched.said.contains("overridden: "), "{}", switched.said);
    let again = run(&switch, &[("TANDEM_KEY", KEY)]);
    assert_eq!((again.code, again.said.as_str()), (Some(0), "Chain b serves already (epoch 2: planned)."));
    let refused = run(&switch, &[("TANDEM_KEY", "wrong")]);
    assert_eq!(refused.code, Some(64), "{}", refused.said);
    assert!(refused.said.contains("send the operator's key"), "{}", refused.said);
    let keyless = run(&switch, &[]);
    assert_eq!(keyless.code, Some(64), "{}", keyless.said);
    let empty = ["switch", "a", "--reason", " ", "--within", "0", "--to", &node.api];
    let empty = run(&empty, &[("TANDEM_KEY", KEY)]);
    assert_eq!(empty.code, Some(2), "{}", empty.said);

    let order = |arguments: &[&str]| {
        let all: Vec<&str> = arguments.iter().copied().chain(["--to", &node.api]).collect();
        let done = run(&all, &[("TANDEM_KEY", KEY)]);
        (done.code, done.said)
    };
    let (code, said) = order(&["drain", "a", "--reason", "work on it", "--by", "ann"]);
    assert_eq!(
        (code, said.as_str()),
        (Some(0), "Decided: chain a is out of service. Chain b serves (epoch 2).")
    );
    assert_eq!(order(&["drain", "b", "--reason", "it serves"]).0, Some(1));
    assert_eq!(order(&["freeze", "--reason", "a drill"]).0, Some(0));
    let (code, said) = order(&["freeze", "--reason", "again"]);
    assert!(code == Some(0) && said.starts_with("It is so already"), "{said}");
    let (_, said) = order(&["history"]);
    for expected in ["Chain b serves (epoch 2).", "Frozen since", "Chain a is drained.", "ann", "break-glass"]
    {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let (code, said) = order(&["control", "members"]);
    assert!(code == Some(0) && said.contains("A majority answers") && said.contains("leads"), "{said}");

    // Two control nodes can't share a folder.
    let second = run(&["control", "--config", &file], &[("TANDEM_KEY", KEY)]);
    assert_eq!(second.code, Some(64), "{}", second.said);
    assert!(second.said.contains("stop the other one"), "{}", second.said);

    let (_, state) = get(&format!("{}/control/v1/state", node.api), Some(KEY));
    let ended = node.process.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    assert!(ended.said.ends_with("stopped"), "{}", ended.said);
    assert!(!ended.said.contains(KEY), "{}", ended.said);

    // A kill loses nothing either.
    for _ in 0..2 {
        let node = start(&file);
        let (_, later) = get(&format!("{}/control/v1/state", node.api), Some(KEY));
        // The clock, the term and what the judge sees are of the moment.
        let decided = |state: &str| state.split("\"now_ms\"").next().unwrap().to_owned();
        assert_eq!(decided(&later), decided(&state));
        node.process.signal(Signal::KILL);
        assert_eq!(node.process.end().code, None);
    }
}

#[test]
fn damaged_decisions_and_taken_ports_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), CONTROL);
    let node = start(&file);
    let taken = node.api.strip_prefix("http://").unwrap().to_owned();
    let variables =
        [("TANDEM_KEY", KEY), ("TANDEM__CONTROL__DATA", "/nowhere"), ("TANDEM__CONTROL__LISTEN", &taken)];
    let refused = run(&["control", "--config", &file], &variables);
    assert_eq!(refused.code, Some(64), "{}", refused.said);
    assert!(refused.said.contains("another process has that port"), "{}", refused.said);
    assert_eq!(node.process.stop().code, Some(0));

    std::fs::write(folder.path().join("control/control.redb"), "x".repeat(8_192)).unwrap();
    let refused = run(&["control", "--config", &file], &[("TANDEM_KEY", KEY)]);
    assert_eq!(refused.code, Some(64), "{}", refused.said);
    assert!(refused.said.contains("control.redb") && refused.said.contains("new one"), "{}", refused.said);
    // What versions without a group left behind is not taken for nothing.
    std::fs::remove_file(folder.path().join("control/control.redb")).unwrap();
    std::fs::write(folder.path().join("control/control.json"), "{}").unwrap();
    let refused = run(&["control", "--config", &file], &[("TANDEM_KEY", KEY)]);
    assert_eq!(refused.code, Some(64), "{}", refused.said);
    assert!(refused.said.contains("earlier version"), "{}", refused.said);

    // A number that is nobody's, and timings nobody can have wrong by accident.
    let refused = run(&["control", "--config", &file], &[("TANDEM_KEY", KEY), ("TANDEM__CONTROL__ID", "2")]);
    assert_eq!(refused.code, Some(64), "{}", refused.said);
    assert!(refused.said.contains("`nodes`"), "{}", refused.said);
}
