//! Who is known is not punished for what he looks like, where he comes from, or his neighbours.

mod common;

use common::{APP, CHROME, KEY, NOW_MS, SIGNED, Sender, TOKEN, address, shield};
use tandem_shield::{Action, Lists, Memory, Network, Rules, Shield, Who};

#[test]
fn signed_applications_are_never_judged_by_user_agent_or_address() {
    let shield = shield();
    let blocked = vec![Network::new(address(0), 8)];
    shield.take_lists(Lists { verified: Vec::new(), blocked });
    for (number, agent) in
        ["", "sqlmap/1.8", "Googlebot/2.1", "curl/8", CHROME, "NewBot/1"].into_iter().enumerate()
    {
        let sender = Sender { shield: &shield, who: SIGNED, address: address(number as u32 * 70_000), agent };
        for beat in 0..200 {
            let verdict = sender.report(NOW_MS + beat * 1_000, beat % 20, 200);
            assert_eq!((verdict.action, verdict.reasons), (Action::Allow, vec![]), "{agent}");
        }
    }
}

#[test]
fn signed_applications_get_429_at_most_whatever_they_do() {
    let hardest = Rules::parse("[actions]\ntag=1\nslow=1\nchallenge=1\nlimit=1\ndeny=1").unwrap();
    let shield = Shield::new(hardest, Memory::default(), [1, 2]);
    let sender = Sender { shield: &shield, who: SIGNED, address: address(1), agent: "sqlmap" };
    let mut hardest = Action::Allow;
    for beat in 0..500 {
        let path = ["/.env", "/v1/export/rows", "/v1/sessions/live-9/report"][beat as usize % 3];
        hardest = hardest.max(sender.send(NOW_MS + beat, path, 404).action);
        hardest = hardest.max(sender.report(NOW_MS + beat, beat, 404).action);
    }
    assert_eq!(hardest, Action::Limit);
}

#[test]
fn operators_are_always_let_through_and_not_remembered() {
    let shield = shield();
    let sender = Sender { shield: &shield, who: Who::Operator, address: address(1), agent: "nikto" };
    for beat in 0..500 {
        assert_eq!(sender.report(NOW_MS, beat, 404).would_be, Action::Allow);
        assert_eq!(sender.send(NOW_MS, "/.env", 404).action, Action::Allow);
    }
    assert_eq!(shield.counts().keys, 0);
}

#[test]
fn five_thousand_people_behind_one_address_are_let_through_beside_an_attacker() {
    let shield = shield();
    let ids: Vec<_> = (0..5_000).map(|person| format!("person-{person}")).collect();
    let attacker =
        Sender { shield: &shield, who: Who::Failed, address: address(1), agent: "python-requests/2" };
    let mut hardest = Action::Allow;
    for minute in 0..10 {
        for (person, id) in (0_u64..).zip(&ids) {
            let who = Who::Token { id, tenant: "t1" };
            let sender = Sender { shield: &shield, who, address: address(1), agent: CHROME };
            let now_ms = NOW_MS + minute * 60_000 + person * 12;
            // A few popular sessions, looked at again and again.
            let verdict = sender.report(now_ms, (person + minute) % 30, 200);
            assert_eq!(verdict.action, Action::Allow, "{:?}", verdict.reasons);
            if person % 2 == 0 {
                hardest = hardest.max(attacker.report(now_ms, person, 401).action);
            }
        }
    }
    // Behind such an address only forms of headers tell: see the attackers' tests.
    assert!(hardest >= Action::Limit, "{hardest:?}");
}

#[test]
fn people_with_an_old_token_behind_a_carriers_address_are_told_so() {
    let shield = shield();
    for beat in 0..20_000 {
        let id = format!("person-{}", beat % 4_000);
        let is_old = beat % 50 == 0;
        let who = if is_old { Who::Failed } else { Who::Token { id: &id, tenant: "t1" } };
        let sender = Sender { shield: &shield, who, address: address(1), agent: CHROME };
        let verdict = sender.report(NOW_MS + beat * 20, beat % 30, if is_old { 401 } else { 200 });
        // The very first come before anybody good was seen there.
        assert!(verdict.action <= Action::Tag, "{beat}: {:?}", verdict.reasons);
    }
}

#[test]
fn dashboards_that_poll_two_hundred_sessions_are_let_through_for_an_hour() {
    for who in [KEY, TOKEN, SIGNED] {
        let shield = shield();
        let sender = Sender { shield: &shield, who, address: address(1), agent: APP };
        for beat in 0..1_800 {
            for session in 0..200 {
                let verdict = sender.report(NOW_MS + beat * 2_000 + session, session, 200);
                assert_eq!(verdict.action, Action::Allow, "{who:?}, {beat}: {:?}", verdict.reasons);
            }
        }
    }
}

#[test]
fn a_script_that_reads_all_of_its_own_sessions_every_night_is_noted_at_most() {
    let shield = shield();
    let sender = Sender { shield: &shield, who: KEY, address: address(1), agent: "python-requests/2.32" };
    for night in 0..3 {
        for session in 0..4_000 {
            let now_ms = NOW_MS + night * 86_400_000 + session * 200;
            let verdict = sender.report(now_ms, night * 4_000 + session, 200);
            assert!(verdict.action <= Action::Slow, "{:?}", verdict.reasons);
            if session < 300 {
                assert!(verdict.action <= Action::Tag, "{session}: {:?}", verdict.reasons);
            }
        }
    }
}

#[test]
fn a_person_who_travels_and_changes_devices_is_noted_at_most() {
    let shield = shield();
    for day in 0..14_u64 {
        for visit in 0..40 {
            let network = if visit % 3 == 0 { 1 } else { (day as u32 * 7 + visit as u32 % 3) * 1_000 };
            let agent = if visit % 4 == 0 { APP } else { CHROME };
            let sender = Sender { shield: &shield, who: TOKEN, address: address(network), agent };
            let now_ms = NOW_MS + day * 86_400_000 + visit * 600_000;
            for beat in 0..10 {
                let verdict = sender.report(now_ms + beat * 5_000, day * 10 + visit % 7, 200);
                assert!(verdict.action <= Action::Tag, "{day}, {visit}: {:?}", verdict.reasons);
            }
        }
    }
}

#[test]
fn our_own_refusals_are_no_evidence() {
    let shield = shield();
    let sender = Sender { shield: &shield, who: KEY, address: address(1), agent: APP };
    for beat in 0..300 {
        let verdict = sender.report(NOW_MS + beat * 1_000, beat, 200);
        for status in [401, 403, 404, 429, 503] {
            let outcome = tandem_shield::Outcome { status, ours: true, replayed: false };
            shield.answered(&verdict.ticket, outcome);
        }
        assert!(verdict.reasons.iter().all(|reason| reason.rule != "not-found"), "{:?}", verdict.reasons);
    }
}

#[test]
fn browsers_that_ask_for_leave_without_a_credential_are_let_through() {
    let shield = shield();
    let headers = http::HeaderMap::new();
    for beat in 0..1_000 {
        let verdict = shield.judge(&tandem_shield::Seen {
            now_ms: NOW_MS + beat,
            address: address(1),
            who: Who::Nobody,
            method: &http::Method::OPTIONS,
            path: "/v1/sessions/live-1/report",
            query: None,
            headers: &headers,
            version: http::Version::HTTP_2,
            fingerprint: None,
        });
        assert!(verdict.action <= Action::Tag);
    }
}
