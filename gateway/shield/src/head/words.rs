//! Many words looked for at once, with no regard to capital letters.

use std::fmt;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

/// Words, each with `^` before it where only a beginning counts, `$` behind it where only an end.
pub(crate) struct Words {
    machine: AhoCorasick,
    words: Vec<Word>,
}

struct Word {
    text: Arc<str>,
    starts: bool,
    ends: bool,
}

impl fmt::Debug for Words {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Words({})", self.words.len())
    }
}

impl Words {
    /// Of these words.
    ///
    /// # Errors
    ///
    /// When they are too many for the machine that looks for them.
    pub(crate) fn new<'a>(words: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let word = |text: &str| {
            let (starts, text) = text.strip_prefix('^').map_or((false, text), |text| (true, text));
            let (ends, text) = text.strip_suffix('$').map_or((false, text), |text| (true, text));
            Word { text: text.into(), starts, ends }
        };
        let words: Vec<_> = words.map(word).filter(|word| !word.text.is_empty()).collect();
        let machine = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::DFA))
            .build(words.iter().map(|word| word.text.as_bytes()))
            .map_err(|error| error.to_string())?;
        Ok(Self { machine, words })
    }

    /// The word of those in `text` that comes first in the list.
    pub(crate) fn find(&self, text: &[u8]) -> Option<(usize, &Arc<str>)> {
        let fits = |found: &aho_corasick::Match| {
            let word = &self.words[found.pattern().as_usize()];
            (!word.starts || found.start() == 0) && (!word.ends || found.end() == text.len())
        };
        let mut first = None;
        for found in self.machine.find_overlapping_iter(text).filter(fits) {
            let index = found.pattern().as_usize();
            if first.is_none_or(|first| index < first) {
                first = Some(index);
            }
        }
        first.map(|index| (index, &self.words[index].text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_where_they_may_stand() {
        let words = Words::new(["^curl/", "bot", "end$"].into_iter()).unwrap();
        let cases = [
            ("curl/8.0", Some("curl/")),
            ("a curl/8.0", None),
            ("GoogleBOT/2", Some("bot")),
            ("at the end", Some("end")),
            ("endless", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(words.find(text.as_bytes()).map(|(_, word)| &**word), expected, "{text}");
        }
    }
}
