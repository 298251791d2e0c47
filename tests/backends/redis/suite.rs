//! The suite of the port, on each kind of server.

use std::sync::Arc;

use tandem_storage::suite;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_single_server_passes() {
    let (_services, address) = one_server();
    let hot = Arc::new(open(single(&address)).await);
    suite::hot_store(hot, async || {
        ask(&address, &["FLUSHALL"]).unwrap();
    })
    .await;
}

/// What is lost is lost with the functions, and noticed by a writer that did not notice the
/// restart.
#[tokio::test(flavor = "multi_thread")]
async fn a_single_server_that_restarts_passes() {
    let (services, address) = one_server();
    let hot = Arc::new(open(single(&address)).await);
    suite::hot_store(hot, async || {
        services.kill("redis-a").unwrap();
        services.start_again("redis-a").unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_behind_sentinels_passes() {
    let services = Services::start_only(&["redis-a"]).unwrap();
    let sentinel = services.redis_sentinel().unwrap();
    let settings =
        Settings { service_name: sentinel.service.clone(), ..settings(Mode::Sentinel, &sentinel.sentinels) };
    let hot = Arc::new(open(settings).await);
    suite::hot_store(hot, async || {
        ask(&sentinel.primary, &["FLUSHALL"]).unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_passes() {
    let services = Services::start_only(&["redis-a"]).unwrap();
    let nodes = services.redis_cluster().unwrap().nodes;
    // One node is enough to find the others.
    let hot = Arc::new(open(settings(Mode::Cluster, &nodes[..1])).await);
    suite::hot_store(hot, async || {
        for node in &nodes {
            ask(node, &["FLUSHALL"]).unwrap();
        }
    })
    .await;
}
