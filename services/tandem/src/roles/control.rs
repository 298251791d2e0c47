//! The control node: hands out the route, and takes switches.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use tandem_control::{Control, ControlError, Local, api};
use tandem_gateway::{PortLimits, serve_http};
use tandem_telemetry::parts::{self, ControlState};

use super::stage::{Ending, Stage, bind, local_address};
use crate::config::ControlConfig;
use crate::failure::Failure;

const LIMITS: PortLimits = PortLimits {
    connections_max: 4_096,
    // Followers ask again after 20 s at the latest.
    header_timeout: Duration::from_secs(60),
    drain: Duration::from_secs(5),
};

pub(super) async fn run(config: ControlConfig) -> Result<(), Failure> {
    let stage = Stage::begin("control", config.admin).await?;
    let started = async {
        let listener = bind(config.listen, "listen").await?;
        let address = local_address(&listener)?;
        Ok::<_, Failure>((open(&config).await?, listener, address))
    };
    let (local, listener, address) = match started.await {
        Ok(started) => started,
        Err(failure) => return stage.give_up(Ending::Failed(failure)).await,
    };
    let local: Arc<dyn Control> = Arc::new(local);
    let route = local.route();
    let first_epoch = route.borrow().epoch;
    parts::control(&stage.telemetry, move || {
        let route = route.borrow();
        ControlState { active: route.active, epoch: route.epoch, decisions: route.epoch - first_epoch }
    });
    let pages = api::router(local, config.key.clone(), stage.stop_flag());
    let serving = tokio::spawn(serve_http(pages, LIMITS, listener, stage.stopped()));
    stage.serves(Some(address));
    stage.until_stopped(async { _ = serving.await }).await
}

async fn open(config: &ControlConfig) -> Result<Local, Failure> {
    let folder = config.data.clone();
    let opened = tokio::task::spawn_blocking(move || Local::open(&folder)).await;
    let opened = opened.map_err(|error| Failure::failed(anyhow!(error)))?;
    opened.map_err(|error| {
        let advice = match &error {
            ControlError::Held { .. } => "two control nodes can't share a folder: stop the other one",
            ControlError::Damaged { .. } => "restore the folder from a copy; never start with an empty one",
            _ => "see [control] data",
        };
        Failure::configuration(
            anyhow!(error)
                .context(format!("can't open the decisions in {} ({advice})", config.data.display())),
        )
    })
}
