//! Rules as data: who may do how much of what.
//!
//! ```toml
//! [costs]
//! export = 20
//!
//! [[rules]]
//! name = "reads-per-key"
//! key = "key"
//! requests = 600
//! window_s = 60
//! burst = 100
//! ```
//!
//! A file is taken as a whole or refused as a whole, with an error that names the rule. Every rule
//! that matches a request is asked; the request is let through if all let it through.

use serde::{Deserialize, Serialize};

use crate::caller::{CallerKind, RouteClass, Subject, network};
use crate::rate::{Rate, RateError};

/// Most rules.
pub const RULES_MAX: usize = 32;
/// Longest text of rules, in bytes.
pub const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Longest window: 31 days, in seconds.
pub const WINDOW_S_MAX: u64 = 31 * 24 * 3600;
/// Most units in a window, and at once.
pub const REQUESTS_MAX: u64 = 1_000_000_000;
const NAME_BYTES_MAX: usize = 64;
const COST_MAX: u64 = 10_000;
const SECOND_NS: u64 = 1_000_000_000;

/// What one request of each class costs, in units; 1 to 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Costs {
    /// A small read. Default 1.
    pub read: u64,
    /// A report, trend or comparison. Default 2.
    pub report: u64,
    /// Rows in bulk. Default 20.
    pub export: u64,
    /// Opening a stream. Default 5.
    pub stream: u64,
    /// A body of events. Default 1.
    pub write: u64,
    /// A public page. Default 1.
    pub page: u64,
    /// What only operators do. Default 5.
    pub operate: u64,
    /// A key, token or signature that was not taken. Default 10.
    pub failure: u64,
}

impl Default for Costs {
    fn default() -> Self {
        Self { read: 1, report: 2, export: 20, stream: 5, write: 1, page: 1, operate: 5, failure: 10 }
    }
}

impl Costs {
    /// The cost of a class.
    pub const fn of(&self, class: RouteClass) -> u64 {
        match class {
            RouteClass::Read => self.read,
            RouteClass::Report => self.report,
            RouteClass::Export => self.export,
            RouteClass::Stream => self.stream,
            RouteClass::Write => self.write,
            RouteClass::Page => self.page,
            RouteClass::Operate => self.operate,
            RouteClass::Failure => self.failure,
        }
    }
}

/// What is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleKey {
    /// All requests with one key.
    Key,
    /// All requests with the keys of one tenant.
    Tenant,
    /// All requests from one network: `ipv4_prefix` and `ipv6_prefix` say how wide.
    Address,
    /// The same, for callers without a key only.
    AnonymousAddress,
}

/// One rule, as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name in answers and counters: 1 to 64 of `a-z 0-9 - _ .`, used once. A rule that keeps
    /// name, key and window keeps what it knows when the rules are replaced.
    pub name: String,
    /// What is counted together.
    pub key: RuleKey,
    /// Units in a window, 1 to 10⁹.
    pub requests: u64,
    /// The window in seconds, up to 31 days.
    pub window_s: u64,
    /// Units at once. Default: as many as in a window; with `strict` a tenth of that, at least what
    /// the dearest of its classes costs.
    #[serde(default)]
    pub burst: Option<u64>,
    /// Never more than `requests` in any window whatever; see [`Rate`] for the price.
    #[serde(default)]
    pub strict: bool,
    /// Which classes of request it is about. Default: all.
    #[serde(default = "all_classes")]
    pub classes: Vec<RouteClass>,
    /// Which callers it is about. Default: all.
    #[serde(default = "all_callers")]
    pub callers: Vec<CallerKind>,
    /// How much of an IPv4 address counts: 8 to 32 bits. Default 32.
    #[serde(default = "ipv4_prefix")]
    pub ipv4_prefix: u8,
    /// How much of an IPv6 address counts: 16 to 128 bits. Default 64, what one customer has.
    #[serde(default = "ipv6_prefix")]
    pub ipv6_prefix: u8,
    /// Counts and refuses nothing: to see what a rule would do.
    #[serde(default)]
    pub shadow: bool,
    /// One limit for all gateways together, over the shared store; else each has its own.
    #[serde(default)]
    pub shared: bool,
}

fn all_classes() -> Vec<RouteClass> {
    RouteClass::ALL.to_vec()
}

fn all_callers() -> Vec<CallerKind> {
    CallerKind::ALL.to_vec()
}

const fn ipv4_prefix() -> u8 {
    32
}

const fn ipv6_prefix() -> u8 {
    64
}

/// Why rules are refused, all of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// It is no text of rules.
    #[error("the rules can't be read: {0}")]
    Text(String),
    /// A cost is out of range.
    #[error("[costs]: every cost must be 1 to {COST_MAX}")]
    Cost,
    /// Too many.
    #[error("there are more than {RULES_MAX} rules")]
    TooMany,
    /// A rule is wrong.
    #[error("rule {name}: {what}")]
    Rule {
        /// Its name, or its place where it has none.
        name: String,
        /// What is wrong.
        what: String,
    },
}

/// A rule, ready to be used.
#[derive(Clone, Debug)]
pub struct Ready {
    /// As it is written.
    pub rule: Rule,
    /// The same as numbers.
    pub rate: Rate,
    /// Names its state: the same while name, key and window stay.
    pub(crate) id: u64,
    /// How it is announced.
    pub(crate) policy: String,
}

/// All rules, ready to be used.
#[derive(Clone, Debug)]
pub struct RuleSet {
    costs: Costs,
    rules: Vec<Ready>,
    by_class: [Vec<u8>; RouteClass::ALL.len()],
}

impl RuleSet {
    /// Reads rules in TOML.
    ///
    /// # Errors
    ///
    /// When anything is wrong with any of them; the error names the rule.
    pub fn parse(text: &str) -> Result<Self, RulesError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(RulesError::Text(format!("they have more than {TEXT_BYTES_MAX} bytes")));
        }
        let file: File = toml::from_str(text).map_err(|error| RulesError::Text(error.to_string()))?;
        let rules = file.rules.into_iter().enumerate().map(|(index, table)| {
            let named = table.get("name").and_then(toml::Value::as_str).map(|name| format!("{name:?}"));
            let name = named.unwrap_or_else(|| format!("number {}", index + 1));
            let wrong = |what: String| RulesError::Rule { name, what: what.trim_end().replace('\n', " ") };
            toml::Value::Table(table).try_into::<Rule>().map_err(|error| wrong(error.to_string()))
        });
        Self::new(file.costs, rules.collect::<Result<_, _>>()?)
    }

    /// Checks rules.
    ///
    /// # Errors
    ///
    /// When anything is wrong with any of them; the error names the rule.
    pub fn new(costs: Costs, rules: Vec<Rule>) -> Result<Self, RulesError> {
        if RouteClass::ALL.iter().any(|class| !(1..=COST_MAX).contains(&costs.of(*class))) {
            return Err(RulesError::Cost);
        }
        if rules.len() > RULES_MAX {
            return Err(RulesError::TooMany);
        }
        let mut ready = Vec::<Ready>::with_capacity(rules.len());
        for rule in rules {
            let name = format!("{:?}", rule.name);
            if ready.iter().any(|other| other.rule.name == rule.name) {
                return Err(RulesError::Rule { name, what: "the name is used twice".to_owned() });
            }
            ready.push(made_ready(rule, &costs).map_err(|what| RulesError::Rule { name, what })?);
        }
        let of_class = |class: &RouteClass| {
            let is_about = |(_, ready): &(u8, &Ready)| ready.rule.classes.contains(class);
            (0_u8..).zip(&ready).filter(is_about).map(|(index, _)| index).collect()
        };
        let by_class = RouteClass::ALL.each_ref().map(of_class);
        Ok(Self { costs, rules: ready, by_class })
    }

    /// The costs of the classes.
    pub const fn costs(&self) -> &Costs {
        &self.costs
    }

    /// All rules, in the order in which they are written and asked.
    pub fn rules(&self) -> &[Ready] {
        &self.rules
    }

    /// The rules that are about `subject` asking for `class`, each with the name that it counts
    /// him under.
    pub(crate) fn matching<'a>(
        &'a self,
        subject: &'a Subject<'a>,
        class: RouteClass,
    ) -> impl Iterator<Item = (u8, &'a Ready, Name<'a>)> {
        self.by_class[class as usize].iter().filter_map(|index| {
            let ready = &self.rules[usize::from(*index)];
            Some((*index, ready, ready.rule.name_of(subject)?))
        })
    }
}

/// Under which name a rule counts somebody.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Name<'a> {
    Text(&'a str),
    Network([u8; 17]),
}

impl Name<'_> {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Name::Text(text) => text.as_bytes(),
            Name::Network(bytes) => bytes,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    costs: Costs,
    #[serde(default)]
    rules: Vec<toml::Table>,
}

impl Rule {
    fn name_of<'a>(&self, subject: &'a Subject<'a>) -> Option<Name<'a>> {
        if !self.callers.contains(&subject.kind) {
            return None;
        }
        match self.key {
            RuleKey::Key => subject.key.map(Name::Text),
            RuleKey::Tenant => subject.tenant.map(Name::Text),
            RuleKey::AnonymousAddress if subject.kind != CallerKind::Anonymous => None,
            RuleKey::Address | RuleKey::AnonymousAddress => {
                Some(Name::Network(network(subject.address, self.ipv4_prefix, self.ipv6_prefix)))
            }
        }
    }

    /// The same for every gateway and every run.
    fn id(&self) -> u64 {
        let mut hasher = siphasher::sip::SipHasher13::new_with_keys(0, 0);
        let width = match self.key {
            RuleKey::Key | RuleKey::Tenant => [0, 0],
            RuleKey::Address | RuleKey::AnonymousAddress => [self.ipv4_prefix, self.ipv6_prefix],
        };
        let parts = (self.name.as_str(), self.window_s, self.key as u8, width);
        std::hash::Hash::hash(&parts, &mut hasher);
        std::hash::Hasher::finish(&hasher)
    }
}

fn made_ready(rule: Rule, costs: &Costs) -> Result<Ready, String> {
    let is_allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
    if !(1..=NAME_BYTES_MAX).contains(&rule.name.len()) || !rule.name.bytes().all(is_allowed) {
        return Err(format!("a name is 1 to {NAME_BYTES_MAX} characters out of a-z 0-9 - _ ."));
    }
    if !(1..=REQUESTS_MAX).contains(&rule.requests) {
        return Err(format!("requests must be 1 to {REQUESTS_MAX}"));
    }
    if !(1..=WINDOW_S_MAX).contains(&rule.window_s) {
        return Err(format!("window_s must be 1 to {WINDOW_S_MAX}"));
    }
    if rule.burst.is_some_and(|burst| burst > REQUESTS_MAX) {
        return Err(format!("burst must be 1 to {REQUESTS_MAX}"));
    }
    if !(8..=32).contains(&rule.ipv4_prefix) {
        return Err("ipv4_prefix must be 8 to 32".to_owned());
    }
    if !(16..=128).contains(&rule.ipv6_prefix) {
        return Err("ipv6_prefix must be 16 to 128".to_owned());
    }
    if rule.classes.is_empty() || rule.callers.is_empty() {
        return Err(
            "it is about nobody: classes and callers name at least one each, or are left out".to_owned()
        );
    }
    if rule.strict && rule.shared {
        return Err("strict and shared exclude each other: leases have a slack".to_owned());
    }
    let dearest = rule.classes.iter().map(|class| costs.of(*class)).max().unwrap_or(1);
    let burst = rule.burst.unwrap_or(match rule.strict {
        true => (rule.requests / 10).max(dearest),
        false => rule.requests,
    });
    let rate = Rate::new(rule.requests, rule.window_s * SECOND_NS, burst, rule.strict);
    let rate = rate.map_err(|error: RateError| error.to_string())?;
    if dearest > burst {
        return Err(format!(
            "one of its classes costs {dearest}, which a burst of {burst} never lets through"
        ));
    }
    let (id, policy) = (rule.id(), crate::fields::policy(&rule, burst));
    Ok(Ready { rule, rate, id, policy })
}

#[cfg(test)]
mod tests;
