//! Who writes: bodies of events into sessions of their own, each sent until it is acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::reader::read_one;
use super::{Answer, Api, Shared, wall_ms};
use crate::history::{Action, Entry, Figures, Outcome};

/// Lines of a body, at least and at most.
const LINES: (u32, u32) = (3, 15);
/// Viewers of a session.
const VIEWERS: u32 = 200;
/// Pause before a body that was not taken is sent again.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// Of so many bodies one is read back at once.
const READ_EVERY: u64 = 4;

/// Writes until told to stop; returns a token that covers all that was acknowledged.
pub(super) async fn write(shared: Shared, api: Api, client: u32, sessions: u32, seed: u64) -> Option<String> {
    let mut random = SmallRng::seed_from_u64(seed ^ u64::from(client + 1).wrapping_mul(0x85eb_ca6b));
    let own: Vec<u32> = (client * sessions..(client + 1) * sessions).collect();
    let mut token: Option<Arc<str>> = None;
    let mut known = BTreeSet::new();
    let mut events = 0;
    for number in 0_u64.. {
        if *shared.stop.borrow() || own.is_empty() {
            break;
        }
        let mut adds: BTreeMap<u32, Figures> = BTreeMap::new();
        let mut body = String::new();
        for _ in 0..random.random_range(LINES.0..=LINES.1) {
            let session = own[random.random_range(0..own.len())];
            events += 1;
            let id = format!("{seed}-{client}-{events}");
            let name = &shared.sessions[session as usize];
            line(&mut body, &mut random, name, &id, adds.entry(session).or_default());
        }
        // Numbers of different writers must differ.
        let number_of_all = number << 8 | u64::from(client & 0xff);
        let key = format!("\"drill-{seed}-{number_of_all}\"");
        let body = Body { number: number_of_all, key, bytes: body.into(), adds: adds.into_iter().collect() };
        send(&shared, &api, client, body, &mut token).await;
        if number % READ_EVERY == 0 {
            let session = own[random.random_range(0..own.len())];
            read_one(&shared, &api, client, session, &mut token, &mut known).await;
        }
        tokio::time::sleep(shared.pause).await;
    }
    token.as_deref().map(str::to_owned)
}

/// Events that are sent together.
struct Body {
    /// Its number among all of the drill.
    number: u64,
    /// By which it counts once.
    key: String,
    bytes: Bytes,
    /// By session: what the figures must count.
    adds: Vec<(u32, Figures)>,
}

/// Sends a body until it is acknowledged.
async fn send(shared: &Shared, api: &Api, client: u32, body: Body, token: &mut Option<Arc<str>>) {
    loop {
        let mut headers = vec![("idempotency-key", body.key.as_str())];
        headers.extend(token.iter().map(|token| ("tandem-token", &**token)));
        let sent_us = shared.clock.us();
        let answer = api.post("/v1/events", &headers, body.bytes.clone()).await;
        let answered_us = shared.clock.us();
        let outcome = match answer.as_ref().map(|answer| answer.status) {
            Some(200) => Outcome::Good,
            // 409: the first sending is still under way.
            Some(503 | 409) => Outcome::Unavailable,
            Some(_) => Outcome::Failed,
            None => Outcome::NoAnswer,
        };
        let answer = answer.as_ref();
        shared.recorder.add(Entry {
            client,
            action: Action::Write { body: body.number, adds: body.adds.clone() },
            sent_us,
            answered_us,
            outcome,
            status: answer.map(|answer| answer.status),
            chain: None,
            epoch: None,
            token_sent: token.clone(),
            token: answer.and_then(Answer::token),
        });
        if outcome == Outcome::Good {
            *token = answer.and_then(Answer::token).or_else(|| token.take());
            return;
        }
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}

/// Adds an event to a body, and to what the figures must count.
fn line(body: &mut String, random: &mut SmallRng, session: &str, id: &str, counted: &mut Figures) {
    let user = random.random_range(0..VIEWERS);
    let ts = wall_ms();
    let [events, views, comments, orders, gmv_fen, _] = counted;
    *events += 1;
    let more = match random.random_range(0..6) {
        0..=2 => {
            *views += 1;
            r#""type":"enter","source":"search""#.to_owned()
        }
        3 => r#""type":"heartbeat""#.to_owned(),
        4 => {
            *comments += 1;
            r#""type":"comment","text":"好看""#.to_owned()
        }
        _ => {
            let amount_fen = random.random_range(100..100_000);
            *orders += 1;
            *gmv_fen += amount_fen;
            format!(
                r#""type":"order_paid","item_id":"item-1","order_id":"o{id}","amount_fen":{amount_fen},"quantity":1"#
            )
        }
    };
    // Writing to a string does not fail.
    let _ = writeln!(
        body,
        r#"{{"event_id":"e{id}","ts":{ts},"session_id":"{session}","user_id":"u{user}",{more}}}"#
    );
}
