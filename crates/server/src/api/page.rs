//! The page at `/api/`: the description for people, made from the same document. It loads nothing but our own style.

use std::fmt::Write as _;
use std::sync::LazyLock;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Map, Value as Json};

use super::openapi;
use super::problem::Kind;

/// Nothing runs, and nothing comes from elsewhere.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// `/api/`.
pub(super) fn answer() -> Response {
    static PAGE: LazyLock<String> = LazyLock::new(render);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (headers, PAGE.as_str()).into_response()
}

pub(super) fn render() -> String {
    // The description is plain values: it always has a JSON form.
    let document = serde_json::to_value(openapi::document()).unwrap_or_default();
    let mut page = String::from(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>Rillcast API</title>\n<link rel=\"stylesheet\" href=\"/assets/api.css\">\n<main>\n<h1>Rillcast API</h1>\n\
         <p>For programs: <a href=\"/api/openapi.json\">openapi.json</a> (OpenAPI 3.1).</p>\n",
    );
    calls(&mut page, &document);
    problems(&mut page);
    types(&mut page, &document);
    page + "</main>\n</html>\n"
}

/// Writing to a string cannot fail.
macro_rules! put {
    ($page:expr, $($argument:tt)*) => {
        let _ = write!($page, $($argument)*);
    };
}

fn members(value: &Json) -> impl Iterator<Item = (&String, &Json)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn text(value: &Json) -> String {
    escaped(value.as_str().unwrap_or_default())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn calls(page: &mut String, document: &Json) {
    page.push_str("<h2>Calls</h2>\n");
    for (path, item) in members(&document["paths"]) {
        for (method, call) in members(item) {
            let summary = format!("{} {}", text(&call["summary"]), text(&call["description"]));
            put!(
                page,
                "<h3><code>{} {}</code></h3>\n<p>{summary}</p>\n<dl>\n",
                method.to_uppercase(),
                escaped(path)
            );
            for parameter in call["parameters"].as_array().into_iter().flatten() {
                let (name, place) = (text(&parameter["name"]), text(&parameter["in"]));
                put!(page, "<dt><code>{name}</code> ({place})<dd>{}\n", text(&parameter["description"]));
            }
            for (media, content) in members(&call["requestBody"]["content"]) {
                put!(page, "<dt>body<dd><code>{}</code>: {}\n", escaped(media), type_of(&content["schema"]));
            }
            for (status, response) in members(&call["responses"]) {
                let body =
                    members(&response["content"]).next().map(|(_, content)| type_of(&content["schema"]));
                let body = body.unwrap_or_default();
                put!(page, "<dt>{}<dd>{} {body}\n", escaped(status), text(&response["description"]));
            }
            page.push_str("</dl>\n");
        }
    }
}

fn problems(page: &mut String) {
    page.push_str("<h2>Problems</h2>\n<dl>\n");
    for kind in Kind::ALL {
        let (name, status, title) = kind.told();
        put!(page, "<dt id=\"{name}\"><code>{name}</code> ({})<dd>{title}\n", status.as_u16());
    }
    page.push_str("</dl>\n");
}

fn types(page: &mut String, document: &Json) {
    page.push_str("<h2>Types</h2>\n");
    for (name, schema) in members(&document["components"]["schemas"]) {
        let name = escaped(name);
        put!(page, "<h3 id=\"type-{name}\">{name}</h3>\n<p>{}</p>\n<dl>\n", text(&schema["description"]));
        for (member, described) in members(&schema["properties"]) {
            let described_text = text(&described["description"]);
            put!(page, "<dt><code>{}</code><dd>{} {described_text}\n", escaped(member), type_of(described));
        }
        for value in schema["enum"].as_array().into_iter().flatten() {
            put!(page, "<dt><code>{}</code>\n", text(value));
        }
        page.push_str("</dl>\n");
    }
}

/// A type in few words, with a link where it has a name.
fn type_of(schema: &Json) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|target| target.rsplit('/').next()) {
        let name = escaped(name);
        return format!("<a href=\"#type-{name}\">{name}</a>");
    }
    if let Some(choices) = schema["oneOf"].as_array().or_else(|| schema["allOf"].as_array()) {
        return choices.iter().map(type_of).collect::<Vec<_>>().join(" or ");
    }
    if schema["items"].is_object() {
        return format!("list of {}", type_of(&schema["items"]));
    }
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(text).collect::<Vec<_>>().join(", ");
    }
    match &schema["type"] {
        Json::Array(types) => types.iter().map(text).collect::<Vec<_>>().join(" or "),
        one => text(one),
    }
}
