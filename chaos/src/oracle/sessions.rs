//! Did any client ever go backwards?

use std::collections::HashMap;

use tandem_model::Token;

use super::Violations;
use crate::history::{Action, Entry, Figures, History, METRICS, Outcome};

/// What one client has seen.
#[derive(Default)]
struct Client {
    token: Option<Token>,
    epoch: u64,
    /// By session: its figures, and the moment of the answer.
    sessions: HashMap<u32, (Figures, u64)>,
}

/// Every answer that is older than what its client had seen: by its token, by its epoch, or by any
/// figure of the session. An answer that says that it is stale may be older, but must hand the
/// client's own token back. Clients are told apart; each has one request at a time.
pub fn backwards(history: &History) -> Violations {
    let mut found = Violations::default();
    let mut clients: HashMap<u32, Client> = HashMap::new();
    // A client's entries stand in the order in which they were answered.
    for entry in &history.entries {
        if !matches!(entry.outcome, Outcome::Good | Outcome::Stale) {
            continue;
        }
        let client = clients.entry(entry.client).or_default();
        look_at_token(entry, client, &mut found);
        if let Some(epoch) = entry.epoch {
            if epoch < client.epoch {
                found.add(|| format!("{}: epoch {epoch} after {}", place(entry), client.epoch));
            }
            client.epoch = client.epoch.max(epoch);
        }
        if entry.outcome == Outcome::Good {
            look_at_figures(entry, client, &mut found);
        }
    }
    found
}

fn look_at_token(entry: &Entry, client: &mut Client, found: &mut Violations) {
    let decoded = entry.token.as_deref().map(Token::decode);
    let Some(Ok(token)) = decoded else {
        found.add(|| format!("{}: an answer without a token that can be read", place(entry)));
        return;
    };
    if entry.outcome == Outcome::Stale {
        if entry.token != entry.token_sent {
            found.add(|| format!("{}: a stale answer with another token than was sent", place(entry)));
        }
        return;
    }
    if let Some(before) = &client.token {
        if token.log != before.log {
            found.add(|| format!("{}: the token is of another log", place(entry)));
        }
        for (partition, next) in &before.next {
            let now = token.next.get(partition).copied();
            if now < Some(*next) {
                found.add(|| {
                    let now = now.map_or("nothing".to_owned(), |now| now.to_string());
                    format!("{}: the token holds {now} after {next} in partition {partition}", place(entry))
                });
            }
        }
    }
    // What is joined is what the client has seen, also where an answer forgot a part of it.
    match &mut client.token {
        Some(seen) if seen.log == token.log => seen.join(&token),
        seen => *seen = Some(token),
    }
}

fn look_at_figures(entry: &Entry, client: &mut Client, found: &mut Violations) {
    let Action::Read { session, figures: Some(figures), as_of_ms } = &entry.action else { return };
    let (before, before_ms) = client.sessions.entry(*session).or_insert((*figures, *as_of_ms));
    for (metric, (now, before)) in METRICS.iter().zip(figures.iter().zip(before.iter_mut())) {
        if now < before {
            found.add(|| format!("{}: {metric} {now} after {before}", place(entry)));
        }
        *before = (*before).max(*now);
    }
    if as_of_ms < before_ms {
        found.add(|| format!("{}: as of {as_of_ms} after {before_ms}", place(entry)));
    }
    *before_ms = (*before_ms).max(*as_of_ms);
}

pub(super) fn place(entry: &Entry) -> String {
    let chain = entry.chain.map_or("no chain", |chain| chain.name());
    let what = match &entry.action {
        Action::Read { session, .. } => format!("session {session}"),
        Action::Write { body, .. } => format!("body {body}"),
    };
    format!("client {} at {} ms, {what}, from {chain}", entry.client, entry.answered_us / 1_000)
}
