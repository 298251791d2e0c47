//! What is different between two readings of a configuration: what a process that runs can take into
//! use, and what waits for its next start.

use std::collections::BTreeMap;
use std::fmt;

use super::error::ConfigError;
use super::load::Values;
use super::option::{Kind, Role};
use super::scope::Scope;
use super::sections::SECTIONS;

/// All options that a role reads, with their values.
#[derive(Clone, PartialEq, Eq)]
pub struct Options(BTreeMap<String, Entry>);

#[derive(Clone, PartialEq, Eq)]
struct Entry {
    value: Option<String>,
    is_live: bool,
}

/// Names of options, as `[section] option`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Those that a process that runs takes into use.
    pub live: Vec<String>,
    /// Those that need a restart.
    pub restart: Vec<String>,
}

impl Values {
    /// All options that `role`, which is of no chain, reads.
    ///
    /// # Errors
    ///
    /// When the file of a secret can't be read.
    pub fn options(&self, role: Role) -> Result<Options, ConfigError> {
        let mut options = BTreeMap::new();
        for section in SECTIONS.iter().filter(|section| section.roles.contains(&role)) {
            for (path, _) in section.paths() {
                let scope = Scope::of(self, &path, role);
                for option in section.options.iter().filter(|option| option.is_read_by(role)) {
                    let value = match option.kind {
                        Kind::Secret => scope.secret(option.name)?,
                        Kind::Path => scope.path(option.name).map(|path| path.display().to_string()),
                        _ => scope.value(option.name).map(|value| value.shown()),
                    };
                    let entry = Entry { value, is_live: option.is_live };
                    options.insert(format!("[{path}] {}", option.name), entry);
                }
            }
        }
        Ok(Options(options))
    }
}

impl Options {
    /// What is different in `newer`.
    pub fn changed(&self, newer: &Options) -> Changes {
        let mut changes = Changes::default();
        for (name, entry) in &newer.0 {
            if self.0.get(name) == Some(entry) {
                continue;
            }
            let list = if entry.is_live { &mut changes.live } else { &mut changes.restart };
            list.push(name.clone());
        }
        changes
    }
}

/// Among them are secrets, which go into no log.
impl fmt::Debug for Options {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str, key: &str) -> Options {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tandem.toml");
        std::fs::write(&file, text).unwrap();
        let variables = [("TANDEM_KEY".to_owned(), key.to_owned())];
        Values::load(&file, variables).unwrap().options(Role::Gateway).unwrap()
    }

    #[test]
    fn what_changed_is_named_by_what_it_needs() {
        let before = options("[gateway]\nreads_max = 4096\n", "one");
        let same = options("# The preset, and a comment.\n", "one");
        assert_eq!(before.changed(&same), Changes::default());
        let after = options(
            "[gateway]\nreads_max = 9\nlisten = \"127.0.0.1:9\"\ntrusted_proxies = [\"10.0.0.0/8\"]\n\
             [chains.a.query]\nlisten = \"127.0.0.1:7\"\n[log]\nbrokers = [\"127.0.0.1:1\"]\n",
            "other",
        );
        let changes = before.changed(&after);
        assert_eq!(changes.live, ["[gateway] reads_max", "[gateway] trusted_proxies"]);
        assert_eq!(changes.restart, ["[gateway] listen", "[log] brokers", "[operator] key"]);
        assert!(!format!("{after:?}").contains("other"));
    }
}
