//! What each path costs: its class, by method and path. What the classes cost stands in the rules.

use http::Method;
use tandem_limits::RouteClass;

/// The class of a request; nothing where it is not limited. What has no class of its own, what is
/// not there and what is asked with a wrong method is a read: to try paths is not free.
pub(crate) fn of(method: &Method, path: &str) -> Option<RouteClass> {
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    let class = match path {
        // Whoever watches over us must not be told that he asks too often.
        "/healthz" | "/readyz" => return None,
        "/" | "/robots.txt" | "/v1/status" | "/v1/docs" | "/v1/openapi.json" | "/v1/asyncapi.json" => {
            RouteClass::Page
        }
        "/v1/events" if *method == Method::POST => RouteClass::Write,
        "/v1/repairs" | "/v1/verdicts" | "/v1/definitions" if *method == Method::POST => RouteClass::Operate,
        "/v1/rows" | "/v1/partitions" | "/v1/deadletters" => RouteClass::Operate,
        "/v1/stream" if is_read => RouteClass::Stream,
        _ if !is_read => RouteClass::Read,
        _ => match path.strip_prefix("/v1/") {
            Some(rest) => below(rest),
            None => RouteClass::Read,
        },
    };
    Some(class)
}

fn below(rest: &str) -> RouteClass {
    let mut segments = rest.split('/');
    match (segments.next(), segments.next(), segments.next(), segments.next()) {
        (Some("log"), Some(_), None, None) => RouteClass::Operate,
        (Some("export"), Some(_), None, None) => RouteClass::Export,
        (Some("sessions"), Some(_), Some("stream"), None) => RouteClass::Stream,
        (Some("sessions"), Some(_), Some("report" | "trend" | "compare" | "explain" | "rejected"), None) => {
            RouteClass::Report
        }
        // Whoever asks, rows of many sessions are looked at.
        (Some("anchors" | "rankings"), Some(_), ..) => RouteClass::Report,
        (Some("catalog"), Some("difference"), None, None) => RouteClass::Report,
        _ => RouteClass::Read,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_its_class() {
        use RouteClass::*;
        let (get, post) = (Method::GET, Method::POST);
        let cases = [
            (&get, "/healthz", None),
            (&get, "/readyz", None),
            (&get, "/", Some(Page)),
            (&get, "/v1/status", Some(Page)),
            (&get, "/v1/docs", Some(Page)),
            (&get, "/v1/openapi.json", Some(Page)),
            (&post, "/v1/events", Some(Write)),
            (&get, "/v1/events", Some(Read)),
            (&post, "/v1/repairs", Some(Operate)),
            (&post, "/v1/verdicts", Some(Operate)),
            (&post, "/v1/definitions", Some(Operate)),
            (&get, "/v1/rows", Some(Operate)),
            (&get, "/v1/log/3", Some(Operate)),
            (&get, "/v1/log/3/x", Some(Read)),
            (&get, "/v1/partitions", Some(Operate)),
            (&get, "/v1/deadletters", Some(Operate)),
            (&get, "/v1/sessions", Some(Read)),
            (&get, "/v1/sessions/report", Some(Read)),
            (&get, "/v1/sessions/s1", Some(Read)),
            (&get, "/v1/sessions/s1/report", Some(Report)),
            (&Method::HEAD, "/v1/sessions/s1/report", Some(Report)),
            (&post, "/v1/sessions/s1/report", Some(Read)),
            (&get, "/v1/sessions/s1/trend", Some(Report)),
            (&get, "/v1/sessions/s1/compare", Some(Report)),
            (&get, "/v1/sessions/s1/rejected", Some(Report)),
            (&get, "/v1/sessions/s1/report/x", Some(Read)),
            (&get, "/v1/sessions/s1/stream", Some(Stream)),
            (&get, "/v1/stream", Some(Stream)),
            (&get, "/v1/sessions/s1/explain", Some(Report)),
            (&get, "/v1/anchors/a1", Some(Report)),
            (&get, "/v1/anchors/a1/sessions", Some(Report)),
            (&get, "/v1/rankings", Some(Read)),
            (&get, "/v1/rankings/session.gmv", Some(Report)),
            (&get, "/v1/rankings/session.gmv/subjects/s1", Some(Report)),
            (&get, "/v1/export/dws_total", Some(Export)),
            (&post, "/v1/export/dws_total", Some(Read)),
            (&get, "/v1/export", Some(Read)),
            (&get, "/v1/exports/dws_total", Some(Read)),
            (&get, "/v1/catalog/metrics", Some(Read)),
            (&get, "/v1/catalog/difference", Some(Report)),
            (&get, "/wp-login.php", Some(Read)),
            (&Method::DELETE, "/v1/sessions/s1", Some(Read)),
        ];
        for (method, path, expected) in cases {
            assert_eq!(of(method, path), expected, "{method} {path}");
        }
    }
}
