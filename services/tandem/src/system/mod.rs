//! A whole Tandem in this process: log, both chains, control, gateway, and what moves time.
//!
//! [`System::start`] brings the parts up in the order in which they need each other, and
//! [`System::stop`] takes them down in the opposite order: no more requests, the demo's rooms
//! close, time stands still, both chains flush and take a snapshot, the data is closed.

pub mod admin;
mod chain;
pub(crate) mod control;
mod error;
pub mod hooks;
pub mod metrics;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tandem_compute::{Compute, Phase, SeededFault, Settings};
use tandem_control::{Control, Node, OperatorKey};
use tandem_embedded::Data;
use tandem_failover::DigestVerdict;
use tandem_gateway::{ClockMode, Drained, Gateway, GatewayConfig, ShieldMode};
use tandem_ingest::{Ingest, MetronomeCounts, forget_receipts, metronome_counted, wall_ms};
use tandem_model::Rules;
use tandem_model::calendar::Calendar;
use tandem_model::route::Chain;
use tandem_parity::ParityReport;
use tandem_query::Query;
use tandem_storage::{All, ChainStores, EventLog};
use tandem_telemetry::measured;
use tandem_telemetry::requests::RequestsLayer;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::demo::drive::drive;
use crate::identity::{self, Follower};
use crate::key::Key;
use crate::parity::{Auditor, AuditorSettings, ChainView, ServiceView};
use crate::system::admin::Admin;
use crate::system::hooks::{Between, User};

pub use control::ControlPorts;
pub use error::StartError;

/// How many partitions a new log has where nothing is said.
pub const PARTITIONS: u32 = 4;

/// What a system is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the data is kept; in a temporary folder that is removed at the end where absent.
    pub data: Option<PathBuf>,
    /// Partitions of the log. A new one has [`PARTITIONS`] where absent; one that is there keeps
    /// its own, and refuses another number.
    pub partitions: Option<u32>,
    /// The calendar of boards; that of the data, or the default one, where absent.
    pub calendar: Option<Calendar>,
    /// Where the gateway listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where metrics and health are served; nowhere where absent. Port 0 takes a free one.
    pub admin: Option<SocketAddr>,
    /// The ports of the control group, at the gateway's address.
    pub control_ports: ControlPorts,
    /// The operator's key.
    pub key: Key,
    /// The file of tenants and their keys; the operator alone where absent.
    pub keys: Option<PathBuf>,
    /// Origins of web pages that may call from a browser.
    pub cors_origins: Vec<String>,
    /// What becomes of the shield's verdicts.
    pub shield: ShieldMode,
    /// How many streams may be open at one time, also of one tenant; the gateway's defaults where absent.
    pub streams_max: Option<usize>,
    /// What moves time.
    pub clock: ClockMode,
    /// Seed of the demo traffic; none where absent.
    pub demo_seed: Option<u64>,
    /// What stands between the parts: nothing, unless this is a drill.
    pub between: Between,
    /// Faults that are put into the folds of chains a and b on purpose: none, unless this is a drill.
    pub seeded_faults: [SeededFault; 2],
}

impl Options {
    /// On a free local port, in a temporary folder, with a metronome and without demo traffic.
    pub fn new(key: Key) -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let clock = ClockMode::Live;
        Self {
            data: None,
            partitions: None,
            calendar: None,
            listen,
            admin: None,
            control_ports: ControlPorts::Any,
            key,
            keys: None,
            cors_origins: Vec::new(),
            shield: ShieldMode::default(),
            streams_max: None,
            clock,
            demo_seed: None,
            between: Between::default(),
            seeded_faults: Default::default(),
        }
    }
}

/// A running system.
pub struct System {
    address: SocketAddr,
    admin: Option<Admin>,
    gateway: Gateway,
    serving: JoinHandle<Drained>,
    stop_serving: watch::Sender<bool>,
    demo: Option<JoinHandle<()>>,
    stop_demo: watch::Sender<bool>,
    /// Metronome and housekeeping.
    tasks: Vec<JoinHandle<()>>,
    stop_tasks: watch::Sender<bool>,
    ingest: Arc<Ingest>,
    control: control::Group,
    computes: [Compute; 2],
    parity: watch::Receiver<ParityReport>,
    data: Data,
}

impl System {
    /// Starts everything.
    ///
    /// # Errors
    ///
    /// When a part can't start; what has started by then is taken down again.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        // The port comes first: what is most often wrong is said before anything is created.
        let listen = options.listen;
        let listener =
            TcpListener::bind(listen).await.map_err(|source| StartError::Listen { listen, source })?;
        let address = listener.local_addr().map_err(|source| StartError::Listen { listen, source })?;
        let admin = match options.admin {
            Some(listen) => Some(Admin::start(listen, "up").await?),
            None => None,
        };
        let telemetry = admin.as_ref().map(|admin| &admin.telemetry);
        let data = open(&options).await?;
        let operator = OperatorKey::new(options.key.as_str());
        let mut control =
            control::Group::start(&data.folder, (listen.ip(), options.control_ports), &operator).await?;
        let log = |user: Option<Chain>| -> Arc<dyn EventLog> {
            match telemetry {
                Some(telemetry) => measured::log(telemetry, user, data.log.clone()),
                None => data.log.clone(),
            }
        };
        let between = &options.between;
        let stores = Chain::ALL.map(|chain| {
            let stores = stores(&data, chain).clone();
            let stores = between.stores(chain, stores);
            match telemetry {
                Some(telemetry) => measured::stores(telemetry, chain, stores),
                None => stores,
            }
        });
        let log = |user: User| {
            let chain = match user {
                User::Everybody => None,
                User::Compute(chain) | User::Query(chain) => Some(chain),
            };
            between.log(user, log(chain))
        };
        let ingest = Arc::new(Ingest::new(log(User::Everybody)));
        let services = Chain::ALL.map(|chain| {
            let stores = stores[chain as usize].clone();
            let router = tandem_query::router(
                Query::new(chain, log(User::Query(chain)), stores).within(data.calendar.clone()),
            );
            let service = match telemetry {
                Some(telemetry) => chain::service(router.layer(RequestsLayer::new(telemetry, chain))),
                None => chain::service(router),
            };
            between.service(chain, service)
        });
        let (verdict, verdicts) = watch::channel(DigestVerdict::Indeterminate);
        control.watch(&services, &verdicts);
        let views = Chain::ALL.map(|chain| -> Box<dyn ChainView> {
            Box::new(ServiceView::new(chain, services[chain as usize].clone()))
        });
        let mut config = GatewayConfig::new(options.key.as_str());
        config.cors_origins.clone_from(&options.cors_origins);
        config.shield.mode = options.shield;
        if let Some(streams_max) = options.streams_max {
            config.streams_max = streams_max;
            config.streams_per_tenant_max = streams_max;
            // Everybody else has as much room as before.
            config.connections_max += streams_max;
        }
        let followed = between.control(control.control());
        let gateway = Gateway::new(config, services, followed, Arc::clone(&ingest), options.clock)?;
        let settings = identity::Settings { keys: options.keys.clone(), tokens: None };
        let callers = Follower::start(settings, &gateway).await.map_err(StartError::Keys)?;
        let [of_a, of_b] = stores;
        let rules = || data.rules();
        let [fault_a, fault_b] = &options.seeded_faults;
        let computes = [
            compute(Chain::A, log(User::Compute(Chain::A)), of_a, rules(), fault_a.clone())?,
            compute(Chain::B, log(User::Compute(Chain::B)), of_b, rules(), fault_b.clone())?,
        ];

        let (stop_tasks, stopped) = watch::channel(false);
        let (auditor, parity) =
            Auditor::new(views, log(User::Everybody), AuditorSettings::default(), wall_ms, stopped.clone());
        let auditor = auditor.within(data.calendar.clone());
        gateway.show_parity(parity.clone());
        let mut tasks = vec![
            tokio::spawn(forget_receipts(log(User::Everybody), stopped.clone(), wall_ms)),
            tokio::spawn(auditor.run()),
            tokio::spawn(control::tell_verdicts(parity.clone(), verdict)),
            tokio::spawn(control.tell_symptoms(gateway.clone(), stopped.clone())),
        ];
        let mut following_stopped = stopped.clone();
        tasks.push(tokio::spawn({
            let gateway = gateway.clone();
            async move {
                callers.follow(gateway, async { _ = following_stopped.wait_for(|stop| *stop).await }).await;
            }
        }));
        let (beats, beats_counted) = watch::channel(MetronomeCounts::default());
        if options.clock == ClockMode::Live {
            tasks.push(tokio::spawn(metronome_counted(log(User::Everybody), stopped, wall_ms, beats)));
        }
        if let Some(Admin { telemetry, health, .. }) = &admin {
            for (chain, compute) in Chain::ALL.into_iter().zip(&computes) {
                metrics::compute(telemetry, chain, options.clock, &*data.log, compute.statuses());
            }
            metrics::gateway(telemetry, &gateway);
            metrics::parity(telemetry, parity.clone());
            metrics::ingest(telemetry, &ingest);
            metrics::check_gateway(health, &gateway, &ingest);
            if options.clock == ClockMode::Live {
                metrics::metronome(telemetry, beats_counted, || None);
            }
            health.open();
        }
        let (stop_demo, demo_stopped) = watch::channel(false);
        let demo = options.demo_seed.map(|seed| tokio::spawn(drive(Arc::clone(&ingest), seed, demo_stopped)));
        let (stop_serving, mut serving_stopped) = watch::channel(false);
        let serving = tokio::spawn({
            let gateway = gateway.clone();
            // An error means that the system was dropped: that is an end, too.
            async move {
                gateway.serve(listener, async { _ = serving_stopped.wait_for(|stop| *stop).await }).await
            }
        });
        Ok(Self {
            address,
            admin,
            gateway,
            serving,
            stop_serving,
            demo,
            stop_demo,
            tasks,
            stop_tasks,
            ingest,
            control,
            computes,
            parity,
            data,
        })
    }

    /// Waits until both chains have come back to where they were before the last stop, or can't.
    /// Until then reads are answered with 503.
    pub async fn recovered(&self) {
        for status in self.computes.iter().flat_map(Compute::statuses) {
            // An error means that the partition ended, which compute has said.
            _ = status.clone().wait_for(|status| status.phase != Phase::Recovering).await;
        }
    }

    /// Where the gateway listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where metrics and health are served, if anywhere.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|admin| admin.address)
    }

    /// Where the data is.
    pub fn folder(&self) -> &Path {
        &self.data.folder
    }

    /// The event log.
    pub fn log(&self) -> Arc<dyn EventLog> {
        self.data.log.clone()
    }

    /// The way into the log.
    pub fn ingest(&self) -> &Arc<Ingest> {
        &self.ingest
    }

    /// The stores of a chain.
    pub fn stores(&self, chain: Chain) -> &ChainStores {
        stores(&self.data, chain)
    }

    /// The compute of a chain.
    pub fn compute(&self, chain: Chain) -> &Compute {
        &self.computes[chain as usize]
    }

    /// The control group, through one of its members.
    pub fn control(&self) -> Arc<dyn Control> {
        self.control.control()
    }

    /// The member of the control group that leads, where one does.
    pub fn control_leader(&self) -> Option<Node> {
        self.control.leader()
    }

    /// Where the control group's members listen.
    pub fn control_addresses(&self) -> &[SocketAddr] {
        self.control.addresses()
    }

    /// What comparing both chains gives, as it stands and as it changes.
    pub fn parity(&self) -> watch::Receiver<ParityReport> {
        self.parity.clone()
    }

    /// The gateway.
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Takes everything down: requests under way come to their end, both chains flush what they
    /// have folded and take a snapshot, the data is closed.
    pub async fn stop(self) -> Stopped {
        if let Some(admin) = &self.admin {
            admin.health.drain();
        }
        self.stop_serving.send_replace(true);
        let drained = self.serving.await.ok();
        self.stop_demo.send_replace(true);
        if let Some(demo) = self.demo {
            log_panic("the demo", demo.await);
        }
        self.stop_tasks.send_replace(true);
        for task in self.tasks {
            log_panic("a background task", task.await);
        }
        let [a, b] = self.computes;
        futures::join!(a.stop(), b.stop());
        // It shows everything up to here, and holds what it shows.
        if let Some(admin) = self.admin {
            admin.stop().await;
        }
        self.control.stop().await;
        drop((self.gateway, self.ingest));
        // Closing syncs files and may remove a folder: not for an async thread.
        let data = self.data;
        log_panic("closing the data", tokio::task::spawn_blocking(move || drop(data)).await);
        Stopped { connections_cut: drained.map_or(0, |drained| drained.connections_cut) }
    }
}

/// How a system ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Connections whose requests did not come to their end in time.
    pub connections_cut: usize,
}

async fn open(options: &Options) -> Result<Data, StartError> {
    let (folder, partitions, calendar) = (options.data.clone(), options.partitions, options.calendar.clone());
    // Opening checks the log as a whole, which takes its time.
    let opened = tokio::task::spawn_blocking(move || {
        let data = match (folder, partitions) {
            (None, partitions) => Data::temporary(partitions.unwrap_or(PARTITIONS)),
            // One that is there knows its partitions.
            (Some(folder), None) if folder.join("log").exists() => Data::open_existing(&folder),
            (Some(folder), partitions) => Data::open(&folder, partitions.unwrap_or(PARTITIONS)),
        }?;
        match calendar {
            Some(calendar) => data.within(calendar),
            None => Ok(data),
        }
    });
    match opened.await {
        Ok(opened) => opened.map_err(StartError::Data),
        Err(error) => Err(StartError::Broken(error.to_string())),
    }
}

fn compute(
    chain: Chain,
    log: Arc<dyn EventLog>,
    stores: ChainStores,
    rules: Rules,
    seeded_fault: SeededFault,
) -> Result<Compute, StartError> {
    // One process has them all.
    let ownership = Arc::new(All::of(log.partitions()));
    let settings = Settings { seeded_fault, ..Settings::of(chain) };
    Compute::start(settings, log, stores, rules, ownership).map_err(StartError::Compute)
}

/// The stores of `chain`.
pub fn stores(data: &Data, chain: Chain) -> &ChainStores {
    match chain {
        Chain::A => &data.chains.a,
        Chain::B => &data.chains.b,
    }
}

fn log_panic(what: &str, outcome: Result<(), tokio::task::JoinError>) {
    if let Err(error) = outcome {
        tracing::error!(%error, "{what} broke down");
    }
}

#[cfg(test)]
mod tests;
