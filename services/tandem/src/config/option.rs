//! What an option is: a name, what may stand there, what stands there otherwise, and what it means.
//! Checking, defaults, the environment's names and the reference all come from these definitions.

use std::fmt;

use tandem_model::route::Chain;

/// What a process of the program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Role {
    /// Computes a chain's figures from the log.
    Compute,
    /// Answers reads from a chain's stores.
    Query,
    /// The port for everybody, in front of both chains.
    Gateway,
    /// Decides which chain serves.
    Control,
    /// Moves time.
    Metronome,
    /// Creates and checks topics and tables: `tandem schema`.
    Schema,
    /// Compares both chains with the log: `tandem verify`.
    Verify,
    /// Asks for the other chain: `tandem switch`.
    Switch,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 8] = [
        Role::Compute,
        Role::Query,
        Role::Gateway,
        Role::Control,
        Role::Metronome,
        Role::Schema,
        Role::Verify,
        Role::Switch,
    ];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Role::Compute => "compute",
            Role::Query => "query",
            Role::Gateway => "gateway",
            Role::Control => "control",
            Role::Metronome => "metronome",
            Role::Schema => "schema",
            Role::Verify => "verify",
            Role::Switch => "switch",
        }
    }

    /// Whether a process in this role works for one chain.
    pub const fn is_of_a_chain(self) -> bool {
        matches!(self, Role::Compute | Role::Query)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A section of the file.
pub(super) struct Section {
    /// Its name; `{chain}` stands for `a` and `b`.
    pub(super) path: &'static str,
    /// What it is about, as a sentence.
    pub(super) about: &'static str,
    /// Who reads it.
    pub(super) roles: &'static [Role],
    pub(super) options: &'static [Opt],
}

/// One option.
pub(super) struct Opt {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) preset: Preset,
    /// What it means and what turning it does, as sentences.
    pub(super) about: &'static str,
    /// Who reads it, where that is not everybody who reads the section.
    pub(super) roles: &'static [Role],
    /// Whether a gateway that runs takes another value into use; else it needs a restart.
    pub(super) is_live: bool,
}

/// What may stand there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// A text.
    Text,
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// A whole number.
    Integer {
        least: u64,
        most: u64,
        /// Whether 0 is allowed as well, with a meaning of its own.
        or_zero: bool,
        unit: &'static str,
    },
    /// True or false.
    Flag,
    /// Some texts.
    Texts { least: usize, most: usize },
    /// Names with a number each.
    Counts { least: u64, most: u64 },
    /// An IP address with a port, to listen at.
    Address,
    /// Addresses of servers: `http://host:port`.
    Urls { least: usize, most: usize },
    /// A file or folder.
    Path,
    /// A secret: never in the file.
    Secret,
}

/// What stands there where nothing is said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Preset {
    /// Nothing: it must be said. With an example for the reference.
    Required(&'static str),
    /// Nothing, which means something of its own.
    Absent,
    Text(&'static str),
    Integer(u64),
    /// One for chain a and one for chain b.
    IntegerOf(u64, u64),
    Flag(bool),
    Texts(&'static [&'static str]),
    NoCounts,
}

impl Section {
    /// Its names in a file.
    pub(super) fn paths(&self) -> Vec<(String, Option<Chain>)> {
        match self.path.contains("{chain}") {
            true => Chain::ALL.iter().map(|chain| (self.path_of(Some(*chain)), Some(*chain))).collect(),
            false => vec![(self.path.to_owned(), None)],
        }
    }

    pub(super) fn path_of(&self, chain: Option<Chain>) -> String {
        self.path.replace("{chain}", chain.map_or("?", Chain::name))
    }

    pub(super) const fn is_of_a_chain(&self) -> bool {
        // No section but those of the chains begins like this.
        matches!(self.path.as_bytes(), [b'c', b'h', b'a', b'i', b'n', b's', ..])
    }

    pub(super) fn option(&self, name: &str) -> Option<&'static Opt> {
        self.options.iter().find(|option| option.name == name)
    }

    /// The secret that a key `…_file` names a file for.
    pub(super) fn secret_in_file(&self, key: &str) -> Option<&'static Opt> {
        self.option(key.strip_suffix("_file")?).filter(|option| option.kind == Kind::Secret)
    }

    /// All keys that may stand in it.
    pub(super) fn keys(&self) -> Vec<String> {
        let key = |option: &Opt| match option.kind {
            Kind::Secret => format!("{}_file", option.name),
            _ => option.name.to_owned(),
        };
        self.options.iter().map(key).collect()
    }
}

impl Opt {
    /// Whether `role`, which reads the section, reads this.
    pub(super) fn is_read_by(&self, role: Role) -> bool {
        self.roles.is_empty() || self.roles.contains(&role)
    }

    const fn new(name: &'static str, kind: Kind, preset: Preset, about: &'static str) -> Self {
        Self { name, kind, preset, about, roles: &[], is_live: false }
    }

    pub(super) const fn text(name: &'static str, preset: &'static str, about: &'static str) -> Self {
        Self::new(name, Kind::Text, Preset::Text(preset), about)
    }

    pub(super) const fn choice(
        name: &'static str,
        choices: &'static [&'static str],
        preset: &'static str,
        about: &'static str,
    ) -> Self {
        Self::new(name, Kind::Choice(choices), Preset::Text(preset), about)
    }

    pub(super) const fn integer(
        name: &'static str,
        preset: u64,
        (least, most): (u64, u64),
        unit: &'static str,
        about: &'static str,
    ) -> Self {
        Self::new(name, Kind::Integer { least, most, or_zero: false, unit }, Preset::Integer(preset), about)
    }

    pub(super) const fn flag(name: &'static str, preset: bool, about: &'static str) -> Self {
        Self::new(name, Kind::Flag, Preset::Flag(preset), about)
    }

    pub(super) const fn texts(
        name: &'static str,
        preset: &'static [&'static str],
        (least, most): (usize, usize),
        about: &'static str,
    ) -> Self {
        Self::new(name, Kind::Texts { least, most }, Preset::Texts(preset), about)
    }

    pub(super) const fn counts(name: &'static str, (least, most): (u64, u64), about: &'static str) -> Self {
        Self::new(name, Kind::Counts { least, most }, Preset::NoCounts, about)
    }

    pub(super) const fn address(name: &'static str, preset: &'static str, about: &'static str) -> Self {
        Self::new(name, Kind::Address, Preset::Text(preset), about)
    }

    pub(super) const fn urls(
        name: &'static str,
        preset: &'static [&'static str],
        (least, most): (usize, usize),
        about: &'static str,
    ) -> Self {
        Self::new(name, Kind::Urls { least, most }, Preset::Texts(preset), about)
    }

    /// A path that is not set where nothing is said.
    pub(super) const fn path(name: &'static str, about: &'static str) -> Self {
        Self::new(name, Kind::Path, Preset::Absent, about)
    }

    /// A secret that need not be given.
    pub(super) const fn secret(name: &'static str, about: &'static str) -> Self {
        Self::new(name, Kind::Secret, Preset::Absent, about)
    }

    /// The same, but it must be said.
    pub(super) const fn required(self, example: &'static str) -> Self {
        Self { preset: Preset::Required(example), ..self }
    }

    /// The same, but not set where nothing is said.
    pub(super) const fn absent(self) -> Self {
        Self { preset: Preset::Absent, ..self }
    }

    /// The same, with a preset for each chain.
    pub(super) const fn preset_of(self, a: u64, b: u64) -> Self {
        Self { preset: Preset::IntegerOf(a, b), ..self }
    }

    /// The same, but 0 is allowed as well.
    pub(super) const fn or_zero(self) -> Self {
        let kind = match self.kind {
            Kind::Integer { least, most, unit, .. } => Kind::Integer { least, most, or_zero: true, unit },
            other => other,
        };
        Self { kind, ..self }
    }

    /// The same, but a gateway that runs takes another value into use.
    pub(super) const fn live(self) -> Self {
        Self { is_live: true, ..self }
    }

    /// The same, but only for some of those who read the section.
    pub(super) const fn only_for(self, roles: &'static [Role]) -> Self {
        Self { roles, ..self }
    }
}

impl Kind {
    /// What may stand there, in words that follow "takes".
    pub(super) fn allowed(&self) -> String {
        match self {
            Kind::Text => "a text".to_owned(),
            Kind::Choice(choices) => {
                let named: Vec<String> = choices.iter().map(|choice| format!("{choice:?}")).collect();
                format!("one of {}", named.join(", "))
            }
            Kind::Integer { least, most, or_zero, unit } => {
                let zero = if *or_zero && *least > 0 { "0 or " } else { "" };
                let unit = if unit.is_empty() { String::new() } else { format!(" ({unit})") };
                format!("{zero}a whole number from {least} to {most}{unit}")
            }
            Kind::Flag => "true or false".to_owned(),
            Kind::Texts { least, most } => format!("a list of {least} to {most} texts"),
            Kind::Counts { least, most } => {
                format!("a table of names with a whole number from {least} to {most} each")
            }
            Kind::Address => "an IP address with a port, like \"127.0.0.1:8080\"".to_owned(),
            Kind::Urls { least: 1, most: 1 } => {
                "a list of exactly one address like \"http://host:8090\"".to_owned()
            }
            Kind::Urls { least, most } => {
                format!("a list of {least} to {most} addresses like \"http://host:8090\"")
            }
            Kind::Path => "a path".to_owned(),
            Kind::Secret => "a secret".to_owned(),
        }
    }
}
