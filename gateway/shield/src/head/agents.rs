//! User agents: what a program says of itself.
//!
//! Four lists in one machine: tools for attacks, the list of crawlers, libraries, and words that
//! programs have in general. The text is gone through once. Words of people ("cubot", a maker of
//! telephones) cover what lies within them.

use std::sync::Arc;

use super::{Where, Words};

const CRAWLERS: &str = include_str!("crawlers.txt");
const LIBRARIES: &str = include_str!("libraries.txt");
const GENERIC: &str = include_str!("generic.txt");
/// Of longer user agents no more than this is looked at, in bytes.
const AGENT_BYTES_MAX: usize = 1_024;

/// Longest word of people that is heeded, in bytes.
const PEOPLE_BYTES_MAX: usize = 32;

/// What a user agent is taken for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentKind {
    /// A person's browser, or an application.
    Person,
    /// A crawler or another service of the list, with the word that gave it away.
    Crawler(Arc<str>),
    /// A tool for attacks.
    Tool(Arc<str>),
    /// Not on the list, but has a word that only programs have.
    Word(Arc<str>),
    /// A library for programs, and nothing beside it.
    Library(Arc<str>),
    /// There is none.
    Missing,
}

/// Tells user agents apart.
#[derive(Debug)]
pub(crate) struct Agents {
    words: Words,
    people: Words,
    /// Where in `words` libraries, crawlers and general words begin; tools stand first.
    libraries_from: usize,
    crawlers_from: usize,
    generic_from: usize,
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty())
}

impl Agents {
    /// The lists that come with the crate, and what the rules add to them.
    ///
    /// # Errors
    ///
    /// When they are too many.
    pub(crate) fn new(crawlers: &[String], people: &[String], tools: &[String]) -> Result<Self, String> {
        let mut words: Vec<&str> = tools.iter().map(String::as_str).collect();
        let libraries_from = words.len();
        words.extend(lines(LIBRARIES));
        let crawlers_from = words.len();
        words.extend(crawlers.iter().map(String::as_str).chain(lines(CRAWLERS)));
        let generic_from = words.len();
        words.extend(lines(GENERIC));
        let people = Words::new(people.iter().map(String::as_str), Where::Anywhere)?;
        let words = Words::new(words.into_iter(), Where::Beginning)?;
        Ok(Self { words, people, libraries_from, crawlers_from, generic_from })
    }

    /// What a user agent is taken for.
    pub(crate) fn kind(&self, agent: &[u8]) -> AgentKind {
        self.kind_from(agent, 0)
    }

    /// The same with nothing but general words.
    pub(crate) fn generic_kind(&self, agent: &[u8]) -> AgentKind {
        self.kind_from(agent, self.generic_from)
    }

    fn kind_from(&self, agent: &[u8], from: usize) -> AgentKind {
        let agent = &agent[..agent.len().min(AGENT_BYTES_MAX)];
        if agent.trim_ascii().is_empty() {
            return AgentKind::Missing;
        }
        // Only around what was found: words of people are short.
        let is_peoples = |start: usize, end: usize| {
            let from = start.saturating_sub(PEOPLE_BYTES_MAX);
            let around = &agent[from..agent.len().min(end + PEOPLE_BYTES_MAX)];
            self.people.all(around).any(|word| from + word.start <= start && end <= from + word.end)
        };
        let found = self.words.all(agent).filter(|found| found.index >= from);
        let found = found.filter(|found| !is_peoples(found.start, found.end));
        let device_end = device_end(agent);
        let found = found.filter(|found| found.end > device_end || !is_device(found, agent));
        let Some(found) = found.min_by_key(|found| found.index) else {
            return odd_form(agent).map_or(AgentKind::Person, |form| AgentKind::Word(form.into()));
        };
        let word = Arc::clone(found.text);
        match found.index {
            index if index < self.libraries_from => AgentKind::Tool(word),
            index if index < self.crawlers_from => AgentKind::Library(word),
            index if index < self.generic_from => AgentKind::Crawler(word),
            _ => AgentKind::Word(word),
        }
    }
}

/// What no browser's user agent is: since the nineties a platform and an engine stand behind
/// `Mozilla/5.0`, and `compatible` there was Microsoft's and a few others'.
fn odd_form(agent: &[u8]) -> Option<&'static str> {
    let rest = agent.strip_prefix(b"Mozilla/5.0")?;
    let Some(platform) = rest.strip_prefix(b" (") else {
        let has = |part: &[u8]| rest.windows(part.len()).any(|window| window == part);
        return (!has(b"AppleWebKit") && !has(b"Gecko")).then_some("Mozilla/5.0 and no engine");
    };
    let behind = platform.strip_prefix(b"compatible")?;
    let old: [&[u8]; 6] = [b"; MSIE ", b"; Konqueror", b"; Linux", b"; ANTGalio", b"; IBrowse", b"; U;"];
    let is_old = old.iter().any(|name| behind.starts_with(name));
    (!is_old).then_some("Mozilla/5.0 (compatible")
}

/// Where the description of a telephone ends, 0 where there is none. Makers name their models as
/// they like ("M bot 51", "Fever"), so words within it say little.
fn device_end(agent: &[u8]) -> usize {
    let is_device = agent.starts_with(b"Mozilla/5.0 (Linux; Android") || agent.starts_with(b"Dalvik/");
    if is_device { agent.iter().position(|byte| *byte == b')').unwrap_or(0) } else { 0 }
}

/// Whether a word within the description of a telephone is only its name: programs that put
/// themselves there give their version or address.
fn is_device(found: &super::words::Found<'_>, agent: &[u8]) -> bool {
    agent.get(found.end) != Some(&b'/') && !found.text.contains('/') && !found.text.contains("compatible")
}

#[cfg(test)]
mod tests;
