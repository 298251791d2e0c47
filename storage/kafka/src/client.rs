//! Clients of Kafka: how each kind is configured, where its log lines go, and what its errors mean.
//!
//! librdkafka reconnects, finds new leaders and repeats requests by itself, so an error that reaches
//! us is either a broker that is away for longer, or something that trying again does not mend.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryResult, ProducerContext};
use tandem_storage::StoreError;

use crate::Settings;
use crate::settings::Security;

/// An error of a client that needs mending is worth a line in the log again after this.
const WARN_EVERY: Duration = Duration::from_secs(60);
/// An error of a client explains what fails within this.
const HEARD_LATELY: Duration = Duration::from_secs(10);

/// What all clients have in common.
pub(crate) fn config(settings: &Settings, name: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", settings.brokers.join(","))
        .set("client.id", format!("{}-{name}", settings.prefix))
        .set("socket.nagle.disable", "true")
        .set("socket.keepalive.enable", "true")
        // A broker that was restarted is found again within seconds.
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "2000")
        .set("topic.metadata.refresh.fast.interval.ms", "100")
        .set("log.connection.close", "false")
        // Clients would report their own metrics to the broker.
        .set("enable.metrics.push", "false")
        .set_log_level(RDKafkaLogLevel::Info);
    match settings.security {
        Security::SaslPlaintext => {
            config
                .set("security.protocol", "sasl_plaintext")
                .set("sasl.mechanisms", "PLAIN")
                .set("sasl.username", &settings.user)
                .set("sasl.password", settings.password.as_deref().unwrap_or_default());
        }
        // The others are refused by `Settings::check`.
        Security::Plaintext | Security::Ssl | Security::SaslSsl => {
            config.set("security.protocol", "plaintext");
        }
    }
    config
}

/// A consumer that reads committed records of what it is told to, from where it is told to, and
/// commits nothing.
pub(crate) fn consumer(settings: &Settings, name: &str) -> ClientConfig {
    let mut config = config(settings, name);
    config
        // A consumer must name a group, though this one never joins it.
        .set("group.id", format!("{}.{name}", settings.prefix))
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("allow.auto.create.topics", "false")
        .set("isolation.level", "read_committed")
        // Records that are gone are an error, never a jump.
        .set("auto.offset.reset", "error")
        .set("check.crcs", "true")
        .set("fetch.error.backoff.ms", "100")
        .set("fetch.queue.backoff.ms", "5");
    config
}

/// A producer of transactions under `transactional_id`.
pub(crate) fn producer(settings: &Settings, name: &str, transactional_id: &str) -> ClientConfig {
    let mut config = config(settings, name);
    config
        .set("transactional.id", transactional_id)
        .set("transaction.timeout.ms", settings.transaction_timeout_ms.to_string())
        // Implied by a transactional id; named since everything rests on them.
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("compression.type", settings.compression.name())
        // A commit sends at once what is there; what waits meanwhile makes the next batch.
        .set("linger.ms", "0")
        .set("batch.num.messages", "50000")
        .set("queue.buffering.max.messages", "200000");
    config
}

struct Said {
    error: KafkaError,
    reason: String,
    is_refusal: bool,
    heard: Instant,
    warned: Option<Instant>,
}

/// Takes what a client says by itself.
#[derive(Clone)]
pub(crate) struct Context {
    name: Arc<str>,
    /// The last error, and the words for it.
    said: Arc<Mutex<Option<Said>>>,
}

impl Context {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.into(), said: Arc::default() }
    }

    /// [`failed`], with what the client said of late: an operation that was in vain because nobody
    /// could log in says nothing but that its time was up.
    pub(crate) fn failed(&self, what: &str, error: &KafkaError) -> StoreError {
        let failed = failed(what, error);
        let said = self.said.lock();
        match (failed, &*said) {
            (StoreError::Unavailable(text), Some(said)) if said.heard.elapsed() < HEARD_LATELY => {
                StoreError::Unavailable(format!("{text} ({}: {})", sentence(&said.error), said.reason))
            }
            (failed, _) => failed,
        }
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(client = &*self.name, ?level, facility, message, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if matches!(error, KafkaError::Global(RDKafkaErrorCode::PartitionEOF)) {
            return;
        }
        // Whoever needs the broker gets an error of its own, and a broker that is away makes every
        // client say so every second. What an operator has to mend is worth more, but not each time.
        let is_refusal = error.rdkafka_error_code().is_some_and(is_refusal);
        let now = Instant::now();
        let mut said = self.said.lock();
        let last = said.as_ref().and_then(|said| said.warned);
        let warned = if is_refusal && last.is_none_or(|last| now.duration_since(last) > WARN_EVERY) {
            tracing::warn!(client = &*self.name, reason, "Kafka: {}", sentence(&error));
            Some(now)
        } else {
            tracing::debug!(client = &*self.name, reason, "Kafka: {error}");
            last
        };
        // One that needs mending explains more than what follows from it.
        let explains = |said: &Said| said.is_refusal && said.heard.elapsed() < HEARD_LATELY;
        match &mut *said {
            Some(said) if explains(said) && !is_refusal => said.warned = warned,
            said => {
                let reason = reason.to_owned();
                *said = Some(Said { error, reason, is_refusal, heard: now, warned });
            }
        }
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

impl ConsumerContext for Context {}

/// What an error of Kafka means to whoever asked `what`, when nothing was done.
pub(crate) fn failed(what: &str, error: &KafkaError) -> StoreError {
    let text = format!("{what}: {}", sentence(error));
    match error.rdkafka_error_code() {
        Some(code) if is_damage(code) => StoreError::Damaged(text),
        Some(code) if is_refusal(code) => StoreError::Refused(text),
        _ => StoreError::Unavailable(text),
    }
}

/// The same for what has a meaning of its own when a log is opened.
pub(crate) fn open_failed(what: &str, error: &KafkaError) -> crate::Error {
    crate::Error::of_store(failed(what, error))
}

/// The words of an error, and what to do where that can be said.
pub(crate) fn sentence(error: &KafkaError) -> String {
    use RDKafkaErrorCode as Code;
    let text = match error {
        KafkaError::Transaction(error) => error.to_string(),
        other => other.to_string(),
    };
    let advice = match error.rdkafka_error_code() {
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition) => {
            "; run `tandem schema apply`"
        }
        Some(Code::SaslAuthenticationFailed | Code::Authentication) => "; check user and password",
        Some(
            Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed,
        ) => "; grant the user access (topics, groups and transactional ids that begin with the prefix)",
        Some(Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend) => {
            "; too few brokers are up for in_sync_replicas"
        }
        _ => "",
    };
    format!("{text}{advice}")
}

/// Whether trying again can't help.
pub(crate) fn is_refusal(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::SaslAuthenticationFailed
            | Code::Authentication
            | Code::UnsupportedSASLMechanism
            | Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
            | Code::MessageSizeTooLarge
            | Code::InvalidMessageSize
            | Code::InvalidRecord
            | Code::InvalidTransactionTimeout
            | Code::InvalidTopic
            | Code::InvalidConfig
            | Code::InvalidPartitions
            | Code::InvalidReplicationFactor
            | Code::PolicyViolation
            | Code::UnsupportedVersion
            | Code::UnsupportedFeature
            | Code::InvalidArgument
    )
}

/// Whether what the broker holds can't be read.
pub(crate) fn is_damage(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(code, Code::BadMessage | Code::InvalidMessage | Code::BadCompression)
}

#[cfg(test)]
mod tests {
    use rdkafka::config::FromClientConfigAndContext;
    use rdkafka::consumer::BaseConsumer;
    use rdkafka::producer::BaseProducer;

    use super::*;

    /// librdkafka refuses names and values it does not know, and so would a build without SASL.
    #[test]
    fn every_configuration_is_one_that_librdkafka_knows() {
        for compression in ["none", "lz4", "gzip", "snappy"] {
            let settings = Settings {
                security: Security::SaslPlaintext,
                user: "somebody".to_owned(),
                password: Some("secret".to_owned()),
                compression: serde_json::from_value(compression.into()).unwrap(),
                ..Settings::default()
            };
            settings.check().unwrap();
            let context = || Context::new("test");
            BaseConsumer::from_config_and_context(&consumer(&settings, "test"), context()).unwrap();
            rdkafka::producer::BaseProducer::<rdkafka::producer::DefaultProducerContext>::from_config_and_context(
                &producer(&settings, "test", "test.0"),
                rdkafka::producer::DefaultProducerContext,
            )
            .map(|_: BaseProducer| ())
            .unwrap();
        }
    }

    #[test]
    fn errors_say_whether_trying_again_can_help_and_what_to_do() {
        let failed = |code| failed("reading", &KafkaError::MessageConsumption(code));
        assert!(matches!(failed(RDKafkaErrorCode::AllBrokersDown), StoreError::Unavailable(_)));
        assert!(matches!(failed(RDKafkaErrorCode::BadMessage), StoreError::Damaged(_)));
        let StoreError::Refused(text) = failed(RDKafkaErrorCode::SaslAuthenticationFailed) else {
            panic!("not refused");
        };
        assert!(text.ends_with("check user and password"), "{text}");
        let StoreError::Unavailable(text) = failed(RDKafkaErrorCode::UnknownTopicOrPartition) else {
            panic!("not unavailable");
        };
        assert!(text.contains("tandem schema apply"), "{text}");
    }
}
