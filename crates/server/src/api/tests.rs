//! The description and the calls belong together.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::call::Call;
use super::openapi;

fn described() -> Json {
    serde_json::to_value(openapi::document()).expect("JSON")
}

#[test]
fn every_call_is_described_and_nothing_else() {
    let document = described();
    let paths = document["paths"].as_object().expect("paths");
    for (path, item) in paths {
        let call = Call::find(&path.replace("{code}", "region%2Fnews").replace("{id}", "7")).expect(path);
        let there: BTreeSet<String> =
            call.methods().split(", ").filter(|method| *method != "HEAD").map(str::to_lowercase).collect();
        let told: BTreeSet<String> = item.as_object().expect("methods").keys().cloned().collect();
        assert_eq!(told, there, "{path}");
    }
    let calls = [
        "streams",
        "streams/{code}",
        "streams/{code}/runtime",
        "streams/{code}/sessions",
        "streams/{code}/start",
        "streams/{code}/stop",
        "streams/{code}/restart",
        "streams/{code}/play-token",
        "sessions",
        "sessions/{id}",
        "config",
        "config/defaults",
        "limits",
    ];
    let calls: BTreeSet<String> = calls.iter().map(|call| format!("/api/v1/{call}")).collect();
    assert_eq!(paths.keys().cloned().collect::<BTreeSet<_>>(), calls);
}

#[test]
fn it_is_of_version_3_1_and_every_reference_in_it_leads_somewhere() {
    fn references(value: &Json, found: &mut Vec<String>) {
        match value {
            Json::Object(members) => {
                found.extend(members.get("$ref").and_then(Json::as_str).map(str::to_owned));
                members.values().for_each(|value| references(value, found));
            }
            Json::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = described();
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 50, "{}", found.len());
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("in the same document");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn the_page_has_every_call_and_nothing_that_is_loaded_from_elsewhere() {
    let page = super::page::render();
    for text in
        ["PATCH /api/v1/streams/{code}", "GET /api/v1/config", "id=\"read-only\"", "id=\"type-StreamConfig\""]
    {
        assert!(page.contains(text), "{text}");
    }
    assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("<script"));
}
