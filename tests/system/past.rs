//! Reports as they were: what was read once is read again, to the byte, on both chains, also after the
//! program was killed; and what lies between two readings adds up.

use serde_json::Value;
use tandem_model::route::Chain;
use tandem_plain::nasty::Run;

use crate::api::{Answer, Api, CHAINS, Call};
use crate::program::until;
use crate::server::{Kind, Server};

/// How many times figures are read while events come in.
const READINGS: usize = 4;

/// A report that was read, and how.
struct Read {
    id: String,
    /// What the reader had seen.
    token: String,
    answer: Answer,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_read_can_be_read_again() {
    let mut server = Server::start(Kind::Replay);
    let api = server.api();
    let run = Run {
        lines: 6_000,
        sessions: 4,
        users: 100,
        step_ms: 700,
        gaps: 0.0,
        beats: 0.1,
        strays: 0.05,
        malformed: 0.02,
        ends: 0.0005,
        lines_before_beats: 0,
        start_ms: 1_760_000_000_000,
        flood: None,
        ..Run::of(3)
    };
    let lines = run.lines();
    let mut reads = Vec::new();
    for part in lines.chunks(lines.len().div_ceil(READINGS)) {
        let posted = api.call(Call::replay(part.join(&b'\n'))).await;
        assert!(matches!(posted.status, 200 | 422), "{posted:?}");
        let token = posted.token().to_owned();
        let sessions = api.read("/v1/sessions", &token).await;
        for session in sessions["sessions"].as_array().expect("a list") {
            let id = session["id"].as_str().expect("an id").to_owned();
            let path = format!("/v1/sessions/{id}/report");
            let answer = prepared(&api, Call::get(path).token(&token)).await;
            reads.push(Read { id, token: token.clone(), answer });
        }
    }
    assert!(reads.len() > READINGS, "too few sessions");
    check_all(&api, &reads).await;
    server.kill();
    server.start_again();
    check_all(&server.api(), &reads).await;
}

async fn check_all(api: &Api, reads: &[Read]) {
    let newest = api.newest_token().await;
    for read in reads {
        for chain in CHAINS {
            let path = format!("/v1/sessions/{}/report?at={}", read.id, read.answer.token());
            let then = prepared(api, Call::get(path).token(&read.token).chain(chain)).await;
            check_alike(&then, &read.answer, chain);
        }
        check_explained(api, read, &newest).await;
    }
    for id in reads.iter().map(|read| &read.id) {
        check(api, id, &newest).await;
    }
}

/// Asks until it is prepared, and the chain is as far as the token.
async fn prepared(api: &Api, call: Call) -> Answer {
    let call = call.header("prefer", "fresh");
    until("the session is replayed", async || {
        let answer = api.call(call.clone()).await;
        if answer.status == 503 {
            let kind = answer.json()["type"].to_string();
            assert!(kind.contains("in-preparation") || kind.contains("behind-token"), "{answer:?}");
            return None;
        }
        answer.ok();
        Some(answer)
    })
    .await
}

/// Equal to the byte but for what the chain says of itself.
fn check_alike(one: &Answer, other: &Answer, chain: Chain) {
    assert_eq!(one.header("tandem-chain"), chain.name());
    let [one, other] = [one, other].map(|answer| {
        let text = String::from_utf8(answer.body.to_vec()).expect("JSON is UTF-8");
        let (figures, _) = text.rsplit_once("\"meta\":").expect("each answer has it");
        let mut meta = answer.json()["meta"].clone();
        for own in ["chain", "epoch", "degraded"] {
            meta.as_object_mut().and_then(|meta| meta.remove(own)).expect("each answer has it");
        }
        (figures.to_owned(), meta)
    });
    assert_eq!(one, other);
}

/// The parts of every difference since then add up to it, whichever chain is asked.
async fn check_explained(api: &Api, read: &Read, newest: &str) {
    let path = format!("/v1/sessions/{}/explain?from={}&to={newest}", read.id, read.answer.token());
    let mut told = Vec::new();
    for chain in CHAINS {
        let answer = prepared(api, Call::get(&path).token(newest).chain(chain)).await.json();
        let differences = answer["differences"].as_array().expect("a list").clone();
        for one in &differences {
            let Some(parts) = one["parts"].as_array() else { continue };
            let sum: i128 = parts.iter().map(|part| integer(&part["difference"])).sum();
            assert_eq!(sum, integer(&one["difference"]), "{path}: {one}");
            assert_eq!(sum, integer(&one["to"]) - integer(&one["from"]), "{path}: {one}");
        }
        told.push((answer["from"].clone(), answer["to"].clone(), differences));
    }
    assert_eq!(told[0], told[1], "{path}");
}

fn integer(value: &Value) -> i128 {
    value.to_string().parse().unwrap_or_else(|_| panic!("{value} is no integer"))
}

/// The present report is that of the present cut, by token and by time, on both chains; and nothing lies
/// between a reading and itself.
pub(crate) async fn check(api: &Api, id: &str, token: &str) {
    let path = format!("/v1/sessions/{id}/report");
    let now = prepared(api, Call::get(&path).token(token)).await;
    let clock = now.json()["meta"]["as_of"].clone();
    for chain in CHAINS {
        let then = prepared(api, Call::get(format!("{path}?at={}", now.token())).token(token).chain(chain));
        check_alike(&then.await, &now, chain);
    }
    let [a, b] =
        CHAINS.map(|chain| prepared(api, Call::get(format!("{path}?at={clock}")).token(token).chain(chain)));
    let (a, b) = (a.await, b.await);
    check_alike(&a, &b, Chain::A);
    let path = format!("/v1/sessions/{id}/explain?from={token}&to={token}");
    assert_eq!(
        prepared(api, Call::get(path).token(token)).await.json()["differences"],
        serde_json::json!([])
    );
}
