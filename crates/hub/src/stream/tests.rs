//! A stream as its sources and readers see it.

mod ladder;

use std::task::{Poll, Waker};

use media::codec::{aac, opaque, opus};
use media::{Codec, Timestamp};

use super::*;
use crate::Read;

fn sound(id: u16) -> Track {
    Track { id: TrackId(id), codec: Codec::Aac(aac::Config::decode(&[0x11, 0x90]).expect("48 kHz stereo")) }
}

fn data(id: u16) -> Track {
    let config = opaque::Config { stream_type: 6, descriptors: Bytes::new() };
    Track { id: TrackId(id), codec: Codec::Opaque(config) }
}

fn at(ms: u64) -> Arrival {
    let mono = Duration::from_millis(ms);
    Arrival { mono, wall: Timestamp::from_duration(Duration::from_secs(1_700_000_000) + mono) }
}

/// Pushes one frame per 20 ms from `from` to `to`, as a source that started at `zero` has them.
fn feed_sound(feed: &Feed, zero: u64, from: u64, to: u64) {
    for ms in (from..to).step_by(20) {
        feed.push(at(ms), TrackId(0), ms - zero, 0, true, Bytes::from_static(b"frame"));
    }
}

fn read(cursor: &mut Cursor<Entry>) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut cx = std::task::Context::from_waker(Waker::noop());
    assert_eq!(cursor.poll_read(&mut cx, &mut entries, usize::MAX), Poll::Ready(Read::Items));
    entries
}

#[test]
fn the_stream_outlives_its_sources_and_the_context_tells_of_the_change() {
    let stream = Stream::new(Limits { keep_unread: true, ..Limits::default() });
    let mut cursor = stream.subscribe().expect("open");
    let first = stream.open(SourceClock::RTMP);
    first.set_tracks(vec![data(0)]);
    feed_sound(&first, 0, 0, 2000);
    drop(first);
    assert!(!stream.status(Duration::from_secs(2)).fed);
    let second = stream.open(SourceClock::RTMP);
    second.set_tracks(vec![data(0), data(1)]);
    feed_sound(&second, 5000, 5000, 7000);
    let entries = read(&mut cursor);
    let epochs: Vec<u64> = entries.iter().map(|entry| entry.context.epoch.id).collect();
    assert!(epochs.is_sorted() && epochs.first() != epochs.last());
    assert!(entries.is_sorted_by(|a, b| a.frame.dts < b.frame.dts), "hub time never goes back");
    let gap = entries.windows(2).map(|pair| pair[1].frame.dts - pair[0].frame.dts).max().expect("pairs");
    assert!(
        (gap - TimeDelta::from_millis(3020)).abs() < TimeDelta::from_millis(50),
        "the time between: {gap:?}"
    );
    assert_eq!((entries[0].context.tracks.len(), entries[entries.len() - 1].context.tracks.len()), (1, 2));
    assert!(entries[entries.len() - 1].context.anchor.is_some(), "settled");
}

#[test]
fn who_took_the_stream_last_is_the_one_who_may_write() {
    let stream = Stream::new(Limits::default());
    let old = stream.open(SourceClock::RTMP);
    old.set_tracks(vec![data(0)]);
    let new = stream.open(SourceClock::RTMP);
    new.set_tracks(vec![data(0)]);
    assert_eq!(old.push(at(0), TrackId(0), 0, 0, true, Bytes::new()), Pushed::Refused);
    assert!(!old.is_current() && new.is_current());
    drop(old);
    assert!(stream.status(Duration::ZERO).fed, "leaving late ends nobody else's source");
    assert_eq!(new.push(at(0), TrackId(0), 0, 0, true, Bytes::new()), Pushed::Taken);
}

#[test]
fn status_tells_tracks_and_rate() {
    let stream = Stream::new(Limits::default());
    let feed = stream.open(SourceClock::RTMP);
    feed.set_tracks(vec![sound(0)]);
    feed_sound(&feed, 0, 0, 4000);
    let status = stream.status(Duration::from_secs(4));
    assert_eq!(status.tracks.len(), 1);
    assert_eq!((status.tracks[0].frames, status.tracks[0].bytes), (200, 1000));
    assert!((1900..=2100).contains(&status.bits_per_second), "{}", status.bits_per_second);
}

#[test]
fn opus_frames_last_as_long_as_they_say() {
    let stream = Stream::new(Limits::default());
    let mut cursor = stream.subscribe().expect("open");
    let feed = stream.open(SourceClock::RTMP);
    let head = b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0";
    let config = opus::Config::decode(head).expect("stereo");
    feed.set_tracks(vec![Track { id: TrackId(0), codec: Codec::Opus(config) }]);
    // RFC 6716 3.1: configuration 31 is CELT with 20 ms, one frame per packet.
    for ms in (0..200).step_by(20) {
        feed.push(at(ms), TrackId(0), ms, 0, true, Bytes::from_static(&[31 << 3, 0]));
    }
    assert!(read(&mut cursor).iter().all(|entry| entry.frame.duration == TimeDelta::from_millis(20)));
}

#[test]
fn who_waits_for_frames_is_counted() {
    let stream = Stream::new(Limits::default());
    let feed = stream.open(SourceClock::RTMP);
    let viewers = [stream.hasten(), stream.hasten()];
    assert!(feed.is_awaited());
    drop(viewers);
    assert!(!feed.is_awaited());
}

#[test]
fn a_closed_stream_ends_its_readers_and_takes_no_new_ones() {
    let stream = Stream::new(Limits::default());
    stream.close();
    assert!(stream.subscribe().is_none());
}
