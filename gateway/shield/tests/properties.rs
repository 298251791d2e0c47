//! What holds for any requests and any rules.

mod common;

use common::{APP, KEY, NOW_MS, Sender, address, shield};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use proptest::prelude::*;
use tandem_shield::{Action, Memory, Name, Outcome, Rules, Seen, Shield, Who};

fn who(kind: u8, id: &str) -> Who<'_> {
    match kind % 6 {
        0 => Who::Nobody,
        1 => Who::Failed,
        2 => Who::Key { id, tenant: "t" },
        3 => Who::Token { id, tenant: "t" },
        4 => Who::Signed { id, tenant: "t" },
        _ => Who::Operator,
    }
}

fn small() -> Memory {
    Memory { addresses: 16, credentials: 16, pairs: 16, wide: 2, claims: 2 }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_head_panics_and_every_verdict_can_be_told(
        requests in prop::collection::vec(
            (any::<u8>(), "[a-c]{1,2}", "[/a-z.%0-9\\PC]{0,60}", prop::option::of("\\PC{0,40}"), any::<u64>(), any::<[u8; 16]>()),
            1..30,
        ),
        fields in prop::collection::vec(("[a-z-]{1,20}", prop::collection::vec(any::<u8>(), 0..200)), 0..20),
        agent in prop::collection::vec(32_u8..127, 0..300),
    ) {
        let shield = Shield::new(Rules::default(), small(), [1, 2]);
        let mut headers = HeaderMap::new();
        for (name, value) in &fields {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value)) {
                headers.append(name, value);
            }
        }
        headers.insert("user-agent", HeaderValue::from_bytes(&agent).unwrap());
        for (kind, id, path, query, now_ms, bytes) in &requests {
            let verdict = shield.judge(&Seen {
                now_ms: *now_ms,
                address: bytes.map(|byte| byte % 3).into(),
                who: who(*kind, id),
                method: &Method::GET,
                path,
                query: query.as_deref(),
                headers: &headers,
                version: Version::HTTP_10,
                fingerprint: Some(*now_ms),
            });
            for reason in &verdict.reasons {
                prop_assert!(reason.to_string().contains(": "));
            }
            // No rule of those that come with the crate only observes.
            prop_assert_eq!(verdict.action, verdict.would_be);
            let status = if kind % 2 == 0 { 404 } else { 200 };
            shield.answered(&verdict.ticket, Outcome { status, ours: kind % 3 == 0, replayed: kind % 5 == 0 });
        }
    }

    #[test]
    fn memory_is_bounded_by_what_was_given(senders in 1_000_u32..3_000) {
        let shield = Shield::new(Rules::default(), small(), [1, 2]);
        for number in 0..senders {
            let id = number.to_string();
            let who = who((number % 5) as u8, &id);
            let sender = Sender { shield: &shield, who, address: address(number * 300), agent: "Googlebot/2.1" };
            sender.report(NOW_MS + u64::from(number), 1, 200);
        }
        let counts = shield.counts();
        prop_assert!(counts.keys <= 16 * 3 + 8_192, "{}", counts.keys);
        prop_assert!(counts.bytes < 4 << 20, "{}", counts.bytes);
        prop_assert!(counts.evictions > 0 && counts.claims_dropped > 0);
        prop_assert!(shield.pending().len() <= 2);
    }

    #[test]
    fn more_points_never_make_an_action_milder(one in any::<u16>(), other in any::<u16>()) {
        let thresholds = Rules::default().thresholds();
        prop_assert!(thresholds.action(one.min(other)) <= thresholds.action(one.max(other)));
    }
}

#[test]
fn more_of_the_same_never_lowers_the_score() {
    for status in [200, 404] {
        let shield = shield();
        let sender = Sender { shield: &shield, who: KEY, address: address(1), agent: APP };
        let mut highest = 0;
        for session in 0..120 {
            let score = sender.report(NOW_MS + session * 100, session * 7, status).score;
            assert!(score >= highest, "{session}: {score} after {highest}");
            highest = score;
        }
        assert_eq!(highest > 0, status == 404);
    }
}

#[test]
fn other_rules_leave_what_is_remembered_and_have_a_say_at_once() {
    let shield = shield();
    let sender = Sender { shield: &shield, who: KEY, address: address(1), agent: APP };
    for session in 0..60 {
        sender.report(NOW_MS + session * 100, session * 7, 404);
    }
    let keys = shield.counts().keys;
    assert!(sender.report(NOW_MS + 7_000, 9_999, 404).action >= Action::Limit);
    shield.replace(Rules::parse("[[rules]]\nname = \"not-found\"\nobserve = true").unwrap());
    let verdict = sender.report(NOW_MS + 7_100, 10_999, 404);
    assert_eq!((verdict.action, verdict.score), (Action::Allow, 0));
    assert!(verdict.would_be >= Action::Limit);
    assert!(verdict.reasons.iter().all(|reason| reason.observed));
    assert_eq!(shield.counts().keys, keys);
    shield.replace(Rules::default());
    assert!(sender.report(NOW_MS + 7_200, 11_999, 404).action >= Action::Limit);
}

#[test]
fn threads_that_judge_at_once_lose_no_request() {
    let shield = shield();
    std::thread::scope(|scope| {
        for number in 0..4 {
            let shield = &shield;
            scope.spawn(move || {
                let sender = Sender { shield, who: KEY, address: address(number * 300), agent: APP };
                for session in 0..500 {
                    sender.report(NOW_MS + session, session, 200);
                }
            });
        }
    });
    let counts = shield.counts();
    assert_eq!(counts.actions.iter().map(|(_, count)| count).sum::<u64>(), 2_000);
    // Four addresses, a form of headers, a credential, and that from four networks.
    assert_eq!(counts.keys, 10);
}

#[test]
fn counts_say_what_was_done() {
    let shield = shield();
    let sender = Sender { shield: &shield, who: Who::Nobody, address: address(1), agent: "sqlmap/1" };
    for _ in 0..3 {
        assert!(sender.send(NOW_MS, "/v1/status", 200).action >= Action::Limit);
    }
    let counts = shield.counts();
    let tool = counts.rules.iter().find(|count| count.rule == Name::AgentTool.text()).unwrap();
    assert_eq!((tool.fired, tool.observed), (3, 0));
    assert_eq!(counts.actions.iter().map(|(_, count)| count).sum::<u64>(), 3);
    assert_eq!(counts.keys, 1);
}

#[test]
fn requests_without_anything_odd_have_no_reasons_and_no_memory_for_them() {
    let shield = shield();
    let sender = Sender { shield: &shield, who: KEY, address: address(1), agent: APP };
    let verdict = sender.report(NOW_MS, 1, 200);
    assert_eq!((verdict.reasons.capacity(), verdict.score), (0, 0));
}
