//! No reader goes backwards: whoever sends the last token back never sees less than before, on
//! whichever chain; and whoever writes reads their own writes.

use std::collections::HashMap;

use tandem_model::route::Chain;

use crate::api::{Api, CHAINS, Call};
use crate::contract::{enter, now_ms};
use crate::program::until;
use crate::server::{Kind, Server};

/// How many answers each reader reads.
const ANSWERS: usize = 300;
/// How many times each writer writes and reads.
const WRITES: u64 = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_of_live_traffic_never_go_back() {
    let server = Server::start(Kind::Demo);
    let api = server.api();
    let sessions = until("there are viewers", async || {
        let list = api.get("/v1/sessions").await.ok();
        let ids: Vec<_> =
            list["sessions"].as_array()?.iter().map(|one| one["id"].as_str().map(str::to_owned)).collect();
        let ids: Option<Vec<_>> = ids.into_iter().collect();
        ids.filter(|ids| ids.len() >= 2)
    })
    .await;
    let readers = [
        // As most do: whichever chain serves.
        Reader::new(&api, &sessions, |_, _| None),
        // Each session from another chain: the token carries what was seen over to the other.
        Reader::new(&api, &sessions, |_, session| Some(CHAINS[session % 2])),
        // Another chain for each answer.
        Reader::new(&api, &sessions, |answer, _| Some(CHAINS[answer % 2])),
    ];
    let [first, second, third] = readers;
    tokio::join!(first.read(), second.read(), third.read(), write_and_read(&api));
}

/// Somebody who sends the last token back.
struct Reader<'a> {
    api: &'a Api,
    sessions: &'a [String],
    /// The chain to ask for the n-th answer, about the n-th session.
    chain: fn(usize, usize) -> Option<Chain>,
    token: Option<String>,
    /// By session: views, events, and the clock of the answer.
    seen: HashMap<&'a str, [u64; 3]>,
    /// How many of the answers were not stale.
    answers: usize,
}

impl<'a> Reader<'a> {
    fn new(api: &'a Api, sessions: &'a [String], chain: fn(usize, usize) -> Option<Chain>) -> Self {
        Self { api, sessions, chain, token: None, seen: HashMap::new(), answers: 0 }
    }

    async fn read(mut self) {
        let mut stale = 0;
        for number in 0..ANSWERS {
            // In runs of two, so that the same session is read from both chains in a row.
            let session = number / 2 % self.sessions.len();
            stale += usize::from(!self.read_one(number, session).await);
        }
        assert!(self.answers > 0, "{stale} of {ANSWERS} answers were stale");
        println!("{} answers, {stale} stale", self.answers);
    }

    /// Returns whether the answer was a new one.
    async fn read_one(&mut self, number: usize, session: usize) -> bool {
        let id = self.sessions[session].as_str();
        let chain = (self.chain)(number, session);
        let mut call = Call::get(format!("/v1/sessions/{id}/report?breakdowns=&metrics=views,events"));
        call = chain.into_iter().fold(call, Call::chain);
        call = self.token.iter().fold(call, |call, token| call.token(token));
        let answer = self.api.call(call).await;
        let report = answer.ok();
        if let Some(chain) = chain {
            assert_eq!(report["meta"]["chain"], chain.name());
        }
        if report["meta"]["stale"] == true {
            // Older on purpose, and it says so: with the client's own token.
            assert_eq!(Some(answer.token()), self.token.as_deref());
            return false;
        }
        let figure = |value: &serde_json::Value| value.as_u64().expect("a figure");
        let metrics = &report["metrics"];
        let now = [figure(&metrics["views"]), figure(&metrics["events"]), figure(&report["meta"]["as_of"])];
        let before = self.seen.insert(id, now).unwrap_or_default();
        let goes_on = now.iter().zip(before).all(|(now, before)| *now >= before);
        assert!(goes_on, "{id} on {}: {now:?} after {before:?}", report["meta"]["chain"]);
        self.token = Some(answer.token().to_owned());
        self.answers += 1;
        true
    }
}

/// What was posted is in the very next answer, on whichever chain.
async fn write_and_read(api: &Api) {
    let now = now_ms(api).await;
    let mut written = 0;
    for number in 0..WRITES {
        let answer = api.call(Call::events(enter("own-writes", &format!("e{number}"), now))).await;
        assert_eq!(answer.ok()["accepted"], 1);
        written += 1;
        let path = "/v1/sessions/own-writes/report?breakdowns=&metrics=views";
        let report = match number % 3 {
            0 => api.read(path, answer.token()).await,
            other => api.read_from(CHAINS[other as usize - 1], path, answer.token()).await,
        };
        assert_eq!(report["metrics"]["views"], written);
    }
}
