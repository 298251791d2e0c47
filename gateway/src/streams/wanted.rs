//! What a request for a stream asks for: pure.
//!
//! Of the parameters, `token` and `last_event_id` are the stream's own, as headers can't be set everywhere;
//! with several sessions `sessions` is too. The others are the report's, and are told to it as they came.

use http::Uri;
use http::header::{HeaderMap, UPGRADE};
use tandem_model::id::is_id;
use tandem_model::problem::Problem;

/// Where a stream of several sessions is.
const SEVERAL: &str = "/v1/stream";

/// Which reports a stream is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// One session's, as it stands in the path.
    One(String),
    /// Those of several sessions, which the parameters name.
    Several,
}

/// What the parameters say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters {
    /// Which sessions.
    pub(super) sessions: Vec<String>,
    /// How far the client has read.
    pub(super) token: Option<String>,
    /// The last event that the client got.
    pub(super) last: Option<String>,
    /// The report's own, with what stands before them; empty where there are none.
    pub(super) report: String,
}

/// What a path asks for; nothing where it is no stream's.
pub(crate) fn wanted(uri: &Uri) -> Option<Wanted> {
    if uri.path() == SEVERAL {
        return Some(Wanted::Several);
    }
    let session = uri.path().strip_suffix("/stream")?.strip_prefix("/v1/sessions/")?;
    let is_one = !session.is_empty() && !session.contains('/');
    is_one.then(|| Wanted::One(session.to_owned()))
}

/// Whether somebody would like a stream to be a WebSocket.
pub(crate) fn asks_for_socket(headers: &HeaderMap, uri: &Uri) -> bool {
    let values = headers.get_all(UPGRADE).iter().filter_map(|value| value.to_str().ok());
    let mut named = values.flat_map(|value| value.split(','));
    named.any(|name| name.trim().eq_ignore_ascii_case("websocket")) && wanted(uri).is_some()
}

impl Wanted {
    /// Reads the parameters.
    ///
    /// # Errors
    ///
    /// When one that is given once stands there twice, a session's id is none, or a report as it was is asked for.
    pub(super) fn parameters(&self, query: Option<&str>) -> Result<Parameters, Problem> {
        let mut found = Parameters::default();
        let mut sessions = None;
        for pair in query.unwrap_or_default().split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let own = match name {
                "token" => &mut found.token,
                "last_event_id" => &mut found.last,
                "sessions" if *self == Wanted::Several => &mut sessions,
                // What was does not change any more.
                "at" if !value.is_empty() => {
                    let detail =
                        "a stream tells what changes from now on: read a report as it was without `stream`";
                    return Err(Problem::bad_parameter(detail).with("parameter", "at"));
                }
                _ => {
                    if !pair.is_empty() {
                        found.report.push(if found.report.is_empty() { '?' } else { '&' });
                        found.report.push_str(pair);
                    }
                    continue;
                }
            };
            if own.replace(decoded(value)).is_some() {
                return Err(Problem::bad_parameter(format!("send the parameter `{name}` once")));
            }
        }
        // An empty parameter is the same as none.
        found.token = found.token.filter(|text| !text.is_empty());
        found.last = found.last.filter(|text| !text.is_empty());
        for session in sessions.iter().flat_map(|list| list.split(',')).filter(|id| !id.is_empty()) {
            check(session)?;
            if !found.sessions.iter().any(|known| known == session) {
                found.sessions.push(session.to_owned());
            }
        }
        Ok(found)
    }
}

/// Whether this can be the id of a session.
pub(super) fn check(session: &str) -> Result<(), Problem> {
    match is_id(session) {
        true => Ok(()),
        false => Err(Problem::bad_parameter(
            "the id of a session is 1 to 64 characters out of A-Z a-z 0-9 . _ : -",
        )),
    }
}

/// A value as it was meant, with what stood there as `%2C` or `+`.
fn decoded(value: &str) -> String {
    let mut pairs = form_urlencoded::parse(value.as_bytes());
    // No value here has `=` or `&` in it but where somebody meant one.
    pairs.next().map(|(text, _)| text.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn uri(text: &str) -> Uri {
        text.parse().expect("a path")
    }

    #[test]
    fn paths_of_streams_are_known() {
        let one = |session: &str| Some(Wanted::One(session.to_owned()));
        for (path, expected) in [
            ("/v1/sessions/s1/stream", one("s1")),
            ("/v1/sessions/s%201/stream?a=b&c", one("s%201")),
            ("/v1/stream?sessions=a", Some(Wanted::Several)),
            ("/v1/stream/", None),
            ("/v1/sessions//stream", None),
            ("/v1/sessions/stream", None),
            ("/v1/sessions/a/b/stream", None),
            ("/v1/sessions/a/streams", None),
        ] {
            assert_eq!(wanted(&uri(path)), expected, "{path}");
        }
    }

    #[test]
    fn own_parameters_are_taken_out_and_the_others_stay_as_they_are() {
        let one = Wanted::One("s1".to_owned());
        let found = one.parameters(Some("metrics=views,likes&token=t&x=%20&last_event_id=a.b&")).unwrap();
        assert_eq!(found.report, "?metrics=views,likes&x=%20");
        assert_eq!((found.token.as_deref(), found.last.as_deref()), (Some("t"), Some("a.b")));
        assert_eq!(one.parameters(None).unwrap(), Parameters::default());
        assert_eq!(one.parameters(Some("token=&last_event_id")).unwrap(), Parameters::default());
        assert_eq!(
            one.parameters(Some("sessions=a")).unwrap().report,
            "?sessions=a",
            "the report refuses it"
        );
        assert!(one.parameters(Some("token=a&token=b")).is_err());
        assert!(one.parameters(Some("at=1732190400000")).is_err(), "what was does not change");
    }

    #[test]
    fn sessions_are_a_list_each_of_them_once() {
        let sessions = |query: &str| Wanted::Several.parameters(Some(query)).map(|found| found.sessions);
        assert_eq!(sessions("sessions=a,b,a&metrics=views"), Ok(vec!["a".to_owned(), "b".to_owned()]));
        // As browsers write it.
        assert_eq!(sessions("sessions=a%2Cb%3A1"), Ok(vec!["a".to_owned(), "b:1".to_owned()]));
        assert_eq!(sessions("metrics=views"), Ok(vec![]));
        for bad in ["sessions=a%2Fb", "sessions=a+b", "sessions=a&sessions=b", "sessions=a%3F"] {
            assert!(sessions(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_streams_can_be_sockets() {
        let asks = |upgrade: &'static str, path: &str| {
            let headers = HeaderMap::from_iter([(UPGRADE, HeaderValue::from_static(upgrade))]);
            asks_for_socket(&headers, &uri(path))
        };
        assert!(asks("websocket", "/v1/stream") && asks("h2c, WebSocket", "/v1/sessions/s/stream"));
        assert!(!asks("h2c", "/v1/stream") && !asks("websocket", "/v1/sessions/s/report"));
    }
}
