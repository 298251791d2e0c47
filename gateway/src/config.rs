//! What can be set, with defaults that suit a small system.

use std::fmt;
use std::time::Duration;

use tandem_admission::SettingsError;
use tandem_ingest::BODY_BYTES_MAX;

use crate::admission::AdmissionConfig;
use crate::cors::is_origin;
use crate::limits::{LimitsConfig, LimitsConfigError};
use crate::shield::ShieldConfig;

/// How the gateway behaves.
#[derive(Clone)]
pub struct GatewayConfig {
    /// The operator's key: visible ASCII, as it stands after `Bearer`.
    pub operator_key: String,
    /// The longest that a read waits before the other chain is asked as well. Default 50 ms. It is
    /// twice the 99th percentile of what the chain usually takes, within both bounds; this one while
    /// that is not known. Lower hides slow chains sooner and costs more double work, up to the
    /// budget of 10 %.
    pub hedge_delay: Duration,
    /// The shortest such wait. Default 5 ms. Of no effect where it is longer than `hedge_delay`.
    pub hedge_delay_min: Duration,
    /// How many of 100 reads are copied to the standby, so that its health is known and its caches
    /// are warm: 0 to 10. Default 1.
    pub standby_percent: u8,
    /// How long one chain may take for one answer. Default 2 s.
    pub upstream_timeout: Duration,
    /// How long an answer serves others who ask the same, counted from its question: up to 1 s, one
    /// beat. Default 250 ms. At 0 only those share an answer who ask while the question is under way.
    pub answer_kept: Duration,
    /// Most memory for such answers, in bytes. Default 64 MiB.
    pub answers_bytes_max: usize,
    /// Origins of web pages that may call from a browser, as browsers send them; a single `*` for all.
    /// Default none.
    pub cors_origins: Vec<String>,
    /// Largest body, in bytes. Default and maximum 8 MiB.
    pub body_bytes_max: usize,
    /// How long a client may take to send a request's header, and how long a connection may idle
    /// between two requests. Default 30 s.
    pub header_timeout: Duration,
    /// How long a client may take to send a body. Default 30 s. It is told sooner when, after 5 s, it
    /// sends less than 1 KiB/s.
    pub body_timeout: Duration,
    /// How long a client may take to begin to take an answer. Default 30 s. Large answers have longer:
    /// a second for each 4 KiB. The connection is closed then.
    pub send_timeout: Duration,
    /// How long requests under way may go on after a shutdown has begun. Default 10 s.
    pub drain: Duration,
    /// Most connections at one time; one more is refused. Default 10,000.
    pub connections_max: usize,
    /// Most reads at one time, of all classes together; one more is answered with 503. Default 4,096.
    /// How many are worth it is learnt, and usually far less: see `admission`.
    pub reads_max: usize,
    /// Most streams at one time; one more is answered with 503. Default 10,000.
    pub streams_max: usize,
    /// Most streams of one tenant at one time; one more is answered with 429. Default 1,000.
    pub streams_per_tenant_max: usize,
    /// Most sessions that one stream follows: 1 to 256. Default 32. Each counts as a stream.
    pub stream_sessions_max: usize,
    /// Most bodies at one time; one more is answered with 503. Default 32.
    pub bodies_max: usize,
    /// Who may ask how much. Default: far above what anybody needs.
    pub limits: LimitsConfig,
    /// Who goes first when more is asked for than can be done.
    pub admission: AdmissionConfig,
    /// How hostile traffic is met.
    pub shield: ShieldConfig,
}

impl GatewayConfig {
    /// The defaults, with this operator key.
    pub fn new(operator_key: impl Into<String>) -> Self {
        Self {
            operator_key: operator_key.into(),
            hedge_delay: Duration::from_millis(50),
            hedge_delay_min: Duration::from_millis(5),
            standby_percent: 1,
            upstream_timeout: Duration::from_secs(2),
            answer_kept: Duration::from_millis(250),
            answers_bytes_max: 64 << 20,
            cors_origins: Vec::new(),
            body_bytes_max: BODY_BYTES_MAX,
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            send_timeout: Duration::from_secs(30),
            drain: Duration::from_secs(10),
            connections_max: 10_000,
            reads_max: 4_096,
            streams_max: 10_000,
            streams_per_tenant_max: 1_000,
            stream_sessions_max: 32,
            bodies_max: 32,
            limits: LimitsConfig::default(),
            admission: AdmissionConfig::default(),
            shield: ShieldConfig::default(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let key = self.operator_key.as_bytes();
        if !(1..=KEY_BYTES_MAX).contains(&key.len()) || !key.iter().all(u8::is_ascii_graphic) {
            return Err(ConfigError::OperatorKey);
        }
        if !(1..=BODY_BYTES_MAX).contains(&self.body_bytes_max) {
            return Err(ConfigError::BodyBytesMax);
        }
        let limits = [
            self.connections_max,
            self.reads_max,
            self.bodies_max,
            self.streams_max,
            self.streams_per_tenant_max,
        ];
        if limits.iter().any(|limit| !(1..=LIMIT_MAX).contains(limit)) {
            return Err(ConfigError::Limit);
        }
        if !(1..=STREAM_SESSIONS_MAX).contains(&self.stream_sessions_max) {
            return Err(ConfigError::StreamSessions);
        }
        if self.answer_kept > ANSWER_KEPT_MAX {
            return Err(ConfigError::AnswerKept);
        }
        let origins = &self.cors_origins;
        if let Some(wrong) =
            origins.iter().find(|origin| !is_origin(origin) || *origin == "*" && origins.len() > 1)
        {
            return Err(ConfigError::Origin(wrong.clone()));
        }
        if self.standby_percent > STANDBY_PERCENT_MAX {
            return Err(ConfigError::StandbyPercent);
        }
        let times = [
            self.hedge_delay,
            self.upstream_timeout,
            self.header_timeout,
            self.body_timeout,
            self.send_timeout,
        ];
        if times.iter().any(Duration::is_zero) {
            return Err(ConfigError::Time);
        }
        self.admission.check(self.reads_max).map_err(ConfigError::Admission)?;
        self.limits.check().map_err(ConfigError::Limits)
    }
}

/// Longest key, in bytes: it has to fit into a header with room for the rest.
const KEY_BYTES_MAX: usize = 4 * 1024;
/// More would be load rather than a look.
const STANDBY_PERCENT_MAX: u8 = 10;
/// One beat: what is older is not live.
const ANSWER_KEPT_MAX: Duration = Duration::from_secs(1);
/// More would be no screen; and all of them stand in the id of an event, which is sent back in a header.
const STREAM_SESSIONS_MAX: usize = 256;
/// No limit on things at one time may be higher.
const LIMIT_MAX: usize = 1 << 20;

/// Keys are secrets: they don't go into logs.
impl fmt::Debug for GatewayConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("GatewayConfig")
            .field("operator_key", &"…")
            .field("hedge_delay", &self.hedge_delay)
            .field("hedge_delay_min", &self.hedge_delay_min)
            .field("standby_percent", &self.standby_percent)
            .field("upstream_timeout", &self.upstream_timeout)
            .field("answer_kept", &self.answer_kept)
            .field("answers_bytes_max", &self.answers_bytes_max)
            .field("cors_origins", &self.cors_origins)
            .field("body_bytes_max", &self.body_bytes_max)
            .field("header_timeout", &self.header_timeout)
            .field("body_timeout", &self.body_timeout)
            .field("send_timeout", &self.send_timeout)
            .field("drain", &self.drain)
            .field("connections_max", &self.connections_max)
            .field("reads_max", &self.reads_max)
            .field("streams_max", &self.streams_max)
            .field("streams_per_tenant_max", &self.streams_per_tenant_max)
            .field("stream_sessions_max", &self.stream_sessions_max)
            .field("bodies_max", &self.bodies_max)
            .field("admission", &self.admission)
            .field("shield", &self.shield.mode)
            .finish_non_exhaustive()
    }
}

/// Why a configuration can't work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The key could not be sent in a header.
    #[error("the operator key must be 1 to {KEY_BYTES_MAX} visible ASCII characters without spaces")]
    OperatorKey,
    /// The ingest takes no larger bodies.
    #[error("the largest body must be 1 to {BODY_BYTES_MAX} bytes")]
    BodyBytesMax,
    /// A limit is 0 or absurd.
    #[error("limits on connections, reads, streams and bodies must be 1 to {LIMIT_MAX}")]
    Limit,
    /// One stream would follow nothing, or too much.
    #[error("one stream may follow 1 to {STREAM_SESSIONS_MAX} sessions at most")]
    StreamSessions,
    /// The standby's share is too large.
    #[error("at most {STANDBY_PERCENT_MAX} of 100 reads may be copied to the standby")]
    StandbyPercent,
    /// Answers would be old.
    #[error("an answer may serve others for at most {} ms", ANSWER_KEPT_MAX.as_millis())]
    AnswerKept,
    /// No browser sends it.
    #[error("`{0}` is no origin: write `https://host[:port]` in lower case, or `*` alone for all")]
    Origin(String),
    /// A time is 0.
    #[error("hedge delay and timeouts must be longer than 0")]
    Time,
    /// The load shedding can't work.
    #[error("load shedding: {0}")]
    Admission(SettingsError),
    /// The rate limits can't work.
    #[error("{0}")]
    Limits(LimitsConfigError),
}

/// What moves time in this system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockMode {
    /// A metronome; clients may not.
    Live,
    /// Replays: `POST /v1/events?clock=replay`.
    Replay,
}

impl ClockMode {
    /// Its name in the API: `live` or `replay`.
    pub const fn name(self) -> &'static str {
        match self {
            ClockMode::Live => "live",
            ClockMode::Replay => "replay",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused_and_the_key_is_not_shown() {
        let good = GatewayConfig::new("secret-key");
        assert_eq!(good.check(), Ok(()));
        assert!(!format!("{good:?}").contains("secret-key"));
        for key in ["", "a b", "schlüssel", "a\n"] {
            assert_eq!(GatewayConfig::new(key).check(), Err(ConfigError::OperatorKey), "{key:?}");
        }
        let large = GatewayConfig { body_bytes_max: BODY_BYTES_MAX + 1, ..good.clone() };
        assert_eq!(large.check(), Err(ConfigError::BodyBytesMax));
        let hasty = GatewayConfig { upstream_timeout: Duration::ZERO, ..good.clone() };
        assert_eq!(hasty.check(), Err(ConfigError::Time));
        let doubled = GatewayConfig { standby_percent: 11, ..good.clone() };
        assert_eq!(doubled.check(), Err(ConfigError::StandbyPercent));
        let old = GatewayConfig { answer_kept: Duration::from_millis(1_001), ..good.clone() };
        assert_eq!(old.check(), Err(ConfigError::AnswerKept));
        for origins in [vec!["live.example"], vec!["*", "https://live.example"]] {
            let cors_origins = origins.into_iter().map(str::to_owned).collect();
            let foreign = GatewayConfig { cors_origins, ..good.clone() };
            assert!(matches!(foreign.check(), Err(ConfigError::Origin(_))));
        }
        let crowded = GatewayConfig { stream_sessions_max: 257, ..good.clone() };
        assert_eq!(crowded.check(), Err(ConfigError::StreamSessions));
        let closed = GatewayConfig { reads_max: 0, ..good };
        assert_eq!(closed.check(), Err(ConfigError::Limit));
    }
}
