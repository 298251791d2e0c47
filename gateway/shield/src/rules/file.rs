//! The text of rules: what is written where, and what may stand there.

use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use super::{
    About, Inner, Most, Name, POINTS_MAX, Paths, Rule, RulesError, TEXT_BYTES_MAX, THRESHOLD_MAX, Thresholds,
    WORDS_MAX,
};
use crate::head::{Agents, Where, Words};
use crate::seen::Caller;
use crate::verdict::Action;

/// The text of the rules that stand where no file says otherwise.
pub const DEFAULT_RULES: &str = include_str!("default.toml");

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    actions: Option<Spanned<Actions>>,
    most: MostFile,
    challenge: Challenge,
    paths: PathsFile,
    agents: AgentsFile,
    signing: Signing,
    rules: Vec<Spanned<RuleFile>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Actions {
    tag: u16,
    slow: u16,
    challenge: u16,
    limit: u16,
    deny: u16,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct MostFile {
    nobody: Option<Action>,
    failed: Option<Action>,
    key: Option<Action>,
    token: Option<Action>,
    signed: Option<Spanned<Action>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Challenge {
    callers: Option<Vec<Caller>>,
}

type List = Option<Spanned<Vec<String>>>;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PathsFile {
    free: List,
    public: List,
    honeypots: List,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct AgentsFile {
    crawlers: List,
    people: List,
    tools: List,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Signing {
    agents: List,
    header: Option<Spanned<String>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFile {
    name: Name,
    points: Option<i16>,
    points_known: Option<i16>,
    observe: Option<bool>,
    from: Option<u32>,
    full: Option<u32>,
    share_percent: Option<u32>,
}

/// The text, to find lines in.
struct Text<'a>(&'a str);

impl Text<'_> {
    fn wrong(&self, span: &Range<usize>, what: impl Into<String>) -> RulesError {
        let before = self.0.as_bytes().get(..span.start).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        RulesError::Wrong { line, what: what.into() }
    }

    /// The list that is written, else the one that comes with the crate.
    fn list(&self, written: List, standing: List) -> Result<Vec<String>, RulesError> {
        let Some(list) = written.or(standing) else { return Ok(Vec::new()) };
        if list.get_ref().len() > WORDS_MAX {
            return Err(self.wrong(&list.span(), format!("a list has at most {WORDS_MAX} entries")));
        }
        if list.get_ref().iter().any(|entry| !(1..=256).contains(&entry.len())) {
            return Err(self.wrong(&list.span(), "an entry has 1 to 256 bytes"));
        }
        Ok(list.into_inner())
    }
}

fn read(text: &str) -> Result<File, RulesError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(RulesError::Text(format!("they have more than {TEXT_BYTES_MAX} bytes")));
    }
    toml::from_str(text).map_err(|error| RulesError::Text(error.to_string()))
}

/// Reads rules over those that come with the crate.
pub(super) fn parse(text: &str) -> Result<Inner, RulesError> {
    let (standing, file) = (read(DEFAULT_RULES)?, read(text)?);
    let text = Text(text);
    let thresholds = thresholds(&text, file.actions, standing.actions)?;
    let most = most(&text, file.most, standing.most, file.challenge.callers.or(standing.challenge.callers))?;
    let rules = rules(&text, &standing.rules, &file.rules)?;
    let paths = Paths {
        free: text.list(file.paths.free, standing.paths.free)?,
        public: text.list(file.paths.public, standing.paths.public)?,
    };
    let honeypots = text.list(file.paths.honeypots, standing.paths.honeypots)?;
    let crawlers = text.list(file.agents.crawlers, standing.agents.crawlers)?;
    let people = text.list(file.agents.people, standing.agents.people)?;
    let tools = text.list(file.agents.tools, standing.agents.tools)?;
    let signing = text.list(file.signing.agents, standing.signing.agents)?;
    let header = file.signing.header.or(standing.signing.header);
    let signature_header = header.map(|header| {
        let wrong = |_| text.wrong(&header.span(), format!("{:?} is no name of a header", header.get_ref()));
        http::HeaderName::from_bytes(header.get_ref().as_bytes()).map_err(wrong)
    });
    let too_many = |what: String| RulesError::Text(what);
    Ok(Inner {
        thresholds,
        most,
        paths,
        rules,
        agents: Agents::new(&crawlers, &people, &tools).map_err(too_many)?,
        honeypots: Words::new(honeypots.iter().map(String::as_str), Where::Anywhere).map_err(too_many)?,
        signing_agents: signing.into_iter().map(Arc::from).collect(),
        signature_header: signature_header.transpose()?,
    })
}

fn thresholds(
    text: &Text<'_>,
    written: Option<Spanned<Actions>>,
    standing: Option<Spanned<Actions>>,
) -> Result<Thresholds, RulesError> {
    let actions = written.or(standing).expect("the rules that come with the crate have them");
    let Actions { tag, slow, challenge, limit, deny } = *actions.get_ref();
    let from = [tag, slow, challenge, limit, deny];
    if tag == 0 || from.windows(2).any(|pair| pair[0] > pair[1]) {
        let what = "1 ≤ tag ≤ slow ≤ challenge ≤ limit ≤ deny must hold";
        return Err(text.wrong(&actions.span(), what));
    }
    Ok(Thresholds { from })
}

fn most(
    text: &Text<'_>,
    written: MostFile,
    standing: MostFile,
    solving: Option<Vec<Caller>>,
) -> Result<Most, RulesError> {
    if let Some(signed) = &written.signed
        && *signed.get_ref() > Action::Limit
    {
        let what = "signed applications are not refused with more than \"limit\"";
        return Err(text.wrong(&signed.span(), what));
    }
    let or_deny = |one: Option<Action>, other: Option<Action>| one.or(other).unwrap_or(Action::Deny);
    let signed = written.signed.or(standing.signed).map_or(Action::Limit, Spanned::into_inner);
    let by_caller = [
        or_deny(written.nobody, standing.nobody),
        or_deny(written.failed, standing.failed),
        or_deny(written.key, standing.key),
        or_deny(written.token, standing.token),
        signed,
        Action::Allow,
    ];
    let mut can_solve = [false; 6];
    for caller in solving.unwrap_or_default() {
        can_solve[caller as usize] = true;
    }
    Ok(Most { by_caller, can_solve })
}

fn rules(
    text: &Text<'_>,
    standing: &[Spanned<RuleFile>],
    written: &[Spanned<RuleFile>],
) -> Result<Vec<Rule>, RulesError> {
    for (index, rule) in written.iter().enumerate() {
        let name = rule.get_ref().name;
        if written[..index].iter().any(|other| other.get_ref().name == name) {
            return Err(text.wrong(&rule.span(), format!("rule {:?} is written twice", name.text())));
        }
    }
    Name::ALL.iter().map(|name| one_rule(text, *name, standing, written)).collect()
}

fn one_rule(
    text: &Text<'_>,
    name: Name,
    standing: &[Spanned<RuleFile>],
    written: &[Spanned<RuleFile>],
) -> Result<Rule, RulesError> {
    let find = |list: &[Spanned<RuleFile>]| {
        let found = list.iter().find(|rule| rule.get_ref().name == name);
        found.map(|rule| (*rule.get_ref(), rule.span()))
    };
    let empty = RuleFile {
        name,
        points: None,
        points_known: None,
        observe: None,
        from: None,
        full: None,
        share_percent: None,
    };
    let (base, _) = find(standing).unwrap_or((empty, 0..0));
    let (over, span) = find(written).unwrap_or((empty, 0..0));
    let points = over.points.or(base.points).unwrap_or(0);
    // Whoever writes the points of a rule of behaviour means all callers.
    let known = match name.about() {
        About::Looks => over.points_known.or(base.points_known).unwrap_or(0),
        About::Unknown => 0,
        About::Behaviour => {
            over.points_known.or(over.points).or(base.points_known).or(base.points).unwrap_or(0)
        }
    };
    let from = over.from.or(base.from).unwrap_or(1);
    let full = over.full.or(base.full).unwrap_or(from);
    let share_percent = over.share_percent.or(base.share_percent).unwrap_or(0);
    let wrong = |what: String| Err(text.wrong(&span, format!("rule {:?}: {what}", name.text())));
    if [points, known].iter().any(|points| !(-POINTS_MAX..=POINTS_MAX).contains(points)) {
        return wrong(format!("points must be -{POINTS_MAX} to {POINTS_MAX}"));
    }
    if (points < 0 || known < 0) && name != Name::CrawlerVerified {
        return wrong("only \"crawler-verified\" may have points below 0".to_owned());
    }
    if from == 0 || full < from || full > THRESHOLD_MAX {
        return wrong(format!("1 ≤ from ≤ full ≤ {THRESHOLD_MAX} must hold"));
    }
    if share_percent > 100 {
        return wrong("share_percent must be 0 to 100".to_owned());
    }
    let observe = over.observe.or(base.observe).unwrap_or(false);
    Ok(Rule { name, points, points_known: known, observe, from, full, share_percent })
}
