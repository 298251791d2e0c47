//! What a client says it has: the last event it got, and how far it has read.
//!
//! The id of an event is a token: who has seen this has read so far. Of one session that is all there is to
//! say. With several, one token for all says too little: it may be ahead of what was told of one of them, and
//! then a change of that one would be lost. So the id of such an event is the joined token, a dot, and a mark
//! for each report that the client has: which report, and which reading of it. Whoever comes back with it gets
//! the changes of each report since the marked reading where this gateway still has that, else the whole; and
//! of none anything older than the token.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::HeaderName;
use tandem_model::Token;
use tandem_model::problem::Problem;

use super::wanted::Parameters;
use crate::headers::{LAST_EVENT_ID, TOKEN};

/// Most marks that are looked at. More sessions than this can't be followed by one client.
const MARKS_MAX: usize = 1024;

/// Says which reading of which report a client has.
pub(super) type Mark = u64;

/// The last event that a client got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Last {
    /// How far the client had read with it.
    pub(super) token: Token,
    /// The readings it had of several reports; nothing where the event was of a single one.
    pub(super) marks: Option<Vec<Mark>>,
}

/// What a client has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// The last event it got.
    pub(super) last: Option<Last>,
    /// How far it has read, that event included.
    pub(super) token: Option<Token>,
}

impl Last {
    /// Reads the id of an event.
    ///
    /// # Errors
    ///
    /// When it is none of ours.
    pub(super) fn decode(text: &str) -> Result<Self, Problem> {
        let (token, marks) = match text.split_once('.') {
            Some((token, marks)) => (token, Some(marks)),
            None => (text, None),
        };
        let token = Token::decode(token).map_err(|error| Problem::bad_token(error.to_string()))?;
        let damaged = || Problem::bad_token("the id of an event is damaged: send it back as it came");
        let marks = marks.map(|marks| {
            let bytes = URL_SAFE_NO_PAD.decode(marks).map_err(|_| damaged())?;
            let (marks, rest) = bytes.as_chunks::<8>();
            let is_whole = rest.is_empty() && marks.len() <= MARKS_MAX;
            is_whole.then(|| marks.iter().map(|mark| u64::from_le_bytes(*mark)).collect()).ok_or_else(damaged)
        });
        Ok(Self { token, marks: marks.transpose()? })
    }

    /// The id of an event.
    pub(super) fn encode(&self) -> String {
        let mut text = self.token.encode();
        if let Some(marks) = &self.marks {
            let bytes: Vec<u8> = marks.iter().flat_map(|mark| mark.to_le_bytes()).collect();
            text.push('.');
            URL_SAFE_NO_PAD.encode_string(bytes, &mut text);
        }
        text
    }
}

impl Seen {
    /// What the header and the parameters of a request say together. A browser that comes back by itself asks
    /// with the parameters it asked with first, and says in the header what it got since: that counts.
    ///
    /// # Errors
    ///
    /// When something of it is no token, or tokens are of different logs.
    pub(super) fn of(headers: &HeaderMap, parameters: &Parameters) -> Result<Self, Problem> {
        let last = single(headers, &LAST_EVENT_ID)?.or(parameters.last.as_deref());
        let last = last.map(Last::decode).transpose()?;
        let mut token = last.as_ref().map(|last| last.token.clone());
        for text in [single(headers, &TOKEN)?, parameters.token.as_deref()].into_iter().flatten() {
            let more = Token::decode(text).map_err(|error| Problem::bad_token(error.to_string()))?;
            match &mut token {
                None => token = Some(more),
                Some(token) if token.log == more.log => token.join(&more),
                Some(_) => {
                    let detail = "these tokens are of two event logs: send the last one only";
                    return Err(Problem::bad_token(detail));
                }
            }
        }
        Ok(Self { last, token })
    }
}

fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::bad_token(format!("send the header {name} once")));
    }
    Ok(Some(value.to_str().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;
    use tandem_model::LogId;

    use super::*;
    use crate::testing::read_up_to;

    proptest! {
        #[test]
        fn an_id_survives_the_way_to_the_client_and_back(
            next in any::<u64>(),
            marks in prop::option::of(prop::collection::vec(any::<u64>(), 0..8)),
        ) {
            let last = Last { token: read_up_to(next), marks };
            prop_assert_eq!(Last::decode(&last.encode()), Ok(last));
        }

        #[test]
        fn any_text_is_an_id_or_refused(text in ".{0,80}") {
            _ = Last::decode(&text);
        }
    }

    fn seen(
        headers: &[(HeaderName, &str)],
        last: Option<&str>,
        token: Option<&str>,
    ) -> Result<Seen, Problem> {
        let headers =
            headers.iter().map(|(name, text)| (name.clone(), HeaderValue::try_from(*text).unwrap()));
        let parameters = Parameters {
            last: last.map(str::to_owned),
            token: token.map(str::to_owned),
            ..Parameters::default()
        };
        Seen::of(&headers.collect(), &parameters)
    }

    #[test]
    fn what_came_last_counts_and_tokens_are_joined() {
        let at = |next| read_up_to(next).encode();
        let found = seen(&[(LAST_EVENT_ID, &at(5))], Some(&at(3)), Some(&at(9))).unwrap();
        assert_eq!(found.last.map(|last| last.token), Some(read_up_to(5)), "the header is newer");
        assert_eq!(found.token, Some(read_up_to(9)));
        assert_eq!(seen(&[], Some(&at(3)), None).unwrap().token, Some(read_up_to(3)));
        assert_eq!(seen(&[], None, None).unwrap(), Seen::default());
        let foreign = Token::new(LogId([9; 16])).encode();
        assert!(seen(&[(TOKEN, &foreign)], Some(&at(3)), None).is_err());
        for damaged in ["nonsense", &format!("{}.AAAA", at(3)), &format!("{}.!", at(3))] {
            assert!(seen(&[], Some(damaged), None).is_err(), "{damaged}");
        }
    }
}
