//! The options for people: all of them with what they mean, and those in force with who says so.

use tandem_model::route::Chain;

use super::load::{Values, section, variable_of};
use super::option::{Kind, Opt, Preset, Role, Section};
use super::scope::Scope;
use super::sections::SECTIONS;
use super::value::Value;

const LINE_CHARS_MAX: usize = 100;

const HEAD: &str = "\
All options of Tandem's configuration, with their defaults. This is a valid file: what you need is to take \
out the `#` in front of an option and change its value.

One file can serve every role; each reads the sections it names. Sections of a chain exist twice, as \
[chains.a.…] and [chains.b.…]. A variable TANDEM__SECTION__OPTION says an option instead of the file: \
TANDEM__CHAINS__A__ROWS__ADDRESSES=host1:9042,host2:9042 (lists are separated by commas). Secrets never stand in \
the file: `password_file = \"PATH\"` names a file that holds one, or a variable sets it. Relative paths in the file \
begin at the file's folder.

A gateway looks at its file each second, and at once on SIGHUP. What is said to change while it runs is taken into \
use; a file that is wrong is refused as a whole, and what was in force stays. Of other options that have changed \
the log says that they wait for a restart.";

/// All options that `role` reads, or all there are, as a commented file.
pub fn reference(role: Option<Role>) -> String {
    let mut text = String::new();
    comment(&mut text, HEAD);
    for section in SECTIONS.iter().filter(|section| role.is_none_or(|role| section.roles.contains(&role))) {
        text.push('\n');
        let roles: Vec<&str> = section.roles.iter().map(|role| role.name()).collect();
        comment(&mut text, &format!("{} Read by: {}.", section.about, roles.join(", ")));
        let chain = section.is_of_a_chain().then_some(Chain::A);
        let path = section.path_of(chain);
        text.push_str(&format!("[{path}]\n"));
        let is_read = |option: &&Opt| role.is_none_or(|role| option.is_read_by(role));
        for option in section.options.iter().filter(is_read) {
            text.push('\n');
            describe(&mut text, section, option, &path);
        }
    }
    text
}

fn describe(text: &mut String, section: &Section, option: &Opt, path: &str) {
    comment(text, option.about);
    let preset = match option.preset {
        Preset::Required(_) => "must be set".to_owned(),
        Preset::Absent => "not set by default".to_owned(),
        Preset::IntegerOf(a, b) => format!("default {a} on chain a, {b} on chain b"),
        preset => {
            let value = Value::preset(&preset, None).map_or_else(String::new, |value| value.shown());
            format!("default {value}")
        }
    };
    let only = match option.roles {
        [] => String::new(),
        roles if roles.len() == section.roles.len() => String::new(),
        roles => {
            let named: Vec<&str> = roles.iter().map(|role| role.name()).collect();
            format!("; only for {}", named.join(", "))
        }
    };
    let live = if option.is_live { "; changes while it runs" } else { "" };
    let variable = variable_of(path, option.name);
    comment(text, &format!("Takes {}; {preset}{only}{live}. {variable}", option.kind.allowed()));
    let (name, value) = match (option.kind, option.preset) {
        (Kind::Secret, _) => (format!("{}_file", option.name), "\"/run/secrets/NAME\"".to_owned()),
        (_, Preset::Required(example)) => (option.name.to_owned(), Value::Text(example.to_owned()).shown()),
        (Kind::Path, Preset::Absent) => (option.name.to_owned(), "\"PATH\"".to_owned()),
        (_, preset) => {
            let value = Value::preset(&preset, Some(Chain::A));
            (option.name.to_owned(), value.map_or_else(|| "\"\"".to_owned(), |value| value.shown()))
        }
    };
    text.push_str(&format!("#{name} = {value}\n"));
}

/// The options in force for `role`, one line each with who says so; secrets are not shown.
pub fn effective(values: &Values, role: Role, chain: Option<Chain>) -> String {
    let mut text = String::new();
    for known in SECTIONS.iter().filter(|section| section.roles.contains(&role)) {
        for (path, of) in known.paths() {
            if of.is_some() && chain.is_some() && of != chain {
                continue;
            }
            let scope = Scope::of(values, &path, role);
            text.push_str(&format!("[{path}]\n"));
            let options = section(&path).map_or(&[][..], |section| section.options);
            for option in options.iter().filter(|option| option.is_read_by(role)) {
                text.push_str(&line(&scope, option));
            }
        }
    }
    text
}

fn line(scope: &Scope<'_>, option: &Opt) -> String {
    let located = |key: &str| scope.values.located(&scope.path, key);
    let file = format!("{}_file", option.name);
    match (option.kind, located(option.name), located(&file)) {
        (Kind::Secret, Some(given), _) => format!("{} = …  # {}\n", option.name, given.place),
        (Kind::Secret, None, Some(given)) => format!("{file} = {}  # {}\n", given.value.shown(), given.place),
        (Kind::Secret, None, None) => format!("#{} is not set\n", option.name),
        (_, Some(given), _) => format!("{} = {}  # {}\n", option.name, given.value.shown(), given.place),
        (_, None, _) => match scope.value(option.name) {
            Some(value) => format!("{} = {}\n", option.name, value.shown()),
            None => format!("#{} is not set\n", option.name),
        },
    }
}

/// Words as comment lines of bounded length; a blank line between paragraphs.
fn comment(text: &mut String, words: &str) {
    for (index, paragraph) in words.split("\n\n").enumerate() {
        if index > 0 {
            text.push_str("#\n");
        }
        let mut line = String::from("#");
        for word in paragraph.split_whitespace() {
            if line.chars().count() + 1 + word.chars().count() > LINE_CHARS_MAX && line.len() > 1 {
                text.push_str(&line);
                text.push('\n');
                line = String::from("#");
            }
            line.push(' ');
            line.push_str(word);
        }
        text.push_str(&line);
        text.push('\n');
    }
}
