//! Many words looked for at once, with no regard to capital letters.

use std::fmt;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

/// Where words may stand that say nothing about it themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Where {
    /// Anywhere, within other words as well.
    Anywhere,
    /// Not behind a letter or digit.
    Beginning,
}

/// Words. `^` before one: at the beginning of the text only; `*`: anywhere. `$` behind one: at the
/// end of the text only; `>`: not before a letter or digit.
pub(crate) struct Words {
    machine: AhoCorasick,
    words: Vec<Word>,
}

struct Word {
    text: Arc<str>,
    starts_text: bool,
    starts_word: bool,
    ends_text: bool,
    ends_word: bool,
}

impl fmt::Debug for Words {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Words({})", self.words.len())
    }
}

/// A word that was found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'a> {
    /// Its place in the list.
    pub(crate) index: usize,
    pub(crate) text: &'a Arc<str>,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Words {
    /// Of these words.
    ///
    /// # Errors
    ///
    /// When they are too many for the machine that looks for them.
    pub(crate) fn new<'a>(words: impl Iterator<Item = &'a str>, place: Where) -> Result<Self, String> {
        let words: Vec<_> = words.map(|text| Word::new(text, place)).collect();
        let machine = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::DFA))
            .build(words.iter().map(|word| word.text.as_bytes()))
            .map_err(|error| error.to_string())?;
        Ok(Self { machine, words })
    }

    /// All words in `text`.
    pub(crate) fn all<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = Found<'a>> {
        self.machine.find_overlapping_iter(text).filter_map(move |found| {
            let index = found.pattern().as_usize();
            let (word, start, end) = (&self.words[index], found.start(), found.end());
            word.may_stand(text, start, end).then_some(Found { index, text: &word.text, start, end })
        })
    }

    /// The word of those in `text` that comes first in the list.
    pub(crate) fn find<'a>(&'a self, text: &'a [u8]) -> Option<Found<'a>> {
        self.all(text).min_by_key(|found| found.index)
    }
}

impl Word {
    fn new(text: &str, place: Where) -> Self {
        let (starts_text, text) = text.strip_prefix('^').map_or((false, text), |rest| (true, rest));
        let (anywhere, text) = text.strip_prefix('*').map_or((false, text), |rest| (true, rest));
        let (ends_text, text) = text.strip_suffix('$').map_or((false, text), |rest| (true, rest));
        let (ends_word, text) = text.strip_suffix('>').map_or((false, text), |rest| (true, rest));
        let is_word = text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
        let starts_word = is_word && place == Where::Beginning && !anywhere;
        Self { text: text.into(), starts_text, starts_word, ends_text, ends_word }
    }

    fn may_stand(&self, text: &[u8], start: usize, end: usize) -> bool {
        let is_inner = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let before = start.checked_sub(1).and_then(|index| text.get(index));
        start < end
            && (!self.starts_text || start == 0)
            && (!self.ends_text || end == text.len())
            && (!self.starts_word || !is_inner(before))
            && (!self.ends_word || !is_inner(text.get(end)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_where_they_may_stand() {
        let list = ["^curl/", "*bot>", "end$", "sonic", "", "^"];
        let words = Words::new(list.into_iter(), Where::Beginning).unwrap();
        let cases = [
            ("curl/8.0", Some("curl/")),
            ("a curl/8.0", None),
            ("GoogleBOT/2", Some("bot")),
            ("botany", None),
            ("at the end", Some("end")),
            ("endless", None),
            ("Panasonic", None),
            ("Rank Sonic", Some("sonic")),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(words.find(text.as_bytes()).map(|found| &**found.text), expected, "{text}");
        }
    }
}
