//! `tandem schema` and what is refused without it.

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use tandem_kafka::{Error, KafkaLog, Purpose, Settings, schema};
use tandem_storage::EventLog;

use super::{lines, open, prepared, settings};

fn admin(settings: &Settings) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", settings.brokers.join(",")).create().expect("admin")
}

async fn create(settings: &Settings, name: &str, partitions: i32, configuration: &[(&str, &str)]) {
    let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    for (key, value) in configuration {
        topic = topic.set(key, value);
    }
    let outcome = admin(settings).create_topics([&topic], &AdminOptions::new()).await.expect("asked");
    outcome[0].as_ref().expect("created");
    // Brokers hear of it a moment later.
    while !is_there(settings, name).await {}
}

async fn is_there(settings: &Settings, name: &str) -> bool {
    let status = schema::status(settings).await.expect("status");
    status.topics.iter().any(|topic| topic.name == name && topic.found.is_some())
}

async fn delete(settings: &Settings, name: &str) {
    let outcome = admin(settings).delete_topics(&[name], &AdminOptions::new()).await.expect("asked");
    outcome[0].as_ref().expect("deleted");
    while is_there(settings, name).await {}
}

#[tokio::test(flavor = "multi_thread")]
async fn applying_twice_is_applying_once() {
    let settings = settings();
    let before = schema::status(&settings).await.expect("status");
    assert!(!before.is_good() && before.identity.is_none());
    assert_eq!(before.topics.len(), 4);
    assert!(before.topics.iter().all(|topic| topic.found.is_none() && topic.problems.len() == 1));

    let first = schema::apply(&settings).await.expect("applied");
    assert_eq!(first.created.len(), 4);
    assert!(first.status.is_good(), "{:?}", first.status);
    assert_eq!((first.identity.generation, first.identity.partitions), (0, 2));
    let second = schema::apply(&settings).await.expect("applied");
    assert_eq!((second.created.len(), &second.identity), (0, &first.identity));
    assert_eq!(schema::status(&settings).await.expect("status"), first.status);
    let log = open(&settings).await;
    assert_eq!((log.identity(), log.id()), (&first.identity, first.identity.log_id));
}

#[tokio::test(flavor = "multi_thread")]
async fn applying_from_several_processes_at_once_is_applying_once() {
    let settings = settings();
    let applied = futures::future::join_all((0..4).map(|_| {
        let settings = settings.clone();
        async move { tokio::spawn(async move { schema::apply(&settings).await }).await.expect("task") }
    }));
    let applied: Vec<_> = applied.await.into_iter().map(|one| one.expect("applied")).collect();
    assert!(applied.iter().all(|one| one.identity == applied[0].identity), "{applied:?}");
    let mut created: Vec<&String> = applied.iter().flat_map(|one| &one.created).collect();
    created.sort();
    created.dedup();
    assert_eq!(created.len(), 4);
    assert!(schema::status(&settings).await.expect("status").is_good());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_deleted_comes_back_as_another() {
    let settings = prepared().await;
    let old = open(&settings).await;
    old.append(lines(0, ["old".to_owned()])).await.expect("append");
    delete(&settings, &settings.events_topic).await;
    let missing = KafkaLog::open(settings.clone(), Purpose::Read).await.err().expect("missing");
    assert_eq!(missing, Error::NoTopic { topic: settings.events_topic.clone() });
    assert!(missing.to_string().contains("tandem schema apply"));

    let applied = schema::apply(&settings).await.expect("applied");
    assert_eq!(applied.created, std::slice::from_ref(&settings.events_topic));
    assert_eq!(applied.identity.generation, 1);
    assert_ne!(applied.identity.log_id, old.id());
    let new = open(&settings).await;
    assert_eq!((new.generation(), new.id()), (1, applied.identity.log_id));
    new.append(lines(0, ["new".to_owned()])).await.expect("append");
    assert_eq!(super::texts(&new, 0, 0).await, ["new"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_is_listed_with_what_to_do() {
    let settings = settings();
    create(
        &settings,
        &settings.events_topic,
        2,
        &[("retention.ms", "60000"), ("cleanup.policy", "compact,delete")],
    )
    .await;
    create(&settings, &settings.summaries_topic, 1, &[("cleanup.policy", "compact")]).await;
    let applied = schema::apply(&settings).await.expect("a topic that somebody prepared is taken as it is");
    assert_eq!(applied.identity.partitions, 2);
    let of = |name: &str| {
        let topic = applied.status.topics.iter().find(|topic| topic.name == name).expect("listed");
        topic.problems.join("\n")
    };
    let events = of(&settings.events_topic);
    assert!(
        events.contains("cleanup.policy=[delete]") && events.contains("retention.ms=2592000000"),
        "{events}"
    );
    assert!(of(&settings.summaries_topic).contains("--partitions 2"));
    assert!(of(&settings.receipts_topic).is_empty() && of(&settings.meta_topic).is_empty());
    assert!(!applied.status.is_good());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_number_of_partitions_is_refused() {
    let bare = settings();
    create(&bare, &bare.events_topic, 1, &[]).await;
    let refused = schema::apply(&bare).await.expect_err("too few");
    assert_eq!(refused, Error::Partitions { topic: bare.events_topic.clone(), found: 1, wanted: 2 });

    // Somebody adds some later: sessions would live elsewhere from then on.
    let settings = prepared().await;
    let more = NewPartitions::new(&settings.events_topic, 3);
    let outcome = admin(&settings).create_partitions([&more], &AdminOptions::new()).await.expect("asked");
    outcome[0].as_ref().expect("added");
    while schema::status(&settings).await.expect("status").is_good() {}
    let refused = KafkaLog::open(settings.clone(), Purpose::Read).await.err().expect("too many");
    assert_eq!(refused, Error::Partitions { topic: settings.events_topic.clone(), found: 3, wanted: 2 });
    assert!(schema::apply(&settings).await.is_err());

    // A configuration that says otherwise than the log is.
    let settings = prepared().await;
    let other = Settings { partitions: 5, ..settings.clone() };
    let status = schema::status(&other).await.expect("status");
    assert!(status.problems[0].contains("set partitions = 2"), "{status:?}");
    assert_eq!(open(&other).await.partitions(), 2, "the log says how many it has");
    let other = Settings { time_zone: "Asia/Kolkata".to_owned(), ..settings.clone() };
    let status = schema::status(&other).await.expect("status");
    assert!(status.problems[0].contains("set time_zone = \"Asia/Shanghai\""), "{status:?}");
    assert_eq!(open(&other).await.identity().calendar.zone(), "Asia/Shanghai");
    let other = Settings { slots: 5, ..settings.clone() };
    let refused = KafkaLog::open(other, Purpose::Append("gateway".to_owned())).await.err().expect("slots");
    assert!(refused.to_string().contains("set slots = 4"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_nobody_has_named_is_refused() {
    let settings = settings();
    create(&settings, &settings.events_topic, 2, &[]).await;
    let refused = KafkaLog::open(settings.clone(), Purpose::Read).await.err().expect("no meta topic");
    assert_eq!(refused, Error::NoTopic { topic: settings.meta_topic.clone() });
    create(&settings, &settings.meta_topic, 1, &[("cleanup.policy", "compact")]).await;
    let refused = KafkaLog::open(settings.clone(), Purpose::Read).await.err().expect("no identity");
    assert!(
        matches!(refused, Error::NoIdentity { .. }) && refused.to_string().contains("tandem schema apply")
    );
    let broken = Settings { replicas: 3, in_sync_replicas: 2, ..super::settings() };
    let refused = schema::apply(&broken).await.expect_err("one broker only");
    assert!(refused.to_string().contains("more than there are brokers"), "{refused}");
}
