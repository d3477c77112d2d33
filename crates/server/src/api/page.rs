//! The reference page: the OpenAPI document, for people, without a script and without anything from elsewhere.

use std::fmt::Write as _;

use serde_json::Value;

/// Makes the page.
pub(super) fn of(document: &str) -> String {
    let document: Value = serde_json::from_str(document).unwrap_or_default();
    let mut page = String::from(HEAD);
    let paths = at(&document, "/paths").as_object().into_iter().flatten();
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            operation_to(&mut page, path, method, operation);
        }
    }
    page.push_str("<h2>Shapes</h2>");
    for (name, schema) in at(&document, "/components/schemas").as_object().into_iter().flatten() {
        schema_to(&mut page, name, schema);
    }
    page.push_str("</main></html>\n");
    page
}

const HEAD: &str = "<!doctype html><html lang=en><meta charset=utf-8><title>Cascade API</title>\
<meta name=viewport content=\"width=device-width\"><style>\
body{font:16px/1.5 system-ui,sans-serif;margin:0;color:#222;background:#fff}main{max-width:60rem;margin:0 auto;padding:1rem}\
h1{font-size:1.6rem}section{border-top:1px solid #ccc;padding:.5rem 0}h3{font:600 1rem ui-monospace,monospace;margin:.5rem 0}\
code{font-family:ui-monospace,monospace;font-size:.9em}table{border-collapse:collapse;width:100%}\
td{vertical-align:top;padding:.15rem .8rem .15rem 0;border-top:1px solid #eee}b{text-transform:uppercase}\
@media(prefers-color-scheme:dark){body{color:#ddd;background:#16181c}td{border-color:#333}section{border-color:#444}}\
</style><main><h1>Cascade API</h1><p>The same as <a href=/v1/openapi.json>OpenAPI 3.1</a>, for people. Give a token as \
<code>Authorization: Bearer …</code>, and the tenant as <code>Cascade-Tenant</code> where it is not <code>default</code>. \
Errors are <code>application/problem+json</code>; their <code>code</code> is stable.</p>";

fn operation_to(page: &mut String, path: &str, method: &str, operation: &Value) {
    let token = if at(operation, "/security").is_array() { " · token" } else { "" };
    let summary = text(at(operation, "/summary"));
    // Writing to a string cannot fail.
    _ = write!(
        page,
        "<section><h3><b>{}</b> {}{token}</h3><p>{summary}</p>{}",
        escaped(method),
        escaped(path),
        paragraphs(at(operation, "/description"))
    );
    page.push_str("<table>");
    for parameter in at(operation, "/parameters").as_array().into_iter().flatten() {
        row(
            page,
            &format!("{} ({})", text(at(parameter, "/name")), text(at(parameter, "/in"))),
            &text(at(parameter, "/description")),
        );
    }
    let body = at(operation, "/requestBody/content/application~1json/schema");
    if body.is_object() {
        row(page, "body", &shape(body));
    }
    for (status, answer) in at(operation, "/responses").as_object().into_iter().flatten() {
        let contents = at(answer, "/content").as_object().into_iter().flatten();
        let shapes: Vec<String> = contents
            .map(|(kind, one)| format!("{} <code>{}</code>", shape(at(one, "/schema")), escaped(kind)))
            .collect();
        row(page, &escaped(status), &format!("{}: {}", text(at(answer, "/description")), shapes.join(", ")));
    }
    page.push_str("</table></section>");
}

fn schema_to(page: &mut String, name: &str, schema: &Value) {
    _ = write!(
        page,
        "<section id=\"{0}\"><h3>{0}</h3>{1}<table>",
        escaped(name),
        paragraphs(at(schema, "/description"))
    );
    let variants = at(schema, "/oneOf").as_array().into_iter().flatten();
    for one in std::iter::once(schema).chain(variants) {
        let required: Vec<&str> =
            at(one, "/required").as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (member, what) in at(one, "/properties").as_object().into_iter().flatten() {
            let must = if required.contains(&member.as_str()) { "" } else { ", optional" };
            row(
                page,
                &escaped(member),
                &format!("{}{must}. {}", shape(what), text(at(what, "/description"))),
            );
        }
    }
    if let Some(words) = at(schema, "/enum").as_array() {
        let words: Vec<String> = words.iter().map(text).collect();
        row(page, "one of", &words.join(", "));
    }
    page.push_str("</table></section>");
}

/// What stands there; null where nothing does.
fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    value.pointer(path).unwrap_or(&Value::Null)
}

fn row(page: &mut String, left: &str, right: &str) {
    _ = write!(page, "<tr><td><code>{left}</code></td><td>{right}</td></tr>");
}

/// A schema in a word, with a way to it.
fn shape(schema: &Value) -> String {
    if let Some(name) = at(schema, "/$ref").as_str().and_then(|reference| reference.rsplit('/').next()) {
        return format!("<a href=\"#{0}\">{0}</a>", escaped(name));
    }
    if let Some(all) = at(schema, "/oneOf").as_array() {
        let named: Vec<String> = all.iter().map(shape).collect();
        return named.join(" or ");
    }
    if at(schema, "/type") == "array" {
        return format!("list of {}", shape(at(schema, "/items")));
    }
    if let Some(fixed) = at(schema, "/enum").as_array() {
        return fixed.iter().map(text).collect::<Vec<_>>().join(" | ");
    }
    match at(schema, "/type") {
        Value::Array(all) => all.iter().map(text).collect::<Vec<_>>().join(" or "),
        one => text(one),
    }
}

fn paragraphs(value: &Value) -> String {
    let text = value.as_str().unwrap_or_default();
    text.split("\n\n")
        .filter(|part| !part.is_empty())
        .map(|part| format!("<p>{}</p>", escaped(part)))
        .collect()
}

fn text(value: &Value) -> String {
    escaped(value.as_str().unwrap_or_default())
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    out
}
