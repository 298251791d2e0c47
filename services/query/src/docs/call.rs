//! One call on the page: what it takes, a request to copy, what it answers.

use std::fmt::Write;

use serde_json::Value;

use super::members;
use super::text::{escape, inline, kind, prose, string};

/// Where a server of one's own listens; the page's script puts in where the page is from.
const HERE: &str = "http://localhost:8080";

pub(super) struct Call<'a> {
    document: &'a Value,
    method: String,
    path: &'a str,
    value: &'a Value,
}

impl<'a> Call<'a> {
    /// All calls of a document.
    pub(super) fn all(document: &'a Value) -> Vec<Self> {
        let of_path = |(path, item): (&'a String, &'a Value)| {
            members(item).map(move |(method, value)| Self {
                document,
                method: method.to_uppercase(),
                path,
                value,
            })
        };
        members(&document["paths"]).flat_map(of_path).collect()
    }

    pub(super) fn tag(&self) -> &'a str {
        string(&self.value["tags"][0])
    }

    pub(super) fn anchor(&self) -> String {
        escape(string(&self.value["operationId"]))
    }

    /// Its line among the contents.
    pub(super) fn entry(&self, page: &mut String) {
        let path = self.path.strip_prefix("/v1").unwrap_or(self.path);
        let _ = write!(
            page,
            "<li><a href=\"#{}\"><span class=\"method {1}\">{1}</span><span>{2}</span></a></li>",
            self.anchor(),
            self.method,
            escape(path)
        );
    }

    pub(super) fn render(&self, page: &mut String) {
        let needs_key = !self.value["security"].as_array().is_some_and(|all| all.iter().any(is_empty));
        let _ = write!(
            page,
            "<section class=\"call\" id=\"{0}\"><h3><a href=\"#{0}\"><span class=\"method {1}\">{1}</span>{2}</a></h3>\
             <p class=\"summary\">{3}</p><p class=\"who\">{4}</p>{5}",
            self.anchor(),
            self.method,
            escape(self.path),
            inline(string(&self.value["summary"])),
            if needs_key { "Needs a key, a JWT or a signature." } else { "Needs no key." },
            prose(string(&self.value["description"])),
        );
        self.parameters(page);
        page.push_str("<h4>Request</h4>");
        sample(page, "request", &self.request());
        self.body(page);
        page.push_str("<h4>Answers</h4>");
        for (status, response) in members(&self.value["responses"]) {
            match shared_name(response) {
                None => answer(page, self.document, &format!("{}-{status}", self.anchor()), status, response),
                Some(name) => shared(page, name, status, resolved(self.document, response)),
            }
        }
        page.push_str("</section>");
    }

    fn all_parameters(&self) -> impl Iterator<Item = &'a Value> {
        let all = self.value["parameters"].as_array().into_iter().flatten();
        all.map(|parameter| resolved(self.document, parameter))
    }

    fn parameters(&self, page: &mut String) {
        if self.all_parameters().next().is_none() {
            return;
        }
        page.push_str(
            "<h4>Parameters</h4><div class=\"wide\"><table>\
             <tr><th>name</th><th>in</th><th>type</th><th>meaning</th></tr>",
        );
        for parameter in self.all_parameters() {
            let required = match parameter["required"] == true {
                true => "<span class=\"needed\">required</span> ",
                false => "",
            };
            let default = match &parameter["schema"]["default"] {
                Value::Null => String::new(),
                default => format!(" Default: <code>{}</code>.", escape(&plain(default))),
            };
            let _ = write!(
                page,
                "<tr><td><code>{}</code></td><td>{}</td><td>{}</td><td>{required}{}{default}</td></tr>",
                escape(string(&parameter["name"])),
                escape(string(&parameter["in"])),
                kind(&parameter["schema"]),
                inline(string(&parameter["description"])),
            );
        }
        page.push_str("</table></div>");
    }

    /// A request to copy: the path with its examples, and the headers that matter.
    fn request(&self) -> String {
        let (mut path, mut query) = (self.path.to_owned(), Vec::new());
        for parameter in self.all_parameters() {
            let (name, example) = (string(&parameter["name"]), plain(&parameter["example"]));
            match string(&parameter["in"]) {
                "path" => path = path.replace(&format!("{{{name}}}"), &example),
                // What an operator does only now and then, or what goes on from an answer.
                "query" if !example.is_empty() && !matches!(name, "clock" | "cursor" | "after") => {
                    query.push(format!("{name}={example}"));
                }
                _ => {}
            }
        }
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        let mut lines = vec![format!("curl '{HERE}{path}{query}'")];
        if !self.value["security"].as_array().is_some_and(|all| all.iter().any(is_empty)) {
            lines.push("-H \"Authorization: Bearer $TANDEM_KEY\"".to_owned());
        }
        for (media_type, content) in members(&self.value["requestBody"]["content"]) {
            lines.push(format!("-H 'Content-Type: {media_type}'"));
            let example = &content["example"];
            let body = example.as_str().map_or_else(|| example.to_string(), str::to_owned);
            lines.push(format!("--data-binary '{}'", body.trim_end()));
        }
        let streams = members(&self.value["responses"]["200"]["content"]);
        if streams.into_iter().any(|(media_type, _)| media_type == "text/event-stream") {
            lines[0].insert_str(5, "-N ");
        }
        lines.join(" \\\n  ")
    }

    fn body(&self, page: &mut String) {
        let body = &self.value["requestBody"];
        for (media_type, content) in members(&body["content"]) {
            let schema = &content["schema"];
            let shape = if schema["contentSchema"].is_object() { &schema["contentSchema"] } else { schema };
            let _ = write!(
                page,
                "<p>Body: {} <code>{}</code>, {}.</p>",
                inline(string(&body["description"])),
                escape(media_type),
                kind(shape)
            );
        }
    }
}

/// An answer in full. It can be folded away.
pub(super) fn answer(page: &mut String, document: &Value, anchor: &str, status: &str, response: &Value) {
    let is_good = status.starts_with(['2', '3']);
    let _ = write!(
        page,
        "<details id=\"{}\"{}><summary><span class=\"status{}\">{}</span>{}</summary>",
        escape(anchor),
        if status.starts_with('2') { " open" } else { "" },
        if is_good { "" } else { " bad" },
        escape(status),
        inline(string(&response["description"]))
    );
    for (media_type, content) in members(&response["content"]) {
        let _ = write!(page, "<p><code>{}</code> {}</p>", escape(media_type), kind(&content["schema"]));
        if !content["example"].is_null() {
            sample(page, "answer", &pretty(&content["example"]));
        }
        // One that stands elsewhere has no value here.
        let here = members(&content["examples"]).filter(|(_, example)| !example["value"].is_null());
        for (_, example) in here {
            sample(page, "answer", &pretty(&example["value"]));
        }
    }
    let headers: Vec<_> = members(&response["headers"])
        .map(|(name, header)| {
            let about = inline(string(&resolved(document, header)["description"]));
            format!("<tr><td><code>{}</code></td><td>{about}</td></tr>", escape(name))
        })
        .collect();
    if !headers.is_empty() {
        let _ = write!(page, "<div class=\"wide\"><table>{}</table></div>", headers.concat());
    }
    page.push_str("</details>");
}

/// An answer that many calls have: it stands in full once, elsewhere.
fn shared(page: &mut String, name: &str, status: &str, response: &Value) {
    let class = if status.starts_with(['2', '3']) { "status" } else { "status bad" };
    let _ = write!(
        page,
        "<p class=\"shared\"><a href=\"#answer-{}\"><span class=\"{class}\">{}</span></a>{}</p>",
        escape(name),
        escape(status),
        inline(string(&response["description"]))
    );
}

/// The name of an answer that many calls have.
fn shared_name(response: &Value) -> Option<&str> {
    response["$ref"].as_str()?.rsplit('/').next()
}

/// What a reference stands for.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let pointer = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| document.pointer(pointer)).unwrap_or(value)
}

/// Something to copy. It can be scrolled with the keyboard.
fn sample(page: &mut String, class: &str, text: &str) {
    let _ = write!(
        page,
        "<div class=\"sample\"><pre tabindex=\"0\"><code class=\"{class}\">{}</code></pre></div>",
        escape(text)
    );
}

fn is_empty(requirement: &Value) -> bool {
    requirement.as_object().is_some_and(serde_json::Map::is_empty)
}

/// A value as it stands in a URL.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

fn pretty(value: &Value) -> String {
    value.as_str().map_or_else(|| format!("{value:#}"), str::to_owned)
}
