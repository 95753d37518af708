//! The section `streams`.

use std::ops::RangeInclusive;

use publisher::Code;
use publisher::config::{Input, Protocols, Rendition, Secret, Source, Stream};

use super::fault::Fault;
use super::read::{Item, Notes, Section};
use super::source::{SOURCES, source};
use super::{play_auth, push, service};

/// Bounds of the width and the height of a rendition.
const PIXELS: RangeInclusive<u64> = 1..=65_535;
/// Bounds of `bitrate_kbps`.
const KBPS: RangeInclusive<u64> = 1..=4_000_000;

/// Reads `streams`, a mapping from codes to streams. `has_keys`: there are keys for play tokens of those that have none.
pub(super) fn streams(section: Section<'_>, notes: &Notes, has_keys: bool) -> Vec<Stream> {
    let mut streams = Vec::new();
    for (entry, item) in section.entries() {
        match entry.key.parse::<Code>() {
            Ok(code) => streams.push(stream(Stream::new(code), item, has_keys)),
            Err(error) => notes.add(Fault::new(entry.place.clone(), format!("streams: {error}"))),
        }
    }
    streams
}

/// Reads one stream. `has_keys` is as for all.
pub(super) fn stream(default: Stream, item: Option<Item<'_>>, has_keys: bool) -> Stream {
    // `demo:` with nothing behind it is a stream with every default.
    let Some(item) = item else { return default };
    let mut section = item.section();
    let inputs = section.item("inputs").map(|item| inputs(&item));
    let protocols = protocols(section.section("protocols"), default.protocols);
    let push_item = section.item("push");
    let stream_key = section.item("stream_key").and_then(|item| item.text()).map(Secret::new);
    let srt_passphrase = section.item("passphrase").and_then(|item| service::passphrase(&item));
    let takeover = section.item("takeover").and_then(|item| item.flag()).unwrap_or(default.takeover);
    let renditions_item = section.item("renditions");
    let renditions = renditions_item.as_ref().map(renditions).unwrap_or_default();
    let pushes = push_item.map(|item| push::pushes(&item, &renditions)).unwrap_or_default();
    let play_auth = play_auth::play_auth(&mut section, has_keys);
    section.close();
    let inputs = inputs.unwrap_or(default.inputs);
    let published = inputs.iter().all(|input| input.source == Source::Publish);
    if let (Some(item), true, false) = (renditions_item, renditions.len() > 1, published) {
        item.wrong("an input of its own has one rendition and cannot feed several; leave them out, or have an encoder publish each");
    }
    Stream {
        inputs,
        renditions,
        protocols,
        pushes,
        stream_key,
        srt_passphrase,
        takeover,
        play_auth,
        ..default
    }
}

/// The rungs of a ladder. One without a name is called after its place.
fn renditions(item: &Item<'_>) -> Vec<Rendition> {
    let items = item.list();
    if items.len() > Rendition::MAX {
        item.wrong(&format!("{} renditions, at most {} are allowed", items.len(), Rendition::MAX));
    }
    let mut renditions: Vec<Rendition> = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let (rendition, name) = rendition(item.clone(), format!("track_{}", index + 1));
        if renditions.iter().any(|other| other.name == rendition.name) {
            let name = name.unwrap_or(item);
            name.wrong(&format!(
                "another rendition of this stream is named {} too; give each its own name",
                rendition.name
            ));
        }
        renditions.push(rendition);
    }
    renditions
}

/// One rung, and the item that names it.
fn rendition<'a>(item: Item<'a>, default_name: String) -> (Rendition, Option<Item<'a>>) {
    let mut section = item.section();
    let name_item = section.item("name");
    let name = name_item.as_ref().and_then(|item| {
        let name = item.text()?;
        match Rendition::check_name(name) {
            Ok(()) => Some(name.to_owned()),
            Err(allowed) => {
                item.refuse(allowed);
                None
            }
        }
    });
    let mut number = |key: &'static str, range| {
        let number = section.item(key).and_then(|item| item.whole(range));
        number.and_then(|number| u32::try_from(number).ok())
    };
    let (width, height) = (number("width", PIXELS), number("height", PIXELS));
    let bitrate_kbps = number("bitrate_kbps", KBPS);
    section.close();
    (Rendition { name: name.unwrap_or(default_name), width, height, bitrate_kbps }, name_item)
}

fn inputs(item: &Item<'_>) -> Vec<Input> {
    let items = item.list();
    if items.is_empty() && item.holds_nothing() {
        item.wrong("a stream needs an input; leave the key out for publish://");
    }
    if items.len() > 1 {
        item.wrong("failover between inputs is not in this version yet; one input is allowed");
    }
    items.into_iter().filter_map(input).collect()
}

fn input(item: Item<'_>) -> Option<Input> {
    let whole = item.clone();
    let mut section = item.section();
    let url = section.item("url");
    let priority = section.item("priority").and_then(|item| item.whole(0..=u64::from(u32::MAX)));
    section.close();
    let Some(url) = url else {
        whole.wrong(&format!("an input needs a url; allowed: {SOURCES}"));
        return None;
    };
    let source = source(&url)?;
    Some(Input { source, priority: priority.and_then(|number| u32::try_from(number).ok()).unwrap_or(0) })
}

fn protocols(mut section: Section<'_>, default: Protocols) -> Protocols {
    let mut flag =
        |key: &'static str, default: bool| section.item(key).and_then(|item| item.flag()).unwrap_or(default);
    let protocols = Protocols {
        hls: flag("hls", default.hls),
        dash: flag("dash", default.dash),
        rtsp: flag("rtsp", default.rtsp),
        rtmp: flag("rtmp", default.rtmp),
        srt: flag("srt", default.srt),
        mpegts: flag("mpegts", default.mpegts),
    };
    section.close();
    protocols
}
