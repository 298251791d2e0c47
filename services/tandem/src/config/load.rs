//! From a file and the environment to checked values. Whatever is wrong is collected, so that one
//! look mends everything.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use tandem_model::route::Chain;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Place, Wrong};
use super::option::{Kind, Opt, Section};
use super::sections::SECTIONS;
use super::value::{Located, Value};

/// Largest file, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// What the names of variables begin with.
const PREFIX: &str = "TANDEM__";
/// The old name of the operator's key, which clients know, too.
const KEY_VARIABLE: &str = "TANDEM_KEY";

/// All values that were given, checked one by one.
#[derive(Clone, Debug)]
pub struct Values {
    pub(super) file: PathBuf,
    /// By section and key; secrets under their own name (from variables) or with `_file`.
    pub(super) given: BTreeMap<(String, String), Located>,
    /// Sections that stand in the file or are named by a variable, and where.
    pub(super) sections: BTreeMap<String, Place>,
}

impl Values {
    /// Reads `file`, and what variables say instead of it.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, whoever reads it.
    pub fn load(
        file: &Path,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let text = read(file)?;
        let mut loading = Loading {
            text: &text,
            values: Self { file: file.to_owned(), given: BTreeMap::new(), sections: BTreeMap::new() },
            wrong: Vec::new(),
        };
        match DeTable::parse(&text) {
            Ok(document) => loading.table(document.get_ref(), ""),
            Err(error) => {
                let place = loading.place(error.span().unwrap_or(0..0));
                return Err(ConfigError::one(place, error.message()));
            }
        }
        let mut variables: Vec<_> = variables.into_iter().collect();
        variables.sort();
        for (name, value) in variables {
            loading.variable(&name, &value);
        }
        ConfigError::of(loading.wrong)?;
        Ok(loading.values)
    }

    /// The chains the file has sections of.
    pub fn chains(&self) -> BTreeSet<Chain> {
        let is_of =
            |chain: &Chain| self.sections.keys().any(|name| name.starts_with(&format!("chains.{chain}.")));
        Chain::ALL.into_iter().filter(is_of).collect()
    }

    pub(super) fn located(&self, section: &str, key: &str) -> Option<&Located> {
        self.given.get(&(section.to_owned(), key.to_owned()))
    }
}

/// The environment of this process, as far as it is text.
pub fn environment() -> Vec<(String, String)> {
    let variables = std::env::vars_os();
    variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// The name of the variable for an option.
pub(super) fn variable_of(section: &str, key: &str) -> String {
    format!("{PREFIX}{}__{}", section.replace('.', "__"), key).to_uppercase()
}

/// What to do about a secret that is missing, or stands where it must not.
pub(super) fn secret_advice(section: &str, option: &Opt) -> String {
    let also = if (section, option.name) == ("operator", "key") { " (or TANDEM_KEY)" } else { "" };
    format!(
        "put it into a file of its own and write `{}_file = \"PATH\"`, or set {}{also}",
        option.name,
        variable_of(section, option.name)
    )
}

struct Loading<'a> {
    text: &'a str,
    values: Values,
    wrong: Vec<Wrong>,
}

impl Loading<'_> {
    /// A table of the file; `path` is empty for the whole.
    fn table(&mut self, table: &DeTable<'_>, path: &str) {
        let section = section(path);
        for (key, value) in table.iter() {
            let name = key.get_ref().as_ref();
            let full = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            let is_inner =
                super::load::section(&full).is_some() && matches!(value.get_ref(), DeValue::Table(_));
            if let Some(section) = section.filter(|_| !is_inner) {
                self.key(section, path, (name, key.span()), (value.get_ref(), value.span()));
            } else if !is_begun(&full) {
                self.unknown_section(&full, key.span());
            } else if let DeValue::Table(inner) = value.get_ref() {
                if super::load::section(&full).is_some() {
                    let place = self.place(key.span());
                    self.values.sections.insert(full.clone(), place);
                }
                self.table(inner, &full);
            } else {
                let place = self.place(value.span());
                self.refuse(place, format!("{full} is a section: write [{full}] and its options below it"));
            }
        }
    }

    fn key(
        &mut self,
        section: &'static Section,
        path: &str,
        (key, key_span): (&str, Range<usize>),
        (found, span): (&DeValue<'_>, Range<usize>),
    ) {
        let kind = match (section.option(key), section.secret_in_file(key)) {
            (Some(option), _) if option.kind == Kind::Secret => {
                let advice = secret_advice(path, option);
                let place = self.place(key_span);
                return self.refuse(
                    place,
                    format!("[{path}] {key} is a secret, which must not stand in the file: {advice}"),
                );
            }
            (Some(option), _) => option.kind,
            (None, Some(_)) => Kind::Path,
            (None, None) => {
                let place = self.place(key_span);
                return self.refuse(place, unknown(section, path, key));
            }
        };
        let place = self.place(span);
        match Value::from_toml(&kind, found) {
            Ok(value) => self.give(path, key, Located { value, place }),
            Err(found) => {
                self.refuse(place, format!("[{path}] {key} takes {}; {found}", kind.allowed()));
            }
        }
    }

    fn variable(&mut self, name: &str, text: &str) {
        let place = Place::Variable(name.to_owned());
        if name == KEY_VARIABLE {
            // The longer name says it more clearly, and comes later.
            if !text.is_empty() {
                self.give("operator", "key", Located { value: Value::Text(text.to_owned()), place });
            }
            return;
        }
        let Some(rest) = name.strip_prefix(PREFIX) else { return };
        let lower = rest.to_lowercase();
        let Some((path, key)) = lower.rsplit_once("__") else {
            return self.refuse(place, no_such_variable(name));
        };
        let path = path.replace("__", ".");
        let Some(section) = section(&path) else { return self.refuse(place, no_such_variable(name)) };
        let kind = match (section.option(key), section.secret_in_file(key)) {
            (Some(option), _) => option.kind,
            (None, Some(_)) => Kind::Path,
            (None, None) => return self.refuse(place, unknown(section, &path, key)),
        };
        if kind == Kind::Secret && text.is_empty() {
            return;
        }
        self.values.sections.entry(path.clone()).or_insert_with(|| place.clone());
        match Value::from_text(&kind, text) {
            Ok(value) => self.give(&path, key, Located { value, place }),
            Err(found) => {
                let list = match kind {
                    Kind::Texts { .. } | Kind::Urls { .. } => " (in a variable: separated by commas)",
                    Kind::Counts { .. } => " (in a variable: NAME=NUMBER,NAME=NUMBER)",
                    _ => "",
                };
                self.refuse(place, format!("[{path}] {key} takes {}{list}; {found}", kind.allowed()));
            }
        }
    }

    fn give(&mut self, section: &str, key: &str, located: Located) {
        self.values.given.insert((section.to_owned(), key.to_owned()), located);
    }

    fn unknown_section(&mut self, path: &str, span: Range<usize>) {
        let mut all: Vec<String> = SECTIONS.iter().flat_map(Section::paths).map(|(path, _)| path).collect();
        let hint = hint(path, all.iter().map(String::as_str));
        all.iter_mut().for_each(|path| *path = format!("[{path}]"));
        let place = self.place(span);
        self.refuse(place, format!("there is no section [{path}]{hint}; sections are {}", all.join(" ")));
    }

    fn refuse(&mut self, place: Place, what: String) {
        self.wrong.push(Wrong { place, what });
    }

    fn place(&self, span: Range<usize>) -> Place {
        let mut start = span.start.min(self.text.len());
        while !self.text.is_char_boundary(start) {
            start -= 1;
        }
        let before = &self.text[..start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place::File {
            file: self.values.file.clone(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

/// The section with this name.
pub(super) fn section(path: &str) -> Option<&'static Section> {
    SECTIONS.iter().find(|section| section.paths().iter().any(|(known, _)| known == path))
}

/// Whether it is a section or the beginning of one's name.
fn is_begun(path: &str) -> bool {
    let is_begun_by = |known: &str| known == path || known.starts_with(&format!("{path}."));
    SECTIONS.iter().flat_map(Section::paths).any(|(known, _)| is_begun_by(&known))
}

fn unknown(section: &Section, path: &str, key: &str) -> String {
    let keys = section.keys();
    let hint = hint(key, keys.iter().map(String::as_str));
    format!("[{path}] has no option {key}{hint}; options are {}", keys.join(", "))
}

fn no_such_variable(name: &str) -> String {
    let all = SECTIONS.iter().flat_map(|section| {
        let paths = section.paths().into_iter();
        paths.flat_map(|(path, _)| {
            section.options.iter().map(move |option| variable_of(&path, option.name)).collect::<Vec<_>>()
        })
    });
    let all: Vec<String> = all.collect();
    let hint = hint(name, all.iter().map(String::as_str));
    format!("there is no such option{hint}; names are {PREFIX}SECTION__OPTION, see `tandem config reference`")
}

/// A word on what may have been meant.
fn hint<'a>(found: &str, known: impl Iterator<Item = &'a str>) -> String {
    let nearest = known.map(|name| (distance(found, name), name)).min();
    match nearest {
        Some((distance, name)) if distance <= 1 + found.len() / 5 => format!(" (did you mean {name}?)"),
        _ => String::new(),
    }
}

/// Levenshtein's distance, over bytes.
fn distance(one: &str, other: &str) -> usize {
    let other = other.as_bytes();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, byte) in one.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, other_byte) in other.iter().enumerate() {
            let changed = diagonal + usize::from(byte != *other_byte);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

fn read(file: &Path) -> Result<String, ConfigError> {
    let whole = || Place::Whole(file.to_owned());
    let length = std::fs::metadata(file)
        .map_err(|error| ConfigError::one(whole(), format!("can't be read: {error}")))?
        .len();
    if length > FILE_BYTES_MAX {
        let what = format!("has {length} bytes; a configuration has {FILE_BYTES_MAX} at most");
        return Err(ConfigError::one(whole(), what));
    }
    std::fs::read_to_string(file)
        .map_err(|error| ConfigError::one(whole(), format!("can't be read: {error}")))
}
