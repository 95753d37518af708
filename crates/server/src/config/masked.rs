//! Secrets that come back as they were shown: they mean that nothing of them is to change.

use serde_json::Value;

use super::document::Shown;
use super::fault::{Fault, Place};
use super::{Config, SettingsDocument, StreamDocument};
use publisher::config::Stream;

/// What stands for a secret.
const STARS: &str = "***";

/// Puts the secrets of the stream that is there into a document that shows them as stars.
///
/// # Errors
/// The pointers of stars that nothing stands behind.
pub(crate) fn restore_stream(document: &mut Value, old: Option<&Stream>) -> Result<(), Vec<Fault>> {
    let (shown, whole) = match old {
        Some(old) => {
            (json(&StreamDocument::new(old, Shown::Masked)), json(&StreamDocument::new(old, Shown::Whole)))
        }
        None => (Value::Null, Value::Null),
    };
    let mut faults = Vec::new();
    restore(document, "/stream_key", &whole, &mut faults);
    restore(document, "/passphrase", &whole, &mut faults);
    restore_keys(document, &whole, &mut faults);
    restore_urls(document, ("inputs", "input"), &shown, &whole, &mut faults);
    restore_urls(document, ("push", "destination"), &shown, &whole, &mut faults);
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// The same for the settings of the program.
///
/// # Errors
/// The pointers of stars that nothing stands behind.
pub(crate) fn restore_settings(document: &mut Value, old: &Config) -> Result<(), Vec<Fault>> {
    let whole = json(&SettingsDocument::new(old, Shown::Whole));
    let mut faults = Vec::new();
    restore(document, "/listeners/srt/passphrase", &whole, &mut faults);
    restore_keys(document, &whole, &mut faults);
    restore_tokens(document, &whole, &mut faults);
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// Documents are plain values: they always have a JSON form.
fn json(document: &impl serde::Serialize) -> Value {
    serde_json::to_value(document).unwrap_or_default()
}

fn restore(document: &mut Value, pointer: &str, whole: &Value, faults: &mut Vec<Fault>) {
    let Some(given) = document.pointer_mut(pointer).filter(|given| *given == STARS) else { return };
    match whole.pointer(pointer).filter(|secret| secret.is_string()) {
        Some(secret) => *given = secret.clone(),
        None => faults
            .push(fault(pointer.to_owned(), "there is no secret that could stay; give one, or leave it out")),
    }
}

/// Keys have no names: one that comes back is that at its place.
fn restore_keys(document: &mut Value, whole: &Value, faults: &mut Vec<Fault>) {
    let count = document["play_auth_keys"].as_array().map_or(0, Vec::len);
    for place in 0..count {
        restore(document, &format!("/play_auth_keys/{place}"), whole, faults);
    }
}

/// Tokens are told apart by their names.
fn restore_tokens(document: &mut Value, whole: &Value, faults: &mut Vec<Fault>) {
    let Some(Value::Array(given)) = document.pointer_mut("/api/tokens") else { return };
    for (index, token) in given.iter_mut().enumerate() {
        if token.get("hash").is_none_or(|hash| hash != STARS) {
            continue;
        }
        let known = whole.pointer("/api/tokens").and_then(Value::as_array);
        match known.and_then(|known| known.iter().find(|known| known["name"] == token["name"])) {
            Some(known) => token["hash"] = known["hash"].clone(),
            None => faults.push(fault(
                format!("/api/tokens/{index}/hash"),
                "no token with this name is there; give its hash",
            )),
        }
    }
}

/// Inputs and destinations have no names: which one is meant is told by how it is shown, and by its order where several are
/// shown alike. `list` and `noun` are the list's name, and what is in it.
fn restore_urls(
    document: &mut Value,
    (list, noun): (&str, &str),
    shown: &Value,
    whole: &Value,
    faults: &mut Vec<Fault>,
) {
    let Some(Value::Array(given)) = document.get_mut(list) else { return };
    let urls: Vec<Option<String>> = given.iter().map(url).collect();
    let old =
        |old: &Value| old[list].as_array().map(|list| list.iter().map(url).collect()).unwrap_or_default();
    let (shown, whole): (Vec<_>, Vec<_>) = (old(shown), old(whole));
    let alike = |list: &[Option<String>], url: &str| {
        list.iter().filter(|other| other.as_deref() == Some(url)).count()
    };
    for (index, item) in given.iter_mut().enumerate() {
        let Some(masked) = urls.get(index).and_then(Option::as_deref).filter(|url| url.contains(STARS))
        else {
            continue;
        };
        let place = alike(urls.get(..index).unwrap_or_default(), masked);
        let secrets = shown.iter().zip(&whole).filter(|(shown, _)| shown.as_deref() == Some(masked));
        let (known, asked) = (alike(&shown, masked), alike(&urls, masked));
        match secrets.map(|(_, whole)| whole).nth(place) {
            Some(Some(secret)) if known == 1 || known == asked => item["url"] = secret.as_str().into(),
            found => {
                let why = match found {
                    Some(_) => format!(
                        "several {noun}s are shown like this, and not all of them are here; give it with its secrets"
                    ),
                    None => format!("no {noun} of the stream is shown like this; give it with its secrets"),
                };
                faults.push(fault(format!("/{list}/{index}/url"), why));
            }
        }
    }
}

fn url(item: &Value) -> Option<String> {
    item.get("url").and_then(Value::as_str).map(str::to_owned)
}

fn fault(pointer: String, why: impl Into<String>) -> Fault {
    Fault::new(Place::Pointer(pointer), why)
}

#[cfg(test)]
mod tests {
    use publisher::config::{Input, Push, Secret, Source, SrtCall};
    use serde_json::json;

    use super::*;

    fn stream(urls: &[&str]) -> Stream {
        let pushes = urls.iter().map(|url| Push::new(*url)).collect();
        Stream { pushes, stream_key: Some(Secret::new("key")), ..Stream::new("a".parse().expect("a code")) }
    }

    fn restored(document: Value, old: Option<&Stream>) -> Result<Value, Vec<String>> {
        let mut document = document;
        let pointers = |faults: Vec<Fault>| {
            faults.iter().filter_map(Fault::pointer).map(str::to_owned).collect::<Vec<_>>()
        };
        restore_stream(&mut document, old).map_err(pointers)?;
        Ok(document)
    }

    #[test]
    fn what_was_shown_comes_back_as_what_it_is() {
        let old = stream(&["rtmp://a/live/one", "rtmp://b/live/two", "rtmp://a/live/three"]);
        let shown = json(&StreamDocument::new(&old, Shown::Masked));
        assert!(!shown.to_string().contains("one") && shown["stream_key"] == "***");
        assert_eq!(restored(shown, Some(&old)), Ok(json(&StreamDocument::new(&old, Shown::Whole))));
        let moved =
            json!({"push": [{"url": "rtmp://c/live/four"}, {"url": "rtmp://b/live/***", "limit": 1}]});
        let expected =
            json!({"push": [{"url": "rtmp://c/live/four"}, {"url": "rtmp://b/live/two", "limit": 1}]});
        assert_eq!(restored(moved, Some(&old)), Ok(expected));
    }

    #[test]
    fn calls_over_srt_keep_their_secrets() {
        let mut call = SrtCall::new("host", 9000);
        call.passphrase = Some(Secret::new("ten letters"));
        call.stream_id = Some(Secret::new("live/news?key=k"));
        let inputs = vec![Input { source: Source::Srt(call), priority: 0 }];
        let old = Stream { inputs, ..stream(&[]) };
        let shown = json(&StreamDocument::new(&old, Shown::Masked));
        assert_eq!(shown["inputs"][0]["url"], "srt://host:9000?streamid=live/news?***&passphrase=***");
        assert_eq!(restored(shown, Some(&old)), Ok(json(&StreamDocument::new(&old, Shown::Whole))));
        let other = json!({"inputs": [{"url": "srt://other:9000?passphrase=***"}]});
        assert_eq!(restored(other, Some(&old)), Err(vec!["/inputs/0/url".to_owned()]));
    }

    #[test]
    fn stars_that_could_mean_several_secrets_or_none_are_refused() {
        let old = stream(&["rtmp://a/live/one", "rtmp://a/live/three"]);
        let one = json!({"push": [{"url": "rtmp://a/live/***"}]});
        assert_eq!(restored(one, Some(&old)), Err(vec!["/push/0/url".to_owned()]));
        let none =
            json!({"push": [{"url": "rtmp://a/live/x"}, {"url": "rtmp://z/live/***"}], "stream_key": "***"});
        assert_eq!(restored(none, None), Err(vec!["/stream_key".to_owned(), "/push/1/url".to_owned()]));
        for odd in
            [json!({"push": 1}), json!({"push": [1, {"url": 1}]}), json!(7), json!({"stream_key": null})]
        {
            assert_eq!(restored(odd.clone(), Some(&old)), Ok(odd));
        }
    }
}
