//! A cluster: partitions spread over nodes, one node dies, another is asked the wrong thing.

use tandem_storage::suite::fixtures;

use super::*;

fn whole(partition: PartitionId) -> SessionRows {
    SessionRows { partition, ..fixtures::session_rows("s", 10, 100) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_node_takes_its_partitions_only() {
    let services = Services::start_only(&["redis-a"]).unwrap();
    let nodes = services.redis_cluster().unwrap().nodes;
    let hot = open(Settings { call_timeout_ms: 2_000, ..settings(Mode::Cluster, &nodes) }).await;
    for node in &nodes {
        // Without replicas a cluster stops as a whole when a node is gone; not this one.
        ask(node, &["CONFIG", "SET", "cluster-require-full-coverage", "no"]).unwrap();
    }
    let partitions: Vec<_> = (0..24).map(PartitionId).collect();
    for partition in &partitions {
        let incarnation = hot.begin(*partition, Cut { next: 10, clock: 1 }).await.unwrap().unwrap();
        hot.put(incarnation, whole(*partition)).await.unwrap();
    }
    let keys = |node: &String| match ask(node, &["DBSIZE"]).unwrap() {
        redis::Value::Int(keys) => keys,
        other => panic!("{other:?}"),
    };
    let sizes: Vec<_> = nodes.iter().map(keys).collect();
    assert!(sizes.iter().all(|size| *size > 0) && sizes.iter().sum::<i64>() == 48, "{sizes:?}");

    services.kill("redis-cluster-1").unwrap();
    let (mut there, mut away) = (0, 0);
    for partition in &partitions {
        match hot.session(*partition, "s").await {
            Ok(seen) => {
                assert_eq!(seen.session.as_deref(), Some(&whole(*partition)));
                there += 2;
            }
            Err(error) => {
                assert!(error.is_retryable(), "{error}");
                away += 2;
            }
        }
    }
    assert_eq!((away, there), (sizes[0], sizes[1] + sizes[2]));

    // It comes back empty, and without the functions.
    services.start_again("redis-cluster-1").unwrap();
    for partition in &partitions {
        let seen = persistently(async || hot.session(*partition, "s").await).await;
        if seen.progress.is_none() {
            let begun = persistently(async || hot.begin(*partition, Cut { next: 20, clock: 1 }).await).await;
            hot.put(begun.unwrap(), whole(*partition)).await.unwrap();
            assert!(hot.session(*partition, "s").await.unwrap().session.is_some());
        }
    }
}

/// A node that accepts and does not answer must not take the others with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_node_takes_its_partitions_only() {
    let services = Services::start_only(&["redis-a"]).unwrap();
    let nodes = services.redis_cluster().unwrap().nodes;
    let quick = Settings { call_timeout_ms: 1_000, ..settings(Mode::Cluster, &nodes) };
    let hot = open(quick.clone()).await;
    for node in &nodes {
        ask(node, &["CONFIG", "SET", "cluster-require-full-coverage", "no"]).unwrap();
        // Nobody votes it out, however long it takes.
        ask(node, &["CONFIG", "SET", "cluster-node-timeout", "600000"]).unwrap();
    }
    let partitions: Vec<_> = (0..24).map(PartitionId).collect();
    for partition in &partitions {
        let incarnation = hot.begin(*partition, Cut { next: 10, clock: 1 }).await.unwrap().unwrap();
        hot.put(incarnation, whole(*partition)).await.unwrap();
    }
    let on_the_frozen = match ask(&nodes[0], &["DBSIZE"]).unwrap() {
        redis::Value::Int(keys) => keys / 2,
        other => panic!("{other:?}"),
    };
    services.pause("redis-cluster-1").unwrap();
    // A process that starts now finds the others, too; it asks the frozen one first.
    for hot in [hot, Hot::new(quick, Chain::A, LOG, 0).unwrap()] {
        let mut away = Vec::new();
        for _ in 0..2 {
            away.clear();
            for partition in &partitions {
                match hot.session(*partition, "s").await {
                    Ok(seen) => assert_eq!(seen.session.as_deref(), Some(&whole(*partition))),
                    Err(error) => {
                        assert!(error.is_retryable(), "{error}");
                        away.push(error.to_string());
                    }
                }
            }
        }
        assert_eq!(away.len() as i64, on_the_frozen, "{away:#?}");
    }
    services.resume("redis-cluster-1").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wrong_mode_is_told() {
    let services = Services::start_only(&["redis-a"]).unwrap();
    let nodes = services.redis_cluster().unwrap().nodes;
    let alone = services.addresses().redis.a.clone();
    // A cluster's client needs a cluster.
    let error = Hot::open(settings(Mode::Cluster, &[alone]), Chain::A, LOG, 0).await.map(drop).unwrap_err();
    assert!(error.to_string().contains("mode"), "{error}");
    // One node of a cluster answers for its own keys only.
    let hot = Hot::new(single(&nodes[0]), Chain::A, LOG, 0).unwrap();
    let mut told = 0;
    for partition in 0..12 {
        if let Err(error) = hot.progress(PartitionId(partition)).await {
            assert!(error.to_string().contains("mode = \"cluster\""), "{error}");
            told += 1;
        }
    }
    assert!(told > 0);
}
