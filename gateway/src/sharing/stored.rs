//! An answer that serves several callers.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, StatusCode};
use tandem_model::Token;

use crate::answer::Answer;
use crate::headers::TOKEN;

/// Larger answers are not kept, in bytes: few ask for the same one.
const KEPT_BYTES_MAX: usize = 1 << 20;
/// What an answer takes beside its body, roughly, in bytes.
const OVERHEAD_BYTES: usize = 1_024;

/// The answer to a question without a token.
#[derive(Debug)]
pub(super) struct Stored {
    answer: Answer,
    /// What it was made from.
    used: Option<Token>,
    /// Where that stands in the body, where it does.
    place: Option<Range<usize>>,
}

impl Stored {
    pub(super) fn new(answer: Answer) -> Self {
        let text = answer.headers().get(TOKEN).and_then(|value| value.to_str().ok());
        let used = text.and_then(|text| Token::decode(text).ok());
        let place = text.filter(|_| used.is_some()).and_then(|text| place(answer.body(), text));
        Self { answer, used, place }
    }

    /// The answer as a caller with this token gets it; nothing where the token has seen more of what
    /// the answer was made from, or is of another log.
    pub(super) fn answer_to(&self, sent: Option<&Token>) -> Option<Answer> {
        let (Some(sent), Some(used)) = (sent, &self.used) else { return Some(self.answer.clone()) };
        let is_reached = sent.log == used.log
            && used.next.iter().all(|(partition, next)| sent.is_reached_by(*partition, *next));
        if !is_reached {
            return None;
        }
        let mut answer = self.answer.clone();
        // Most have seen no more than the answer itself, which is what it says then.
        let mut seen = sent.next.iter();
        if !seen.all(|(partition, next)| used.next.get(partition).is_some_and(|here| next <= here)) {
            let mut joined = sent.clone();
            joined.join(used);
            let text = joined.encode();
            if let Some(place) = &self.place {
                *answer.body_mut() = spliced(self.answer.body(), place, &text);
            }
            answer
                .headers_mut()
                .insert(TOKEN, HeaderValue::try_from(text).expect("base64url makes a header"));
        }
        Some(answer)
    }

    /// Whether others are likely to want the same in a moment.
    pub(super) fn is_worth_keeping(&self) -> bool {
        self.answer.status() == StatusCode::OK && self.answer.body().len() <= KEPT_BYTES_MAX
    }

    /// Whether this was made from all that `other` was made from, or more.
    pub(super) fn is_as_new_as(&self, other: &Self) -> bool {
        let (Some(own), Some(others)) = (&self.used, &other.used) else { return true };
        own.log != others.log
            || own.next.iter().all(|(partition, next)| others.is_reached_by(*partition, *next))
    }

    /// What it takes of memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.answer.body().len() + OVERHEAD_BYTES
    }
}

/// Where the token stands in an answer's `meta`, which comes last.
fn place(body: &[u8], token: &str) -> Option<Range<usize>> {
    let needle = format!("\"token\":\"{token}\"");
    let needle = needle.as_bytes();
    let from = body.windows(needle.len()).rposition(|window| window == needle)?;
    let from = from + "\"token\":\"".len();
    Some(from..from + token.len())
}

fn spliced(body: &Bytes, place: &Range<usize>, text: &str) -> Bytes {
    let mut new = BytesMut::with_capacity(body.len() - place.len() + text.len());
    new.extend_from_slice(&body[..place.start]);
    new.extend_from_slice(text.as_bytes());
    new.extend_from_slice(&body[place.end..]);
    new.freeze()
}

#[cfg(test)]
mod tests {
    use http::Response;
    use tandem_model::{LogId, PartitionId};

    use super::*;

    fn token(entries: &[(u32, u64)]) -> Token {
        let mut token = Token::new(LogId([7; 16]));
        entries.iter().for_each(|(partition, next)| token.advance(PartitionId(*partition), *next));
        token
    }

    fn stored(used: &Token) -> Stored {
        let text = used.encode();
        // A title may hold anything, also what looks like a token.
        let body =
            format!(r#"{{"title":"\"token\":\"{text}\"","n":1,"meta":{{"token":"{text}","state":"live"}}}}"#);
        Stored::new(Response::builder().header(TOKEN, &text).body(Bytes::from(body)).expect("sound"))
    }

    fn said(answer: &Answer) -> (String, Token) {
        let body: serde_json::Value = serde_json::from_slice(answer.body()).expect("JSON");
        let in_body = body["meta"]["token"].as_str().expect("a token").to_owned();
        assert_eq!(answer.headers()[TOKEN], in_body.as_str(), "header and body say the same");
        (body["title"].to_string(), Token::decode(&in_body).expect("sound"))
    }

    #[test]
    fn each_caller_gets_the_join_of_both_tokens_and_nobody_goes_back() {
        let used = token(&[(1, 10), (2, 20)]);
        let stored = stored(&used);
        let (title, all) = said(&stored.answer_to(None).expect("no token, no demand"));
        assert_eq!(all, used);
        for (sent, joined) in [
            (token(&[]), Some(used.clone())),
            (token(&[(1, 10)]), Some(used.clone())),
            (token(&[(1, 9), (5, 99)]), Some(token(&[(1, 10), (2, 20), (5, 99)]))),
            (token(&[(1, 11)]), None),
            (token(&[(2, 21), (1, 1)]), None),
        ] {
            let answer = stored.answer_to(Some(&sent));
            assert_eq!(answer.is_some(), joined.is_some(), "{sent:?}");
            if let (Some(answer), Some(joined)) = (answer, joined) {
                assert_eq!(said(&answer), (title.clone(), joined), "{sent:?}");
            }
        }
        assert!(stored.answer_to(Some(&Token::new(LogId([8; 16])))).is_none(), "of another log");
    }

    #[test]
    fn an_older_answer_is_known_from_a_newer_one() {
        let [old, new] = [token(&[(1, 10)]), token(&[(1, 11)])].map(|token| stored(&token));
        assert!(new.is_as_new_as(&old) && new.is_as_new_as(&new) && !old.is_as_new_as(&new));
    }
}
