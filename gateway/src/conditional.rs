//! `If-None-Match`: who has the figures already gets none (RFC 9110, 13.1.2).
//!
//! The entity tag is the query node's: of all that an answer says but of how far it has read, so that
//! figures that stand still have the same tag at every beat, on both chains. The token comes with 304,
//! too.

use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, IF_NONE_MATCH};

use crate::answer::Answer;

/// The answer to a read with these headers.
pub(crate) fn answer(headers: &HeaderMap, mut answer: Answer) -> Answer {
    if answer.status() == StatusCode::OK && is_known(headers, answer.headers()) {
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        *answer.body_mut() = Bytes::new();
        answer.headers_mut().remove(CONTENT_TYPE);
        answer.headers_mut().remove(CONTENT_LENGTH);
    }
    answer
}

fn is_known(asked: &HeaderMap, answered: &HeaderMap) -> bool {
    let Some(tag) = answered.get(ETAG).and_then(|tag| tag.to_str().ok()).map(opaque) else { return false };
    let lists = asked.get_all(IF_NONE_MATCH).iter().filter_map(|list| list.to_str().ok());
    // Our tags hold no commas.
    lists.flat_map(|list| list.split(',')).map(str::trim).any(|known| known == "*" || opaque(known) == tag)
}

/// Tags are compared weakly.
fn opaque(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Response};

    use super::*;
    use crate::headers::TOKEN;

    fn ask(status: u16, known: &[&'static str]) -> (u16, usize) {
        let said = Response::builder().status(status).header(ETAG, "W/\"abc\"").header(TOKEN, "t");
        let said = said.header(CONTENT_TYPE, "application/json").body(Bytes::from_static(b"{}")).unwrap();
        let mut headers = HeaderMap::new();
        known.iter().for_each(|known| _ = headers.append(IF_NONE_MATCH, HeaderValue::from_static(known)));
        let answer = answer(&headers, said);
        assert!(answer.headers().contains_key(ETAG) && answer.headers().contains_key(TOKEN));
        (answer.status().as_u16(), answer.body().len())
    }

    #[test]
    fn who_has_it_gets_none() {
        for known in [&["W/\"abc\""][..], &["\"abc\""], &["\"x\", W/\"abc\""], &["\"x\"", "\"abc\""], &["*"]]
        {
            assert_eq!(ask(200, known), (304, 0), "{known:?}");
        }
        for other in [&[][..], &["\"x\""], &["abc"], &["W/\"ab\", \"c\""], &[""]] {
            assert_eq!(ask(200, other), (200, 2), "{other:?}");
        }
        assert_eq!(ask(404, &["*"]), (404, 2), "problems are always told");
    }
}
