//! User agents: what a program says of itself.

use std::sync::Arc;

use super::Words;

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
}

impl Agents {
    pub(crate) fn new(crawlers: &[String], _people: &[String], _tools: &[String]) -> Result<Self, String> {
        Ok(Self { words: Words::new(crawlers.iter().map(String::as_str))? })
    }

    /// What a user agent is taken for.
    pub fn kind(&self, agent: &[u8]) -> AgentKind {
        match self.words.find(agent) {
            None if agent.is_empty() => AgentKind::Missing,
            None => AgentKind::Person,
            Some((_, word)) => AgentKind::Crawler(Arc::clone(word)),
        }
    }
}
