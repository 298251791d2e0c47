//! Values: from TOML or from a text, checked against what may stand there.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use http::Uri;
use toml::de::DeValue;

use super::error::Place;
use super::option::{Kind, Preset};
use tandem_model::route::Chain;

/// Longest text of a value, in bytes.
const TEXT_BYTES_MAX: usize = 4_096;

/// A value that is allowed where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Integer(u64),
    Flag(bool),
    Texts(Vec<String>),
    Counts(BTreeMap<String, u64>),
}

/// A value, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Located {
    pub(super) value: Value,
    pub(super) place: Place,
}

impl Value {
    /// The value at its place in a file. An error says what stands there, to follow "takes …;".
    pub(super) fn from_toml(kind: &Kind, found: &DeValue<'_>) -> Result<Self, String> {
        let wrong = || Err(described(found));
        let value = match (kind, found) {
            (
                Kind::Text | Kind::Choice(_) | Kind::Address | Kind::Path | Kind::Secret,
                DeValue::String(text),
            ) => Value::Text(text.to_string()),
            (Kind::Integer { .. }, DeValue::Integer(number)) => {
                match u64::from_str_radix(number.as_str(), number.radix()) {
                    Ok(number) => Value::Integer(number),
                    Err(_) => return wrong(),
                }
            }
            (Kind::Flag, DeValue::Boolean(flag)) => Value::Flag(*flag),
            (Kind::Texts { .. } | Kind::Urls { .. }, DeValue::Array(items)) => {
                let mut texts = Vec::new();
                for item in items.iter() {
                    match item.get_ref() {
                        DeValue::String(text) => texts.push(text.to_string()),
                        other => return Err(format!("in the list stands {}", stripped(other))),
                    }
                }
                Value::Texts(texts)
            }
            (Kind::Counts { .. }, DeValue::Table(table)) => {
                let mut counts = BTreeMap::new();
                for (name, count) in table.iter() {
                    let DeValue::Integer(number) = count.get_ref() else {
                        return Err(format!("at {} stands {}", name.get_ref(), stripped(count.get_ref())));
                    };
                    let Ok(count) = u64::from_str_radix(number.as_str(), number.radix()) else {
                        return Err(format!("at {} stands {}", name.get_ref(), stripped(count.get_ref())));
                    };
                    counts.insert(name.get_ref().to_string(), count);
                }
                Value::Counts(counts)
            }
            _ => return wrong(),
        };
        value.checked(kind)
    }

    /// The value in a text: of a variable.
    pub(super) fn from_text(kind: &Kind, text: &str) -> Result<Self, String> {
        let wrong = || Err(format!("it holds {text:?}"));
        let value = match kind {
            Kind::Text | Kind::Choice(_) | Kind::Address | Kind::Path | Kind::Secret => {
                Value::Text(text.to_owned())
            }
            Kind::Integer { .. } => match text.trim().parse() {
                Ok(number) => Value::Integer(number),
                Err(_) => return wrong(),
            },
            Kind::Flag => match text.trim() {
                "true" => Value::Flag(true),
                "false" => Value::Flag(false),
                _ => return wrong(),
            },
            Kind::Texts { .. } | Kind::Urls { .. } => Value::Texts(listed(text).collect()),
            Kind::Counts { .. } => {
                let mut counts = BTreeMap::new();
                for item in listed(text) {
                    match item.split_once('=').map(|(name, count)| (name.trim(), count.trim().parse())) {
                        Some((name, Ok(count))) => _ = counts.insert(name.to_owned(), count),
                        _ => return wrong(),
                    }
                }
                Value::Counts(counts)
            }
        };
        value.checked(kind)
    }

    /// What stands there where nothing is said.
    pub(super) fn preset(preset: &Preset, chain: Option<Chain>) -> Option<Self> {
        let texts = |texts: &[&str]| Value::Texts(texts.iter().map(|text| (*text).to_owned()).collect());
        match preset {
            Preset::Required(_) | Preset::Absent => None,
            Preset::Text(text) => Some(Value::Text((*text).to_owned())),
            Preset::Integer(number) => Some(Value::Integer(*number)),
            Preset::IntegerOf(a, b) => Some(Value::Integer(if chain == Some(Chain::B) { *b } else { *a })),
            Preset::Flag(flag) => Some(Value::Flag(*flag)),
            Preset::Texts(listed) => Some(texts(listed)),
            Preset::NoCounts => Some(Value::Counts(BTreeMap::new())),
        }
    }

    pub(super) fn checked(self, kind: &Kind) -> Result<Self, String> {
        let is_allowed = match (kind, &self) {
            (Kind::Choice(choices), Value::Text(text)) => choices.contains(&text.as_str()),
            (Kind::Integer { least, most, or_zero, .. }, Value::Integer(number)) => {
                (*least..=*most).contains(number) || (*or_zero && *number == 0)
            }
            (Kind::Address, Value::Text(text)) => text.parse::<SocketAddr>().is_ok(),
            (Kind::Path, Value::Text(text)) => !text.is_empty() && !text.contains('\0'),
            (Kind::Texts { least, most }, Value::Texts(texts)) => (*least..=*most).contains(&texts.len()),
            (Kind::Urls { least, most }, Value::Texts(texts)) => {
                (*least..=*most).contains(&texts.len()) && texts.iter().all(|text| is_url(text))
            }
            (Kind::Counts { least, most }, Value::Counts(counts)) => {
                counts.iter().all(|(name, count)| !name.is_empty() && (*least..=*most).contains(count))
            }
            _ => true,
        };
        let is_short = match &self {
            Value::Text(text) => text.len() <= TEXT_BYTES_MAX,
            Value::Texts(texts) => texts.iter().all(|text| text.len() <= TEXT_BYTES_MAX),
            _ => true,
        };
        match (is_allowed, is_short) {
            (true, true) => Ok(self),
            (_, false) => Err(format!("here stands a text of more than {TEXT_BYTES_MAX} bytes")),
            (false, _) => Err(format!("here stands {}", self.shown())),
        }
    }

    /// As it stands in a file.
    pub(super) fn shown(&self) -> String {
        match self {
            Value::Text(text) => toml_text(text),
            Value::Integer(number) => number.to_string(),
            Value::Flag(flag) => flag.to_string(),
            Value::Texts(texts) => {
                let shown: Vec<String> = texts.iter().map(|text| toml_text(text)).collect();
                format!("[{}]", shown.join(", "))
            }
            Value::Counts(counts) if counts.is_empty() => "{}".to_owned(),
            Value::Counts(counts) => {
                let shown: Vec<String> =
                    counts.iter().map(|(name, count)| format!("{} = {count}", toml_text(name))).collect();
                format!("{{ {} }}", shown.join(", "))
            }
        }
    }

    pub(super) fn to_json(&self) -> serde_json::Value {
        match self {
            Value::Text(text) => text.as_str().into(),
            Value::Integer(number) => (*number).into(),
            Value::Flag(flag) => (*flag).into(),
            Value::Texts(texts) => texts.clone().into(),
            Value::Counts(counts) => {
                let counts =
                    counts.iter().map(|(name, count)| (name.clone(), serde_json::Value::from(*count)));
                serde_json::Value::Object(counts.collect())
            }
        }
    }
}

fn listed(text: &str) -> impl Iterator<Item = String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned)
}

fn is_url(text: &str) -> bool {
    text.parse::<Uri>().is_ok_and(|uri| {
        let has_port = uri.authority().is_some_and(|authority| authority.port().is_some());
        uri.scheme_str() == Some("http")
            && has_port
            && matches!(uri.path(), "" | "/")
            && uri.query().is_none()
    })
}

fn described(found: &DeValue<'_>) -> String {
    format!("here stands {}", stripped(found))
}

/// What stands there, short.
fn stripped(found: &DeValue<'_>) -> String {
    match found {
        DeValue::String(text) => {
            let short: String = text.chars().take(64).collect();
            format!("the text {}", toml_text(&short))
        }
        DeValue::Integer(number) => format!("the number {}", number.as_str()),
        DeValue::Float(number) => format!("the number {}", number.as_str()),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(moment) => format!("the moment {moment}"),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// A text as a basic string of TOML.
fn toml_text(text: &str) -> String {
    let mut shown = String::with_capacity(text.len() + 2);
    shown.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => shown.extend(['\\', character]),
            character if character.is_control() => {
                shown.push_str(&format!("\\u{:04X}", u32::from(character)));
            }
            character => shown.push(character),
        }
    }
    shown.push('"');
    shown
}
