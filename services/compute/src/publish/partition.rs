//! One partition's publisher: when it is our turn, and when it no longer is.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use tandem_model::PartitionId;
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
    pub(super) fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    /// Whether it is our turn, as far as is known here.
    pub(super) fn is_wanted(&self) -> bool {
        let is_active = {
            let known = self.parts.routes.known();
            let route = known.borrow();
            route.active == self.parts.chain && route.epoch > 0
        };
        is_active && self.parts.ownership.owned().borrow().contains(&self.partition)
    }

    /// Notes the last marker that is known.
    pub(super) fn reached(&self, beat: u64, next: u64) {
        self.parts.pins.set(self.partition, next);
        self.status.send_if_modified(|status| {
            let changed = (status.beat, status.next) != (beat, next);
            (status.beat, status.next) = (beat, next);
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

    /// Waits until something that decides whose turn it is changes, for `longest` at most.
    pub(super) async fn changed(&self, longest: Duration) {
        let mut stopped = self.stopped.clone();
        let mut known = self.parts.routes.known();
        let mut owned = self.parts.ownership.owned();
        known.mark_unchanged();
        owned.mark_unchanged();
        if *stopped.borrow_and_update() {
            return;
        }
        // A sender that is gone will say nothing more: then only the others can wake us.
        tokio::select! {
            Ok(()) = stopped.changed() => {}
            Ok(()) = known.changed() => {}
            Ok(()) = owned.changed() => {}
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
    let mut place = Place::default();
    let mut pause = RETRY_PAUSE;
    while !context.is_stopped() {
        if !context.is_wanted() {
            // What we have folded grows old; the next turn may be days away.
            place = Place::default();
            context.show(State::Standby);
            look(context).await;
            context.changed(context.settings.standby_look()).await;
            continue;
        }
        let transactions = context.status.borrow().transactions;
        match term(context, &mut place).await {
            End::NotOurs => {}
            End::Again(reason) => {
                context.show(State::Waiting(reason));
                if context.status.borrow().transactions > transactions {
                    pause = RETRY_PAUSE;
                }
                context.changed(pause).await;
                pause = (pause * 2).min(context.settings.retry_pause_max());
            }
        }
    }
}

/// Looks how far the topic is, so that compute keeps the snapshot we would go on from.
async fn look(context: &Context) {
    if !context.parts.ownership.owned().borrow().contains(&context.partition) {
        return;
    }
    match context.parts.topic.last(context.partition).await {
        Ok(Some(marker)) => context.reached(marker.cut.clock, marker.cut.next),
        Ok(None) => context.reached(0, 0),
        Err(error) => {
            tracing::debug!(partition = %context.partition, %error, "the topic's last marker is not known");
        }
    }
}
