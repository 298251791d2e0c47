//! The main job on real input: eight recorded broadcasts go in by `tandem ingest --replay`, and
//! every figure of both chains is the one that was worked out for them elsewhere.
//!
//! Where the recordings are not at hand (they may not be republished), made-up events take their
//! place, and the plain method says what is expected.

use std::collections::BTreeMap;

use tandem_model::Stored;

use crate::api::{Api, Call};
use crate::figures;
use crate::input::{Input, Packing};
use crate::past;
use crate::program::{Finished, Running, run, until};
use crate::proxy::{At, Moment, Proxy};
use crate::server::{Kind, Server, text};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_figure_is_as_expected() {
    let input = Input::real();
    let server = Server::start(Kind::Replay);
    let loaded = run(&["ingest", text(&input.file), "--replay", "--to", &server.url()]).await;
    check_loaded(&loaded, &input);
    let api = server.api();
    figures::check(&api, &api.newest_token().await, &input.expected).await;
    check_other_readings(&api, &input).await;
}

/// The server dies five times: in the middle of bodies, and with answers on their way. `ingest`
/// is never told; it waits, sends again, and nothing counts twice, late or malformed that isn't.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_figure_is_as_expected_after_five_kills() {
    let input = Input::real();
    let kills =
        [(9, At::Sending), (26, At::Answering), (43, At::Sending), (44, At::Answering), (81, At::Answering)];
    let moments = kills.map(|(percent, at)| Moment { after_bytes: input.bytes * percent / 100, at });
    let proxy = Proxy::start(Server::start(Kind::Replay), moments.into()).await;
    let url = proxy.url();
    let mut ingest = Running::start(&["ingest", text(&input.file), "--replay", "--to", &url]);
    for kill in 1..=kills.len() {
        until("the server is killed", async || (proxy.kills() == kill).then_some(())).await;
        assert!(ingest.is_running(), "kill {kill} was not on the way");
        proxy.restart();
    }
    check_loaded(&ingest.finished().await, &input);
    let mut server = proxy.into_server();
    let api = server.api();
    figures::check(&api, &api.newest_token().await, &input.expected).await;

    let verified = run(&["verify", "--to", &server.url()]).await;
    assert_eq!(verified.code, Some(0), "{verified:?}");
    assert_eq!(server.stop().await, Some(0));
    let verified = run(&["verify", "--data", text(&server.data())]).await;
    assert_eq!(verified.code, Some(0), "{verified:?}");
}

/// Made-up events from a file with malformed lines among them: they are named and counted, the
/// others are loaded, and the figures are the plain method's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_with_malformed_lines_is_loaded_all_the_same() {
    let input = Input::generated(Packing::Gzip);
    assert!(input.malformed > 0);
    let server = Server::start(Kind::Replay);
    let loaded = run(&["ingest", text(&input.file), "--replay", "--to", &server.url()]).await;
    check_loaded(&loaded, &input);
    assert!(loaded.stdout.contains("\n  line "), "{loaded:?}");
    let api = server.api();
    figures::check(&api, &api.newest_token().await, &input.expected).await;
    let verified = run(&["verify", "--to", &server.url()]).await;
    assert_eq!(verified.code, Some(0), "{verified:?}");
}

fn check_loaded(loaded: &Finished, input: &Input) {
    assert_eq!(loaded.code, Some(0), "{loaded:?}");
    let events = format!(": {} events in", grouped(input.events));
    assert!(loaded.stdout.contains(&events), "{events}: {loaded:?}");
    let malformed = format!("{} malformed line", grouped(input.malformed));
    assert_eq!(loaded.stdout.contains(&malformed), input.malformed > 0, "{malformed}: {loaded:?}");
}

/// `1,234,567`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let (head, rest) = digits.split_at(first);
    let groups = rest.as_bytes().chunks(3).map(|group| String::from_utf8_lossy(group).into_owned());
    let head = (!head.is_empty()).then(|| head.to_owned());
    head.into_iter().chain(groups).collect::<Vec<_>>().join(",")
}

/// What else can be read of the same sessions is described, and agrees with their reports.
async fn check_other_readings(api: &Api, input: &Input) {
    let token = api.newest_token().await;
    let ids: Vec<&str> = input.expected.sessions.keys().map(String::as_str).collect();
    let (first, others) = ids.split_first().expect("there are sessions");
    for id in &ids {
        let report =
            api.read(&format!("/v1/sessions/{id}/report?breakdowns=&metrics=late_events"), &token).await;
        let late = report["metrics"][Stored::LateEvents.id()].as_u64().expect("a count");
        let listed = api.read(&format!("/v1/sessions/{id}/rejected?reason=late&limit=1000"), &token).await;
        let listed = listed["rejected"].as_array().expect("a list").len() as u64;
        assert_eq!(listed, late.min(1_000), "{id}");
        api.read(&format!("/v1/sessions/{id}"), &token).await;
        api.read(&format!("/v1/sessions/{id}/trend?by=fan&step=5m"), &token).await;
        past::check(api, id, &token).await;
    }
    let others = others.iter().take(3).copied().collect::<Vec<_>>().join(",");
    api.read(&format!("/v1/sessions/{first}/compare?with={others}&align=start"), &token).await;
    api.read(&format!("/v1/sessions/{first}/compare?with={others}&align=clock&metrics=views"), &token).await;
    check_anchors(api, &token, &ids).await;
    api.read(&format!("/v1/sessions/{first}/compare?breakdowns=source&at=600000"), &token).await;
    for path in [
        "/v1/rankings",
        "/v1/rankings/session.gmv?period=day",
        "/v1/rankings/session.gmv/subjects/nobody",
        "/v1/deadletters",
        "/v1/catalog/metrics",
        "/v1/catalog/difference?metric=aov_fen&formula=gmv_fen/buyers&limit=500",
        "/v1/catalog/tables",
        "/v1/log/0",
        "/v1/rows?limit=2",
        "/v1/partitions",
    ] {
        api.read(path, &token).await;
    }
    for path in ["/v1/status", "/v1/openapi.json", "/v1/asyncapi.json", "/v1/docs"] {
        assert_eq!(api.call(Call::get(path).without_key()).await.status, 200, "{path}");
    }
    let mut missing = api.description().await.missing(&api.checked());
    // Streams have no end and a verdict is about a request: `streams.rs` and `shield.rs` read them.
    let elsewhere = ["/v1/sessions/{id}/stream", "/v1/stream", "/v1/shield/verdicts/{request_id}"];
    // Are files.
    missing.retain(|path| path != "/v1/export/{table}");
    missing.retain(|path| !elsewhere.contains(&path.as_str()));
    assert!(missing.is_empty(), "described, but not read here: {missing:?}");
}

/// The longest history that one call gives: 93 days.
const RANGE_MS: u64 = 93 * 86_400_000;

/// The totals of all anchors' histories are those of all reports, and the days make them up.
async fn check_anchors(api: &Api, token: &str, ids: &[&str]) {
    let mut expected = BTreeMap::<String, u64>::new();
    let mut range = BTreeMap::<String, (u64, u64)>::new();
    for id in ids {
        let report = api.read(&format!("/v1/sessions/{id}/report?breakdowns=&metrics=gmv_fen"), token).await;
        let session = &report["session"];
        let (Some(anchor), Some(started_at)) =
            (session["anchor_id"].as_str(), session["started_at"].as_u64())
        else {
            continue;
        };
        *expected.entry(anchor.to_owned()).or_default() +=
            report["metrics"]["gmv_fen"].as_u64().expect("a sum");
        let (from, to) = range.entry(anchor.to_owned()).or_insert((started_at, started_at));
        (*from, *to) = ((*from).min(started_at), (*to).max(started_at));
    }
    for (anchor, gmv_fen) in expected {
        let (first, last) = range[&anchor];
        let (mut total, mut by_day) = (0, 0);
        // Of as many days as one call may ask for.
        for from in (first..=last).step_by(RANGE_MS as usize) {
            let to = (from + RANGE_MS).min(last + 1);
            let path = format!("/v1/anchors/{anchor}?from={from}&to={to}&metrics=gmv_fen");
            let history = api.read(&path, token).await;
            let days = history["days"].as_array().expect("days").iter();
            by_day += days.map(|day| day["metrics"]["gmv_fen"].as_u64().expect("a sum")).sum::<u64>();
            by_day += history["follow_ups"]["gmv_fen"].as_u64().expect("a sum");
            total += history["totals"]["gmv_fen"].as_u64().expect("a sum");
        }
        assert_eq!(total, gmv_fen, "{anchor}");
        assert_eq!(by_day, gmv_fen, "{anchor}");
        api.read(&format!("/v1/anchors/{anchor}/sessions?limit=2"), token).await;
    }
}
