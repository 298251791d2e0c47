//! The OpenAPI document as a page to read: one file, no script, nothing fetched from elsewhere.

use std::fmt::Write;
use std::sync::OnceLock;

use axum::response::Html;
use bytes::Bytes;
use serde_json::Value;

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
nav ul{columns:2;list-style:none;padding:0}\
section{border-top:1px solid #8886;padding-top:.5rem;margin-top:2rem}\
h3{font-family:ui-monospace,monospace;font-size:1.05rem}\
table{border-collapse:collapse;width:100%;font-size:.9rem}\
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;border-bottom:1px solid #8883}\
pre{background:#8881;padding:.7rem;overflow:auto;font-size:.85rem}\
code{font-family:ui-monospace,monospace;font-size:.9em}\
.method{color:#fff;background:#2463b4;border-radius:.2rem;padding:.1rem .4rem;margin-right:.5rem}\
";

/// `GET /v1/docs`
pub(crate) async fn page() -> Html<Bytes> {
    static PAGE: OnceLock<Bytes> = OnceLock::new();
    let page = PAGE.get_or_init(|| {
        let document = serde_json::from_slice(crate::openapi::text()).expect("we wrote it ourselves");
        Bytes::from(render(&document))
    });
    Html(page.clone())
}

/// The page of an OpenAPI document.
fn render(document: &Value) -> String {
    let mut page = String::new();
    let title = escape(text(&document["info"]["title"]));
    let _ = write!(
        page,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body><h1>{title}</h1>{}\
         <p>For programs: <a href=\"/v1/openapi.json\">openapi.json</a> (OpenAPI {}).</p>",
        prose(text(&document["info"]["description"])),
        escape(text(&document["openapi"])),
    );
    let operations = operations(document);
    page.push_str("<nav><ul>");
    for operation in &operations {
        let _ = write!(
            page,
            "<li><a href=\"#{}\"><code>{} {}</code></a></li>",
            operation.anchor(),
            operation.method,
            escape(operation.path)
        );
    }
    page.push_str("</ul></nav>");
    for tag in document["tags"].as_array().into_iter().flatten() {
        let name = text(&tag["name"]);
        let _ = write!(page, "<h2>{}</h2>{}", escape(name), prose(text(&tag["description"])));
        for operation in operations.iter().filter(|operation| operation.value["tags"][0] == *name) {
            operation.render(&mut page, document);
        }
    }
    page.push_str("<h2>shapes</h2>");
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        let _ = write!(
            page,
            "<section id=\"{0}\"><h3>{0}</h3>{1}",
            escape(name),
            prose(text(&schema["description"]))
        );
        fields(&mut page, schema);
        page.push_str("</section>");
    }
    page.push_str("</body></html>");
    page
}

struct Operation<'a> {
    method: String,
    path: &'a str,
    value: &'a Value,
}

fn operations(document: &Value) -> Vec<Operation<'_>> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths
        .flat_map(|(path, item)| {
            item.as_object().into_iter().flatten().map(move |(method, value)| Operation {
                method: method.to_uppercase(),
                path,
                value,
            })
        })
        .collect()
}

impl Operation<'_> {
    fn anchor(&self) -> String {
        escape(text(&self.value["operationId"]))
    }

    fn render(&self, page: &mut String, document: &Value) {
        let _ = write!(
            page,
            "<section id=\"{}\"><h3><span class=\"method\">{}</span>{}</h3><p><b>{}</b></p>{}",
            self.anchor(),
            self.method,
            escape(self.path),
            inline(text(&self.value["summary"])),
            prose(text(&self.value["description"])),
        );
        self.parameters(page);
        let _ = write!(page, "<p>Request:</p><pre>{}</pre>", escape(&self.request()));
        self.responses(page, document);
        page.push_str("</section>");
    }

    fn parameters(&self, page: &mut String) {
        let Some(parameters) = self.value["parameters"].as_array() else { return };
        page.push_str("<table><tr><th>parameter</th><th>in</th><th>type</th><th></th></tr>");
        for parameter in parameters {
            let required = if parameter["required"] == true { "required. " } else { "" };
            let _ = write!(
                page,
                "<tr><td><code>{}</code></td><td>{}</td><td>{}</td><td>{required}{}</td></tr>",
                escape(text(&parameter["name"])),
                escape(text(&parameter["in"])),
                kind(&parameter["schema"]),
                inline(text(&parameter["description"])),
            );
        }
        page.push_str("</table>");
    }

    /// A request to copy: the path with its examples, and the headers that matter.
    fn request(&self) -> String {
        let (mut path, mut query) = (self.path.to_owned(), Vec::new());
        for parameter in self.value["parameters"].as_array().into_iter().flatten() {
            let name = text(&parameter["name"]);
            let example = [&parameter["example"], &parameter["schema"]["example"]]
                .into_iter()
                .find(|example| !example.is_null());
            let value = example.map(|example| match example {
                Value::Array(parts) => parts.iter().map(text).collect::<Vec<_>>().join(","),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            });
            match (text(&parameter["in"]), value) {
                ("path", value) => {
                    path = path.replace(&format!("{{{name}}}"), value.as_deref().unwrap_or("0"));
                }
                ("query", Some(value)) => query.push(format!("{name}={value}")),
                _ => {}
            }
        }
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        let mut request = String::from("curl ");
        if self.value["security"][0].as_object().is_some_and(|needed| !needed.is_empty()) {
            request.push_str("-H \"Authorization: Bearer $TANDEM_KEY\" ");
        }
        if self.method == "POST" {
            request.push_str("--data-binary @events.ndjson ");
        }
        let _ = write!(request, "'http://localhost:8080{path}{query}'");
        request
    }

    fn responses(&self, page: &mut String, document: &Value) {
        for (status, response) in self.value["responses"].as_object().into_iter().flatten() {
            let _ = write!(page, "<p><b>{status}</b> {}", inline(text(&response["description"])));
            for (media_type, content) in response["content"].as_object().into_iter().flatten() {
                let _ = write!(page, " <code>{}</code> {}", escape(media_type), kind(&content["schema"]));
                let schema = text(&content["schema"]["$ref"]).rsplit('/').next().unwrap_or_default();
                let of_schema = &document["components"]["schemas"][schema]["example"];
                let example = [&content["example"], of_schema].into_iter().find(|example| !example.is_null());
                if let Some(example) = example {
                    let _ = write!(page, "</p><pre>{}</pre><p>", escape(&format!("{example:#}")));
                }
            }
            page.push_str("</p>");
        }
    }
}

/// The members of a shape.
fn fields(page: &mut String, schema: &Value) {
    let Some(properties) = schema["properties"].as_object() else { return };
    page.push_str("<table>");
    for (name, property) in properties {
        let _ = write!(
            page,
            "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
            escape(name),
            kind(property),
            inline(text(&property["description"])),
        );
    }
    page.push_str("</table>");
}

/// A schema in a few words: its type, a link to it, its allowed values.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        return format!("<a href=\"#{0}\">{0}</a>", escape(name));
    }
    if let Some(values) = schema["enum"].as_array() {
        // Long lists stand in the catalogue.
        let shown = values.iter().take(16).map(|value| format!("<code>{}</code>", escape(text(value))));
        let more = if values.len() > 16 { " …" } else { "" };
        return shown.collect::<Vec<_>>().join(" ") + more;
    }
    let of = match &schema["type"] {
        Value::Array(types) => types.iter().map(text).collect::<Vec<_>>().join(" or "),
        one => text(one).to_owned(),
    };
    if schema["items"].is_object() { format!("{of} of {}", kind(&schema["items"])) } else { of }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Paragraphs.
fn prose(text: &str) -> String {
    let paragraphs = text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty());
    paragraphs.map(|paragraph| format!("<p>{}</p>", inline(paragraph))).collect()
}

/// Text with `code`.
fn inline(text: &str) -> String {
    let parts = text.split('`').enumerate();
    parts
        .map(
            |(index, part)| {
                if index % 2 == 1 { format!("<code>{}</code>", escape(part)) } else { escape(part) }
            },
        )
        .collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_every_call_and_fetches_nothing() {
        let document = serde_json::from_slice(crate::openapi::text()).unwrap();
        let page = render(&document);
        for operation in operations(&document) {
            assert!(page.contains(&format!("id=\"{}\"", operation.anchor())), "{}", operation.path);
        }
        for outside in ["<script", "<link", "<img", "src=", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(inline("a `b<c` & d"), "a <code>b&lt;c</code> &amp; d");
    }
}
