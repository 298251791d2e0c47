//! What each role reads of a configuration, typed and complete: whatever comes out of here is
//! sound, as far as that can be said without asking anybody.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use tandem_compute::publish;
use tandem_control::{Founders, MemberId, OperatorKey};
use tandem_gateway::{
    AdmissionConfig, ClockMode, GatewayConfig, LimitsConfig, Network, PoolConfig, PortLimits, ShieldConfig,
    ShieldMode, TrustedProxies,
};
use tandem_limits::LeaseSettings;
use tandem_model::PseudonymKey;
use tandem_model::route::Chain;

use super::error::{ConfigError, Wrong};
use super::limits::limit_rules;
use super::load::Values;
use super::option::Role;
use super::scope::Scope;
use super::sections::SECTIONS;
use super::shield::{shield_networks, shield_rules};
use crate::certificates::{CertificateFiles, Certificates};
use crate::identity::{self, JwksSource, TokenSettings};
use crate::key::Key;

/// How a process reaches the control nodes.
#[derive(Clone, Debug)]
pub struct ControlLink {
    /// Where they are, in the order of their numbers.
    pub nodes: Vec<Uri>,
    /// The key they ask for.
    pub key: OperatorKey,
}

/// What a compute process reads.
pub struct ComputeConfig {
    /// Its chain.
    pub chain: Chain,
    /// The event log.
    pub log: tandem_kafka::Settings,
    /// The row store.
    pub rows: tandem_scylla::Settings,
    /// The hot store.
    pub hot: tandem_redis::Settings,
    /// The snapshot store.
    pub snapshots: tandem_objects::Settings,
    /// The compute itself.
    pub compute: tandem_compute::Settings,
    /// Publishing.
    pub publish: publish::Settings,
    /// The key of pseudonyms.
    pub pseudonym_key: PseudonymKey,
    /// Control.
    pub control: ControlLink,
    /// Where health and metrics are shown.
    pub admin: SocketAddr,
}

/// What a query node reads.
pub struct QueryConfig {
    /// Its chain.
    pub chain: Chain,
    /// The event log.
    pub log: tandem_kafka::Settings,
    /// The row store.
    pub rows: tandem_scylla::Settings,
    /// The hot store.
    pub hot: tandem_redis::Settings,
    /// Where it listens.
    pub listen: SocketAddr,
    /// What its port bears.
    pub limits: PortLimits,
    /// How many bytes boards that were worked out may take.
    pub boards_bytes_max: usize,
    /// Where health and metrics are shown.
    pub admin: SocketAddr,
}

/// What a gateway reads.
pub struct GatewayRoleConfig {
    /// The event log.
    pub log: tandem_kafka::Settings,
    /// The query nodes of chains a and b.
    pub pools: [PoolConfig; 2],
    /// The gateway itself.
    pub gateway: GatewayConfig,
    /// Who may ask, beside the operator.
    pub identity: identity::Settings,
    /// What moves time.
    pub clock: ClockMode,
    /// Control.
    pub control: ControlLink,
    /// Where the last route is remembered.
    pub route_memory: Option<PathBuf>,
    /// The file of rate limits.
    pub limits: Option<PathBuf>,
    /// The file of the shield's rules.
    pub shield: Option<PathBuf>,
    /// The file of networks that the shield knows.
    pub shield_networks: Option<PathBuf>,
    /// How claims to be a crawler are looked into.
    pub crawlers: CrawlersConfig,
    /// The Redis of limits that all gateways share, where they do.
    pub shared_limits: Option<tandem_redis::Settings>,
    /// Where it listens.
    pub listen: SocketAddr,
    /// TLS beside that, where it is spoken.
    pub tls: Option<TlsConfig>,
    /// Where health and metrics are shown.
    pub admin: SocketAddr,
}

/// How claims to be a crawler are looked into.
#[derive(Clone, Debug)]
pub struct CrawlersConfig {
    /// Which servers of the DNS are asked, none for those of this machine; absent where nobody is.
    pub resolvers: Option<Vec<SocketAddr>>,
    /// Whether published networks are fetched.
    pub is_fetching: bool,
}

/// What a gateway reads about TLS.
pub struct TlsConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where the certificates are.
    pub files: CertificateFiles,
    /// What is in them.
    pub certificates: Certificates,
}

/// What the control node reads.
pub struct ControlConfig {
    /// Its number.
    pub id: MemberId,
    /// The nodes of the group.
    pub nodes: BTreeMap<MemberId, Uri>,
    /// Whether it founds the group or is let in.
    pub founders: Founders,
    /// Where the decisions are kept.
    pub data: PathBuf,
    /// The key it asks for.
    pub key: OperatorKey,
    /// The query nodes of chains a and b.
    pub pools: [PoolConfig; 2],
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where health and metrics are shown.
    pub admin: SocketAddr,
}

/// What a metronome reads.
pub struct MetronomeConfig {
    /// The event log.
    pub log: tandem_kafka::Settings,
    /// Control.
    pub control: ControlLink,
    /// How far its clock may be off the control node's.
    pub clock_difference_ms_max: u64,
    /// How often that is looked at.
    pub clock_check: Duration,
    /// Where health and metrics are shown.
    pub admin: SocketAddr,
}

/// What `tandem schema` reads.
pub struct SchemaConfig {
    /// The event log.
    pub log: tandem_kafka::Settings,
    /// The row stores of the chains that were asked for.
    pub rows: Vec<(Chain, tandem_scylla::Settings)>,
}

/// What `tandem verify` reads.
pub struct VerifyConfig {
    /// The event log.
    pub log: tandem_kafka::Settings,
    /// The row stores of chains a and b.
    pub rows: [tandem_scylla::Settings; 2],
    /// The key of pseudonyms, where it is given.
    pub pseudonym_key: Option<PseudonymKey>,
}

/// A sound configuration of one role.
pub enum RoleConfig {
    /// Of a compute process.
    Compute(Box<ComputeConfig>),
    /// Of a query node.
    Query(Box<QueryConfig>),
    /// Of a gateway.
    Gateway(Box<GatewayRoleConfig>),
    /// Of a control node.
    Control(Box<ControlConfig>),
    /// Of a metronome.
    Metronome(Box<MetronomeConfig>),
    /// Of `tandem schema`.
    Schema(Box<SchemaConfig>),
    /// Of `tandem verify`.
    Verify(Box<VerifyConfig>),
    /// Of `tandem switch`.
    Switch(ControlLink),
}

impl Values {
    /// Reads what `role` needs; `chain` for roles that work for one, [`Values::chain_for`] tells
    /// which.
    ///
    /// # Errors
    ///
    /// Whatever is missing or can't be.
    pub fn of(&self, role: Role, chain: Option<Chain>) -> Result<RoleConfig, ConfigError> {
        let reading = Reading { values: self, role };
        reading.nothing_missing(chain)?;
        let of_a_chain = || chain.expect("roles of a chain are asked with one");
        Ok(match role {
            Role::Compute => RoleConfig::Compute(Box::new(reading.compute(of_a_chain())?)),
            Role::Query => RoleConfig::Query(Box::new(reading.query(of_a_chain())?)),
            Role::Gateway => RoleConfig::Gateway(Box::new(reading.gateway()?)),
            Role::Control => RoleConfig::Control(Box::new(reading.control_node()?)),
            Role::Metronome => RoleConfig::Metronome(Box::new(reading.metronome()?)),
            Role::Schema => RoleConfig::Schema(Box::new(reading.schema(chain)?)),
            Role::Verify => RoleConfig::Verify(Box::new(reading.verify()?)),
            Role::Switch => RoleConfig::Switch(reading.control()?),
        })
    }

    /// The chain that a role of one chain works for: the one asked for, or the only one there is
    /// in the file.
    ///
    /// # Errors
    ///
    /// When it can't be told.
    pub fn chain_for(&self, role: Role, asked: Option<Chain>) -> Result<Option<Chain>, ConfigError> {
        if !role.is_of_a_chain() || asked.is_some() {
            return Ok(asked);
        }
        let chains = self.chains();
        match (chains.first(), chains.len()) {
            (Some(chain), 1) => Ok(Some(*chain)),
            (_, count) => {
                let what = match count {
                    0 => format!(
                        "has no section of a chain: role {role} needs [chains.a.rows] and the like, see \
                         `tandem config reference --role {role}`"
                    ),
                    _ => format!(
                        "has sections of both chains: say with --chain a or --chain b whose {role} this is"
                    ),
                };
                Err(ConfigError::one(super::error::Place::Whole(self.file.clone()), what))
            }
        }
    }
}

struct Reading<'a> {
    values: &'a Values,
    role: Role,
}

impl Reading<'_> {
    fn scope(&self, path: &str) -> Scope<'_> {
        Scope::of(self.values, path, self.role)
    }

    fn of_chain(&self, chain: Chain, name: &str) -> Scope<'_> {
        self.scope(&format!("chains.{chain}.{name}"))
    }

    /// Everything the role needs, said at once.
    fn nothing_missing(&self, chain: Option<Chain>) -> Result<(), ConfigError> {
        let mut wrong: Vec<Wrong> = Vec::new();
        for section in SECTIONS.iter().filter(|section| section.roles.contains(&self.role)) {
            for (path, of) in section.paths() {
                // The key of pseudonyms makes a verification more complete, but is not needed.
                let is_optional = self.role == Role::Verify && path == "pseudonyms";
                if (of.is_none() || chain.is_none() || of == chain) && !is_optional {
                    wrong.extend(self.scope(&path).missing());
                }
            }
        }
        ConfigError::of(wrong)?;
        self.chains_apart()
    }

    /// Two chains in one keyspace would overwrite each other's rows, and agree for ever after.
    fn chains_apart(&self) -> Result<(), ConfigError> {
        if self.values.chains().len() < Chain::ALL.len() {
            return Ok(());
        }
        let [a, b] = Chain::ALL.map(|chain| self.of_chain(chain, "rows"));
        let [of_a, of_b] = [a.texts("addresses"), b.texts("addresses")];
        let is_one_place = of_a.iter().any(|address| of_b.contains(address));
        match is_one_place && a.text("keyspace") == b.text("keyspace") {
            false => Ok(()),
            true => {
                Err(b
                    .wrong("keyspace", "is chain a's, at the same address: chains share nothing but the log"))
            }
        }
    }

    fn log(&self) -> Result<tandem_kafka::Settings, ConfigError> {
        let scope = self.scope("log");
        let mut settings: tandem_kafka::Settings = scope.settings()?;
        settings.password = scope.secret("password")?;
        settings.check().map_err(|error| scope.refused_by_adapter(&error.to_string()))?;
        Ok(settings)
    }

    fn rows(&self, chain: Chain) -> Result<tandem_scylla::Settings, ConfigError> {
        let scope = self.of_chain(chain, "rows");
        let mut settings: tandem_scylla::Settings = scope.settings()?;
        settings.password = scope.secret("password")?;
        settings.check().map_err(|error| scope.refused_by_adapter(&error.to_string()))?;
        Ok(settings)
    }

    fn hot(&self, chain: Chain) -> Result<tandem_redis::Settings, ConfigError> {
        let scope = self.of_chain(chain, "hot");
        let mut settings: tandem_redis::Settings = scope.settings()?;
        settings.password = scope.secret("password")?;
        settings.sentinel_password = scope.secret("sentinel_password")?;
        settings.check().map_err(|error| scope.refused_by_adapter(&error.to_string()))?;
        Ok(settings)
    }

    fn snapshots(&self, chain: Chain) -> Result<tandem_objects::Settings, ConfigError> {
        let scope = self.of_chain(chain, "snapshots");
        let mut settings: tandem_objects::Settings = scope.settings()?;
        settings.access_key_id = scope.secret("access_key_id")?;
        settings.secret_access_key = scope.secret("secret_access_key")?;
        settings.session_token = scope.secret("session_token")?;
        Ok(settings)
    }

    fn operator_key(&self) -> Result<Key, ConfigError> {
        let scope = self.scope("operator");
        let text = scope.secret("key")?.unwrap_or_default();
        Key::new(&text)
            .map_err(|_| scope.wrong("key", "must be 1 to 256 characters out of A-Z a-z 0-9 - . _ ~ + / ="))
    }

    fn pseudonym_key(&self) -> Result<Option<PseudonymKey>, ConfigError> {
        let scope = self.scope("pseudonyms");
        let Some(text) = scope.secret("key")? else { return Ok(None) };
        let bytes = hexadecimal(&text).ok_or_else(|| {
            scope.wrong("key", "must be 32 hexadecimal digits: make one with `openssl rand -hex 16`")
        })?;
        Ok(Some(PseudonymKey::new(bytes)))
    }

    fn control(&self) -> Result<ControlLink, ConfigError> {
        let scope = self.scope("control");
        let nodes = scope.urls("nodes")?;
        Ok(ControlLink { nodes, key: OperatorKey::new(self.operator_key()?.as_str()) })
    }

    fn compute(&self, chain: Chain) -> Result<ComputeConfig, ConfigError> {
        let scope = self.of_chain(chain, "compute");
        let publish: publish::Settings = self.scope("publish").settings()?;
        let pins = if publish.enabled { publish::Pins::unknown() } else { publish::Pins::none() };
        let compute = tandem_compute::Settings {
            chain,
            batch_bytes: scope.count("batch_bytes"),
            flush_interval: scope.duration("flush_interval_ms"),
            snapshot_interval: scope.duration("snapshot_interval_ms"),
            snapshot_records: scope.integer("snapshot_records"),
            snapshots_kept: scope.count("snapshots_kept"),
            pins,
            hot_timeout: scope.duration("hot_timeout_ms"),
            seeded_fault: tandem_compute::SeededFault::at(&scope.text("seeded_fault")),
            ..tandem_compute::Settings::of(chain)
        };
        let pseudonym_key = self.pseudonym_key()?;
        Ok(ComputeConfig {
            chain,
            log: self.log()?,
            rows: self.rows(chain)?,
            hot: self.hot(chain)?,
            snapshots: self.snapshots(chain)?,
            compute,
            publish,
            pseudonym_key: pseudonym_key.expect("it is required, which was looked at first"),
            control: self.control()?,
            admin: scope.address("admin")?,
        })
    }

    fn query(&self, chain: Chain) -> Result<QueryConfig, ConfigError> {
        let scope = self.of_chain(chain, "query");
        Ok(QueryConfig {
            chain,
            log: self.log()?,
            rows: self.rows(chain)?,
            hot: self.hot(chain)?,
            listen: scope.address("listen")?,
            limits: PortLimits {
                connections_max: scope.count("connections_max"),
                header_timeout: QUERY_HEADER_TIMEOUT,
                drain: scope.duration("drain_ms"),
            },
            boards_bytes_max: scope.count("boards_bytes_max"),
            admin: scope.address("admin")?,
        })
    }

    fn gateway(&self) -> Result<GatewayRoleConfig, ConfigError> {
        let scope = self.scope("gateway");
        let pool = |key: &str| {
            Ok::<_, ConfigError>(PoolConfig {
                nodes: scope.urls(key)?,
                connect_timeout: scope.duration("connect_timeout_ms"),
                answer_bytes_max: scope.count("answer_bytes_max"),
            })
        };
        let gateway = GatewayConfig {
            operator_key: self.operator_key()?.as_str().to_owned(),
            hedge_delay: scope.duration("hedge_delay_ms"),
            hedge_delay_min: scope.duration("hedge_delay_min_ms"),
            standby_percent: u8::try_from(scope.integer("standby_percent")).unwrap_or(u8::MAX),
            upstream_timeout: scope.duration("upstream_timeout_ms"),
            answer_kept: scope.duration("answer_kept_ms"),
            answers_bytes_max: scope.count("answers_bytes_max"),
            cors_origins: scope.texts("cors_origins"),
            body_bytes_max: scope.count("body_bytes_max"),
            header_timeout: scope.duration("header_timeout_ms"),
            body_timeout: scope.duration("body_timeout_ms"),
            send_timeout: scope.duration("send_timeout_ms"),
            drain: scope.duration("drain_ms"),
            connections_max: scope.count("connections_max"),
            reads_max: scope.count("reads_max"),
            streams_max: scope.count("streams_max"),
            streams_per_tenant_max: scope.count("streams_per_tenant_max"),
            stream_sessions_max: scope.count("stream_sessions_max"),
            bodies_max: scope.count("bodies_max"),
            limits: self.limits()?,
            admission: self.admission(),
            shield: self.shield()?,
        };
        Ok(GatewayRoleConfig {
            log: self.log()?,
            pools: [pool("chain_a")?, pool("chain_b")?],
            gateway,
            identity: identity::Settings { keys: scope.path("keys"), tokens: self.tokens()? },
            clock: if scope.text("clock") == "replay" { ClockMode::Replay } else { ClockMode::Live },
            control: self.control()?,
            route_memory: scope.path("route_memory"),
            limits: scope.path("limits"),
            shield: self.scope("gateway.shield").path("rules"),
            shield_networks: self.shield_networks()?,
            crawlers: self.crawlers()?,
            shared_limits: self.shared_limits()?,
            listen: scope.address("listen")?,
            tls: self.tls()?,
            admin: scope.address("admin")?,
        })
    }

    /// TLS, where it is spoken: whatever comes out of here can be shown.
    fn tls(&self) -> Result<Option<TlsConfig>, ConfigError> {
        let scope = self.scope("gateway.tls");
        let first = match (scope.path("certificate"), scope.path("key")) {
            (Some(certificate), Some(key)) => (certificate, key),
            (Some(_), None) => return Err(scope.wrong("key", "must be set where certificate is")),
            (None, Some(_)) => return Err(scope.wrong("certificate", "must be set where key is")),
            (None, None) if scope.paths("more").is_empty() => return Ok(None),
            (None, None) => return Err(scope.wrong("certificate", "must be set where more is")),
        };
        let files = CertificateFiles::new(first, scope.paths("more"));
        let certificates = files.read().and_then(|read| read.parse(&files));
        let certificates =
            certificates.map_err(|error| scope.wrong("certificate", format!("and key: {error}")))?;
        Ok(Some(TlsConfig { listen: scope.address("listen")?, files, certificates }))
    }

    fn admission(&self) -> AdmissionConfig {
        let scope = self.scope("gateway.admission");
        AdmissionConfig {
            is_enabled: scope.flag("enabled"),
            limit_initial: scope.count("limit_initial"),
            limit_min: scope.count("limit_min"),
            wait: scope.duration("wait_ms"),
            burst_wait: scope.duration("burst_wait_ms"),
        }
    }

    /// The file of networks, which can be read.
    fn shield_networks(&self) -> Result<Option<PathBuf>, ConfigError> {
        let scope = self.scope("gateway.shield");
        let Some(file) = scope.path("networks") else { return Ok(None) };
        match shield_networks(&file) {
            Ok(_) => Ok(Some(file)),
            Err(error) => Err(scope.wrong("networks", format!("= {}: {error}", file.display()))),
        }
    }

    fn crawlers(&self) -> Result<CrawlersConfig, ConfigError> {
        let scope = self.scope("gateway.shield");
        let resolvers: Result<Vec<SocketAddr>, _> =
            scope.texts("resolvers").iter().map(|server| server.parse()).collect();
        let resolvers = resolvers.map_err(|_| scope.wrong("resolvers", "must be like 192.0.2.53:53"))?;
        Ok(CrawlersConfig {
            resolvers: scope.flag("verify_crawlers").then_some(resolvers),
            is_fetching: scope.flag("fetch_networks"),
        })
    }

    fn shield(&self) -> Result<ShieldConfig, ConfigError> {
        let scope = self.scope("gateway.shield");
        let preset = ShieldConfig::default();
        let mode = scope.text("mode");
        let mode = ShieldMode::ALL.into_iter().find(|known| known.name() == mode).unwrap_or(preset.mode);
        let rules = match scope.path("rules") {
            None => preset.rules,
            Some(file) => match shield_rules(&file) {
                Ok((_, rules)) => rules,
                Err(error) => return Err(scope.wrong("rules", format!("= {}: {error}", file.display()))),
            },
        };
        let secret = scope.secret("secret")?.map(|text| {
            let secret = tandem_identity::from_hexadecimal(&text);
            secret.ok_or_else(|| scope.wrong("secret", "must have 64 hexadecimal digits"))
        });
        Ok(ShieldConfig {
            mode,
            rules,
            memory: preset.memory,
            slow: scope.duration("slow_ms"),
            slowed_max: scope.count("slowed_max"),
            explained_max: scope.count("explained_max"),
            secret: secret.transpose()?,
        })
    }

    fn limits(&self) -> Result<LimitsConfig, ConfigError> {
        let scope = self.scope("gateway");
        let preset = LimitsConfig::default();
        let rules = match scope.path("limits") {
            None => preset.rules,
            Some(file) => match limit_rules(&file) {
                Ok((_, rules)) => rules,
                Err(error) => return Err(scope.wrong("limits", format!("= {}: {error}", file.display()))),
            },
        };
        let networks: Result<Vec<Network>, _> =
            scope.texts("trusted_proxies").iter().map(|network| network.parse()).collect();
        let networks = networks.map_err(|error| scope.wrong("trusted_proxies", format!("holds {error}")))?;
        let trusted_proxies = match (scope.count("trusted_hops"), networks.is_empty()) {
            (0, true) => TrustedProxies::None,
            (0, false) => TrustedProxies::Networks(networks),
            (hops, true) => TrustedProxies::Hops(hops),
            (_, false) => {
                return Err(
                    scope.wrong("trusted_hops", "and trusted_proxies exclude each other: say one of them")
                );
            }
        };
        let gateways = u32::try_from(scope.integer("gateways")).unwrap_or(u32::MAX);
        let leases = LeaseSettings { gateways, ..preset.leases };
        Ok(LimitsConfig { rules, keys: scope.count("limit_keys"), trusted_proxies, leases })
    }

    /// The Redis of shared limits, where they are shared.
    fn shared_limits(&self) -> Result<Option<tandem_redis::Settings>, ConfigError> {
        if !self.scope("gateway").flag("share_limits") {
            return Ok(None);
        }
        let scope = self.scope("shared_limits");
        let mut settings: tandem_redis::Settings = scope.settings()?;
        settings.password = scope.secret("password")?;
        settings.sentinel_password = scope.secret("sentinel_password")?;
        settings.check().map_err(|error| scope.refused_by_adapter(&error.to_string()))?;
        Ok(Some(settings))
    }

    /// Which tokens are taken; none where nothing is said.
    fn tokens(&self) -> Result<Option<TokenSettings>, ConfigError> {
        let scope = self.scope("gateway.jwt");
        let (issuer, audience, url) = (scope.text("issuer"), scope.text("audience"), scope.text("jwks_url"));
        let file = scope.path("jwks");
        if issuer.is_empty() && audience.is_empty() && url.is_empty() && file.is_none() {
            return Ok(None);
        }
        for (name, value) in [("issuer", &issuer), ("audience", &audience)] {
            if value.is_empty() {
                return Err(scope.wrong(name, "must be set where tokens are taken"));
            }
        }
        let source = match (file, url.as_str()) {
            (Some(file), "") => JwksSource::File(file),
            (None, url) if is_safe_url(url) => JwksSource::Url(url.to_owned()),
            (None, "") => return Err(scope.wrong("jwks", "or jwks_url must be set where tokens are taken")),
            (None, _) => {
                return Err(
                    scope.wrong("jwks_url", "must be an https address, or an http one at this machine")
                );
            }
            (Some(_), _) => {
                return Err(scope.wrong("jwks_url", "and jwks can't both be set: keys have one place"));
            }
        };
        Ok(Some(TokenSettings { issuer, audience, tenant_claim: scope.text("tenant_claim"), source }))
    }

    fn control_node(&self) -> Result<ControlConfig, ConfigError> {
        let scope = self.scope("control");
        let id = MemberId(scope.integer("id"));
        let nodes: BTreeMap<MemberId, Uri> = (1..).map(MemberId).zip(scope.urls("nodes")?).collect();
        let founders = if scope.flag("join") { Founders::Others } else { Founders::Configured };
        if founders == Founders::Configured && !nodes.contains_key(&id) {
            return Err(scope.wrong(
                "id",
                "must be the place of this node in `nodes`, or `join` must be true where it is new in the group",
            ));
        }
        let pool = |key: &str| {
            Ok::<_, ConfigError>(PoolConfig {
                nodes: scope.urls(key)?,
                connect_timeout: PROBE_CONNECT_TIMEOUT,
                answer_bytes_max: PROBE_BYTES_MAX,
            })
        };
        Ok(ControlConfig {
            id,
            nodes,
            founders,
            pools: [pool("chain_a")?, pool("chain_b")?],
            data: scope.path("data").expect("it is required, which was looked at first"),
            key: OperatorKey::new(self.operator_key()?.as_str()),
            listen: scope.address("listen")?,
            admin: scope.address("admin")?,
        })
    }

    fn metronome(&self) -> Result<MetronomeConfig, ConfigError> {
        let scope = self.scope("metronome");
        Ok(MetronomeConfig {
            log: self.log()?,
            control: self.control()?,
            clock_difference_ms_max: scope.integer("clock_difference_ms_max"),
            clock_check: scope.duration("clock_check_ms"),
            admin: scope.address("admin")?,
        })
    }

    fn schema(&self, chain: Option<Chain>) -> Result<SchemaConfig, ConfigError> {
        let has_rows = |chain: &Chain| self.values.sections.contains_key(&format!("chains.{chain}.rows"));
        let chains =
            Chain::ALL.into_iter().filter(|of| chain.map_or_else(|| has_rows(of), |asked| asked == *of));
        let rows = chains.map(|chain| Ok((chain, self.rows(chain)?))).collect::<Result<_, ConfigError>>()?;
        Ok(SchemaConfig { log: self.log()?, rows })
    }

    fn verify(&self) -> Result<VerifyConfig, ConfigError> {
        Ok(VerifyConfig {
            log: self.log()?,
            rows: [self.rows(Chain::A)?, self.rows(Chain::B)?],
            pseudonym_key: self.pseudonym_key()?,
        })
    }
}

/// Nodes are near: one that takes longer is gone.
const PROBE_CONNECT_TIMEOUT: Duration = Duration::from_millis(250);
/// Largest answer to a probe, in bytes: the report of a big session, or the status of many partitions.
const PROBE_BYTES_MAX: usize = 8 << 20;

/// Only gateways connect, and they keep idle connections for less.
const QUERY_HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// Whether nobody on the way can put keys of his own into the answer.
fn is_safe_url(text: &str) -> bool {
    let Ok(url) = text.parse::<Uri>() else { return false };
    let is_here = matches!(url.host(), Some("127.0.0.1" | "localhost" | "[::1]"));
    match url.scheme_str() {
        Some("https") => url.host().is_some(),
        Some("http") => is_here,
        _ => false,
    }
}

fn hexadecimal(text: &str) -> Option<[u8; 16]> {
    if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
}
