//! Shared quotas on real servers: the suite, and what gateways do while the server is away.

use std::sync::Arc;

use tandem_limits::{LeaseSettings, Leases, MemoryQuota, Rate, SharedQuota, suite};
use tandem_redis::Quota;

use super::*;

async fn passes(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

#[tokio::test]
async fn a_store_in_memory_passes() {
    let store = MemoryQuota::default();
    suite::shared_quota(&store, async |ms| store.advance(ms * 1_000_000)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_server_passes() {
    let (_services, address) = one_server();
    let quota = Quota::new(single(&address)).unwrap();
    suite::shared_quota(&quota, passes).await;
    // All that is kept goes by itself.
    let keys: Vec<String> = redis::from_redis_value(ask(&address, &["KEYS", "*"]).unwrap()).unwrap();
    assert!(keys.len() > 3, "{keys:?}");
    for key in keys {
        let expires_ms: i64 = redis::from_redis_value(ask(&address, &["PTTL", &key]).unwrap()).unwrap();
        assert!(expires_ms > 0, "{key}: {expires_ms}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_passes() {
    let services = Services::start_only(&["redis-a"]).unwrap();
    let nodes = services.redis_cluster().unwrap().nodes;
    let quota = Quota::new(settings(Mode::Cluster, &nodes[..1])).unwrap();
    suite::shared_quota(&quota, passes).await;
}

/// Three gateways of one limit while their Redis is killed, and comes back empty: they go on, each
/// with its share, and are one limit again.
#[tokio::test(flavor = "multi_thread")]
async fn gateways_go_on_without_it() {
    let (services, address) = one_server();
    let rate = Rate::new(300, 1_000_000_000, 30, false).unwrap();
    let lease_settings = LeaseSettings { gateways: 3, ..LeaseSettings::default() };
    let quota = Arc::new(Quota::new(single(&address)).unwrap());
    let gateways: Vec<Leases> = (0..3).map(|_| Leases::new(lease_settings)).collect();
    let started = std::time::Instant::now();
    let now_ns = || u64::try_from(started.elapsed().as_nanos()).unwrap() + 1_000_000_000;
    // Everybody wants all the time: what is let through in some time, by all together.
    let run = async |for_ms: u64| {
        let (from, mut allowed) = (now_ns(), 0_u64);
        while now_ns() - from < for_ms * 1_000_000 {
            for (index, leases) in gateways.iter().enumerate() {
                while leases.take(9, &rate, now_ns(), 1).is_ok() {
                    allowed += 1;
                }
                let asks = leases.ask(now_ns(), 10);
                let Ok(taking) = quota.take(&format!("g{index}"), &asks).await else {
                    asks.iter().for_each(|ask| leases.failed(ask));
                    continue;
                };
                for (question, granted) in asks.iter().zip(taking.granted) {
                    leases.answered(question, granted);
                }
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let took_s = (now_ns() - from) as f64 / 1e9;
        (allowed, took_s)
    };
    // At most two bursts, what is held and a second's life beyond the rate; the lower bound is loose,
    // as this may share its processor with much else.
    for (stage, is_away) in [(0, false), (1, true), (2, false)] {
        match (stage, is_away) {
            (1, _) => services.kill("redis-a").unwrap(),
            (2, _) => services.start_again("redis-a").unwrap(),
            _ => {}
        }
        let (allowed, took_s) = run(2_000).await;
        let most = 300.0 * (took_s + 1.0) + 3.0 * 30.0 + 15.0;
        assert!(allowed as f64 <= most, "stage {stage}: {allowed} in {took_s} s");
        assert!(allowed >= 150, "stage {stage}: {allowed} in {took_s} s");
    }
    for counts in gateways.iter().map(Leases::counts) {
        assert!(counts.from_share > 0 && counts.answered > 0 && counts.granted > 0, "{counts:?}");
        assert!(counts.failed > 0, "{counts:?}");
    }
}
