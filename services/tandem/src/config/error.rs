//! What is wrong with a configuration, and where.

use std::fmt;
use std::path::PathBuf;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A place in the file; line and column begin with 1.
    File {
        /// Which file.
        file: PathBuf,
        /// The line.
        line: usize,
        /// The column, in characters.
        column: usize,
    },
    /// The file as a whole.
    Whole(PathBuf),
    /// A variable of the environment.
    Variable(String),
    /// Nobody said anything.
    Preset,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File { file, line, column } => write!(formatter, "{}:{line}:{column}", file.display()),
            Place::Whole(file) => write!(formatter, "{}", file.display()),
            Place::Variable(name) => write!(formatter, "variable {name}"),
            Place::Preset => formatter.write_str("default"),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Where.
    pub place: Place,
    /// What, and what may stand there instead.
    pub what: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.what)
    }
}

/// Everything that is wrong with a configuration; at least one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(pub Vec<Wrong>);

/// How many are said at once.
const SAID_MAX: usize = 20;

impl ConfigError {
    pub(super) fn one(place: Place, what: impl Into<String>) -> Self {
        Self(vec![Wrong { place, what: what.into() }])
    }

    /// Nothing, where nothing is wrong.
    pub(super) fn of(wrong: Vec<Wrong>) -> Result<(), Self> {
        if wrong.is_empty() { Ok(()) } else { Err(Self(wrong)) }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said: Vec<String> = self.0.iter().take(SAID_MAX).map(Wrong::to_string).collect();
        formatter.write_str(&said.join("\n"))?;
        match self.0.len().saturating_sub(SAID_MAX) {
            0 => Ok(()),
            more => write!(formatter, "\n… and {more} more"),
        }
    }
}

impl std::error::Error for ConfigError {}
