//! A control node: a member of the group that decides which chain serves.

use std::sync::Arc;

use anyhow::anyhow;
use tandem_control::{ControlError, Node, NodeOptions, Prober, Teller, api};
use tandem_gateway::{Pool, serve_http};

use super::stage::{Ending, Stage, bind, local_address};
use crate::config::ControlConfig;
use crate::failure::Failure;
use crate::system::control::{ByServices, LIMITS, drills};
use crate::system::metrics;

pub(super) async fn run(config: ControlConfig) -> Result<(), Failure> {
    let stage = Stage::begin("control", config.admin).await?;
    let started = async {
        let listener = bind(config.listen, "listen").await?;
        let address = local_address(&listener)?;
        Ok::<_, Failure>((start(&config).await?, listener, address))
    };
    let (node, listener, address) = match started.await {
        Ok(started) => started,
        Err(failure) => return stage.give_up(Ending::Failed(failure)).await,
    };
    let prober = match look(&config, &node) {
        Ok(prober) => prober,
        Err(failure) => return stage.give_up(Ending::Failed(failure)).await,
    };
    metrics::control(&stage.telemetry, node.view());
    stage.health.check("group", {
        let view = node.view();
        move || std::future::ready(standing(&view.borrow()))
    });
    tokio::spawn({
        let (mut view, stop) = (node.view(), stage.stopper());
        async move {
            if let Ok(view) = view.wait_for(|view| view.failure.is_some()).await {
                stop(view.failure.clone().unwrap_or_default());
            }
        }
    });
    let pages = api::router(node.clone(), config.key.clone(), stage.stop_flag(), &drills());
    let serving = tokio::spawn(serve_http(pages, LIMITS, listener, stage.stopped()));
    stage.serves(Some(address));
    stage
        .until_stopped(async {
            drop(prober);
            _ = serving.await;
            _ = tokio::task::spawn_blocking(move || node.stop()).await;
        })
        .await
}

async fn start(config: &ControlConfig) -> Result<Node, Failure> {
    let options = NodeOptions {
        id: config.id,
        folder: config.data.clone(),
        addresses: config.nodes.clone(),
        founders: config.founders.clone(),
        key: config.key.clone(),
        settings: tandem_group::Settings::default(),
        judging: tandem_failover::Settings::default(),
    };
    let runtime = tokio::runtime::Handle::current();
    let started = tokio::task::spawn_blocking(move || {
        let _runtime = runtime.enter();
        Node::start(options)
    });
    started.await.map_err(|error| Failure::failed(anyhow!(error)))?.map_err(|error| {
        let advice = match &error {
            ControlError::Held { .. } => "two control nodes can't share a folder: stop the other one",
            ControlError::Disk(_) => {
                "a node that has lost its folder must not come back under its number: remove it from the group, \
                 and add it under a new one"
            }
            _ => "see section [control]",
        };
        Failure::configuration(
            anyhow!(error).context(format!("can't start control node {} ({advice})", config.id)),
        )
    })
}

/// Looks at both chains, for the judges of all members.
fn look(config: &ControlConfig, node: &Node) -> Result<Prober, Failure> {
    let refused = |error: anyhow::Error| Failure::configuration(error.context("see section [control]"));
    let [a, b] = config.pools.each_ref().map(Pool::new);
    let chains = [a.map_err(|error| refused(anyhow!(error)))?, b.map_err(|error| refused(anyhow!(error)))?];
    let others: Vec<_> =
        config.nodes.iter().filter(|(id, _)| **id != config.id).map(|(_, uri)| uri.clone()).collect();
    // A node that is the only one of its group has nobody else to tell.
    let others = match others.is_empty() {
        true => None,
        false => Some(Teller::start(others, &config.key).map_err(|error| refused(anyhow!(error)))?),
    };
    let reader = Arc::new(ByServices(chains.map(|chain| chain.service())));
    let own = node.clone();
    Ok(Prober::start(format!("control-{}", config.id), reader, None, move |seen| {
        if let Some(others) = &others {
            others.tell(&seen);
        }
        own.observe(seen);
    }))
}

/// Ready: it takes part, and somebody leads.
fn standing(view: &tandem_control::View) -> Result<(), String> {
    match (&view.failure, view.members.is_empty(), view.standing.leader) {
        (Some(why), ..) => Err(why.clone()),
        (None, true, _) => Err("waiting to be let into the group: `tandem control members add`".to_owned()),
        (None, false, None) => Err("no majority of the group answers: the last route stays".to_owned()),
        (None, false, Some(_)) => Ok(()),
    }
}
