use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::caller::CallerKind;
use crate::lease::LeaseSettings;

const SECOND_NS: u64 = 1_000_000_000;

fn limiter(text: &str) -> Limiter {
    let set = RuleSet::parse(text).unwrap();
    Limiter::new(set, 1_000, Leases::new(LeaseSettings::default()), [1, 2])
}

fn rule(name: &str, key: &str, requests: u64, window_s: u64, more: &str) -> String {
    format!(
        "[[rules]]\nname = \"{name}\"\nkey = \"{key}\"\nrequests = {requests}\nwindow_s = {window_s}\n\
         classes = [\"read\", \"report\"]\n{more}\n"
    )
}

fn user<'a>(key: &'a str, tenant: &'a str) -> Subject<'a> {
    let address = IpAddr::from([192, 0, 2, 1]);
    Subject { kind: CallerKind::Tenant, key: Some(key), tenant: Some(tenant), address }
}

fn counts_of(limiter: &Limiter, name: &str) -> (u64, u64, u64) {
    let counts = limiter.counts().into_iter().find(|counts| counts.rule == name).unwrap();
    (counts.allowed, counts.limited, counts.shadow_limited)
}

#[test]
fn the_first_rule_that_refuses_is_told_and_none_is_charged() {
    let limiter = limiter(&(rule("key", "key", 3, 60, "") + &rule("tenant", "tenant", 100, 60, "")));
    for left in [2, 1, 0] {
        let decision = limiter.decide(&user("k", "t"), RouteClass::Read, SECOND_NS);
        assert!(decision.is_allowed());
        assert_eq!(decision.limit_field().unwrap(), format!("\"key\";r={left};t=20"));
        assert_eq!(decision.policy_field().unwrap(), "\"key\";q=3;w=60, \"tenant\";q=100;w=60");
        assert_eq!(decision.retry_after_s(), None);
    }
    for _ in 0..5 {
        let decision = limiter.decide(&user("k", "t"), RouteClass::Read, SECOND_NS);
        assert_eq!(decision.refused_by().collect::<Vec<_>>(), ["key"]);
        assert_eq!(decision.retry_after_s(), Some(20));
        assert_eq!(decision.limit_field().unwrap(), "\"key\";r=0;t=20");
    }
    // The tenant was charged three times, not eight.
    let decision = limiter.decide(&user("other", "t"), RouteClass::Report, SECOND_NS);
    assert!(decision.is_allowed(), "another key is another key");
    assert_eq!(counts_of(&limiter, "key"), (4, 5, 0));
    assert_eq!(counts_of(&limiter, "tenant"), (4, 0, 0));
}

#[test]
fn what_would_be_refused_is_told_without_a_charge() {
    let text = "[[rules]]\nname = \"guesses\"\nkey = \"anonymous_address\"\nclasses = [\"failure\"]\n\
                requests = 20\nwindow_s = 60\n";
    let limiter = limiter(text);
    let address = IpAddr::from([192, 0, 2, 1]);
    let nobody = Subject { kind: CallerKind::Anonymous, key: None, tenant: None, address };
    let refused = || limiter.would_refuse(&nobody, RouteClass::Failure, SECOND_NS);
    for _ in 0..2 {
        assert!((0..10).all(|_| refused().is_none()));
        assert!(limiter.decide(&nobody, RouteClass::Failure, SECOND_NS).is_allowed());
    }
    let refused = refused().unwrap();
    assert_eq!((refused.retry_after_s(), refused.refused_by().collect()), (Some(30), vec!["guesses"]));
    assert!(limiter.would_refuse(&nobody, RouteClass::Read, SECOND_NS).is_none());
    assert_eq!(counts_of(&limiter, "guesses"), (2, 0, 0));
}

#[test]
fn a_dear_request_waits_for_longer_than_the_next_unit() {
    let limiter = limiter(&rule("key", "key", 6, 60, "burst = 2"));
    assert!(limiter.decide(&user("k", "t"), RouteClass::Report, SECOND_NS).is_allowed());
    let decision = limiter.decide(&user("k", "t"), RouteClass::Report, SECOND_NS);
    assert_eq!(decision.retry_after_s(), Some(20));
    assert_eq!(decision.limit_field().unwrap(), "\"key\";r=0;t=10");
    assert!(!limiter.decide(&user("k", "t"), RouteClass::Report, 20 * SECOND_NS).is_allowed());
    assert!(limiter.decide(&user("k", "t"), RouteClass::Report, 21 * SECOND_NS).is_allowed());
}

#[test]
fn a_shadow_counts_and_refuses_nothing() {
    let shadow = rule("shadow", "key", 2, 60, "shadow = true");
    let limiter = limiter(&(shadow + &rule("real", "key", 5, 60, "")));
    for _ in 0..5 {
        let decision = limiter.decide(&user("k", "t"), RouteClass::Read, SECOND_NS);
        assert!(decision.is_allowed());
        assert!(!decision.policy_field().unwrap().contains("shadow"), "it is not announced");
        assert!(!decision.limit_field().unwrap().contains("shadow"));
    }
    assert!(!limiter.decide(&user("k", "t"), RouteClass::Read, SECOND_NS).is_allowed());
    assert_eq!(counts_of(&limiter, "shadow"), (2, 0, 4));
    assert_eq!(counts_of(&limiter, "real"), (5, 1, 0));
}

#[test]
fn no_rule_no_limit_no_fields() {
    let limiter = limiter(&rule("key", "key", 1, 60, "burst = 2"));
    for _ in 0..10 {
        let decision = limiter.decide(&user("k", "t"), RouteClass::Write, SECOND_NS);
        assert!(decision.is_allowed());
        assert_eq!((decision.policy_field(), decision.limit_field()), (None, None));
    }
}

#[test]
fn state_and_counts_stay_when_rules_are_replaced() {
    let limiter = limiter(&(rule("a", "key", 10, 60, "") + &rule("b", "tenant", 100, 60, "")));
    for _ in 0..5 {
        assert!(limiter.decide(&user("k", "t"), RouteClass::Read, SECOND_NS).is_allowed());
    }
    let ask = || limiter.decide(&user("k", "t"), RouteClass::Read, SECOND_NS).is_allowed();
    // Another order, another size, the same window: it goes on counting.
    let replace = |text: String| limiter.replace(RuleSet::parse(&text).unwrap());
    replace(rule("new", "tenant", 90, 60, "") + &rule("a", "key", 20, 60, ""));
    assert_eq!((0..20).filter(|_| ask()).count(), 10, "half of it was spent, and half of it is");
    assert_eq!(counts_of(&limiter, "a"), (15, 10, 0));
    // Gone and back again: what is still owed is still known.
    replace(String::new());
    assert!(ask());
    replace(rule("a", "key", 10, 60, ""));
    assert!(!ask());
    // Another window is another rule.
    replace(rule("a", "key", 10, 61, ""));
    assert!(ask());
}

#[test]
fn a_shared_rule_is_decided_from_leases() {
    let limiter = limiter(&rule("all", "tenant", 100, 1, "shared = true\nburst = 10"));
    for _ in 0..10 {
        assert!(limiter.decide(&user("k", "t"), RouteClass::Read, SECOND_NS).is_allowed());
    }
    assert!(!limiter.decide(&user("k", "t"), RouteClass::Read, SECOND_NS).is_allowed());
    let [ask] = limiter.leases().ask(SECOND_NS, 10)[..] else { panic!("one question") };
    assert_eq!(ask.debt, 10);
    limiter.leases().answered(&ask, crate::lease::Granted { units: 3, wait_ns: 0 });
    let allowed =
        (0..5).filter(|_| limiter.decide(&user("k", "t"), RouteClass::Read, SECOND_NS).is_allowed());
    assert_eq!(allowed.count(), 3);
}

/// Threads against three rules of which each is the tightest for somebody.
#[test]
fn threads_pass_no_limit() {
    let limiter = limiter(&(rule("key", "key", 300, 6_000, "") + &rule("tenant", "tenant", 500, 6_000, "")));
    let keys = ["a", "b", "c", "d"];
    let allowed: Vec<usize> = std::thread::scope(|scope| {
        let hammer = |key| {
            let limiter = &limiter;
            move || {
                let ask = |_: &i32| limiter.decide(&user(key, "t"), RouteClass::Read, SECOND_NS).is_allowed();
                (0..400).filter(ask).count()
            }
        };
        let threads: Vec<_> = keys.into_iter().map(|key| scope.spawn(hammer(key))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(allowed.iter().all(|of_one| *of_one <= 300), "{allowed:?}");
    let all: usize = allowed.iter().sum();
    assert!(all <= 500, "{allowed:?}");
    // Charges that could not be taken back are few.
    assert!(all >= 490, "{allowed:?}");
}

proptest! {
    /// What is refused costs nothing: with the refused requests left out, all is decided as before.
    #[test]
    fn refused_requests_are_not_charged(
        requests in proptest::collection::vec((0..3_usize, 0..2_usize, any::<bool>(), 0..3_000_u64), 1..200),
    ) {
        let text = rule("key", "key", 5, 1, "burst = 4")
            + &rule("tenant", "tenant", 6, 1, "burst = 5")
            + &rule("shadow", "tenant", 3, 1, "burst = 2\nshadow = true")
            + &rule("address", "address", 9, 1, "strict = true\nburst = 6");
        let (first, second) = (limiter(&text), limiter(&text));
        let mut now = SECOND_NS;
        for (key, tenant, is_report, step_ms) in requests {
            now += step_ms * 100_000;
            let subject = user(["a", "b", "c"][key], ["s", "t"][tenant]);
            let class = if is_report { RouteClass::Report } else { RouteClass::Read };
            if first.decide(&subject, class, now).is_allowed() {
                let again = second.decide(&subject, class, now);
                prop_assert!(again.is_allowed());
            }
            let hits = |limiter: &Limiter| -> Vec<Standing> {
                let set = limiter.rules();
                let hits = limiter.hits(&set, &subject, class);
                hits.iter().map(|hit| match hit.key {
                    HitKey::Own(key) => limiter.table.standing(key, &hit.rate, now),
                    HitKey::Shared(_) => unreachable!(),
                }).collect()
            };
            prop_assert_eq!(hits(&first), hits(&second));
        }
    }
}
