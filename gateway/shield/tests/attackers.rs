//! What is stopped: a test by family of attackers.

mod common;

use common::{APP, CHROME, KEY, NOW_MS, SIGNED, Sender, TOKEN, address, shield};
use tandem_shield::{Action, Outcome, Shield, Who};

/// How many of the verdicts refuse, in percent.
fn refused_percent(verdicts: &[Action]) -> usize {
    verdicts.iter().filter(|action| action.is_refusal()).count() * 100 / verdicts.len()
}

/// A key with a history of some hours at home.
fn with_history<'a>(shield: &'a Shield, who: Who<'a>) -> u64 {
    let home = Sender { shield, who, address: address(1), agent: APP };
    for beat in 0..600 {
        home.report(NOW_MS + beat * 10_000, beat % 25, 200);
    }
    NOW_MS + 6_000_000
}

#[test]
fn an_address_without_a_credential_is_limited_after_a_few_requests() {
    for (who, agent) in [(Who::Nobody, CHROME), (Who::Failed, CHROME), (Who::Nobody, "python-requests/2")] {
        let shield = shield();
        let sender = Sender { shield: &shield, who, address: address(1), agent };
        let verdicts: Vec<_> = (0..200).map(|n| sender.report(NOW_MS + n * 500, n, 401).action).collect();
        assert!(refused_percent(&verdicts) >= 80, "{}", refused_percent(&verdicts));
    }
}

#[test]
fn many_addresses_without_a_credential_are_known_by_the_form_of_their_headers() {
    let shield = shield();
    let agents = [CHROME, "Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0"];
    let send = |n: u64| {
        let agent = agents[n as usize % 2];
        let sender = Sender { shield: &shield, who: Who::Nobody, address: address(n as u32 * 300), agent };
        sender.report(NOW_MS + n * 100, n, 401).action
    };
    let verdicts: Vec<_> = (0..3_000).map(send).collect();
    assert!(refused_percent(&verdicts) >= 67, "{}", refused_percent(&verdicts));
}

#[test]
fn whoever_looks_for_holes_is_denied_and_stays_so_for_a_while() {
    let shield = shield();
    let sender = Sender { shield: &shield, who: Who::Nobody, address: address(1), agent: CHROME };
    for path in ["/.env", "/wp-login.php"] {
        sender.send(NOW_MS, path, 404);
    }
    assert_eq!(sender.send(NOW_MS + 1_000, "/v1/status", 200).action, Action::Deny);
    let neighbour = Sender { shield: &shield, who: KEY, address: address(1), agent: APP };
    assert_eq!(neighbour.report(NOW_MS + 2_000, 1, 200).action, Action::Allow);
}

#[test]
fn a_stolen_key_that_guesses_sessions_is_limited_and_its_owner_is_not() {
    let shield = shield();
    let now_ms = with_history(&shield, KEY);
    let thief = Sender { shield: &shield, who: KEY, address: address(900_000), agent: "python-requests/2" };
    let owner = Sender { shield: &shield, who: KEY, address: address(1), agent: APP };
    let mut verdicts = Vec::new();
    for n in 0..200_u64 {
        let status = if n.is_multiple_of(3) { 200 } else { 404 };
        verdicts.push(thief.report(now_ms + n * 2_000, 5_000 + n * 13, status).action);
        let verdict = owner.report(now_ms + n * 2_000, n % 25, 200);
        assert_eq!(verdict.action, Action::Allow, "{:?}", verdict.reasons);
    }
    assert!(refused_percent(&verdicts) >= 85, "{}", refused_percent(&verdicts));
}

#[test]
fn a_stolen_key_that_changes_networks_is_known_by_what_all_strangers_miss() {
    let shield = shield();
    let now_ms = with_history(&shield, KEY);
    let send = |n: u64| {
        let address = address(1_000_000 + (n as u32 % 20) * 5_000);
        let thief = Sender { shield: &shield, who: KEY, address, agent: CHROME };
        thief.report(now_ms + n * 2_000, 5_000 + n * 13, if n.is_multiple_of(3) { 200 } else { 404 }).action
    };
    let verdicts: Vec<_> = (0..200).map(send).collect();
    assert!(refused_percent(&verdicts) >= 80, "{}", refused_percent(&verdicts));
}

#[test]
fn a_stolen_key_that_exports_is_limited() {
    let shield = shield();
    let now_ms = with_history(&shield, KEY);
    let thief = Sender { shield: &shield, who: KEY, address: address(900_000), agent: "curl/8" };
    let send = |n: u64| thief.send(now_ms + n * 5_000, "/v1/export/sessions?cursor=x", 200).action;
    let verdicts: Vec<_> = (0..60).map(send).collect();
    assert!(refused_percent(&verdicts) >= 75, "{}", refused_percent(&verdicts));
}

#[test]
fn a_stolen_token_that_walks_is_refused_however_slowly() {
    for pause_ms in [200, 5_000, 60_000] {
        let shield = shield();
        let now_ms = with_history(&shield, TOKEN);
        let thief = Sender { shield: &shield, who: TOKEN, address: address(900_000), agent: CHROME };
        let send = |n: u64| thief.report(now_ms + n * pause_ms, 5_000 + n, 200).action;
        let verdicts: Vec<_> = (0..400).map(send).collect();
        assert!(refused_percent(&verdicts) >= 80, "{pause_ms}: {}", refused_percent(&verdicts));
    }
}

#[test]
fn captured_requests_that_are_sent_again_count_where_they_come_from() {
    let shield = shield();
    let thief = Sender { shield: &shield, who: SIGNED, address: address(900_000), agent: APP };
    let mut last = Action::Allow;
    for n in 0..10 {
        let verdict = thief.report(NOW_MS + n * 1_000, 1, 401);
        let outcome = Outcome { status: 401, ours: true, replayed: true };
        shield.answered(&verdict.ticket, outcome);
        last = verdict.action;
    }
    assert_eq!(last, Action::Limit);
    let owner = Sender { shield: &shield, who: SIGNED, address: address(1), agent: APP };
    assert_eq!(owner.report(NOW_MS + 11_000, 1, 200).action, Action::Allow);
}

#[test]
fn crawlers_without_a_credential_are_slowed_down_until_they_are_verified() {
    let shield = shield();
    let agent = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
    let crawl = |number, now_ms| {
        let sender = Sender { shield: &shield, who: Who::Nobody, address: address(number), agent };
        sender.send(now_ms, "/v1/docs", 200).action
    };
    assert_eq!(crawl(1, NOW_MS), Action::Slow);
    assert_eq!(crawl(2, NOW_MS), Action::Slow);
    let claims = shield.pending();
    assert_eq!(claims.iter().map(|claim| claim.address).collect::<Vec<_>>(), [address(1), address(2)]);
    shield.confirm(address(1), &claims[0].crawler, true, NOW_MS);
    shield.confirm(address(2), &claims[1].crawler, false, NOW_MS);
    assert_eq!(crawl(1, NOW_MS + 1_000), Action::Allow);
    assert!(crawl(2, NOW_MS + 1_000) >= Action::Limit);
}
