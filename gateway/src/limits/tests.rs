//! Limits through the layer, and through the whole stack.

use std::net::IpAddr;

use bytes::Bytes;
use http::{Method, Response};
use tandem_limits::{MemoryQuota, RuleSet};
use tower::ServiceExt;

use tandem_identity::{Credential, Permissions};
use tandem_model::Scope;
use tandem_model::scope::Grants;

use super::*;
use crate::client_address::Peer;
use crate::config::{ClockMode, GatewayConfig};
use crate::testing::{KEY, World, answering, get, json_of, request, saying};

fn limits(rules: &str) -> Arc<Limits> {
    let rules = RuleSet::parse(rules).unwrap();
    Arc::new(Limits::new(&LimitsConfig { rules, keys: 1_000, ..LimitsConfig::default() }))
}

const BY_ADDRESS: &str = "[[rules]]\nname = \"address\"\nkey = \"address\"\nclasses = [\"read\", \"report\", \"page\"]\nrequests = 3\nwindow_s = 60\n";

fn from(address: [u8; 4], path: &str) -> Request<Bytes> {
    let mut request = get(path);
    request.extensions_mut().insert(ClientAddress(IpAddr::from(address)));
    request
}

#[tokio::test(start_paused = true)]
async fn who_asks_too_often_is_told_how_long_to_wait() {
    let service = LimitLayer(limits(BY_ADDRESS)).layer(answering(|_| Response::default()));
    let ask = async |address, path| service.clone().oneshot(from(address, path)).await.unwrap();
    for left in [2, 1, 0] {
        let answer = ask([192, 0, 2, 1], "/v1/sessions").await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["ratelimit"], format!("\"address\";r={left};t=20"));
        assert_eq!(answer.headers()["ratelimit-policy"], "\"address\";q=3;w=60");
        assert!(!answer.headers().contains_key("retry-after"));
    }
    let refused = ask([192, 0, 2, 1], "/v1/sessions/s/report").await;
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    assert_eq!(refused.headers()["retry-after"], "40", "a report costs two");
    assert_eq!(refused.headers()["ratelimit"], "\"address\";r=0;t=20");
    let body = json_of(&refused);
    assert_eq!(body["type"], "urn:tandem:problem:rate-limited");
    assert_eq!(body["violated-policies"], serde_json::json!(["address"]));
    assert!(body["detail"].as_str().unwrap().contains("40 s"));
    // Others are others, and whoever watches over us is nobody.
    assert_eq!(ask([192, 0, 2, 2], "/v1/sessions").await.status(), 200);
    let healthy = ask([192, 0, 2, 1], "/healthz").await;
    assert_eq!(healthy.status(), 200);
    assert!(!healthy.headers().contains_key("ratelimit"));
    // Who waits as long as he was told is let through.
    tokio::time::advance(std::time::Duration::from_secs(40)).await;
    assert_eq!(ask([192, 0, 2, 1], "/v1/sessions/s/report").await.status(), 200);
}

#[tokio::test]
async fn callers_are_who_authentication_says() {
    let mut request = from([192, 0, 2, 1], "/");
    let anonymous = subject_of(&request);
    assert_eq!((anonymous.kind, anonymous.key), (CallerKind::Anonymous, None));
    assert_eq!(anonymous.address, IpAddr::from([192, 0, 2, 1]));
    let scope = Arc::new(Scope::Granted(Grants::default()));
    let of = ("t".into(), "app".into());
    let caller = Caller::of_tenant("k", of, scope, Permissions::default(), Credential::Key);
    request.extensions_mut().insert(caller);
    let subject = subject_of(&request);
    assert_eq!((subject.kind, subject.key, subject.tenant), (CallerKind::Tenant, Some("k"), Some("t")));
    request.extensions_mut().insert(Caller::operator());
    assert_eq!(subject_of(&request).kind, CallerKind::Operator);
    assert_eq!(subject_of(&get("/")).address, NOWHERE);
}

/// Through the stack: the address is the peer's, keys are counted as keys, and what is refused
/// reaches no chain.
#[tokio::test(start_paused = true)]
async fn in_the_stack_addresses_are_peers_and_keys_are_keys() {
    let rules = "[[rules]]\nname = \"strangers\"\nkey = \"anonymous_address\"\nclasses = [\"page\"]\nrequests = 1\nwindow_s = 60\n\
                 [[rules]]\nname = \"operators\"\nkey = \"key\"\ncallers = [\"operator\"]\nclasses = [\"read\"]\nrequests = 2\nwindow_s = 60\n";
    let config = GatewayConfig {
        limits: LimitsConfig { rules: RuleSet::parse(rules).unwrap(), ..LimitsConfig::default() },
        ..GatewayConfig::new(KEY)
    };
    let world = World::with(config, [saying("a"), saying("b")], ClockMode::Live);
    let docs = async |peer: [u8; 4]| {
        let mut request = get("/v1/docs");
        request.headers_mut().insert("x-forwarded-for", HeaderValue::from_static("192.0.2.99"));
        request.extensions_mut().insert(Peer(IpAddr::from(peer)));
        world.send(request).await.status().as_u16()
    };
    assert_eq!((docs([192, 0, 2, 1]).await, docs([192, 0, 2, 1]).await), (200, 429));
    assert_eq!(docs([192, 0, 2, 2]).await, 200);
    for expected in [200, 200, 429] {
        let answer = world.send(request(Method::GET, "/v1/sessions", &[], "")).await;
        assert_eq!(answer.status(), expected);
        assert!(answer.headers().contains_key("tandem-request-id"));
    }
    let counts = world.gateway.limits();
    let operators = counts.rules.iter().find(|counts| counts.rule == "operators").unwrap();
    assert_eq!((operators.allowed, operators.limited), (2, 1));
    // Other rules while it runs: what is known stays, for rules of the same name and window.
    let replace = |rules: String| world.gateway.replace_limits(RuleSet::parse(&rules).unwrap());
    let read = async || world.send(request(Method::GET, "/v1/sessions", &[], "")).await.status();
    replace(rules.replace("requests = 2", "requests = 4"));
    assert_eq!(read().await, 429);
    replace(rules.replace("window_s = 60", "window_s = 61"));
    assert_eq!(read().await, 200);
}

/// A store that never answers costs no request any time: it is decided from the share.
struct Silent;

#[async_trait::async_trait]
impl tandem_limits::SharedQuota for Silent {
    async fn take(
        &self,
        _: &str,
        _: &[tandem_limits::Ask],
    ) -> Result<tandem_limits::Taking, tandem_limits::QuotaError> {
        std::future::pending().await
    }
}

const SHARED: &str = "[[rules]]\nname = \"all\"\nkey = \"address\"\nclasses = [\"read\"]\nrequests = 60\nwindow_s = 60\nburst = 10\nshared = true\n";

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_the_store() {
    let limits = limits(SHARED);
    let service = LimitLayer(Arc::clone(&limits)).layer(answering(|_| Response::default()));
    let sharing = tokio::spawn(share(Arc::clone(&limits), Arc::new(Silent), "g".to_owned()));
    let mut allowed = 0;
    for _ in 0..600 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        let before = Instant::now();
        let answer = service.clone().oneshot(from([192, 0, 2, 1], "/v1/sessions")).await.unwrap();
        assert_eq!(before.elapsed(), std::time::Duration::ZERO);
        allowed += u32::from(answer.status() == 200);
    }
    sharing.abort();
    assert!((68..=71).contains(&allowed), "{allowed}: the whole limit is this gateway's share");
    assert!(limits.limiter.leases().counts().failed > 10);
}

#[tokio::test(start_paused = true)]
async fn two_gateways_are_one_limit() {
    let store = Arc::new(MemoryQuota::default());
    let both = [limits(SHARED), limits(SHARED)];
    let tasks = both.each_ref().map(|limits| {
        let name = format!("{:p}", Arc::as_ptr(limits));
        tokio::spawn(share(
            Arc::clone(limits),
            Arc::clone(&store) as Arc<dyn tandem_limits::SharedQuota>,
            name,
        ))
    });
    let mut allowed = 0;
    for _ in 0..6_000 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        store.advance(10_000_000);
        for limits in &both {
            let service = LimitLayer(Arc::clone(limits)).layer(answering(|_| Response::default()));
            let answer = service.oneshot(from([192, 0, 2, 1], "/v1/sessions")).await.unwrap();
            allowed += u32::from(answer.status() == 200);
        }
    }
    for task in tasks {
        task.abort();
    }
    // 60 in the minute and a burst of 10, the share of each before the store was heard; each on
    // its own would be 140.
    assert!((60..=90).contains(&allowed), "{allowed}");
}
