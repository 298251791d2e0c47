//! Lists as a file.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use super::{Lists, NETWORKS_MAX, Network, NetworkError};
use crate::crawlers;

/// Longest text of a file of networks, in bytes.
pub const NETWORKS_TEXT_BYTES_MAX: usize = 8 << 20;

/// What is wrong with a file of networks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListsError {
    /// It is not TOML, or holds something else.
    #[error("the networks can't be read: {0}")]
    Text(String),
    /// It is too long.
    #[error("a file of networks has at most {NETWORKS_TEXT_BYTES_MAX} bytes")]
    TooLong,
    /// There are too many.
    #[error("a list has at most {NETWORKS_MAX} networks")]
    TooMany,
    /// One of them is none.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// Nobody of that name can be confirmed.
    #[error("{0:?} is no crawler that is known here: known are {1}")]
    Crawler(String, String),
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    blocked: Vec<String>,
    crawlers: BTreeMap<String, Vec<String>>,
}

impl Lists {
    /// Reads `blocked = ["192.0.2.0/24"]` and, below `[crawlers]`, `googlebot = ["66.249.64.0/19"]`.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with it; nothing of it is taken then.
    pub fn parse(text: &str) -> Result<Self, ListsError> {
        if text.len() > NETWORKS_TEXT_BYTES_MAX {
            return Err(ListsError::TooLong);
        }
        let file: File = toml::from_str(text).map_err(|error| ListsError::Text(error.to_string()))?;
        let blocked: Result<Vec<_>, _> = file.blocked.iter().map(|text| Network::parse(text)).collect();
        let mut lists = Self { verified: Vec::new(), blocked: blocked? };
        for (name, networks) in &file.crawlers {
            let crawler = crawlers::by_name(name).ok_or_else(|| unknown(name))?;
            for network in networks {
                lists.verified.push((Network::parse(network)?, Arc::clone(&crawler.name)));
            }
        }
        match lists.verified.len().max(lists.blocked.len()) {
            count if count > NETWORKS_MAX => Err(ListsError::TooMany),
            _ => Ok(lists),
        }
    }
}

fn unknown(name: &str) -> ListsError {
    let known: Vec<&str> = crawlers::known().iter().map(|crawler| &*crawler.name).collect();
    ListsError::Crawler(name.to_owned(), known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_with_whose_they_are() {
        let text =
            "blocked = [\"192.0.2.0/24\", \"2001:db8::/32\"]\n[crawlers]\nbingbot = [\"157.55.39.0/24\"]\n";
        let lists = Lists::parse(text).unwrap();
        assert_eq!(
            lists.blocked,
            ["192.0.2.0/24", "2001:db8::/32"].map(|text| Network::parse(text).unwrap())
        );
        assert_eq!(lists.verified, [(Network::parse("157.55.39.0/24").unwrap(), Arc::from("bingbot"))]);
        assert!(Lists::parse("").unwrap().blocked.is_empty());
    }

    #[test]
    fn what_is_wrong_is_refused_as_a_whole_and_named() {
        let long = format!("#{}", "x".repeat(NETWORKS_TEXT_BYTES_MAX));
        let cases = [
            ("blocked = [\"192.0.2.0/40\"]", "192.0.2.0/40"),
            ("blocked = [5]", "line 1"),
            ("blokked = []", "blokked"),
            ("[crawlers]\nnobody = [\"192.0.2.1\"]", "googlebot"),
            ("[crawlers]\nbingbot = [\"here\"]", "here"),
            (long.as_str(), "8388608"),
        ];
        for (text, named) in cases {
            let told = Lists::parse(text).unwrap_err().to_string();
            assert!(told.contains(named), "{told}");
        }
    }
}
