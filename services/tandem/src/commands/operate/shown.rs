//! What operators read.

use comfy_table::{Table, presets};
use tandem_control::Decision;
use tandem_control::wire::{Members, State};
use tandem_failover::{Action, Standing, Switch, SwitchKind};
use tandem_model::route::Route;

use crate::terminal::utc;

/// An action in words.
pub(super) fn action(action: &Action) -> String {
    match action {
        Action::Switch(Switch { to, kind, .. }) => {
            let kind = match kind {
                SwitchKind::Automatic => "by itself",
                SwitchKind::Planned => "planned",
                SwitchKind::BreakGlass => "break-glass",
            };
            format!("switch to {to}, {kind}")
        }
        Action::Drain(chain) => format!("chain {chain} is out of service"),
        Action::Undrain(chain) => format!("chain {chain} may serve again"),
        Action::Freeze => "nothing switches by itself".to_owned(),
        Action::Unfreeze => "chains may be switched by themselves again".to_owned(),
        Action::Quarantine(chain) => format!("chain {chain} must not be switched to"),
        Action::Release(chain) => format!("chain {chain} is trusted again"),
        Action::Block(window) => {
            format!("nothing switches by itself from {} to {}", utc(window.from_ms), utc(window.to_ms))
        }
        Action::Unblock(window) => {
            format!("no longer blocked from {} to {}", utc(window.from_ms), utc(window.to_ms))
        }
        Action::SetBounds(bounds) => format!("bounds {bounds:?}"),
    }
}

/// The route in words.
pub(super) fn route(route: &Route) -> String {
    format!("Chain {} serves (epoch {}).", route.active, route.epoch)
}

/// The rules that a decision went against.
pub(super) fn overridden(decision: &Decision) -> Vec<String> {
    let rulings = decision.rulings.iter();
    rulings.filter(|ruling| ruling.standing == Standing::Overridden).map(ToString::to_string).collect()
}

/// The history as a table, and what else is in force.
pub(super) fn history(state: &State) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(["when", "epoch", "serves", "what", "by", "why"]);
    for decision in &state.history {
        table.add_row([
            utc(decision.at_ms),
            decision.epoch.to_string(),
            decision.active.to_string(),
            action(&decision.entry.action),
            decision.entry.by.clone(),
            decision.entry.reason.clone(),
        ]);
    }
    let mut lines = vec![format!("{} {}", route(&state.route), state.route.reason)];
    if let Some(frozen) = &state.decided.frozen {
        lines.push(format!("Frozen since {} by {}: {}", utc(frozen.since_ms), frozen.by, frozen.reason));
    }
    for chain in tandem_model::route::Chain::ALL {
        if *state.decided.drained.of(chain) {
            lines.push(format!("Chain {chain} is drained."));
        }
        if *state.decided.quarantined.of(chain) {
            lines.push(format!("Chain {chain} is quarantined."));
        }
    }
    if let Some(outlook) = &state.outlook {
        let (active, target) = (state.route.active, state.route.active.other());
        lines.push(format!(
            "The leader sees: {active} {}; {target} {}",
            outlook.evidence.active, outlook.evidence.target
        ));
    }
    match state.history.is_empty() {
        true => lines.push("Nothing has been decided yet.".to_owned()),
        false => lines.push(format!("\n{}", trimmed(&table))),
    }
    lines.join("\n")
}

/// The members as a table.
pub(super) fn members(members: &Members) -> String {
    let node = &members.node;
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(["member", "address", "votes", ""]);
    for (id, member) in &members.members {
        let role = if node.leader == Some(*id) { "leads" } else { "" };
        let is_silent = !node.active.is_empty() && !node.active.contains(id);
        table.add_row([
            id.to_string(),
            member.address.clone(),
            if member.is_voter { "yes" } else { "learns" }.to_owned(),
            if is_silent { "does not answer" } else { role }.to_owned(),
        ]);
    }
    let quorum = match node.is_linearizable {
        true => format!("A majority answers (term {}).", node.term),
        false => format!(
            "As member {} knows it (term {}); no majority has confirmed that just now.",
            node.id, node.term
        ),
    };
    format!("{quorum}\n\n{}", trimmed(&table))
}

fn trimmed(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}
