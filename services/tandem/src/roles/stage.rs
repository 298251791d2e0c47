//! What all roles share: a place to stand on from the first moment to the last.
//!
//! **Signals.** SIGTERM and Ctrl-C stop in order; a second one ends at once. An orderly stop has a
//! bound: what hangs then ends with exit code 1, so that nobody has to kill us.
//!
//! **Waiting.** What is away is asked again with growing pauses, and the health page says what is
//! waited for, and why.

use std::fmt::Display;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use parking_lot::Mutex;
use tandem_storage::StoreError;
use tandem_telemetry::{Health, Telemetry};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::failure::Failure;
use crate::system::admin::Admin;
use crate::terminal::{remark, say};

/// Exit code of a process that a second signal ends.
const INTERRUPTED: i32 = 130;
/// How long an orderly stop may take. Less than what orchestrators wait before they kill.
const STOP_TIMEOUT: Duration = Duration::from_secs(25);
/// First pause before a backend is asked again, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// How a role ends before its time.
pub(super) enum Ending {
    /// It was told to stop.
    Stopped,
    /// It can't go on.
    Failed(Failure),
}

impl From<Failure> for Ending {
    fn from(failure: Failure) -> Self {
        Ending::Failed(failure)
    }
}

/// What a role stands on.
pub(super) struct Stage {
    pub(super) telemetry: Telemetry,
    pub(super) health: Health,
    stop: watch::Sender<Stop>,
    waiting_for: Arc<Mutex<Option<String>>>,
    /// Ends after everything else.
    admin: Admin,
}

/// Whether the role is to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stop {
    No,
    Asked,
    /// It can't go on: why.
    Failed(String),
}

impl Stage {
    /// Listens for signals and at the admin port.
    pub(super) async fn begin(role: &'static str, admin: SocketAddr) -> Result<Self, Failure> {
        let (stop, _) = watch::channel(Stop::No);
        listen_for_signals(stop.clone())?;
        let admin = Admin::start(admin, role).await.map_err(Failure::configuration)?;
        let (telemetry, health) = (admin.telemetry.clone(), admin.health.clone());
        let waiting_for: Arc<Mutex<Option<String>>> = Arc::default();
        health.check("start", {
            let waiting_for = Arc::clone(&waiting_for);
            move || std::future::ready(waiting_for.lock().clone().map_or(Ok(()), Err))
        });
        say(format_args!("admin listening on http://{}", admin.address));
        Ok(Self { telemetry, health, stop, waiting_for, admin })
    }

    /// Done when the role is to stop.
    pub(super) fn stopped(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stop = self.stop.subscribe();
        async move { _ = stop.wait_for(|stop| *stop != Stop::No).await }
    }

    /// The same as a flag, for parts that watch one.
    pub(super) fn stop_flag(&self) -> watch::Receiver<bool> {
        let (flag, receiver) = watch::channel(false);
        let stopped = self.stopped();
        tokio::spawn(async move {
            stopped.await;
            flag.send_replace(true);
            // Whoever watches must not take our end for the stop.
            flag.closed().await;
        });
        receiver
    }

    /// Tells the role to stop because it can't go on.
    pub(super) fn stopper(&self) -> impl Fn(String) + Send + Sync + 'static {
        let stop = self.stop.clone();
        move |why| {
            stop.send_if_modified(|stop| {
                let is_first = *stop == Stop::No;
                if is_first {
                    *stop = Stop::Failed(why.clone());
                }
                is_first
            });
        }
    }

    /// Opens `what`, and waits for it where it is away.
    pub(super) async fn wait_for<T, E: Display>(
        &self,
        what: &str,
        open: impl AsyncFn() -> Result<T, E>,
        is_retryable: impl Fn(&E) -> bool,
    ) -> Result<T, Ending> {
        let (mut pause, longest) = PAUSES;
        let mut said: Option<String> = None;
        loop {
            let opened = tokio::select! {
                opened = open() => opened,
                () = self.stopped() => return Err(self.ending()),
            };
            match opened {
                Ok(opened) => {
                    if said.is_some() {
                        tracing::info!("{what} is there");
                    }
                    *self.waiting_for.lock() = None;
                    return Ok(opened);
                }
                Err(error) if is_retryable(&error) => {
                    let why = error.to_string();
                    if said.as_ref() != Some(&why) {
                        tracing::warn!("waiting for {what}: {why}");
                        *self.waiting_for.lock() = Some(format!("waiting for {what}: {why}"));
                        said = Some(why);
                    }
                }
                Err(error) => {
                    return Err(Failure::configuration(
                        anyhow!("{error}").context(format!("{what} can't be used")),
                    )
                    .into());
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stopped() => return Err(self.ending()),
            }
            pause = (pause * 2).min(longest);
        }
    }

    /// [`Stage::wait_for`] something that fails as stores do.
    pub(super) async fn wait_for_store<T>(
        &self,
        what: &str,
        open: impl AsyncFn() -> Result<T, StoreError>,
    ) -> Result<T, Ending> {
        self.wait_for(what, open, StoreError::is_retryable).await
    }

    /// The role serves from now on.
    pub(super) fn serves(&self, address: Option<SocketAddr>) {
        self.health.open();
        match address {
            Some(address) => say(format_args!("listening on http://{address}")),
            None => say("running"),
        }
    }

    /// Why the role stops.
    pub(super) fn ending(&self) -> Ending {
        match &*self.stop.borrow() {
            Stop::Failed(why) => Ending::Failed(Failure::failed(anyhow!("{why}"))),
            Stop::No | Stop::Asked => Ending::Stopped,
        }
    }

    /// Waits for the stop, then lets `wind_down` come to its end within a bounded time.
    pub(super) async fn until_stopped(self, wind_down: impl Future<Output = ()>) -> Result<(), Failure> {
        self.stopped().await;
        self.health.drain();
        remark("stopping: what is under way comes to its end (once more quits at once)");
        let is_over = tokio::time::timeout(STOP_TIMEOUT, wind_down).await.is_ok();
        let ending = self.ending();
        self.close().await;
        match (ending, is_over) {
            (Ending::Failed(failure), _) => Err(failure),
            (Ending::Stopped, true) => {
                remark("stopped");
                Ok(())
            }
            (Ending::Stopped, false) => Err(Failure::failed(anyhow!(
                "the stop took more than {} s and was cut short; nothing that was acknowledged is lost",
                STOP_TIMEOUT.as_secs()
            ))),
        }
    }

    /// Ends what began and did not come to serve.
    pub(super) async fn give_up(self, ending: Ending) -> Result<(), Failure> {
        self.health.drain();
        self.close().await;
        match ending {
            Ending::Stopped => {
                remark("stopped");
                Ok(())
            }
            Ending::Failed(failure) => Err(failure),
        }
    }

    async fn close(self) {
        self.admin.stop().await;
    }
}

/// Listens at an address of the configuration.
pub(super) async fn bind(listen: SocketAddr, option: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(listen).await.map_err(|error| {
        let advice = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                ": another process has that port; stop it, or choose another one (0 takes any free one)"
            }
            std::io::ErrorKind::PermissionDenied => ": ports below 1024 need more rights",
            std::io::ErrorKind::AddrNotAvailable => ": this machine does not have that address",
            _ => "",
        };
        Failure::configuration(
            anyhow!(error).context(format!("can't listen at {listen} (option `{option}`){advice}")),
        )
    })
}

pub(super) fn local_address(listener: &TcpListener) -> Result<SocketAddr, Failure> {
    listener.local_addr().map_err(|error| Failure::failed(anyhow!(error).context("can't listen")))
}

/// The first signal asks for a stop, the second ends the process.
fn listen_for_signals(stop: watch::Sender<Stop>) -> Result<(), Failure> {
    let on = |kind| {
        signal(kind).map_err(|error| Failure::failed(anyhow!(error).context("can't listen for signals")))
    };
    let (mut interrupt, mut terminate): (Signal, Signal) =
        (on(SignalKind::interrupt())?, on(SignalKind::terminate())?);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            let is_first = stop.send_if_modified(|stop| {
                let is_first = *stop == Stop::No;
                if is_first {
                    *stop = Stop::Asked;
                }
                is_first
            });
            if !is_first {
                std::process::exit(INTERRUPTED);
            }
        }
    });
    Ok(())
}
