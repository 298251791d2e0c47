//! Who writes: bodies of events, each sent with its key until it is acknowledged, and counted here
//! as the figures must count them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use tandem_tests::api::{Api, Call};
use tokio::sync::watch;

/// Sessions of one writer. Nobody else writes to them.
const SESSIONS: usize = 8;
/// Viewers of a session.
const VIEWERS: u32 = 200;
/// Lines of a body, at least and at most.
const LINES: (usize, usize) = (5, 40);
/// Pause between two bodies: the machine has work to do besides.
const PAUSE: Duration = Duration::from_millis(30);
/// Pause before a body that was not taken is sent again.
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// Metrics that are counted here, too.
pub(crate) const METRICS: [&str; 6] =
    ["events", "views", "comments", "orders", "gmv_fen", "duplicate_events"];

/// Figures of a session, in the order of [`METRICS`].
pub(crate) type Figures = [u64; 6];

/// How far a writer is, for others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Written {
    /// Bodies that were acknowledged.
    pub(crate) bodies: u64,
    /// How often a body was sent again.
    pub(crate) repeats: u64,
    /// What the acknowledged bodies count.
    pub(crate) figures: BTreeMap<String, Figures>,
    /// Of the last acknowledgement.
    pub(crate) token: String,
}

/// Writes until it is told to stop; then everything it has sent is acknowledged.
pub(crate) struct Writer {
    pub(crate) api: Arc<Api>,
    pub(crate) number: usize,
    pub(crate) seed: u64,
    pub(crate) written: watch::Sender<Written>,
    pub(crate) stop: watch::Receiver<bool>,
}

impl Writer {
    pub(crate) async fn write(self) {
        let mut random =
            SmallRng::seed_from_u64(self.seed ^ (self.number as u64 + 1).wrapping_mul(0x9e37_79b9));
        let sessions: Vec<String> =
            (0..SESSIONS).map(|session| format!("live-{}-{session}", self.number)).collect();
        let mut figures: BTreeMap<String, Figures> = BTreeMap::new();
        let mut event = 0;
        let mut body = 0;
        let mut last: Option<String> = None;
        while !*self.stop.borrow() {
            let mut lines = Vec::new();
            let count = random.random_range(LINES.0..=LINES.1);
            let ts = now_ms();
            for _ in 0..count {
                let session = &sessions[random.random_range(0..SESSIONS)];
                let counted = figures.entry(session.clone()).or_insert_with(|| {
                    event += 1;
                    lines.push(start(session, event, ts));
                    [1, 0, 0, 0, 0, 0]
                });
                event += 1;
                lines.push(line(&mut random, session, event, ts, counted));
            }
            body += 1;
            let key = format!("\"drill-{}-{}-{body}\"", self.seed, self.number);
            let token = self.send(&key, &lines, last.as_deref()).await;
            last = Some(token.clone());
            self.written.send_modify(|written| {
                written.bodies += 1;
                written.figures.clone_from(&figures);
                written.token.clone_from(&token);
            });
            if body % 8 == 0 {
                let session = &sessions[random.random_range(0..SESSIONS)];
                if let Some(expected) = figures.get(session) {
                    self.read_own(session, &token, *expected).await;
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Sends a body until it is acknowledged; returns the token.
    async fn send(&self, key: &str, lines: &[String], token: Option<&str>) -> String {
        let mut call = Call::events(lines.join("\n")).header("idempotency-key", key);
        // The answer's token then stands for all that was written so far, in whichever partition.
        call = token.into_iter().fold(call, Call::token);
        loop {
            let answer = self.api.call(call.clone()).await;
            match answer.status {
                200 => {
                    assert_eq!(answer.json()["accepted"], lines.len(), "{answer:?}");
                    return answer.token().to_owned();
                }
                // The first sending is still under way: its answer was a timeout.
                409 => _ = answer.problem(409, "conflict"),
                503 => _ = answer.problem(503, "unavailable"),
                _ => panic!("{key}: {answer:?}"),
            }
            self.written.send_modify(|written| written.repeats += 1);
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    /// Whoever writes reads exactly what they wrote, where there is an answer that is not old.
    async fn read_own(&self, session: &str, token: &str, expected: Figures) {
        let answer = self.api.call(Call::get(report(session)).token(token)).await;
        match answer.status {
            200 if answer.json()["meta"]["stale"] == false => {
                assert_eq!(figures_of(&answer.json()), expected, "{session}: {answer:?}");
            }
            200 => {}
            _ => super::readers::check_unavailable(&answer),
        }
    }
}

/// Where a session's figures are read.
pub(crate) fn report(session: &str) -> String {
    format!("/v1/sessions/{session}/report?breakdowns=&metrics={}", METRICS.join(","))
}

/// The figures of a report.
pub(crate) fn figures_of(report: &Value) -> Figures {
    METRICS.map(|metric| report["metrics"][metric].as_u64().expect("a count"))
}

fn start(session: &str, event: u64, ts: u64) -> String {
    format!(
        r#"{{"event_id":"e{event}","type":"session_start","ts":{ts},"session_id":"{session}","anchor_id":"anchor","room_id":"r","title":"t","category":"c","anchor_name":"n","anchor_fans":1,"content_type":"x","region":"y"}}"#
    )
}

/// An event, counted.
fn line(random: &mut SmallRng, session: &str, event: u64, ts: u64, counted: &mut Figures) -> String {
    let user = random.random_range(0..VIEWERS);
    let ts = ts - random.random_range(0..2_000);
    let source = ["search", "shop", "ads", "recommend"][random.random_range(0..4)];
    let item = random.random_range(0..20);
    let [events, views, comments, orders, gmv_fen, _] = counted;
    *events += 1;
    let more = match random.random_range(0..8) {
        0..=2 => {
            *views += 1;
            format!(r#""type":"enter","source":"{source}","channel":"taobao""#)
        }
        3 => r#""type":"heartbeat""#.to_owned(),
        4 => {
            *comments += 1;
            r#""type":"comment","text":"好看""#.to_owned()
        }
        5 => format!(r#""type":"item_click","item_id":"item-{item}""#),
        6 => r#""type":"follow""#.to_owned(),
        _ => {
            let amount_fen = random.random_range(100..100_000);
            *orders += 1;
            *gmv_fen += amount_fen;
            format!(
                r#""type":"order_paid","item_id":"item-{item}","order_id":"o{event}","amount_fen":{amount_fen},"quantity":1"#
            )
        }
    };
    format!(r#"{{"event_id":"e{event}","ts":{ts},"session_id":"{session}","user_id":"u{user}",{more}}}"#)
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("we live after 1970");
    u64::try_from(now.as_millis()).expect("for some time yet")
}
