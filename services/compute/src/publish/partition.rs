//! One partition's publisher: when it is our turn, and when it no longer is.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tandem_model::route::{Chain, Route};
use tandem_model::{Cut, PartitionId};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::status::{State, Status};
use super::term::{End, Place, term};
use super::{Parts, Settings};

/// First pause after a failure.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Everything the publisher of a partition needs.
pub(super) struct Context {
    pub(super) settings: Settings,
    pub(super) parts: Parts,
    pub(super) partition: PartitionId,
    pub(super) status: watch::Sender<Status>,
    pub(super) stopped: watch::Receiver<bool>,
}

impl Context {
    /// Notes the last marker that is known.
    pub(super) fn reached(&self, cut: Cut) {
        self.parts.pins.set(self.partition, cut.next);
        self.status.send_if_modified(|status| {
            let changed = (status.beat, status.next) != (cut.clock, cut.next);
            (status.beat, status.next) = (cut.clock, cut.next);
            changed
        });
    }

    pub(super) fn show(&self, state: State) {
        self.status.send_if_modified(|status| {
            let changed = status.state != state;
            if changed && let State::Waiting(reason) = &state {
                tracing::warn!(partition = %self.partition, reason, "not publishing for now");
            }
            status.state = state;
            changed
        });
    }
}

/// Whose turn it is, as far as is known here, and what can change that.
pub(super) struct Turn {
    chain: Chain,
    partition: PartitionId,
    stopped: watch::Receiver<bool>,
    route: watch::Receiver<Route>,
    owned: watch::Receiver<Arc<BTreeSet<PartitionId>>>,
}

impl Turn {
    fn new(context: &Context) -> Self {
        Self {
            chain: context.parts.chain,
            partition: context.partition,
            stopped: context.stopped.clone(),
            route: context.parts.routes.known(),
            owned: context.parts.ownership.owned(),
        }
    }

    fn is_stopped(&mut self) -> bool {
        // Whoever could say so being gone says it, too.
        *self.stopped.borrow_and_update() || self.stopped.has_changed().is_err()
    }

    fn is_owned(&mut self) -> bool {
        self.owned.borrow_and_update().contains(&self.partition)
    }

    /// The epoch in which it is ours, if it is.
    pub(super) fn epoch(&mut self) -> Option<u64> {
        let epoch = {
            let route = self.route.borrow_and_update();
            (route.active == self.chain && route.epoch > 0).then_some(route.epoch)
        };
        epoch.filter(|_| self.is_owned() && !self.is_stopped())
    }

    /// Waits until something of that changes since it was last looked at, for `longest` at most.
    pub(super) async fn changed(&mut self, longest: Duration) {
        // A sender that is gone will say nothing more: then only the others can wake us.
        tokio::select! {
            _ = self.stopped.changed() => {}
            Ok(()) = self.route.changed() => {}
            Ok(()) = self.owned.changed() => {}
            () = tokio::time::sleep(longest) => {}
        }
    }
}

/// Publishes whenever it is our turn, until told to stop.
pub(super) fn run(runtime: &Handle, context: &Context) {
    let ended = catch_unwind(AssertUnwindSafe(|| runtime.block_on(follow(context))));
    let state = match ended {
        Ok(()) => State::Stopped,
        Err(_) => State::Failed("the publisher panicked: a bug of ours".to_owned()),
    };
    if let State::Failed(reason) = &state {
        tracing::error!(partition = %context.partition, reason, "publishing has ended");
    }
    context.status.send_modify(|status| status.state = state);
}

async fn follow(context: &Context) {
    let mut turn = Turn::new(context);
    let mut place = Place::default();
    let mut pause = RETRY_PAUSE;
    while !turn.is_stopped() {
        if turn.epoch().is_none() {
            // What we have folded grows old; the next turn may be days away.
            place = Place::default();
            context.show(State::Standby);
            if turn.is_owned() {
                look(context).await;
            }
            turn.changed(context.settings.standby_look()).await;
            continue;
        }
        let transactions = context.status.borrow().transactions;
        match term(context, &mut turn, &mut place).await {
            End::NotOurs => {}
            End::Again(reason) | End::Spoiled(reason) => {
                context.show(State::Waiting(reason));
                if context.status.borrow().transactions > transactions {
                    pause = RETRY_PAUSE;
                }
                turn.changed(pause).await;
                pause = (pause * 2).min(context.settings.retry_pause_max());
            }
        }
    }
}

/// Looks how far the topic is, so that compute keeps the snapshot we would go on from.
async fn look(context: &Context) {
    match context.parts.topic.last(context.partition).await {
        Ok(last) => context.reached(last.map_or(Cut::default(), |marker| marker.cut)),
        Err(error) => {
            tracing::debug!(partition = %context.partition, %error, "the topic's last marker is not known");
        }
    }
}
