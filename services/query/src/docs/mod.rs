//! The OpenAPI document as a page to read: one file that fetches nothing.
//!
//! All of it can be read without its script, which narrows what is shown to what is searched for, and
//! copies requests. A policy names the one script and the one style by their hashes, so that whatever
//! else got into the page would not run.

mod call;
mod text;

use std::fmt::Write;
use std::sync::OnceLock;

use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::header::{CONTENT_SECURITY_POLICY, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use ring::digest::{SHA256, digest};
use serde_json::Value;

use self::call::{Call, answer};
use self::text::{escape, kind, prose, string};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("page.js");

struct Page {
    body: Bytes,
    policy: HeaderValue,
}

/// `GET /v1/docs`
pub(crate) async fn page() -> Response {
    static PAGE: OnceLock<Page> = OnceLock::new();
    let page = PAGE.get_or_init(|| Page {
        body: Bytes::from(render(&crate::openapi())),
        policy: HeaderValue::try_from(policy()).expect("base64 makes a header"),
    });
    let headers = [
        (CONTENT_SECURITY_POLICY, page.policy.clone()),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (headers, Html(page.body.clone())).into_response()
}

/// What a browser may do with the page: nothing but show it, with its own style and script.
fn policy() -> String {
    let hash = |text: &str| format!("'sha256-{}'", BASE64.encode(digest(&SHA256, text.as_bytes())));
    format!(
        "default-src 'none'; style-src {}; script-src {}; img-src data:; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

/// The page of an OpenAPI document.
fn render(document: &Value) -> String {
    let title = escape(string(&document["info"]["title"]));
    let calls = Call::all(document);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title} API</title>\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><link rel=\"icon\" href=\"data:,\">\
         <style>{STYLE}</style></head><body><a class=\"skip\" href=\"#top\">To the content</a><div class=\"frame\">"
    );
    contents(&mut page, document, &calls);
    let _ = write!(
        page,
        "<main id=\"top\" tabindex=\"-1\"><h1>{title} API</h1>\
         <p class=\"who\">For programs: <a href=\"/v1/openapi.json\">openapi.json</a> (OpenAPI {}), \
         <a href=\"/v1/asyncapi.json\">asyncapi.json</a> (the topic for partner teams).</p>{}",
        escape(string(&document["openapi"])),
        prose(string(&document["info"]["description"])),
    );
    page.push_str("<h2 id=\"answers\">Answers that many calls have</h2>");
    for (name, response) in members(&document["components"]["responses"]) {
        // Its status stands in each of its examples; only 304 has no body and so none.
        let examples = members(&response["content"]["application/problem+json"]["examples"]);
        let status = examples
            .into_iter()
            .next()
            .map_or("304".to_owned(), |(_, one)| one["value"]["status"].to_string());
        answer(&mut page, document, &format!("answer-{name}"), &status, response);
    }
    page.push_str("<h2 id=\"schemes\">Ways to show who one is</h2>");
    for (name, scheme) in members(&document["components"]["securitySchemes"]) {
        let _ = write!(
            page,
            "<details id=\"security-{0}\"><summary><code>{0}</code>: Authorization: {1} …</summary>{2}</details>",
            escape(name),
            escape(string(&scheme["scheme"])),
            prose(string(&scheme["description"]))
        );
    }
    for tag in document["tags"].as_array().into_iter().flatten() {
        let name = string(&tag["name"]);
        let about = prose(string(&tag["description"]));
        let _ = write!(page, "<div class=\"tag\"><h2 id=\"tag-{0}\">{0}</h2>{about}", escape(name));
        calls.iter().filter(|call| call.tag() == name).for_each(|call| call.render(&mut page));
        page.push_str("</div>");
    }
    page.push_str("<div class=\"tag\"><h2 id=\"shapes\">Shapes</h2>");
    for (name, schema) in members(&document["components"]["schemas"]) {
        shape(&mut page, name, schema);
    }
    let _ = write!(page, "</div></main></div><script>{SCRIPT}</script></body></html>");
    page
}

/// The column at the side: search, and what there is.
fn contents(page: &mut String, document: &Value, calls: &[Call<'_>]) {
    page.push_str(
        "<aside><nav aria-label=\"Contents\"><a class=\"name\" href=\"#top\">Tandem API</a>\
         <div hidden><input type=\"search\" id=\"search\" placeholder=\"Search  ( / )\" aria-label=\"Search calls and shapes\">\
         <p class=\"found\" id=\"found\" role=\"status\"></p></div>",
    );
    for tag in document["tags"].as_array().into_iter().flatten() {
        let name = string(&tag["name"]);
        let _ = write!(page, "<div class=\"tag\"><h2>{}</h2><ul>", escape(name));
        for call in calls.iter().filter(|call| call.tag() == name) {
            call.entry(page);
        }
        page.push_str("</ul></div>");
    }
    page.push_str("<div class=\"tag\"><h2>Shapes</h2><ul>");
    for (name, _) in members(&document["components"]["schemas"]) {
        let _ = write!(page, "<li><a href=\"#shape-{0}\">{0}</a></li>", escape(name));
    }
    page.push_str("</ul></div></nav></aside>");
}

/// A schema that has a name.
fn shape(page: &mut String, name: &str, schema: &Value) {
    let _ = write!(
        page,
        "<section class=\"shape\" id=\"shape-{0}\"><h3><a href=\"#shape-{0}\">{0}</a></h3>{1}",
        escape(name),
        prose(string(&schema["description"]))
    );
    if schema["properties"].is_object() {
        page.push_str("<div class=\"wide\"><table><tr><th>member</th><th>type</th><th>meaning</th></tr>");
        for (name, property) in members(&schema["properties"]) {
            let _ = write!(
                page,
                "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
                escape(name),
                kind(property),
                text::inline(string(&property["description"])),
            );
        }
        page.push_str("</table></div>");
    } else {
        let _ = write!(page, "<p>{}</p>", text::kind_in_full(schema));
    }
    page.push_str("</section>");
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_everything_and_fetches_nothing() {
        let document = crate::openapi();
        let page = render(&document);
        for call in Call::all(&document) {
            assert!(page.contains(&format!("id=\"{}\"", call.anchor())), "{}", call.anchor());
        }
        for (name, _) in members(&document["components"]["schemas"]) {
            assert!(page.contains(&format!("id=\"shape-{name}\"")), "{name}");
        }
        for (kind, ..) in tandem_model::problem::KINDS {
            assert!(page.contains(&format!("urn:tandem:problem:{kind}")), "{kind}");
        }
        for outside in ["src=", "@import", "url(", "<img", "style=\"", "onclick", "javascript:"] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert_eq!(page.matches("<script>").count(), 1);
        assert_eq!(page.matches("<link").count(), 1, "the icon, which is none");
    }

    #[test]
    fn every_link_within_the_page_has_its_target() {
        let page = render(&crate::openapi()).replace(SCRIPT, "");
        let targets: Vec<&str> =
            page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(targets.len() > 100);
        for target in targets {
            assert!(page.contains(&format!("id=\"{target}\"")), "{target}");
        }
    }

    #[test]
    fn the_policy_names_what_stands_in_the_page() {
        let page = render(&crate::openapi());
        let between = |begin: &str, end: &str| {
            page.split(begin).nth(1).and_then(|rest| rest.split(end).next()).unwrap().to_owned()
        };
        for (text, directive) in
            [(between("<style>", "</style>"), "style-src"), (between("<script>", "</script>"), "script-src")]
        {
            let hash = BASE64.encode(digest(&SHA256, text.as_bytes()));
            assert!(policy().contains(&format!("{directive} 'sha256-{hash}'")), "{directive}");
        }
    }
}
