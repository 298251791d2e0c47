//! What can not be is refused at the start, with exit code 64 and a sentence that says what to do;
//! and a clock that is wrong moves no time.

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use scylla::client::session_builder::SessionBuilder;
use tandem_tests::cluster::{Cluster, Node};
use tandem_tests::program::{Finished, until};
use tandem_tests::services::{Addresses, Services};
use uuid::Uuid;

use crate::alone;
use crate::clock::{HOUR_MS, WrongControl};

const COMPUTE: [&str; 3] = ["compute", "--chain", "a"];

/// A system of its own on the servers that tests share; nothing of it runs yet.
pub(crate) fn cluster(addresses: &Addresses) -> Cluster {
    // Short enough for a keyspace, and a letter first.
    let name = format!("r{:016x}", Uuid::new_v4().as_u64_pair().0);
    Cluster::new(&name, addresses, [1, 1])
}

/// Drops the tables: a server keeps memory and files for each.
pub(crate) async fn gone(cluster: &Cluster) {
    let addresses = shared().addresses();
    for (chain, address) in [("a", &addresses.cql.a), ("b", &addresses.cql.b)] {
        let session = SessionBuilder::new().known_node(address).build().await.expect("the CQL store");
        let drop = format!("DROP KEYSPACE IF EXISTS {}_{chain}", cluster.configuration.name);
        session.query_unpaged(drop, ()).await.expect("it can be dropped");
    }
}

/// The servers that tests share.
pub(crate) fn shared() -> &'static Services {
    tokio::task::block_in_place(Services::shared)
}

/// A configuration that is refused, with what to do about it.
fn refused(finished: &Finished, words: &[&str]) {
    assert_eq!(finished.code, Some(64), "{finished:?}");
    for word in words {
        assert!(finished.stderr.contains(word), "{word:?} is not said: {finished:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_and_tables_that_are_not_as_they_must_be() {
    let _alone = alone().await;
    let cluster = cluster(shared().addresses());
    let name = &cluster.configuration.name;
    for role in [COMPUTE.as_slice(), &["gateway"], &["metronome"]] {
        refused(&cluster.command(role).await, &[name, "there is no topic", "tandem schema apply"]);
    }
    refused(&cluster.command(&["query", "--chain", "b"]).await, &[name, "keyspace", "tandem schema apply"]);
    let status = cluster.command(&["schema", "status"]).await;
    assert_eq!(status.code, Some(1), "{status:?}");
    cluster.apply_schema().await;
    let status = cluster.command(&["schema", "status"]).await;
    assert_eq!(status.code, Some(0), "{status:?}");

    // What is configured and what is there differ: the log decides, and a person is told.
    let status = cluster.command_with(&["schema", "status"], &[("TANDEM__LOG__PARTITIONS", "12")]).await;
    assert_eq!(status.code, Some(1), "{status:?}");
    assert!(status.stdout.contains("set partitions = 6"), "{status:?}");

    // Tables of a later version, and of none.
    let address = &shared().addresses().cql.a;
    let session = SessionBuilder::new().known_node(address).build().await.expect("the CQL store");
    let run = async |text: &str| {
        let text = text.replace("{k}", &format!("{name}_a"));
        session.query_unpaged(text, ()).await.expect("it can be written");
    };
    run("INSERT INTO {k}.schema_versions (name, version, what) VALUES ('tandem', 99, 'later')").await;
    for role in [COMPUTE.as_slice(), &["query", "--chain", "a"], &["schema", "apply"]] {
        refused(&cluster.command(role).await, &["version 99", "newer"]);
    }
    run("TRUNCATE {k}.schema_versions").await;
    refused(&cluster.command(&["query", "--chain", "a"]).await, &["tandem schema apply"]);

    // Somebody made the topic anew, with too few partitions.
    let topic = format!("{name}.dwd.live");
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", &shared().addresses().kafka)
        .create()
        .expect("a client of Kafka");
    let options = AdminOptions::new();
    admin.delete_topics(&[&topic], &options).await.expect("it can be deleted");
    until("the topic can be made anew", async || {
        let new = NewTopic::new(&topic, 2, TopicReplication::Fixed(1));
        admin.create_topics([&new], &options).await.ok()?.pop()?.ok()
    })
    .await;
    let too_few = [&topic, "2 partitions instead of 6", "restore"];
    for role in [COMPUTE.as_slice(), &["gateway"], &["metronome"], &["schema", "apply"]] {
        // It is made; a broker may not have heard of it yet.
        until("Kafka knows the topic", async || {
            let finished = cluster.command(role).await;
            (!finished.stderr.contains("there is no topic")).then(|| refused(&finished, &too_few))
        })
        .await;
    }
    admin.delete_topics(&[&topic], &options).await.expect("it can be deleted");
    for role in [COMPUTE.as_slice(), &["gateway"]] {
        until("Kafka does not know the topic any more", async || {
            let finished = cluster.command(role).await;
            finished
                .stderr
                .contains("there is no topic")
                .then(|| refused(&finished, &["tandem schema apply"]))
        })
        .await;
    }
    gone(&cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_that_are_not_taken() {
    let _alone = alone().await;
    let own = tokio::task::block_in_place(|| Services::start_only(&["redis-a"]));
    let own = own.unwrap_or_else(|error| panic!("the servers: {error}"));
    let redis = own.addresses().redis.a.clone();
    let mut addresses = shared().addresses().clone();
    addresses.redis.a.clone_from(&redis);
    let mut cluster = cluster(&addresses);
    cluster.apply_schema().await;

    let client = redis::Client::open(format!("redis://{redis}")).expect("an address");
    let mut connection = client.get_multiplexed_async_connection().await.expect("Redis");
    let set =
        redis::cmd("CONFIG").arg("SET").arg("requirepass").arg("right").exec_async(&mut connection).await;
    set.expect("it can be set");
    for variables in [vec![], vec![("TANDEM__CHAINS__A__HOT__PASSWORD", "wrong")]] {
        for role in [COMPUTE.as_slice(), &["query", "--chain", "a"]] {
            refused(&cluster.command_with(role, &variables).await, &["chains.a.hot", "password"]);
        }
    }
    // A key that the control nodes do not take.
    cluster.controls.iter_mut().for_each(Node::start);
    for control in &mut cluster.controls {
        control.ready().await;
    }
    for role in [COMPUTE.as_slice(), &["gateway"], &["metronome"]] {
        let variables = [("TANDEM_KEY", "another-key"), ("TANDEM__CHAINS__A__HOT__PASSWORD", "right")];
        refused(&cluster.command_with(role, &variables).await, &["control", "key"]);
    }
    // With all of them right it works.
    let compute = &mut cluster.computes[0].1;
    compute.set("TANDEM__CHAINS__A__HOT__PASSWORD", "right");
    compute.start();
    compute.ready().await;
    cluster.stop().await;
    gone(&cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_an_hour_off_moves_no_time() {
    let _alone = alone().await;
    let mut cluster = cluster(shared().addresses());
    cluster.apply_schema().await;
    for (off_ms, side) in [(HOUR_MS, "behind"), (-HOUR_MS, "ahead of")] {
        let control = WrongControl::start(off_ms).await;
        let metronome = &mut cluster.metronome;
        metronome.set("TANDEM__CONTROL__NODES", &control.url());
        metronome.set("TANDEM__METRONOME__CLOCK_CHECK_MS", "100");
        metronome.start();
        let line = metronome.says(&format!("s {side} the control node's")).await;
        assert!(line.contains("NTP"), "{line}");
        let (status, why) = metronome.page("/readyz").await.expect("the admin port answers");
        assert_eq!(status, 503);
        assert!(why.contains(side), "{why}");
        let metrics = metronome.metrics().await.expect("the admin port answers");
        assert_eq!(metrics.sum("tandem_metronome_beats_total", &[]), 0.0);
        assert!(metrics.sum("tandem_metronome_beats_refused_total", &[]) > 0.0, "{metrics:?}");
        // Set right, it beats.
        control.set_right();
        metronome.ready().await;
        let metrics = metronome.metrics().await.expect("the admin port answers");
        assert!(metrics.sum("tandem_metronome_beats_total", &[]) > 0.0, "{metrics:?}");
        metronome.stop().await;
    }
    gone(&cluster).await;
}
