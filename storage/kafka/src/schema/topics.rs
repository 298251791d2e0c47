//! Topics: how they are, how they should be, and how to create them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::client::{self, Context};
use crate::lookup::Lookup;
use crate::{Error, Settings};

/// How often a topic that was created is looked for until it shows.
const PAUSE: Duration = Duration::from_millis(50);
/// Receipts are thrown away in pieces of this age, so that their retention is kept to about an hour.
const RECEIPTS_SEGMENT_MS: u64 = 3_600_000;

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicStatus {
    /// Its name.
    pub name: String,
    /// How it should be.
    pub wanted: TopicShape,
    /// How it is; none where it is missing.
    pub found: Option<TopicShape>,
    /// What differs, a sentence each that says what to do; none if it may be used as it is.
    pub problems: Vec<String>,
}

/// How a topic is or should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicShape {
    /// How many partitions.
    pub partitions: u32,
    /// How many copies of each.
    pub replicas: u16,
    /// How many copies must have a record before it counts.
    pub in_sync_replicas: u16,
    /// Kafka's `cleanup.policy`.
    pub cleanup: String,
    /// Kafka's `retention.ms`; -1: for ever. Of no meaning without `delete` in `cleanup`.
    pub retention_ms: i64,
}

/// The clients for all this.
pub(super) struct Topics {
    settings: Settings,
    admin: AdminClient<Context>,
    lookup: Arc<Lookup>,
}

impl Topics {
    pub(super) fn new(settings: &Settings) -> Result<Self, Error> {
        let config = client::config(settings, "schema");
        let admin = AdminClient::from_config_and_context(&config, Context::new("schema"))
            .map_err(|error| client::open_failed("creating a client", &error))?;
        let lookup = Lookup::new(settings, "schema").map_err(|error| Error::Refused(error.to_string()))?;
        Ok(Self { settings: settings.clone(), admin, lookup: Arc::new(lookup) })
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Does what blocks where that is allowed.
    pub(super) async fn blocking<T: Send + 'static, E: From<Error> + Send + 'static>(
        &self,
        work: impl FnOnce(&Lookup) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let lookup = self.lookup.clone();
        match tokio::task::spawn_blocking(move || work(&lookup)).await {
            Ok(outcome) => outcome,
            Err(error) => Err(Error::Unavailable(error.to_string()).into()),
        }
    }

    /// How a topic should be, if the log has `partitions`.
    pub(super) fn wanted(&self, name: &str, partitions: u32) -> TopicShape {
        let settings = &self.settings;
        let ms = |seconds: u64| if seconds == 0 { -1 } else { seconds as i64 * 1_000 };
        let (partitions, cleanup, retention_ms) = if name == settings.events_topic {
            (partitions, "delete", ms(settings.events_retention_s))
        } else if name == settings.receipts_topic {
            (settings.slots, "compact,delete", ms(settings.receipts_retention_s))
        } else if name == settings.summaries_topic {
            (partitions, "compact", -1)
        } else {
            (1, "compact", -1)
        };
        TopicShape {
            partitions,
            replicas: settings.replicas,
            in_sync_replicas: settings.in_sync_replicas,
            cleanup: cleanup.to_owned(),
            retention_ms,
        }
    }

    /// Creates a topic if it is missing, and answers its name then.
    pub(super) async fn create_missing(
        &self,
        name: &str,
        shape: TopicShape,
    ) -> Result<Option<String>, Error> {
        if self.found(name).await?.is_some() {
            return Ok(None);
        }
        let in_sync = shape.in_sync_replicas.to_string();
        let retention = shape.retention_ms.to_string();
        let segment = RECEIPTS_SEGMENT_MS.to_string();
        let mut topic =
            NewTopic::new(name, shape.partitions as i32, TopicReplication::Fixed(shape.replicas.into()))
                .set("cleanup.policy", &shape.cleanup)
                .set("min.insync.replicas", &in_sync)
                .set("retention.ms", &retention);
        if name == self.settings.receipts_topic {
            topic = topic.set("segment.ms", &segment);
        }
        let what = format!("creating topic {name}");
        let outcome = self.admin.create_topics([&topic], &self.options()).await;
        let outcome = outcome.map_err(|error| client::open_failed(&what, &error))?;
        let is_ours = match outcome.into_iter().next() {
            Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => false,
            Some(Err((_, RDKafkaErrorCode::InvalidReplicationFactor))) => {
                return Err(Error::Refused(format!(
                    "{what}: replicas = {}, which is more than there are brokers",
                    shape.replicas
                )));
            }
            Some(Err((_, code))) => return Err(client::open_failed(&what, &KafkaError::AdminOp(code))),
            Some(Ok(_)) | None => true,
        };
        // The broker that is asked next may not have heard of it yet.
        let deadline = Instant::now() + self.settings.request_timeout();
        while self.found(name).await?.is_none() {
            if Instant::now() > deadline {
                return Err(Error::Unavailable(format!("{what}: it does not show")));
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(is_ours.then(|| name.to_owned()))
    }

    /// How a topic is.
    pub(super) async fn found(&self, name: &str) -> Result<Option<TopicShape>, Error> {
        let topic = name.to_owned();
        let layout = self.blocking(move |lookup| layout(lookup, &topic)).await?;
        let Some((partitions, replicas)) = layout else { return Ok(None) };
        let what = format!("asking how topic {name} is configured");
        let described = self.admin.describe_configs([&ResourceSpecifier::Topic(name)], &self.options()).await;
        let described = described.map_err(|error| client::open_failed(&what, &error))?;
        let resource = match described.into_iter().next() {
            Some(Ok(resource)) => resource,
            // It was deleted just now.
            Some(Err(RDKafkaErrorCode::UnknownTopicOrPartition)) => return Ok(None),
            Some(Err(code)) => return Err(client::open_failed(&what, &KafkaError::AdminOp(code))),
            None => return Err(Error::Unavailable(format!("{what}: no answer"))),
        };
        let value = |key: &str| resource.get(key).and_then(|entry| entry.value.clone());
        let unknown = |key: &str| Error::Unavailable(format!("{what}: no {key}"));
        let number = |key: &str| -> Result<i64, Error> {
            value(key).and_then(|value| value.parse().ok()).ok_or_else(|| unknown(key))
        };
        let in_sync = number("min.insync.replicas")?;
        Ok(Some(TopicShape {
            partitions,
            replicas,
            in_sync_replicas: u16::try_from(in_sync).unwrap_or(u16::MAX),
            cleanup: value("cleanup.policy").ok_or_else(|| unknown("cleanup.policy"))?,
            retention_ms: number("retention.ms")?,
        }))
    }

    pub(super) async fn status(&self, name: &str, wanted: TopicShape) -> Result<TopicStatus, Error> {
        let found = self.found(name).await?;
        let problems = match &found {
            None => vec!["it is missing: run `tandem schema apply`".to_owned()],
            Some(found) => problems(&self.settings, name, &wanted, found),
        };
        Ok(TopicStatus { name: name.to_owned(), wanted, found, problems })
    }

    fn options(&self) -> AdminOptions {
        let timeout = Some(self.settings.request_timeout());
        AdminOptions::new().request_timeout(timeout).operation_timeout(timeout)
    }
}

/// How many partitions a topic has, and how many copies each of them at least; none if it is missing.
pub(crate) fn layout(lookup: &Lookup, topic: &str) -> Result<Option<(u32, u16)>, Error> {
    let metadata = lookup.metadata(Some(topic)).map_err(Error::of_store)?;
    let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else { return Ok(None) };
    match found.error().map(RDKafkaErrorCode::from) {
        None => {}
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => return Ok(None),
        Some(code) => {
            let error = KafkaError::MetadataFetch(code);
            return Err(client::open_failed(&format!("asking for topic {topic}"), &error));
        }
    }
    let replicas = found.partitions().iter().map(|partition| partition.replicas().len()).min();
    Ok(replicas.map(|replicas| (found.partitions().len() as u32, replicas as u16)))
}

/// What differs in a way that matters: more copies and a longer retention do no harm.
fn problems(settings: &Settings, name: &str, wanted: &TopicShape, found: &TopicShape) -> Vec<String> {
    let mut problems = Vec::new();
    let set = |key: &str, value: &dyn std::fmt::Display| {
        format!(
            "`kafka-configs.sh --alter --entity-type topics --entity-name {name} --add-config {key}={value}`"
        )
    };
    let (has, wants) = (found.partitions, wanted.partitions);
    if name == settings.receipts_topic && has != wants {
        problems.push(format!(
            "it has {has} partitions, one for each of {wants} slots is wanted: set slots = {has}, or stop all \
             gateways, delete it and run `tandem schema apply` (keys sent again after that count again)"
        ));
    } else if name == settings.summaries_topic && has < wants {
        problems.push(format!(
            "it has {has} partitions, {wants} are wanted: `kafka-topics.sh --alter --topic {name} --partitions {wants}`"
        ));
    } else if name == settings.events_topic && has != wants {
        problems.push(format!(
            "it has {has} partitions, {wants} are wanted, which can't be changed: restore it, or delete it and \
             run `tandem schema apply` for a new, empty log"
        ));
    } else if name == settings.meta_topic && has != wants {
        problems.push(format!("it has {has} partitions, one is wanted: choose another meta_topic"));
    }
    if found.replicas < wanted.replicas {
        problems.push(format!(
            "there are {} copies of it, {} are wanted: add some with `kafka-reassign-partitions.sh`",
            found.replicas, wanted.replicas
        ));
    }
    if found.in_sync_replicas < wanted.in_sync_replicas {
        problems.push(format!(
            "a record counts when {} copies have it, {} are wanted: {}",
            found.in_sync_replicas,
            wanted.in_sync_replicas,
            set("min.insync.replicas", &wanted.in_sync_replicas)
        ));
    } else if found.in_sync_replicas > found.replicas {
        problems.push(format!(
            "a record counts when {} copies have it, but there are only {}, so nothing can be written: {}",
            found.in_sync_replicas,
            found.replicas,
            set("min.insync.replicas", &wanted.in_sync_replicas)
        ));
    }
    let policies = |cleanup: &str| -> BTreeSet<String> {
        cleanup.split(',').map(|policy| policy.trim().to_owned()).collect()
    };
    let policy = policies(&wanted.cleanup);
    if policies(&found.cleanup) != policy {
        problems.push(format!(
            "cleanup.policy is {}, {} is wanted: {}",
            found.cleanup,
            wanted.cleanup,
            set("cleanup.policy", &format_args!("[{}]", wanted.cleanup))
        ));
    }
    let is_shorter = |found: i64, wanted: i64| found != -1 && (wanted == -1 || found < wanted);
    if policy.contains("delete") && is_shorter(found.retention_ms, wanted.retention_ms) {
        problems.push(format!(
            "records are kept for {} ms, {} are wanted: {}",
            found.retention_ms,
            wanted.retention_ms,
            set("retention.ms", &wanted.retention_ms)
        ));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(partitions: u32) -> TopicShape {
        let cleanup = "delete".to_owned();
        TopicShape { partitions, replicas: 3, in_sync_replicas: 2, cleanup, retention_ms: 86_400_000 }
    }

    #[test]
    fn what_differs_is_named_with_what_to_do() {
        let settings = Settings::default();
        let of = |name: &str, found: TopicShape| problems(&settings, name, &shape(12), &found);
        assert_eq!(of("dwd.live", shape(12)), Vec::<String>::new());
        let better = TopicShape { replicas: 5, in_sync_replicas: 3, retention_ms: -1, ..shape(12) };
        assert_eq!(of("dwd.live", better), Vec::<String>::new());

        assert!(of("dwd.live", shape(6))[0].contains("6 partitions, 12 are wanted"));
        assert!(of("dwd.live", shape(13))[0].contains("can't be changed"));
        assert!(of("dws.live", shape(6))[0].contains("--topic dws.live --partitions 12"));
        assert_eq!(of("dws.live", shape(13)), Vec::<String>::new());
        assert!(of("tandem.receipts", shape(13))[0].contains("set slots = 13"));
        assert!(of("tandem.meta", shape(13))[0].contains("one is wanted"));

        let worse = TopicShape {
            replicas: 1,
            in_sync_replicas: 1,
            cleanup: "compact".to_owned(),
            retention_ms: 1_000,
            ..shape(12)
        };
        let worse = of("dwd.live", worse);
        let expected =
            ["copies of it", "min.insync.replicas=2", "cleanup.policy=[delete]", "retention.ms=86400000"];
        assert_eq!(worse.len(), expected.len());
        for (sentence, part) in worse.iter().zip(expected) {
            assert!(sentence.contains(part), "{sentence}");
        }
        let stuck = TopicShape { in_sync_replicas: 4, ..shape(12) };
        assert!(of("dwd.live", stuck)[0].contains("nothing can be written"));
    }
}
