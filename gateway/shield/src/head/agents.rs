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
pub struct Agents {
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
    pub fn kind(&self, agent: &[u8]) -> AgentKind {
        self.kind_from(agent, 0)
    }

    /// The same with nothing but general words.
    #[cfg(test)]
    pub(crate) fn generic_kind(&self, agent: &[u8]) -> AgentKind {
        self.kind_from(agent, self.generic_from)
    }

    fn kind_from(&self, agent: &[u8], from: usize) -> AgentKind {
        let agent = &agent[..agent.len().min(AGENT_BYTES_MAX)];
        if agent.trim_ascii().is_empty() {
            return AgentKind::Missing;
        }
        let is_peoples =
            |start, end| self.people.all(agent).any(|word| word.start <= start && end <= word.end);
        let found = self.words.all(agent).filter(|found| found.index >= from);
        let found = found.filter(|found| !is_peoples(found.start, found.end));
        let Some(found) = found.min_by_key(|found| found.index) else { return AgentKind::Person };
        let word = Arc::clone(found.text);
        match found.index {
            index if index < self.libraries_from => AgentKind::Tool(word),
            index if index < self.crawlers_from => AgentKind::Library(word),
            index if index < self.generic_from => AgentKind::Crawler(word),
            _ => AgentKind::Word(word),
        }
    }
}

#[cfg(test)]
mod tests;
