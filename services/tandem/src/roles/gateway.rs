//! The gateway: one port for everybody, in front of both chains' query nodes, writing to Kafka.
//!
//! It must come up while Kafka is away: reads do not need it. All it needs to know of the log is
//! which one it is and how many partitions it has, and the chains know that, too. So whoever
//! answers first tells.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::anyhow;
use futures::FutureExt;
use http::Request;
use tandem_control::Remote;
use tandem_failover::Observation;
use tandem_gateway::{ChainService, Gateway, Pool, Tls};
use tandem_ingest::{Ingest, forget_receipts, wall_ms};
use tandem_kafka::{Identity, KafkaLog, Purpose};
use tandem_model::route::Chain;
use tandem_model::status::{ChainStatus, PATH};
use tandem_model::{Calendar, LogId};
use tandem_redis::Quota;
use tandem_storage::EventLog;
use tandem_telemetry::measured;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tower::ServiceExt;

use super::backends::{LOG, check_control, follow_control, is_log_retryable};
use super::crawlers::{ClaimCounts, Dns, Networks, fetch_networks, follow_networks, look_into_claims};
use super::reload::{Live, follow_config, options};
use super::rules::{follow_limits, follow_shield};
use super::stage::{Ending, Stage, bind, local_address};
use crate::certificates::{CertificateFiles, follow_certificates};
use crate::config::{CrawlersConfig, GatewayRoleConfig, TlsConfig};
use crate::failure::Failure;
use crate::identity::Follower;
use crate::parity::{Auditor, AuditorSettings, ChainView, ServiceView};
use crate::system::control::{seen_by, symptom_ticks};
use crate::system::metrics;
use crate::terminal::say;

/// How long a chain may take to say which log it follows.
const CHAIN_TIMEOUT: Duration = Duration::from_secs(1);

struct Started {
    listener: TcpListener,
    gateway: Gateway,
    log: Arc<dyn EventLog>,
    /// Where the hours and days of both chains begin.
    calendar: Calendar,
    control: Arc<Remote>,
    callers: Follower,
    /// Compares both chains.
    views: [Box<dyn ChainView>; 2],
    limits: Option<PathBuf>,
    shield: Option<PathBuf>,
    shared_limits: Option<Quota>,
    secure: Option<Secure>,
}

/// A port with TLS.
struct Secure {
    listener: TcpListener,
    tls: Arc<Tls>,
    files: CertificateFiles,
}

/// `file` is where `config` comes from: it is looked at again while it runs.
pub(super) async fn run(config: GatewayRoleConfig, file: &Path) -> Result<(), Failure> {
    // From the first moment: one that comes while we start must not end us.
    let hangups = signal(SignalKind::hangup())
        .map_err(|error| Failure::failed(anyhow!(error).context("can't listen for signals")))?;
    let stage = Stage::begin("gateway", config.admin).await?;
    let (networks_file, crawlers) = (config.shield_networks.clone(), config.crawlers.clone());
    let operator_key = config.gateway.operator_key.clone();
    let known = options(file).map_err(|error| Failure::configuration(anyhow!(error)))?;
    let Started {
        listener,
        gateway,
        log,
        calendar,
        control,
        callers,
        views,
        limits,
        shield,
        shared_limits,
        secure,
    } = match start(&stage, config).await {
        Ok(started) => started,
        Err(ending) => return stage.give_up(ending).await,
    };
    let address = local_address(&listener)?;
    let (auditor, parity) =
        Auditor::new(views, Arc::clone(&log), AuditorSettings::default(), wall_ms, stage.stop_flag());
    gateway.show_parity(parity.clone());
    metrics::parity(&stage.telemetry, parity.clone());
    let auditing = tokio::spawn(auditor.within(calendar).run());
    let forgetting = tokio::spawn(forget_receipts(log, stage.stop_flag(), wall_ms));
    let following = tokio::spawn(callers.follow(gateway.clone(), stage.stopped()));
    let (limits, limit_files) = watch::channel(limits);
    let (shield, shield_files) = watch::channel(shield);
    let pending = Arc::new(AtomicU64::new(0));
    metrics::door(&stage.telemetry, &gateway, Arc::clone(&pending));
    let mut live = Live { gateway: gateway.clone(), operator_key, limits, shield, tls: None, pending };
    let mut background = vec![
        tokio::spawn(follow_limits(gateway.clone(), limit_files).map(|_| ())),
        tokio::spawn(follow_shield(gateway.clone(), shield_files).map(|_| ())),
    ];
    background.extend(know_crawlers(&stage, &gateway, networks_file, &crawlers));
    let mut port = None;
    if let Some(Secure { listener, tls, files }) = secure {
        say(format_args!("listening with TLS on https://{}", local_address(&listener)?));
        let (files, followed) = watch::channel(files);
        background.push(tokio::spawn(follow_certificates(gateway.clone(), Arc::clone(&tls), followed)));
        live.tls = Some((Arc::clone(&tls), files));
        port = Some((listener, tls));
    }
    background.push(tokio::spawn(follow_config(file.to_owned(), known, live, hangups)));
    let serving = tokio::spawn({
        let (gateway, stopped) = (gateway.clone(), stage.stopped());
        async move { gateway.serve_ports(listener, port, stopped).await }
    });
    // Two gateways of one name would be one observer, and one of those that share limits.
    let observer = format!("gateway-{address}-{}", std::process::id());
    let sharing = shared_limits.map(|quota| {
        let (gateway, name) = (gateway.clone(), observer.clone());
        tokio::spawn(async move { gateway.share_limits(Arc::new(quota), name).await })
    });
    let telling = tokio::spawn(async move {
        let mut ticks = symptom_ticks();
        loop {
            ticks.tick().await;
            let mut seen = seen_by(&gateway, &observer);
            // All the time: a leader that is new has heard none.
            seen.push(Observation::Digest(parity.borrow().digest_verdict()));
            control.observe(&seen);
        }
    });
    stage.serves(Some(address));
    stage
        .until_stopped(async {
            _ = serving.await;
            _ = forgetting.await;
            _ = auditing.await;
            _ = following.await;
            telling.abort();
            sharing.inspect(|task| task.abort());
            for task in background {
                task.abort();
            }
        })
        .await
}

/// Whatever tells crawlers from those who only say that they are some, beside the requests.
fn know_crawlers(
    stage: &Stage,
    gateway: &Gateway,
    networks_file: Option<PathBuf>,
    config: &CrawlersConfig,
) -> Vec<JoinHandle<()>> {
    let (counts, networks) = (Arc::<ClaimCounts>::default(), Arc::<Networks>::default());
    metrics::crawlers(&stage.telemetry, &counts, &networks);
    // Who it is does not change while it runs; what is in it does.
    let files = watch::channel(networks_file).1;
    let mut tasks =
        vec![tokio::spawn(follow_networks(gateway.clone(), files, Arc::clone(&networks)).map(|_| ()))];
    if config.is_fetching {
        tasks.push(tokio::spawn(fetch_networks(gateway.clone(), networks).map(|_| ())));
    }
    match config.resolvers.as_deref().map(Dns::new) {
        Some(Ok(names)) => {
            tasks.push(tokio::spawn(look_into_claims(gateway.clone(), names, counts).map(|_| ())));
        }
        Some(Err(error)) => {
            let error = format!("{error:#}");
            tracing::warn!(
                error,
                "nobody who says that he is a crawler is looked into: see [gateway.shield] resolvers"
            );
        }
        None => {}
    }
    tasks
}

async fn start(stage: &Stage, config: GatewayRoleConfig) -> Result<Started, Ending> {
    let listener = bind(config.listen, "listen").await?;
    let secure = match config.tls {
        None => None,
        Some(TlsConfig { listen, files, certificates: (first, more) }) => {
            let listener = bind(listen, "gateway.tls.listen").await?;
            Some(Secure { listener, tls: Arc::new(Tls::new(first, more)), files })
        }
    };
    let refused = |error: anyhow::Error| Failure::configuration(error.context("see section [gateway]"));
    let [a, b] = config.pools.map(|pool| Pool::new(&pool));
    let pools = [a.map_err(|error| refused(anyhow!(error)))?, b.map_err(|error| refused(anyhow!(error)))?];
    let control = follow_control(&config.control, config.route_memory)?;
    check_control(&*control).await?;

    let chains = [pools[0].service(), pools[1].service()];
    let views = Chain::ALL.map(|chain| -> Box<dyn ChainView> {
        Box::new(ServiceView::new(chain, chains[chain as usize].clone()))
    });
    let log = known_log(stage, &config.log, &chains).await?;
    let calendar = log.identity().calendar.clone();
    tracing::info!(log = %log.id(), partitions = log.partitions(), "in front of both chains");
    let log: Arc<dyn EventLog> = measured::log(&stage.telemetry, None, Arc::new(log));
    let ingest = Arc::new(Ingest::new(Arc::clone(&log)));
    let gateway = Gateway::new(config.gateway, chains, control.clone(), Arc::clone(&ingest), config.clock)
        .map_err(|error| refused(anyhow!(error)))?;
    let shared_limits = config.shared_limits.map(Quota::new).transpose();
    let shared_limits = shared_limits
        .map_err(|error| Failure::configuration(anyhow!(error).context("see section [shared_limits]")))?;
    let callers = Follower::start(config.identity, &gateway).await?;
    metrics::gateway(&stage.telemetry, &gateway);
    metrics::ingest(&stage.telemetry, &ingest);
    for (chain, pool) in Chain::ALL.into_iter().zip(&pools) {
        metrics::nodes(&stage.telemetry, chain, pool);
    }
    metrics::check_gateway(&stage.health, &gateway, &ingest);
    let (limits, shield) = (config.limits, config.shield);
    Ok(Started {
        listener,
        gateway,
        log,
        calendar,
        control,
        callers,
        views,
        limits,
        shield,
        shared_limits,
        secure,
    })
}

/// The log, as Kafka or else a chain describes it.
async fn known_log(
    stage: &Stage,
    settings: &tandem_kafka::Settings,
    chains: &[ChainService; 2],
) -> Result<KafkaLog, Ending> {
    let purpose = || Purpose::Append("gateway".to_owned());
    let open = async || match KafkaLog::open(settings.clone(), purpose()).await {
        Err(error) if is_log_retryable(&error) => {
            for chain in chains {
                if let Some(identity) = described(chain.clone()).await {
                    tracing::warn!(%error, "Kafka is away: reads are served, events are not taken until it is there");
                    return KafkaLog::with_identity(settings.clone(), identity, purpose());
                }
            }
            Err(error)
        }
        opened => opened,
    };
    stage.wait_for(LOG, open, is_log_retryable).await
}

/// Which log a chain follows, if it says so.
async fn described(chain: ChainService) -> Option<Identity> {
    let mut question = Request::new(bytes::Bytes::new());
    *question.uri_mut() = http::Uri::from_static(PATH);
    let answer = tokio::time::timeout(CHAIN_TIMEOUT, chain.oneshot(question)).await.ok()?.ok()?;
    let status: ChainStatus = serde_json::from_slice(answer.body()).ok()?;
    Some(Identity {
        log_id: LogId(u128::from_str_radix(&status.log, 16).ok()?.to_be_bytes()),
        // Writers of rows need it; a gateway writes none.
        generation: 0,
        partitions: u32::try_from(status.partitions.len()).ok().filter(|count| *count > 0)?,
        created_ms: 0,
        // One that this program does not know would be one that chains could not fold in.
        calendar: Calendar::new(&status.time_zone).ok()?,
    })
}
