//! The safety rules: one function each, and all of them are asked each time.
//!
//! A rule sees the decided state and the entry, nothing else, so every node rules alike. It says in
//! words why it holds or not. Who may go against a rule is said in one place, [`may_override`].

use std::fmt;

use serde::{Deserialize, Serialize};
use tandem_model::route::Chain;

use crate::decided::Decided;
use crate::entry::{Switch, SwitchKind};
use crate::evidence::Condition;

/// A safety rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Rule {
    /// The epoch is the one that whoever proposed it knew.
    ExpectedEpoch,
    /// One chain is always on.
    OneChainOn,
    /// There is a reason to leave the active chain: it is down, stuck, grey, or quarantined. A
    /// digest mismatch alone is none.
    ReasonToLeave,
    /// The target has read nearly all that is known of the log.
    TargetCaughtUp,
    /// The target is not quarantined.
    TargetNotQuarantined,
    /// The target is not drained.
    TargetNotDrained,
    /// The target is better, and does not show the same symptom: both chains failing together are
    /// failing on the same event, and moving would not help.
    TargetBetter,
    /// Ten minutes between automatic switches, unless the active chain is down and the target well.
    CoolDown,
    /// A chain that was left automatically is not returned to before a calm time that grows with
    /// each automatic switch, unless the active chain is down and the target well.
    ReturnSlowly,
    /// The group is not frozen.
    NotFrozen,
    /// It is no blocked time.
    NotBlocked,
}

impl Rule {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Rule; 11] = [
        Rule::ExpectedEpoch,
        Rule::OneChainOn,
        Rule::ReasonToLeave,
        Rule::TargetCaughtUp,
        Rule::TargetNotQuarantined,
        Rule::TargetNotDrained,
        Rule::TargetBetter,
        Rule::CoolDown,
        Rule::ReturnSlowly,
        Rule::NotFrozen,
        Rule::NotBlocked,
    ];

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Rule::ExpectedEpoch => "expected epoch",
            Rule::OneChainOn => "one chain on",
            Rule::ReasonToLeave => "reason to leave",
            Rule::TargetCaughtUp => "target caught up",
            Rule::TargetNotQuarantined => "target not quarantined",
            Rule::TargetNotDrained => "target not drained",
            Rule::TargetBetter => "target better",
            Rule::CoolDown => "cool-down",
            Rule::ReturnSlowly => "return slowly",
            Rule::NotFrozen => "not frozen",
            Rule::NotBlocked => "not blocked",
        }
    }
}

/// How a rule stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// It is kept.
    Held,
    /// It is not, so nothing is done.
    Refused,
    /// It is not, and whoever asked may go against it.
    Overridden,
}

/// What a rule said about an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruling {
    /// The rule.
    pub rule: Rule,
    /// How it stood.
    pub standing: Standing,
    /// Why, for people.
    pub why: String,
}

impl fmt::Display for Ruling {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.rule.name(), self.why)
    }
}

/// Kept or not, and why.
type Said = Result<String, String>;

/// A switch, with the state it would change and the time it would be applied at.
pub(crate) struct Case<'a> {
    pub(crate) decided: &'a Decided,
    pub(crate) switch: &'a Switch,
    pub(crate) now_ms: u64,
}

/// Asks all rules about a switch.
pub(crate) fn of_switch(case: &Case<'_>) -> Vec<Ruling> {
    let ask = |rule| match rule {
        Rule::ExpectedEpoch => expected_epoch(case),
        Rule::OneChainOn => one_chain_on(case),
        Rule::ReasonToLeave => reason_to_leave(case),
        Rule::TargetCaughtUp => target_caught_up(case),
        Rule::TargetNotQuarantined => target_not_quarantined(case),
        Rule::TargetNotDrained => target_not_drained(case),
        Rule::TargetBetter => target_better(case),
        Rule::CoolDown => cool_down(case),
        Rule::ReturnSlowly => return_slowly(case),
        Rule::NotFrozen => not_frozen(case),
        Rule::NotBlocked => not_blocked(case),
    };
    let rulings = Rule::ALL.into_iter().map(|rule| {
        let (standing, why) = match ask(rule) {
            Ok(why) => (Standing::Held, why),
            Err(why) if may_override(case.switch.kind, rule) => (Standing::Overridden, why),
            Err(why) => (Standing::Refused, why),
        };
        Ruling { rule, standing, why }
    });
    rulings.collect()
}

/// Asks what stands against draining `chain`.
pub(crate) fn of_drain(decided: &Decided, chain: Chain) -> Vec<Ruling> {
    let other = chain.other();
    let (standing, why) = if *decided.drained().of(other) {
        (Standing::Refused, format!("{other} is drained already: one chain must be on"))
    } else if decided.active() == chain {
        (Standing::Refused, format!("{chain} serves: switch to {other} first"))
    } else {
        (Standing::Held, format!("{other} serves"))
    };
    vec![Ruling { rule: Rule::OneChainOn, standing, why }]
}

/// Whether any rule refused.
pub(crate) fn is_refused(rulings: &[Ruling]) -> bool {
    rulings.iter().any(|ruling| ruling.standing == Standing::Refused)
}

/// The refused ones, in words.
pub(crate) fn refused_words(rulings: &[Ruling]) -> String {
    let refused = rulings.iter().filter(|ruling| ruling.standing == Standing::Refused);
    let words: Vec<String> = refused.map(ToString::to_string).collect();
    words.join("; ")
}

const fn may_override(kind: SwitchKind, rule: Rule) -> bool {
    match kind {
        SwitchKind::Automatic => false,
        // Someone wants it, and these only keep the judge from wanting too much.
        SwitchKind::Planned => {
            matches!(
                rule,
                Rule::ReasonToLeave
                    | Rule::CoolDown
                    | Rule::ReturnSlowly
                    | Rule::NotFrozen
                    | Rule::NotBlocked
            )
        }
        SwitchKind::BreakGlass => !matches!(rule, Rule::OneChainOn),
    }
}

fn expected_epoch(case: &Case<'_>) -> Said {
    let (epoch, expected) = (case.decided.epoch(), case.switch.expected_epoch);
    match epoch == expected {
        true => Ok(format!("epoch {epoch}")),
        false => Err(format!("epoch {expected} was to be left, but it is epoch {epoch} now")),
    }
}

/// A switch can't turn a chain off: a drained target is on again when break-glass switches to it.
/// It is asked all the same, so that a report shows it.
fn one_chain_on(case: &Case<'_>) -> Said {
    let left = case.decided.active();
    match *case.decided.drained().of(left) {
        false => Ok(format!("{} will serve, {left} stays on", case.switch.to)),
        true => Err(format!("{left} serves and is drained, which can't be")),
    }
}

fn reason_to_leave(case: &Case<'_>) -> Said {
    let (active, finding) = (case.decided.active(), &case.switch.evidence.active);
    match finding.condition {
        _ if case.decided.is_active_distrusted() => Ok(format!("{active} is quarantined")),
        Condition::Down | Condition::Stuck | Condition::Grey => Ok(format!("{active} is {finding}")),
        // The third vote counts once it is decided: as a quarantine, which outlives the leader and
        // which break-glass can override.
        Condition::Wrong => Err(format!("{active} is named wrong, but no quarantine says to leave it")),
        Condition::Healthy | Condition::Settling | Condition::Suspect | Condition::Unknown => {
            Err(format!("{active} is {finding}"))
        }
    }
}

fn target_caught_up(case: &Case<'_>) -> Said {
    let (to, bounds) = (case.switch.to, case.decided.bounds());
    let Some(distance) = case.switch.evidence.distance else {
        return Err(format!("nobody knows how far {to} is"));
    };
    let words = format!(
        "{to} is {} ms behind and has {} records to read",
        distance.behind_ms, distance.unread_records
    );
    let is_near =
        distance.behind_ms <= bounds.behind_ms_max && distance.unread_records <= bounds.unread_records_max;
    match is_near {
        true => Ok(words),
        false => Err(format!(
            "{words}; at most {} ms and {} records are allowed",
            bounds.behind_ms_max, bounds.unread_records_max
        )),
    }
}

fn target_not_quarantined(case: &Case<'_>) -> Said {
    let to = case.switch.to;
    match *case.decided.quarantined().of(to) {
        false => Ok(format!("{to} is not quarantined")),
        true => Err(format!("{to} is quarantined: repair and release it first")),
    }
}

fn target_not_drained(case: &Case<'_>) -> Said {
    let to = case.switch.to;
    match *case.decided.drained().of(to) {
        false => Ok(format!("{to} is on")),
        true => Err(format!("{to} is drained: undrain it first")),
    }
}

/// Grey and stuck leave only for a healthy chain: the active one still serves, so there is time to
/// be sure. Down and quarantined leave for whatever still answers, as long as it does not show a
/// symptom of the same kind.
fn target_better(case: &Case<'_>) -> Said {
    let (to, evidence) = (case.switch.to, &case.switch.evidence);
    let is_urgent = evidence.active.condition == Condition::Down || case.decided.is_active_distrusted();
    let words = format!("{to} is {}", evidence.target);
    let shared = evidence
        .target
        .agreed()
        .find(|symptom| evidence.active.agreed().any(|of_active| of_active.kind() == symptom.kind()));
    if let Some(symptom) = shared {
        return Err(format!("{to} shows the same symptom ({}), so it would not help", symptom.words()));
    }
    let is_better = match evidence.target.condition {
        Condition::Healthy => true,
        Condition::Settling => is_urgent || case.switch.kind == SwitchKind::Planned,
        Condition::Suspect | Condition::Grey => is_urgent,
        Condition::Unknown | Condition::Stuck | Condition::Wrong | Condition::Down => false,
    };
    if is_better { Ok(words) } else { Err(words) }
}

fn cool_down(case: &Case<'_>) -> Said {
    let Some(last_ms) = case.decided.last_automatic_ms() else {
        return Ok("no automatic switch yet".to_owned());
    };
    let cool_down_ms = case.decided.bounds().cool_down_ms;
    let needed = format!("{} s must lie between two", cool_down_ms / 1_000);
    long_enough(case, "the last automatic switch was", last_ms, cool_down_ms, &needed)
}

fn return_slowly(case: &Case<'_>) -> Said {
    let to = case.switch.to;
    let Some(left_ms) = *case.decided.left_automatically_ms().of(to) else {
        return Ok(format!("{to} was not left automatically"));
    };
    let needed_ms = case.decided.return_after_ms(case.now_ms);
    let needed = format!("it is returned to after {} s", needed_ms / 1_000);
    long_enough(case, &format!("{to} was left automatically"), left_ms, needed_ms, &needed)
}

/// Enough time has passed since then, or the active chain is too bad to wait.
fn long_enough(case: &Case<'_>, what: &str, then_ms: u64, needed_ms: u64, needed: &str) -> Said {
    let since_ms = case.now_ms.saturating_sub(then_ms);
    let words = format!("{what} {} s ago", since_ms / 1_000);
    if since_ms >= needed_ms {
        return Ok(words);
    }
    match emergency(case) {
        Some(why) => Ok(format!("{words}, but {why} and the target well")),
        None => Err(format!("{words}; {needed}")),
    }
}

/// The active chain does not answer, or was named wrong by the third vote, and the target shows no
/// symptom that enough observers see.
fn emergency(case: &Case<'_>) -> Option<&'static str> {
    let evidence = &case.switch.evidence;
    let is_target_well =
        matches!(evidence.target.condition, Condition::Healthy | Condition::Settling | Condition::Suspect);
    if !is_target_well {
        None
    } else if evidence.active.condition == Condition::Down {
        Some("the active chain is down")
    } else if case.decided.is_active_distrusted() {
        Some("the active chain's figures are wrong")
    } else {
        None
    }
}

fn not_frozen(case: &Case<'_>) -> Said {
    match case.decided.frozen() {
        None => Ok("not frozen".to_owned()),
        Some(frozen) => Err(format!("frozen by {}: {}", frozen.by, frozen.reason)),
    }
}

fn not_blocked(case: &Case<'_>) -> Said {
    let now_ms = case.now_ms;
    let blocked =
        case.decided.blocked().iter().find(|window| (window.from_ms..window.to_ms).contains(&now_ms));
    match blocked {
        None => Ok("no blocked time".to_owned()),
        Some(window) => Err(format!("blocked for {} s more", (window.to_ms - now_ms) / 1_000)),
    }
}
