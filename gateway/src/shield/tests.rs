use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use tandem_identity::Permissions;
use tandem_shield::challenge::zero_bits;
use tandem_shield::{Action, Rules};

use super::*;
use crate::ChainService;
use crate::config::{ClockMode, GatewayConfig};
use crate::testing::{KEY, World, chain, get, json_of, request, saying, tenant_key, tenant_keys};

fn world(mode: ShieldMode, rules: &str) -> World {
    world_of(mode, rules, [saying("a"), saying("b")])
}

fn world_of(mode: ShieldMode, rules: &str, chains: [ChainService; 2]) -> World {
    let mut config = GatewayConfig::new(KEY);
    config.shield.mode = mode;
    config.shield.rules = Rules::parse(rules).unwrap();
    let world = World::with(config, chains, ClockMode::Live);
    world.gateway.use_keys(tenant_keys());
    world
}

/// A scanner's request, with a key that is good or with none.
fn probe(key: Option<&str>) -> Request<Bytes> {
    let mut request = get("/v1/sessions/x/report");
    *request.uri_mut() = "/v1/.env".parse().unwrap();
    request.headers_mut().insert("user-agent", HeaderValue::from_static("sqlmap/1.8"));
    if let Some(key) = key {
        let value = HeaderValue::try_from(format!("Bearer {key}")).unwrap();
        request.headers_mut().insert("authorization", value);
    }
    request
}

fn action(world: &World, action: Action) -> u64 {
    world.shared.guard.counts().actions[action as usize].1
}

#[tokio::test]
async fn who_only_observes_lets_everybody_through_and_can_explain() {
    let world = world(ShieldMode::Observe, "");
    let mut last = None;
    for _ in 0..20 {
        let answer = world.send(probe(None)).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        last = Some(answer);
    }
    assert!(action(&world, Action::Deny) > 0);
    let id = last.unwrap().headers()["tandem-request-id"].to_str().unwrap().to_owned();
    let path = format!("/v1/shield/verdicts/{id}");
    let explained = json_of(&world.ask(Method::GET, &path, &[]).await);
    assert_eq!(explained["request_id"], id);
    assert_eq!((&explained["action"], &explained["enforced"]), (&"deny".into(), &false.into()));
    assert_eq!((&explained["caller"], &explained["path"]), (&"nobody".into(), &"/v1/.env".into()));
    let rules: Vec<&str> = explained["reasons"]
        .as_array()
        .unwrap()
        .iter()
        .map(|reason| reason["rule"].as_str().unwrap())
        .collect();
    assert!(rules.contains(&"honeypot") && rules.contains(&"agent-tool"), "{explained}");
}

#[tokio::test]
async fn who_is_no_operator_learns_nothing_about_verdicts() {
    let world = world(ShieldMode::Observe, "");
    let answer = world.send(probe(None)).await;
    let id = answer.headers()["tandem-request-id"].to_str().unwrap();
    let key = tenant_key("read").to_text();
    for id in [id, "never"] {
        let mut foreign = get(&format!("/v1/shield/verdicts/{id}"));
        let value = HeaderValue::try_from(format!("Bearer {key}")).unwrap();
        foreign.headers_mut().insert("authorization", value);
        assert_eq!(world.send(foreign).await.status(), StatusCode::NOT_FOUND);
    }
    assert_eq!(
        world.ask(Method::GET, "/v1/shield/verdicts/never", &[]).await.status(),
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn scanners_are_denied_and_their_neighbours_with_a_key_are_not() {
    let world = world(ShieldMode::Enforce, "");
    let mut denied = 0;
    for _ in 0..20 {
        denied += usize::from(world.send(probe(None)).await.status() == StatusCode::FORBIDDEN);
    }
    assert!(denied >= 15, "{denied}");
    assert_eq!(json_of(&world.send(probe(None)).await)["type"], "urn:tandem:problem:blocked");
    // The same address.
    let mut honest = get("/v1/sessions/s/report");
    let key = tenant_key("read").to_text();
    let value = HeaderValue::try_from(format!("Bearer {key}")).unwrap();
    honest.headers_mut().insert("authorization", value);
    assert_eq!(world.send(honest).await.status(), StatusCode::OK);
    // And whoever shows nothing there and asks for what is public is no scanner for asking.
    assert_eq!(
        world.send(request(Method::GET, "/v1/sessions/s/report", &[], "")).await.status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn nothing_is_judged_where_it_is_off_and_a_change_is_in_force_at_once() {
    let world = world(ShieldMode::Off, "");
    for _ in 0..20 {
        assert_eq!(world.send(probe(None)).await.status(), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(world.shared.guard.counts().keys, 0);
    let mut config = GatewayConfig::new(KEY);
    config.shield.mode = ShieldMode::Enforce;
    world.gateway.replace_config(config).unwrap();
    for _ in 0..5 {
        world.send(probe(None)).await;
    }
    assert_eq!(world.send(probe(None)).await.status(), StatusCode::FORBIDDEN);
}

/// Whoever shows no user agent is asked for a proof of work.
const CHALLENGING: &str = "[[rules]]\nname = \"agent-missing\"\npoints = 50\npoints_known = 50\n\
                           [challenge]\ncallers = [\"nobody\", \"token\", \"key\"]\n";

#[tokio::test]
async fn a_challenge_is_solved_once_and_spares_further_ones() {
    let world = world(ShieldMode::Enforce, CHALLENGING);
    let key = tenant_key("read").to_text();
    let asking = |headers: &[(&'static str, &str)]| {
        let mut request = get("/v1/sessions/s/report");
        let value = HeaderValue::try_from(format!("Bearer {key}")).unwrap();
        request.headers_mut().insert("authorization", value);
        for (name, value) in headers {
            request.headers_mut().insert(*name, HeaderValue::try_from(*value).unwrap());
        }
        request
    };
    let refused = world.send(asking(&[])).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let reason = json_of(&refused);
    assert_eq!(reason["type"], "urn:tandem:problem:proof-needed");
    let (puzzle, bits) = (reason["challenge"].as_str().unwrap(), reason["bits"].as_u64().unwrap());
    let wrong = world.send(asking(&[("tandem-proof", &format!("{puzzle} nonsense"))])).await;
    assert!(json_of(&wrong)["detail"].as_str().unwrap().contains("not taken"));
    let solution = (0_u64..)
        .map(|number| number.to_string())
        .find(|text| u64::from(zero_bits(puzzle, text)) >= bits)
        .unwrap();
    let proof = format!("{puzzle} {solution}");
    let cleared = world.send(asking(&[("tandem-proof", &proof)])).await;
    assert_eq!(cleared.status(), StatusCode::OK);
    let clearance = cleared.headers()["tandem-clearance"].to_str().unwrap();
    assert_eq!(world.send(asking(&[("tandem-clearance", clearance)])).await.status(), StatusCode::OK);
    assert_eq!(
        world.send(asking(&[("tandem-proof", &proof)])).await.status(),
        StatusCode::FORBIDDEN,
        "again"
    );
}

#[tokio::test(start_paused = true)]
async fn who_is_slowed_waits_and_beyond_the_room_for_that_is_limited() {
    let mut config = GatewayConfig::new(KEY);
    config.shield.mode = ShieldMode::Enforce;
    config.shield.slowed_max = 1;
    config.shield.rules =
        Rules::parse("[[rules]]\nname = \"agent-missing\"\npoints = 30\npoints_known = 30\n").unwrap();
    let world = Arc::new(World::with(config, [saying("a"), saying("b")], ClockMode::Live));
    world.gateway.use_keys(tenant_keys());
    let key = tenant_key("read").to_text();
    let asking = |path: &str| {
        let mut request = get(path);
        let value = HeaderValue::try_from(format!("Bearer {key}")).unwrap();
        request.headers_mut().insert("authorization", value);
        request
    };
    let began = tokio::time::Instant::now();
    let first = tokio::spawn({
        let (world, request) = (Arc::clone(&world), asking("/v1/sessions/s/report"));
        async move { world.send(request).await }
    });
    tokio::task::yield_now().await;
    let second = world.send(asking("/v1/sessions/t/report")).await;
    assert_eq!(second.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(second.headers().contains_key("retry-after"));
    assert_eq!(first.await.unwrap().status(), StatusCode::OK);
    assert!(began.elapsed() >= Duration::from_millis(500));
}

/// What both posts of events here bring.
const START_AND_ENTER: &str = concat!(
    r#"{"event_id":"e1","type":"session_start","ts":1000,"session_id":"s","anchor_id":"a1","room_id":"r","#,
    r#""title":"t","category":"c","anchor_name":"n","anchor_fans":1,"content_type":"c","region":"r"}"#,
    "\n",
    r#"{"event_id":"e2","type":"enter","ts":1000,"session_id":"s","user_id":"u"}"#,
);

#[tokio::test(start_paused = true)]
async fn events_of_a_doubted_key_are_marked_where_verdicts_are_carried_out() {
    let slowing = "[[rules]]\nname = \"agent-missing\"\npoints = 30\npoints_known = 30\n";
    for (mode, doubted) in [(ShieldMode::Enforce, 1), (ShieldMode::Observe, 0)] {
        let nobodys = || chain(|_| async { Ok(problem(&Problem::unknown_session("test"))) });
        let world = world_of(mode, slowing, [nobodys(), nobodys()]);
        let mut posted = request(Method::POST, "/v1/events", &[], START_AND_ENTER);
        let value = HeaderValue::try_from(format!("Bearer {}", tenant_key("write").to_text())).unwrap();
        posted.headers_mut().insert("authorization", value);
        let answer = world.send(posted).await;
        assert_eq!(answer.status(), StatusCode::OK, "{:?}", answer.body());
        assert_eq!(world.shared.ingest.counts().suspect, doubted, "{mode:?}");
    }
}

#[test]
fn who_is_a_program_by_its_nature_is_not_doubted_for_being_one() {
    let may = Permissions { operate: false, ..Permissions::ALL };
    let caller = |how| Caller { how, may, ..Caller::operator() };
    for (how, from) in [
        (Credential::Jwt, Some(Action::Tag)),
        (Credential::Key, Some(Action::Slow)),
        (Credential::Signature, None),
    ] {
        for action in Action::ALL {
            let expected = from.is_some_and(|from| action >= from);
            assert_eq!(is_doubted(Some(&caller(how)), action), expected, "{how:?} {action:?}");
        }
    }
    assert!(!is_doubted(None, Action::Deny));
    assert!(!is_doubted(Some(&Caller::operator()), Action::Deny));
}
