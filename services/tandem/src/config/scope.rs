//! One section of a configuration, as one role reads it: values with their presets, secrets from
//! where they are kept.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Uri;
use serde::de::DeserializeOwned;
use tandem_model::route::Chain;

use super::error::{ConfigError, Place, Wrong};
use super::load::{Values, secret_advice, section, variable_of};
use super::option::{Kind, Opt, Preset, Role, Section};
use super::value::Value;

/// Longest secret, in bytes.
const SECRET_BYTES_MAX: u64 = 16 * 1024;

/// A section, for one role.
pub(super) struct Scope<'a> {
    pub(super) values: &'a Values,
    pub(super) section: &'static Section,
    /// Its name in the file.
    pub(super) path: String,
    chain: Option<Chain>,
    role: Role,
}

impl<'a> Scope<'a> {
    /// The section `path`, which is one of those there are.
    pub(super) fn of(values: &'a Values, path: &str, role: Role) -> Self {
        let section = section(path).expect("roles read only sections that are defined");
        let chain = section.paths().into_iter().find(|(known, _)| known == path).and_then(|(_, chain)| chain);
        Self { values, section, path: path.to_owned(), chain, role }
    }

    /// What must be said and isn't.
    pub(super) fn missing(&self) -> Vec<Wrong> {
        let is_missing = |option: &&Opt| {
            matches!(option.preset, Preset::Required(_)) && option.is_read_by(self.role) && !self.has(option)
        };
        let options = self.section.options.iter().filter(is_missing);
        let wrong = options.map(|option| {
            let what = match option.kind {
                Kind::Secret => {
                    format!("[{}] {} is missing: {}", self.path, option.name, self.advice(option))
                }
                kind => format!(
                    "[{}] {} is missing: it takes {}; write it, or set {}. {}",
                    self.path,
                    option.name,
                    kind.allowed(),
                    variable_of(&self.path, option.name),
                    option.about
                ),
            };
            Wrong { place: self.section_place(), what }
        });
        wrong.collect()
    }

    fn has(&self, option: &Opt) -> bool {
        let file = format!("{}_file", option.name);
        self.values.located(&self.path, option.name).is_some()
            || (option.kind == Kind::Secret && self.values.located(&self.path, &file).is_some())
    }

    fn advice(&self, option: &Opt) -> String {
        format!("{}. {}", secret_advice(&self.path, option), option.about)
    }

    fn section_place(&self) -> Place {
        match self.values.sections.get(&self.path) {
            Some(place @ Place::File { .. }) => place.clone(),
            _ => Place::Whole(self.values.file.clone()),
        }
    }

    /// Where a value stands; the section where nobody says it.
    fn place_of(&self, key: &str) -> Place {
        let located = self.values.located(&self.path, key);
        located.map_or_else(|| self.section_place(), |located| located.place.clone())
    }

    /// An error about one option.
    pub(super) fn wrong(&self, key: &str, what: impl std::fmt::Display) -> ConfigError {
        ConfigError::one(self.place_of(key), format!("[{}] {key} {what}", self.path))
    }

    /// An error that an adapter words as `option: what is wrong`, or as it likes.
    pub(super) fn refused_by_adapter(&self, error: &str) -> ConfigError {
        // Stores say that they refuse; here it is the settings that do.
        let text = error.strip_prefix("store refused: ").unwrap_or(error);
        let words = text.split([':', ' ', '`']).find(|word| self.section.option(word).is_some());
        let place = words.map_or_else(|| self.section_place(), |key| self.place_of(key));
        ConfigError::one(place, format!("[{}] {text}", self.path))
    }

    /// The value of an option, or its preset.
    pub(super) fn value(&self, key: &str) -> Option<Value> {
        let option = self.section.option(key).expect("roles read only options that are defined");
        let given = self.values.located(&self.path, key).map(|located| located.value.clone());
        given.or_else(|| Value::preset(&option.preset, self.chain))
    }

    pub(super) fn text(&self, key: &str) -> String {
        match self.value(key) {
            Some(Value::Text(text)) => text,
            _ => String::new(),
        }
    }

    pub(super) fn texts(&self, key: &str) -> Vec<String> {
        match self.value(key) {
            Some(Value::Texts(texts)) => texts,
            _ => Vec::new(),
        }
    }

    pub(super) fn flag(&self, key: &str) -> bool {
        matches!(self.value(key), Some(Value::Flag(true)))
    }

    pub(super) fn integer(&self, key: &str) -> u64 {
        match self.value(key) {
            Some(Value::Integer(number)) => number,
            _ => 0,
        }
    }

    pub(super) fn count(&self, key: &str) -> usize {
        usize::try_from(self.integer(key)).unwrap_or(usize::MAX)
    }

    /// An option whose name ends with `_ms`.
    pub(super) fn duration(&self, key: &str) -> Duration {
        Duration::from_millis(self.integer(key))
    }

    pub(super) fn address(&self, key: &str) -> Result<SocketAddr, ConfigError> {
        self.text(key).parse().map_err(|_| self.wrong(key, "is no address"))
    }

    pub(super) fn urls(&self, key: &str) -> Result<Vec<Uri>, ConfigError> {
        self.texts(key)
            .iter()
            .map(|text| text.parse().map_err(|_| self.wrong(key, "holds no address")))
            .collect()
    }

    /// A path: relative to the file where it stands in it, else to the working directory.
    pub(super) fn path(&self, key: &str) -> Option<PathBuf> {
        let located = self.values.located(&self.path, key)?;
        let Value::Text(text) = &located.value else { return None };
        let path = Path::new(text);
        let folder = self.values.file.parent().filter(|_| matches!(located.place, Place::File { .. }));
        Some(folder.map_or_else(|| path.to_owned(), |folder| folder.join(path)))
    }

    /// Paths, each like [`Scope::path`].
    pub(super) fn paths(&self, key: &str) -> Vec<PathBuf> {
        let Some(located) = self.values.located(&self.path, key) else { return Vec::new() };
        let Value::Texts(texts) = &located.value else { return Vec::new() };
        let folder = self.values.file.parent().filter(|_| matches!(located.place, Place::File { .. }));
        let path = |text: &String| folder.map_or_else(|| PathBuf::from(text), |folder| folder.join(text));
        texts.iter().map(path).collect()
    }

    /// A secret, from a variable or from its file.
    pub(super) fn secret(&self, name: &str) -> Result<Option<String>, ConfigError> {
        if let Some(located) = self.values.located(&self.path, name)
            && let Value::Text(text) = &located.value
        {
            return Ok(Some(text.clone()));
        }
        let key = format!("{name}_file");
        let Some(file) = self.path(&key) else { return Ok(None) };
        let wrong = |what: String| Err(self.wrong(&key, format!("= {}: {what}", file.display())));
        match std::fs::metadata(&file) {
            Ok(metadata) if metadata.len() > SECRET_BYTES_MAX => {
                return wrong(format!("it has more than {SECRET_BYTES_MAX} bytes, which is no secret"));
            }
            Ok(_) => {}
            Err(error) => return wrong(format!("it can't be read: {error}")),
        }
        match std::fs::read_to_string(&file) {
            Ok(text) => {
                let text = text.strip_suffix('\n').unwrap_or(&text);
                let text = text.strip_suffix('\r').unwrap_or(text);
                match text {
                    "" => wrong("it is empty".to_owned()),
                    text if text.contains(['\n', '\r']) => {
                        wrong("it has several lines; a secret is one".to_owned())
                    }
                    text => Ok(Some(text.to_owned())),
                }
            }
            Err(error) => wrong(format!("it can't be read: {error}")),
        }
    }

    /// Everything but the secrets, as the settings of an adapter.
    pub(super) fn settings<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        let options = self.section.options.iter().filter(|option| option.kind != Kind::Secret);
        let values =
            options.filter_map(|option| Some((option.name.to_owned(), self.value(option.name)?.to_json())));
        serde_json::from_value(serde_json::Value::Object(values.collect()))
            .map_err(|error| self.refused_by_adapter(&error.to_string()))
    }
}
