//! Who reads: no figure and no token goes back, and there is always an answer or a 503 that says
//! why.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tandem_model::Token;
use tandem_model::route::Chain;
use tandem_tests::api::{Answer, Api, CHAINS, Call};
use tokio::sync::watch;

use crate::writers::{Figures, Written, figures_of, report};

const PAUSE: Duration = Duration::from_millis(20);

/// What readers have seen so far, for others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Answers that were not older than the token.
    pub(crate) answers: u64,
    /// Answers that were, and said so.
    pub(crate) stale: u64,
    /// Answers of 503.
    pub(crate) unavailable: u64,
    /// New answers from chains a and b.
    pub(crate) by_chain: [u64; 2],
}

/// Whom a reader asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asks {
    /// As most do: whichever chain serves.
    Whichever,
    /// The chains in turns, each with the token of the other.
    Alternately,
}

/// Reads until it is told to stop.
pub(crate) struct Reader {
    pub(crate) api: Arc<Api>,
    pub(crate) asks: Asks,
    /// What sessions there are.
    pub(crate) written: watch::Receiver<Written>,
    pub(crate) seen: watch::Sender<Seen>,
    pub(crate) stop: watch::Receiver<bool>,
}

impl Reader {
    pub(crate) async fn read(self) {
        let mut token: Option<String> = None;
        let mut known: HashMap<String, (Figures, u64)> = HashMap::new();
        let mut number = 0;
        while !*self.stop.borrow() {
            let sessions: Vec<String> = self.written.borrow().figures.keys().cloned().collect();
            for session in sessions {
                number += 1;
                let chain = (self.asks == Asks::Alternately).then(|| CHAINS[number % 2]);
                self.read_one(&session, chain, &mut token, &mut known).await;
                tokio::time::sleep(PAUSE).await;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn read_one(
        &self,
        session: &str,
        chain: Option<Chain>,
        token: &mut Option<String>,
        known: &mut HashMap<String, (Figures, u64)>,
    ) {
        let mut call = Call::get(report(session));
        call = chain.into_iter().fold(call, Call::chain);
        call = token.iter().fold(call, |call, token| call.token(token));
        let answer = self.api.call(call).await;
        match answer.status {
            200 => {}
            // It was written, but the chain is not there yet; nobody has seen it.
            404 if !known.contains_key(session) => {
                answer.problem(404, "unknown-session");
                return;
            }
            _ => {
                check_unavailable(&answer);
                self.seen.send_modify(|seen| seen.unavailable += 1);
                return;
            }
        }
        let json = answer.json();
        if json["meta"]["stale"] == true {
            assert_eq!(Some(answer.token()), token.as_deref(), "an old answer comes with one's own token");
            self.seen.send_modify(|seen| seen.stale += 1);
            return;
        }
        let now = (figures_of(&json), json["meta"]["as_of"].as_u64().unwrap_or_default());
        if let Some(before) = known.insert(session.to_owned(), now) {
            let goes_on = now.0.iter().zip(before.0).all(|(now, before)| *now >= before) && now.1 >= before.1;
            assert!(goes_on, "{session} went back: {now:?} after {before:?}: {answer:?}");
        }
        if let Some(before) = token {
            let (before, now) = (decoded(before), decoded(answer.token()));
            assert_eq!(before.log, now.log);
            for (partition, next) in &before.next {
                let now = now.next.get(partition);
                assert!(now >= Some(next), "the token went back in {partition}: {now:?} after {next}");
            }
        }
        *token = Some(answer.token().to_owned());
        let from = usize::from(json["meta"]["chain"] == Chain::B.name());
        self.seen.send_modify(|seen| {
            seen.answers += 1;
            seen.by_chain[from] += 1;
        });
    }
}

/// A 503 that says why: nothing else may a reader get.
pub(crate) fn check_unavailable(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer:?}");
    let problem = answer.json();
    let is_known = ["unavailable", "behind-token"]
        .iter()
        .any(|kind| problem["type"] == format!("urn:tandem:problem:{kind}"));
    assert!(is_known, "{answer:?}");
}

fn decoded(token: &str) -> Token {
    Token::decode(token).expect("a token of ours")
}
