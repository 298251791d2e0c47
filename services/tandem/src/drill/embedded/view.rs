//! What a gateway sees of control, and a switch that cuts it off.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use tandem_control::{Control, ControlError, Decision, Order, wire};
use tandem_failover::Chains;
use tandem_model::route::Route;
use tokio::sync::watch;

/// The switch. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct View(Arc<State>);

#[derive(Default)]
struct State {
    is_cut: watch::Sender<bool>,
    /// Calls that failed and decisions that were not heard.
    struck: AtomicU64,
}

impl View {
    pub(super) fn cut(&self) {
        self.0.struck.store(0, Ordering::Relaxed);
        self.0.is_cut.send_replace(true);
    }

    pub(super) fn join(&self) {
        self.0.is_cut.send_replace(false);
    }

    pub(super) fn struck(&self) -> u64 {
        self.0.struck.load(Ordering::Relaxed)
    }

    /// `control`, as somebody sees it who may be cut off. Must be called within a runtime.
    pub(super) fn of(&self, control: Arc<dyn Control>) -> Arc<dyn Control> {
        let mut true_route = control.route();
        let (route, shown) = watch::channel(true_route.borrow_and_update().clone());
        let state = Arc::clone(&self.0);
        // Ends with either side: nobody decides any more, or nobody looks.
        tokio::spawn(async move {
            let mut is_cut = state.is_cut.subscribe();
            loop {
                tokio::select! {
                    changed = true_route.changed() => {
                        if changed.is_err() {
                            return;
                        }
                        if *is_cut.borrow() {
                            state.struck.fetch_add(1, Ordering::Relaxed);
                        }
                        if is_cut.wait_for(|is_cut| !is_cut).await.is_err() {
                            return;
                        }
                        let newest = true_route.borrow_and_update().clone();
                        route.send_if_modified(|route| {
                            let is_new = *route != newest;
                            *route = newest;
                            is_new
                        });
                    }
                    () = route.closed() => return,
                }
            }
        });
        Arc::new(Seen { control, route: shown, state: Arc::clone(&self.0) })
    }
}

struct Seen {
    control: Arc<dyn Control>,
    route: watch::Receiver<Route>,
    state: Arc<State>,
}

impl Seen {
    fn reach(&self) -> Result<&dyn Control, ControlError> {
        if !*self.state.is_cut.borrow() {
            return Ok(&*self.control);
        }
        self.state.struck.fetch_add(1, Ordering::Relaxed);
        Err(ControlError::Unreachable { node: "control".to_owned(), why: "cut off by a drill".to_owned() })
    }
}

#[async_trait]
impl Control for Seen {
    fn route(&self) -> watch::Receiver<Route> {
        self.route.clone()
    }

    fn shunned(&self) -> watch::Receiver<Chains<bool>> {
        self.control.shunned()
    }

    async fn current(&self) -> Result<Route, ControlError> {
        self.reach()?.current().await
    }

    async fn order(&self, order: Order) -> Result<wire::Ordered, ControlError> {
        self.reach()?.order(order).await
    }

    async fn history(&self, limit: usize) -> Result<Vec<Decision>, ControlError> {
        self.reach()?.history(limit).await
    }
}
