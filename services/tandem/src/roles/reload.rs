//! The configuration of a gateway, while it runs: what may change takes effect, as a whole or not at
//! all, and no request or stream is dropped for it.
//!
//! The file (with the secrets it names, and the variables) is looked at each second, and at once on
//! SIGHUP. What is wrong is said once, counted, and changes nothing. Options that need a restart are
//! named in the log and counted in a metric for as long as they differ from what the process was started
//! with; everything else of the same file takes effect.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tandem_gateway::{Gateway, GatewayConfig, Tls};
use tokio::signal::unix::Signal;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::certificates::{CertificateFiles, Settling};
use crate::config::{Changes, GatewayRoleConfig, Options, Role, RoleConfig, Values, environment};

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a reading takes effect on.
pub(super) struct Live {
    pub(super) gateway: Gateway,
    /// Fixed for as long as it runs: the process shows it to the control node, too.
    pub(super) operator_key: String,
    /// The file of rate limits.
    pub(super) limits: watch::Sender<Option<PathBuf>>,
    /// The file of the shield's rules.
    pub(super) shield: watch::Sender<Option<PathBuf>>,
    /// What the port with TLS shows, where there is one.
    pub(super) tls: Option<(Arc<Tls>, watch::Sender<CertificateFiles>)>,
    /// How many options wait for a restart.
    pub(super) pending: Arc<AtomicU64>,
}

/// All options, or what is wrong with them.
type Found = Result<Options, String>;

/// The configuration as it stands in the file.
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn options(file: &Path) -> Found {
    let values = Values::load(file, environment()).map_err(|error| error.to_string())?;
    values.options(Role::Gateway).map_err(|error| error.to_string())
}

/// Keeps a gateway as `file` has it, as long as it is polled. `started` is what it was started with.
pub(super) async fn follow_config(file: PathBuf, started: Options, live: Live, mut hangups: Signal) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut settling = Settling::new(Ok(started.clone()));
    let mut in_force = started.clone();
    loop {
        let is_asked = tokio::select! {
            Some(()) = hangups.recv() => true,
            _ = ticks.tick() => false,
        };
        let looking = file.clone();
        // A panic there is one look less.
        let Ok(found) = tokio::task::spawn_blocking(move || options(&looking)).await else { continue };
        if is_asked {
            settling.take(found);
        } else if !settling.is_due(&found) {
            continue;
        }
        let reading = file.clone();
        let Ok(read) = tokio::task::spawn_blocking(move || read(&reading)).await else { continue };
        match read.and_then(|(options, config)| live.apply(config).map(|tls_waits| (options, tls_waits))) {
            Ok((options, tls_waits)) => {
                let changes = changes(&started, &in_force, &options, tls_waits);
                said(&changes);
                live.pending.store(changes.restart.len() as u64, Ordering::Relaxed);
                in_force = options;
            }
            Err(error) => {
                live.gateway.note_refused_config();
                tracing::error!(
                    error, file = %file.display(),
                    "the configuration is refused as a whole: the one before stays in force"
                );
            }
        }
    }
}

fn read(file: &Path) -> Result<(Options, Box<GatewayRoleConfig>), String> {
    let values = Values::load(file, environment()).map_err(|error| error.to_string())?;
    let options = values.options(Role::Gateway).map_err(|error| error.to_string())?;
    match values.of(Role::Gateway, None).map_err(|error| error.to_string())? {
        RoleConfig::Gateway(config) => Ok((options, config)),
        _ => Err("it was read for another role".to_owned()),
    }
}

/// What has just been taken into use, and what is other than at the start and waits.
fn changes(started: &Options, in_force: &Options, now: &Options, tls_waits: bool) -> Changes {
    let Changes { live: since_start, mut restart } = started.changed(now);
    let mut live = in_force.changed(now).live;
    if tls_waits {
        // A port can't be opened or closed while it runs.
        let is_tls = |name: &String| name.starts_with("[gateway.tls]");
        live.retain(|name| !is_tls(name));
        restart.extend(since_start.into_iter().filter(is_tls));
    }
    Changes { live, restart }
}

fn said(changes: &Changes) {
    match changes.live.is_empty() {
        true => tracing::info!("the configuration was read: nothing changes while it runs"),
        false => tracing::info!(options = changes.live.join(", "), "another configuration is in force"),
    }
    if !changes.restart.is_empty() {
        let options = changes.restart.join(", ");
        tracing::warn!(options, "these options have changed and wait for a restart");
    }
}

impl Live {
    /// Puts it in force, or leaves everything as it is. Whether TLS waits for a restart: it is to be
    /// spoken and is not, or the other way round.
    fn apply(&self, config: Box<GatewayRoleConfig>) -> Result<bool, String> {
        let GatewayRoleConfig { gateway, limits, shield, tls, .. } = *config;
        let gateway = GatewayConfig { operator_key: self.operator_key.clone(), ..gateway };
        self.gateway.replace_config(gateway).map_err(|error| format!("see section [gateway]: {error}"))?;
        // From here on nothing can fail.
        self.limits.send_if_modified(|file| std::mem::replace(file, limits.clone()) != limits);
        self.shield.send_if_modified(|file| std::mem::replace(file, shield.clone()) != shield);
        let tls_waits = self.tls.is_some() != tls.is_some();
        if let (Some((shown, files)), Some(tls)) = (&self.tls, tls) {
            let is_other =
                files.send_if_modified(|now| std::mem::replace(now, tls.files.clone()) != tls.files);
            if is_other {
                let (first, more) = tls.certificates;
                shown.replace(first, more);
            }
        }
        Ok(tls_waits)
    }
}
