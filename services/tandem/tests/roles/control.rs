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

    let switch = ["switch", "b", "--reason", "planned", "--to", &node.api];
    let switched = run(&switch, &[("TANDEM_KEY", KEY)]);
    assert_eq!((switched.code, switched.said.as_str()), (Some(0), "Chain b serves (epoch 2: planned)."));
    let again = run(&switch, &[("TANDEM_KEY", KEY)]);
    assert_eq!((again.code, again.said.as_str()), (Some(0), "Chain b serves already (epoch 2: planned)."));
    let refused = run(&switch, &[("TANDEM_KEY", "wrong")]);
    assert_eq!(refused.code, Some(64), "{}", refused.said);
    assert!(refused.said.contains("send the operator's key"), "{}", refused.said);
    let keyless = run(&switch, &[]);
    assert_eq!(keyless.code, Some(64), "{}", keyless.said);
    let empty = run(&["switch", "a", "--reason", " ", "--to", &node.api], &[("TANDEM_KEY", KEY)]);
    assert_eq!(empty.code, Some(2), "{}", empty.said);

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
        let without_clock = |state: &str| state.split("\"now_ms\"").next().unwrap().to_owned();
        assert_eq!(without_clock(&later), without_clock(&state));
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

    std::fs::write(folder.path().join("control/control.json"), "{").unwrap();
    let refused = run(&["control", "--config", &file], &[("TANDEM_KEY", KEY)]);
    assert_eq!(refused.code, Some(64), "{}", refused.said);
    assert!(refused.said.contains("are damaged") && refused.said.contains("restore"), "{}", refused.said);
}
