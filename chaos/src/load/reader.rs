//! Who reads: one session after the other, always with the last token.

use std::collections::BTreeSet;
use std::sync::Arc;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::{Answer, Api, Shared, report};
use crate::history::{Action, Entry, Outcome};

/// Reads until told to stop.
pub(super) async fn read(shared: Shared, api: Api, client: u32, seed: u64) -> Option<String> {
    let mut random = SmallRng::seed_from_u64(seed ^ u64::from(client + 1).wrapping_mul(0x9e37_79b9));
    let mut token: Option<Arc<str>> = None;
    let mut known = BTreeSet::new();
    let count = shared.sessions.len() as u32;
    // Clients do not march in step.
    tokio::time::sleep(shared.pause.mul_f64(random.random())).await;
    while !*shared.stop.borrow() && count > 0 {
        let session = random.random_range(0..count);
        read_one(&shared, &api, client, session, &mut token, &mut known).await;
        tokio::time::sleep(shared.pause).await;
    }
    None
}

/// Reads a session, writes down what came, and keeps the token of a fresh answer.
pub(super) async fn read_one(
    shared: &Shared,
    api: &Api,
    client: u32,
    session: u32,
    token: &mut Option<Arc<str>>,
    known: &mut BTreeSet<u32>,
) {
    let path = report(&shared.sessions[session as usize]);
    let headers: Vec<(&str, &str)> = token.iter().map(|token| ("tandem-token", &**token)).collect();
    let sent_us = shared.clock.us();
    let answer = api.get(&path, &headers).await;
    let answered_us = shared.clock.us();
    let outcome = outcome(answer.as_ref(), known.contains(&session));
    let answer = answer.as_ref();
    let token_sent = token.clone();
    if outcome == Outcome::Good {
        known.insert(session);
        *token = answer.and_then(Answer::token).or_else(|| token.take());
    }
    shared.recorder.add(Entry {
        client,
        action: Action::Read {
            session,
            figures: answer.and_then(Answer::figures),
            as_of_ms: answer.map_or(0, Answer::as_of_ms),
        },
        sent_us,
        answered_us,
        outcome,
        status: answer.map(|answer| answer.status),
        chain: answer.and_then(Answer::chain),
        epoch: answer.and_then(Answer::epoch),
        token_sent,
        token: answer.and_then(Answer::token),
    });
}

fn outcome(answer: Option<&Answer>, is_known: bool) -> Outcome {
    match answer {
        None => Outcome::NoAnswer,
        Some(answer) => match answer.status {
            200 if answer.is_stale() => Outcome::Stale,
            200 if answer.figures().is_some() => Outcome::Good,
            // Whoever has seen it once must not be told that there is no such thing.
            404 if !is_known => Outcome::Unknown,
            503 => Outcome::Unavailable,
            _ => Outcome::Failed,
        },
    }
}
