//! What differs between two configurations of a stream, as changes in the order in which they are made.

use super::plan::Change;
use crate::config::{AbrRepMeta, Input, Output, Push, Rendition, Source, Stream};
use crate::inputs::{self, InputChanges};
use crate::push;

/// What makes a stream that runs as `old` one that runs as `new`; the code is not looked at.
pub(super) fn changes(old: &Stream, new: &Stream) -> Vec<Change> {
    // Taken apart, so that a new field cannot be forgotten.
    let Stream {
        code: _,
        inputs,
        renditions: _,
        protocols,
        pushes,
        stream_key,
        srt_passphrase,
        takeover,
        play_auth,
    } = old;
    let mut changes = Vec::new();
    changes.extend((*stream_key != new.stream_key).then_some(Change::StreamKeyChanges));
    changes.extend((*srt_passphrase != new.srt_passphrase).then_some(Change::PassphraseChanges));
    changes.extend((*takeover != new.takeover).then_some(Change::TakeoverChanges(new.takeover)));
    changes.extend((*play_auth != new.play_auth).then_some(Change::PlayAuthChanges));
    let switched = |on: bool| {
        Output::ALL.into_iter().filter(move |&output| {
            protocols.has(output) != new.protocols.has(output) && new.protocols.has(output) == on
        })
    };
    changes.extend(switched(false).map(Change::OutputStops));
    let (stopped, started, reordered) = of_inputs(inputs, &new.inputs);
    changes.extend(stopped.into_iter().map(Change::InputStops));
    changes.extend(ladder(old, new));
    changes.extend(announcements(old, new).into_iter().map(Change::RungAnnounced));
    changes.extend(switched(true).map(Change::OutputStarts));
    changes.extend(started.into_iter().map(Change::InputStarts));
    changes.extend(reordered.then_some(Change::PrioritiesChange));
    changes.extend(of_pushes(pushes, &new.pushes));
    changes
}

/// Inputs that end and begin, as they are shown, and whether those that stay have another order.
fn of_inputs(old: &[Input], new: &[Input]) -> (Vec<String>, Vec<String>, bool) {
    let InputChanges { mut fresh, mut gone } = inputs::changes(old, new);
    match (publishes(old), publishes(new)) {
        (true, false) => gone.push(Source::Publish),
        (false, true) => fresh.push(Source::Publish),
        _ => {}
    }
    let same_sources = fresh.is_empty() && gone.is_empty();
    let shown = |sources: &[Source]| sources.iter().map(inputs::shown).collect();
    (shown(&gone), shown(&fresh), same_sources && old != new)
}

/// Whether encoders may come.
pub(super) fn publishes(inputs: &[Input]) -> bool {
    inputs.iter().any(|input| input.source == Source::Publish)
}

/// Whether the ladder has other rungs, or the same in another order.
pub(super) fn is_other_ladder(old: &Stream, new: &Stream) -> bool {
    names(old) != names(new)
}

fn names(stream: &Stream) -> Vec<String> {
    stream.rungs().into_iter().map(|rung| rung.name).collect()
}

fn ladder(old: &Stream, new: &Stream) -> Option<Change> {
    let (old, new) = (names(old), names(new));
    let not_in = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|name| !those.contains(name)).cloned().collect()
    };
    (old != new).then(|| Change::LadderChanges { added: not_in(&new, &old), removed: not_in(&old, &new) })
}

/// What is to be said anew of rungs; nothing where the ladder is another, for then all is.
pub(super) fn announcements(old: &Stream, new: &Stream) -> Vec<AbrRepMeta> {
    if is_other_ladder(old, new) {
        return Vec::new();
    }
    let (old, new) = (old.rungs(), new.rungs());
    old.iter().zip(&new).filter(|(old, new)| old != new).map(|(old, new)| announced(old, new)).collect()
}

/// What is to be said of a rung. A size that stays is not said: that of the pictures counts then.
fn announced(old: &Rendition, new: &Rendition) -> AbrRepMeta {
    let resized = (old.width, old.height) != (new.width, new.height);
    let pixels = |number: Option<u32>| number.filter(|_| resized).unwrap_or(0);
    AbrRepMeta {
        slug: new.name.clone(),
        bandwidth: u64::from(new.bitrate_kbps.unwrap_or(0)) * 1000,
        width: pixels(new.width),
        height: pixels(new.height),
        // A configuration does not say; what comes counts.
        has_audio: true,
    }
}

/// Destinations that end, begin, or have another comment. Two that are alike are two.
fn of_pushes(old: &[Push], new: &[Push]) -> Vec<Change> {
    let mut left: Vec<&Push> = old.iter().filter(|push| push.enabled).collect();
    let (mut noted, mut started) = (Vec::new(), Vec::new());
    for push in new.iter().filter(|push| push.enabled) {
        let url = || push::masked(push.url.reveal());
        let Some(place) = left.iter().position(|old| old.is_like(push)) else {
            started.push(Change::PushStarts(url()));
            continue;
        };
        if left.remove(place).comment != push.comment {
            noted.push(Change::PushNoted(url()));
        }
    }
    let stopped = left.into_iter().map(|push| Change::PushStops(push::masked(push.url.reveal())));
    stopped.chain(started).chain(noted).collect()
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;
    use crate::config::{Protocols, Secret};

    fn stream() -> Stream {
        Stream::new("news".parse().expect("a code"))
    }

    fn ladder(names: &[&str]) -> Stream {
        Stream { renditions: names.iter().map(|name| Rendition::new(*name)).collect(), ..stream() }
    }

    fn texts(old: &Stream, new: &Stream) -> Vec<String> {
        changes(old, new).iter().map(Change::to_string).collect()
    }

    #[test]
    fn what_is_equal_needs_nothing() {
        assert_eq!(changes(&stream(), &stream()), []);
        assert_eq!(changes(&stream(), &ladder(&["track_1"])), [], "the default that is written out");
    }

    #[test]
    fn everything_of_a_stream_can_be_changed_and_no_secret_is_in_the_plan() {
        let file = Source::File { path: "/a.flv".into(), looped: true, program: None };
        let old = Stream { protocols: Protocols { srt: false, ..Protocols::BUILT }, ..stream() };
        let new = Stream {
            inputs: vec![Input { source: file, priority: 0 }],
            protocols: Protocols { mpegts: false, hls: false, ..Protocols::BUILT },
            stream_key: Some(Secret::new("geheim")),
            srt_passphrase: Some(Secret::new("geheim")),
            takeover: false,
            pushes: vec![Push::new("rtmp://host/live/geheim")],
            ..ladder(&["x"])
        };
        let there = [
            "another stream key",
            "another passphrase for SRT",
            "takeover off",
            "HLS off",
            "MPEG-TS off",
            "input publish:// removed",
            "another ladder, added: x, removed: track_1",
            "SRT on",
            "input file:///a.flv added",
            "push to rtmp://host/live/*** added",
        ];
        assert_eq!(texts(&old, &new), there);
        let back = texts(&new, &old);
        assert_eq!(back.len(), there.len());
        assert!(back.contains(&"push to rtmp://host/live/*** removed".to_owned()), "{back:?}");
    }

    #[test]
    fn another_order_of_rungs_is_another_ladder_and_a_rate_is_announced_in_place() {
        let (old, mut new) = (ladder(&["x", "y"]), ladder(&["y", "x"]));
        assert_eq!(texts(&old, &new), ["another ladder"]);
        new = ladder(&["x", "y"]);
        new.renditions[1] =
            Rendition { bitrate_kbps: Some(7), width: Some(64), height: Some(36), ..Rendition::new("y") };
        let meta = |bandwidth, width, height| AbrRepMeta {
            slug: "y".to_owned(),
            bandwidth,
            width,
            height,
            has_audio: true,
        };
        assert_eq!(changes(&old, &new), [Change::RungAnnounced(meta(7000, 64, 36))]);
        let mut faster = new.clone();
        faster.renditions[1].bitrate_kbps = Some(9);
        assert_eq!(changes(&new, &faster), [Change::RungAnnounced(meta(9000, 0, 0))], "the size stays");
    }

    #[test]
    fn destinations_are_told_apart_and_one_that_is_off_is_none() {
        let of = |pushes: &[Push]| Stream { pushes: pushes.to_vec(), ..stream() };
        let [a, b] = ["rtmp://a/live/key", "rtmp://b/live/key"].map(Push::new);
        let off = Push { enabled: false, ..a.clone() };
        let noted = Push { comment: Some("main".to_owned()), ..a.clone() };
        let changed = Push { limit: 1, ..b.clone() };
        assert_eq!(texts(&of(&[a.clone(), off.clone()]), &of(from_ref(&a))), [""; 0]);
        assert_eq!(
            texts(&of(&[a.clone(), a.clone()]), &of(from_ref(&a))),
            ["push to rtmp://a/live/*** removed"]
        );
        assert_eq!(
            texts(&of(from_ref(&a)), &of(&[noted])),
            ["another comment for the push to rtmp://a/live/***"]
        );
        let replaced = ["push to rtmp://b/live/*** removed", "push to rtmp://b/live/*** added"];
        assert_eq!(texts(&of(&[b]), &of(&[changed])), replaced);
        assert_eq!(texts(&of(&[off]), &of(&[a])), ["push to rtmp://a/live/*** added"]);
    }

    #[test]
    fn another_priority_ends_no_input() {
        let with =
            |priority| Stream { inputs: vec![Input { source: Source::Publish, priority }], ..stream() };
        assert_eq!(changes(&with(0), &with(1)), [Change::PrioritiesChange]);
    }
}
