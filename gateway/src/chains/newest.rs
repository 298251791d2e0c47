//! The newest route: what control said, or what the chains' answers named, whichever epoch is
//! higher.
//!
//! Epochs fence writers, not readers. No read is refused for its epoch; but a gateway that has lost
//! control hears of a switch from the answers, where other gateways have left it. Only gateways and
//! query nodes can say it: the header is taken off clients' requests.
//!
//! What was learnt is held against control: once control knows an epoch, one that lies more than
//! [`AHEAD_MAX`] beyond it was made up, and is not followed, also where it was learnt before. So
//! nothing learnt can keep a gateway from its control group for good.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use tandem_model::route::{Chain, Route, Signpost};
use tokio::sync::watch;

/// So many decisions may have been missed: a week of switches, one every ten minutes.
const AHEAD_MAX: u64 = 1_000;

/// Where a route was heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteSource {
    /// From the control group, or as remembered from it.
    Control,
    /// From the chains' answers.
    Answers,
}

/// Which chain serves, as far as is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heading {
    pub(super) active: Chain,
    /// 0 while no decision is known.
    pub(super) epoch: u64,
    pub(super) source: RouteSource,
}

impl Heading {
    /// What to tell others; nothing while no decision is known.
    pub(super) fn signpost(self) -> Option<Signpost> {
        (self.epoch > 0).then_some(Signpost { active: self.active, epoch: self.epoch })
    }
}

/// The newest route.
pub(super) struct Newest {
    control: watch::Receiver<Route>,
    /// Twice the epoch, plus one for chain b; 0 while nothing was learnt.
    learnt: AtomicU64,
}

impl Newest {
    pub(super) fn new(control: watch::Receiver<Route>) -> Self {
        Self { control, learnt: AtomicU64::new(0) }
    }

    /// Which chain serves.
    pub(super) fn heading(&self) -> Heading {
        let control = self.control.borrow();
        let Route { active, epoch, .. } = *control;
        match self.learnt().filter(|learnt| is_newer(learnt.epoch, epoch)) {
            Some(Signpost { active, epoch }) => Heading { active, epoch, source: RouteSource::Answers },
            None => Heading { active, epoch, source: RouteSource::Control },
        }
    }

    /// The same with its reason, for people.
    pub(super) fn route(&self) -> Route {
        let Heading { active, epoch, source } = self.heading();
        let control = self.control.borrow().clone();
        match source {
            RouteSource::Control => control,
            RouteSource::Answers => {
                let reason =
                    format!("named by a chain's answers; control was last heard at epoch {}", control.epoch);
                Route { active, epoch, reason }
            }
        }
    }

    /// Takes in what an answer named. Whether that was news.
    pub(super) fn learn(&self, named: Signpost) -> bool {
        let heading = self.heading();
        let control_epoch = self.control.borrow().epoch;
        if named.epoch <= heading.epoch || !is_newer(named.epoch, control_epoch) {
            return false;
        }
        let packed = named.epoch * 2 + u64::from(named.active == Chain::B);
        let replace = |known: u64| (packed > known || !is_newer(known / 2, control_epoch)).then_some(packed);
        let is_news = self.learnt.fetch_update(Ordering::Relaxed, Ordering::Relaxed, replace).is_ok();
        if is_news {
            tracing::info!(active = %named.active, epoch = named.epoch, "a route was learnt from an answer");
        }
        is_news
    }

    fn learnt(&self) -> Option<Signpost> {
        let packed = self.learnt.load(Ordering::Relaxed);
        let active = if packed.is_multiple_of(2) { Chain::A } else { Chain::B };
        (packed > 0).then_some(Signpost { active, epoch: packed / 2 })
    }
}

/// Whether to believe a learnt epoch over control's.
fn is_newer(learnt: u64, control: u64) -> bool {
    learnt > control && (control == 0 || learnt - control <= AHEAD_MAX)
}

#[cfg(test)]
mod tests {
    use tandem_model::route::EPOCH_MAX;

    use super::*;

    fn route(active: Chain, epoch: u64) -> Route {
        Route { active, epoch, reason: "test".to_owned() }
    }

    fn named(active: Chain, epoch: u64) -> Signpost {
        Signpost { active, epoch }
    }

    fn at(newest: &Newest) -> (Chain, u64, RouteSource) {
        let Heading { active, epoch, source } = newest.heading();
        (active, epoch, source)
    }

    #[test]
    fn the_higher_epoch_wins_wherever_it_comes_from() {
        use RouteSource::{Answers, Control};
        let control = watch::Sender::new(route(Chain::A, 7));
        let newest = Newest::new(control.subscribe());
        assert!(!newest.learn(named(Chain::B, 7)));
        assert!(!newest.learn(named(Chain::B, 6)));
        assert_eq!(at(&newest), (Chain::A, 7, Control));
        assert!(newest.learn(named(Chain::B, 8)));
        assert!(!newest.learn(named(Chain::B, 8)));
        assert_eq!(at(&newest), (Chain::B, 8, Answers));
        assert!(newest.route().reason.contains("epoch 7"));
        control.send_replace(route(Chain::B, 8));
        assert_eq!(newest.route(), route(Chain::B, 8));
        control.send_replace(route(Chain::A, 9));
        assert_eq!(at(&newest), (Chain::A, 9, Control));
        // Control is gone: what was heard stays, and answers are still heard.
        drop(control);
        assert!(newest.learn(named(Chain::B, 10)));
        assert_eq!(at(&newest), (Chain::B, 10, Answers));
    }

    #[test]
    fn a_made_up_epoch_does_not_last() {
        let control = watch::Sender::new(route(Chain::A, 7));
        let newest = Newest::new(control.subscribe());
        assert!(!newest.learn(named(Chain::B, EPOCH_MAX)));
        assert!(!newest.learn(named(Chain::B, 7 + AHEAD_MAX + 1)));
        assert!(newest.learn(named(Chain::B, 8)));
        // Learnt before control was heard at all: followed until then.
        let control = watch::Sender::new(route(Chain::A, 0));
        let newest = Newest::new(control.subscribe());
        assert_eq!(newest.heading().signpost(), None);
        assert!(newest.learn(named(Chain::B, EPOCH_MAX)));
        assert_eq!(newest.heading().signpost(), Some(named(Chain::B, EPOCH_MAX)));
        control.send_replace(route(Chain::A, 3));
        assert_eq!(at(&newest), (Chain::A, 3, RouteSource::Control));
        // And what is true is learnt again.
        assert!(newest.learn(named(Chain::B, 4)));
    }
}
