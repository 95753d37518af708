//! The key `push` of a stream: where it is pushed to.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use publisher::config::{DEFAULT_RENDITION, Push, Rendition, Secret};

use super::read::Item;

/// Bounds of `timeout_sec` and `retry_timeout_sec`.
const SECONDS: RangeInclusive<u64> = 1..=86_400;
/// Destinations of one stream.
const MOST: usize = 256;

/// Reads a list of destinations of a stream with this ladder.
pub(super) fn pushes(item: &Item<'_>, renditions: &[Rendition]) -> Vec<Push> {
    let items = item.list();
    if items.len() > MOST {
        item.wrong(&format!("{} destinations, at most {MOST} are allowed", items.len()));
    }
    items.into_iter().filter_map(|item| destination(item, renditions)).collect()
}

/// One destination. What its URL is worth is not judged here: that is shown as the state of the destination.
fn destination(item: Item<'_>, renditions: &[Rendition]) -> Option<Push> {
    let whole = item.clone();
    let mut section = item.section();
    let url = section.item("url");
    let enabled = section.item("enabled").and_then(|item| item.flag());
    let mut seconds = |key: &'static str| {
        let number = section.item(key).and_then(|item| item.whole(SECONDS));
        number.map(Duration::from_secs)
    };
    let (timeout, retry_timeout) = (seconds("timeout_sec"), seconds("retry_timeout_sec"));
    let limit = section.item("limit").and_then(|item| item.whole(0..=u64::from(u32::MAX)));
    let rendition = section.item("rendition").and_then(|item| rendition(&item, renditions));
    let comment = section.item("comment").and_then(|item| item.text().map(str::to_owned));
    let ca_file = section.item("ca_file").and_then(|item| item.text().map(PathBuf::from));
    let insecure = section.item("insecure").and_then(|item| item.flag());
    section.close();
    let Some(url) = url else {
        whole.wrong("a push needs a url: rtmp://host/application/key or rtmps://host/application/key");
        return None;
    };
    let default = Push::new("");
    Some(Push {
        url: Secret::new(url.text()?),
        enabled: enabled.unwrap_or(default.enabled),
        timeout: timeout.unwrap_or(default.timeout),
        retry_timeout: retry_timeout.unwrap_or(default.retry_timeout),
        limit: limit.and_then(|limit| u32::try_from(limit).ok()).unwrap_or(default.limit),
        rendition,
        comment,
        ca_file,
        insecure: insecure.unwrap_or(default.insecure),
    })
}

/// The name of a rung that the stream has.
fn rendition(item: &Item<'_>, renditions: &[Rendition]) -> Option<String> {
    let name = item.text()?;
    let mut names: Vec<&str> = renditions.iter().map(|rung| rung.name.as_str()).collect();
    if names.is_empty() {
        names.push(DEFAULT_RENDITION);
    }
    if !names.contains(&name) {
        item.refuse(&names.join(", "));
        return None;
    }
    Some(name.to_owned())
}
