//! Which session is compared next: live ones and all others take turns.

use std::collections::VecDeque;

use tandem_model::SessionId;

use super::view::ChainView;

/// Where the scan is.
#[derive(Default)]
pub(super) struct Scan {
    live: VecDeque<SessionId>,
    page: VecDeque<SessionId>,
    after: Option<SessionId>,
    is_turn_of_live: bool,
    /// Live sessions have no turns: each session comes once.
    is_plain: bool,
    /// Which chain lists: they take turns, so that a session that one of them lost is found.
    lister: usize,
}

/// What is to be done next.
pub(super) enum Next {
    /// This session is compared.
    Session(SessionId),
    /// All sessions were compared once.
    RoundDone,
    /// There is nothing, or nobody says what.
    Nothing,
}

impl Scan {
    /// Each session once, by id.
    pub(super) fn every_one() -> Self {
        Self { is_plain: true, ..Self::default() }
    }

    /// The next one.
    pub(super) async fn next(&mut self, views: &[Box<dyn ChainView>; 2]) -> Next {
        self.is_turn_of_live = !self.is_turn_of_live;
        if self.is_turn_of_live && !self.is_plain {
            if self.live.is_empty() {
                self.lister = 1 - self.lister;
                let listed = views[self.lister].live_sessions().await;
                self.live = listed.unwrap_or_default().into();
            }
            if let Some(id) = self.live.pop_front() {
                return Next::Session(id);
            }
        }
        if let Some(id) = self.page.pop_front() {
            return Next::Session(id);
        }
        // Both list: what one of them lost is a difference.
        let (a, b) =
            futures::join!(views[0].sessions(self.after.as_ref()), views[1].sessions(self.after.as_ref()));
        let (Ok(a), Ok(b)) = (a, b) else { return Next::Nothing };
        // A page is known only as far as both lists reach; the end of a list reaches everything.
        let reach = match (a.last(), b.last()) {
            (Some(a), Some(b)) => Some(a.min(b).clone()),
            (Some(one), None) | (None, Some(one)) => Some(one.clone()),
            (None, None) => None,
        };
        let Some(reach) = reach else {
            let was_any = self.after.take().is_some();
            return if was_any { Next::RoundDone } else { Next::Nothing };
        };
        let mut ids: Vec<SessionId> = a.into_iter().chain(b).filter(|id| *id <= reach).collect();
        ids.sort_unstable();
        ids.dedup();
        self.page = ids.into();
        self.after = Some(reach);
        match self.page.pop_front() {
            Some(id) => Next::Session(id),
            None => Next::Nothing,
        }
    }
}
