//! Backends that are not there.

use std::net::TcpListener;

use crate::process::{KEY, Process, get, until_page, write};

/// An address at which nobody listens: bound, so that nobody else gets it, and never listened at
/// is more than the standard library can do; closed is close enough.
fn nobody() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

fn configuration() -> String {
    let (kafka, cql, redis) = (nobody(), nobody(), nobody());
    format!(
        "[log]\nbrokers = [\"{kafka}\"]\nrequest_timeout_ms = 500\nreplicas = 1\nin_sync_replicas = 1\n\
         [control]\nnodes = [\"http://{}\"]\n\
         [metronome]\nadmin = \"127.0.0.1:0\"\n\
         [gateway]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\nchain_a = [\"http://{}\"]\nchain_b = [\"http://{}\"]\n\
         [chains.a.rows]\naddresses = [\"{cql}\"]\nreplicas = 1\nconnect_timeout_ms = 500\n\
         [chains.a.hot]\naddresses = [\"{redis}\"]\n\
         [chains.a.snapshots]\nurl = \"file:///tmp/tandem-never-written\"\n\
         [chains.a.compute]\nadmin = \"127.0.0.1:0\"\n\
         [chains.a.query]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n",
        nobody(),
        nobody(),
        nobody()
    )
}

#[test]
fn a_role_without_its_backends_waits_says_so_and_stops_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), &configuration());
    let variables = [("TANDEM_KEY", KEY), ("TANDEM__PSEUDONYMS__KEY", "000102030405060708090a0b0c0d0e0f")];
    let cases = [
        ("compute", "waiting for the event log"),
        ("query", "waiting for the row store"),
        ("gateway", "waiting for the event log"),
        ("metronome", "waiting for the event log"),
    ];
    let started: Vec<_> = cases
        .into_iter()
        .map(|(role, words)| {
            let mut process = Process::start(&[role, "--config", &file], &variables);
            let admin = process.rest_of("admin listening on ");
            (process, admin, words)
        })
        .collect();
    for (mut process, admin, words) in started {
        process.says(words);
        let (status, body) = until_page(&format!("{admin}/readyz"), words);
        assert_eq!(status, 503, "{body}");
        assert!(body.contains("\"life\":\"starting\""), "{body}");
        assert_eq!(get(&format!("{admin}/healthz"), None).0, 200);
        assert_eq!(get(&format!("{admin}/metrics"), None).0, 200);
        let ended = process.stop();
        assert_eq!(ended.code, Some(0), "{}", ended.said);
        let lines = ended.said.matches("waiting for the").count();
        assert!(lines <= 3, "one line per change, not per try:\n{}", ended.said);
    }
}
