//! Decisions of the control group in the words of drills, the same on every stand.

use tandem_chaos::stand::{Decided, StandError};
use tandem_control::{Control, Decision};
use tandem_failover::Action;
use tandem_model::route::Route;

/// Decisions that are looked at.
const DECISIONS_MAX: usize = 200;

/// Every decision that changed the route, newest first.
pub(super) async fn decisions(control: &dyn Control) -> Result<Vec<Decided>, StandError> {
    let decisions = control.history(DECISIONS_MAX).await.map_err(said)?;
    Ok(decisions.iter().filter_map(switched).collect())
}

/// What the safety rules said when the route changed last.
pub(super) async fn rules(control: &dyn Control) -> Vec<String> {
    let decisions = control.history(DECISIONS_MAX).await.unwrap_or_default();
    let newest = decisions.iter().find(|decision| switched(decision).is_some());
    newest.map_or_else(Vec::new, |decision| {
        decision.rulings.iter().map(|ruling| format!("{:?}: {ruling}", ruling.standing)).collect()
    })
}

fn switched(decision: &Decision) -> Option<Decided> {
    let Action::Switch(_) = decision.entry.action else { return None };
    let (active, epoch, reason) = (decision.active, decision.epoch, decision.entry.reason.clone());
    Some(Decided { route: Route { active, epoch, reason }, decided_ms: decision.at_ms })
}

/// Any failure, as a stand says it.
pub(super) fn said(error: impl std::fmt::Display) -> StandError {
    StandError(error.to_string())
}
