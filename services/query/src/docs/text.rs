//! Words of the document as HTML: a little Markdown, and schemas in a few words.

use serde_json::Value;

pub(super) fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Paragraphs, headings and tables.
pub(super) fn prose(text: &str) -> String {
    let blocks = text.split("\n\n").map(str::trim).filter(|block| !block.is_empty());
    blocks
        .map(|block| {
            if let Some(heading) = block.strip_prefix("## ") {
                format!("<h2>{}</h2>", inline(heading))
            } else if block.starts_with('|') {
                table(block)
            } else {
                format!("<p>{}</p>", inline(block))
            }
        })
        .collect()
}

fn table(block: &str) -> String {
    let row = |line: &str, cell: &str| {
        let cells = line.trim_matches('|').split('|').map(str::trim);
        let cells: String = cells.map(|text| format!("<{cell}>{}</{cell}>", inline(text))).collect();
        format!("<tr>{cells}</tr>")
    };
    let mut lines = block.lines().filter(|line| !line.starts_with("|---"));
    let head = lines.next().map(|line| row(line, "th")).unwrap_or_default();
    let body: String = lines.map(|line| row(line, "td")).collect();
    format!("<div class=\"wide\"><table>{head}{body}</table></div>")
}

/// Text with `code`.
pub(super) fn inline(text: &str) -> String {
    let parts = text.split('`').enumerate();
    parts
        .map(
            |(index, part)| {
                if index % 2 == 1 { format!("<code>{}</code>", escape(part)) } else { escape(part) }
            },
        )
        .collect()
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A schema in a few words: its type, a link to it, its allowed values, its range.
pub(super) fn kind(schema: &Value) -> String {
    described(schema, 16)
}

/// The same with all of the values it may have.
pub(super) fn kind_in_full(schema: &Value) -> String {
    described(schema, usize::MAX)
}

fn described(schema: &Value, values_max: usize) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        return format!("<a href=\"#shape-{0}\">{0}</a>", escape(name));
    }
    if let Some(values) = schema["enum"].as_array() {
        let shown =
            values.iter().take(values_max).map(|value| format!("<code>{}</code>", escape(string(value))));
        let more = if values.len() > values_max { " …" } else { "" };
        return shown.collect::<Vec<_>>().join(" ") + more;
    }
    for choice in ["oneOf", "anyOf", "allOf"] {
        if let Some(schemas) = schema[choice].as_array() {
            let between = if choice == "allOf" { " and " } else { " or " };
            return schemas.iter().map(|one| described(one, values_max)).collect::<Vec<_>>().join(between);
        }
    }
    let mut words = match &schema["type"] {
        Value::Array(types) => types.iter().map(string).collect::<Vec<_>>().join(" or "),
        one => string(one).to_owned(),
    };
    if schema["items"].is_object() {
        words = format!("{words} of {}", described(&schema["items"], values_max));
    }
    for (least, most, unit) in
        [("minimum", "maximum", ""), ("minLength", "maxLength", " characters"), ("minItems", "maxItems", "")]
    {
        words.push_str(&match (schema[least].as_u64(), schema[most].as_u64()) {
            (Some(least), Some(most)) => format!(", {least} to {most}{unit}"),
            (Some(least), None) if least > 0 => format!(", at least {least}{unit}"),
            (None, Some(most)) => format!(", at most {most}{unit}"),
            _ => String::new(),
        });
    }
    words
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_is_escaped() {
        assert_eq!(inline("a `b<c` & d"), "a <code>b&lt;c</code> &amp; d");
        assert_eq!(
            prose("## <b>\n\nx\n\n| a | `b` |\n|---|---|\n| 1 | < |"),
            "<h2>&lt;b&gt;</h2><p>x</p>\
             <div class=\"wide\"><table><tr><th>a</th><th><code>b</code></th></tr><tr><td>1</td><td>&lt;</td></tr></table></div>"
        );
    }

    #[test]
    fn schemas_in_a_few_words() {
        for (schema, words) in [
            (json!({"type": "integer", "minimum": 1, "maximum": 9}), "integer, 1 to 9"),
            (json!({"type": ["string", "null"], "maxLength": 3}), "string or null, at most 3 characters"),
            (
                json!({"type": "array", "items": {"$ref": "#/components/schemas/X"}}),
                "array of <a href=\"#shape-X\">X</a>",
            ),
            (json!({"oneOf": [{"enum": ["a"]}, {"type": "null"}]}), "<code>a</code> or null"),
        ] {
            assert_eq!(kind(&schema), words);
        }
    }
}
