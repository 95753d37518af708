use std::task::{Context, Waker};

use ::mpegts::Mux;
use bytes::{Bytes, BytesMut};
use hub::{Cursor, Entry};
use media::codec::{aac, opaque};
use media::{Codec, Frame, TimeDelta, Timestamp, Track};
use testkit::{Clip, clip};

use super::*;
use crate::code::Address;
use crate::config::Stream;
use crate::service::{Publication, Service};
use crate::session::{Opening, Protocol, Role};

/// SCTE 35 14.2: a splice_insert at 0x072BD0050 with pts_adjustment 0.
const SPLICE_INSERT: [u8; 50] = [
    0xFC, 0x30, 0x2F, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xF0, 0x14, 0x05, 0x48, 0x00, 0x00,
    0x8F, 0x7F, 0xEF, 0xFE, 0x73, 0x69, 0xC0, 0x2E, 0xFE, 0x00, 0x52, 0xCC, 0xF5, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x0A, 0x00, 0x08, 0x43, 0x55, 0x45, 0x49, 0x00, 0x00, 0x01, 0x35, 0x62, 0xDB, 0xA3, 0x0A,
];
/// The splice_time of it.
const SPLICE_TIME: i64 = 0x1_7369_C02E;

/// A source of a stream of its own, and a reader behind.
struct Source {
    service: Arc<Service>,
    publication: Publication,
    demux: Demux,
    cursor: Cursor<Entry>,
    ms: u64,
}

impl Source {
    async fn new(settings: Settings) -> Self {
        let service = Service::for_testing();
        service.start(Stream::new("news".parse().expect("a code"))).await.expect("a stream");
        let address = Address { code: "news".parse().expect("a code"), rendition: None };
        let running = service.running(&address).expect("it runs");
        let opening = Opening {
            stream: running.code.clone(),
            rendition: None,
            protocol: Protocol::MpegTs,
            role: Role::Publisher,
            peer: None,
            agent: None,
            origin: None,
        };
        let cursor = running.rungs()[0].hub.subscribe().expect("it runs");
        let publication = service.seize(&running, opening, CLOCK);
        let demux = Demux::new(Arc::clone(&publication.feed), settings);
        Self { service, publication, demux, cursor, ms: 1000 }
    }

    fn now(&self) -> Arrival {
        let mono = Duration::from_millis(self.ms);
        Arrival { mono, wall: Timestamp::from_duration(mono + Duration::from_secs(1_800_000_000)) }
    }

    /// Takes bytes in the parts that UDP has, which take so long in all.
    fn push(&mut self, bytes: &[u8], ms: u64) -> Delivered {
        let parts = bytes.len().div_ceil(1316) as u64;
        let (begin, mut delivered) = (self.ms, Delivered::default());
        for (number, part) in (1..).zip(bytes.chunks(1316)) {
            self.ms = begin + ms * number / parts;
            self.demux.push(self.now(), part);
            let more = self.demux.deliver(self.now(), self.publication.rung());
            delivered.units += more.units;
            delivered.taken_over |= more.taken_over;
        }
        delivered
    }

    fn finish(&mut self) {
        self.demux.finish(self.now());
        self.demux.deliver(self.now(), self.publication.rung());
    }

    fn entries(&mut self) -> Vec<Entry> {
        let mut entries = Vec::new();
        let _ = self.cursor.poll_read(&mut Context::from_waker(Waker::noop()), &mut entries, usize::MAX);
        entries
    }

    fn warnings(&self) -> Vec<String> {
        self.service.statuses().remove(0).warnings
    }

    fn error(&self) -> Option<String> {
        self.service.statuses().remove(0).last_error.map(|(_, error)| error)
    }
}

fn mux(tracks: &[Track], frames: &[Frame]) -> BytesMut {
    let (mut mux, mut out) = (Mux::new(Timestamp::ZERO), BytesMut::new());
    assert!(mux.set_tracks(tracks).is_empty());
    frames.iter().for_each(|frame| mux.frame(frame, &mut out));
    out
}

fn splices() -> Track {
    let config = opaque::Config { stream_type: 0x86, descriptors: Bytes::new() };
    Track { id: TrackId(2), codec: Codec::Opaque(config) }
}

/// The clip from `start` on, and in it two times before the picture of a splice that is announced.
fn with_splice(start: Timestamp) -> (Clip, Vec<Frame>, Frame) {
    let Clip { mut tracks, mut frames, duration } = clip().looped(2).starting_at(start);
    let pictures = frames.iter().filter(|frame| frame.track == TrackId::VIDEO);
    let target = pictures.clone().nth(60).expect("a picture").clone();
    let shift = target.pts.to_scale(90_000) - SPLICE_TIME;
    let section = ::mpegts::shift_splice(&SPLICE_INSERT, shift).expect("a section");
    let at: Vec<_> =
        [20, 40].into_iter().filter_map(|nth| pictures.clone().nth(nth)).map(|frame| frame.dts).collect();
    let sections = at.into_iter().map(|dts| {
        let (pts, duration, data) = (dts, TimeDelta::ZERO, section.clone());
        Frame { track: TrackId(2), dts, pts, duration, key: true, data }
    });
    let sections: Vec<_> = sections.collect();
    frames.extend(sections.clone());
    frames.sort_by_key(|frame| frame.dts);
    tracks.push(splices());
    (Clip { tracks, frames, duration }, sections, target)
}

/// What a section says of its time, in 33 bits.
fn splice_time(section: &[u8]) -> i64 {
    let adjustment =
        section[4..9].iter().fold(0i64, |value, &byte| value << 8 | i64::from(byte)) & ((1 << 33) - 1);
    (adjustment + SPLICE_TIME) % (1 << 33)
}

#[tokio::test]
async fn tracks_begin_together_and_every_frame_comes() {
    // As ADTS says it.
    let mut clip = clip();
    clip.tracks[1].codec = Codec::Aac(aac::Config::decode(&[0x11, 0x88]).expect("AAC"));
    let mut source = Source::new(Settings::default()).await;
    source.push(&mux(&clip.tracks, &clip.frames), 2000);
    source.finish();
    let entries = source.entries();
    let first = entries.first().map(|entry| Arc::clone(&entry.context));
    assert_eq!(first.map(|context| context.tracks.to_vec()), Some(clip.tracks.clone()));
    for track in &clip.tracks {
        let sent: Vec<_> = clip.frames.iter().filter(|frame| frame.track == track.id).collect();
        let came: Vec<_> =
            entries.iter().map(|entry| &entry.frame).filter(|frame| frame.track == track.id).collect();
        assert_eq!(came.len(), sent.len());
        assert!(
            came.iter()
                .zip(&sent)
                .all(|(came, sent)| came.data.ends_with(&sent.data) && came.key == sent.key)
        );
        let delay = |frame: &&Frame| frame.pts - frame.dts;
        assert!(came.iter().map(delay).eq(sent.iter().map(delay)), "presentation stays where it was");
    }
    assert_eq!((source.error(), source.warnings()), (None, vec![]));
}

#[tokio::test]
async fn what_a_track_is_is_known_with_its_first_access_unit() {
    let clip = clip();
    let mut source = Source::new(Settings::default()).await;
    let now = source.now();
    source.demux.push(now, &mux(&clip.tracks, &clip.frames));
    let mut units = 0;
    while let Some((track, _)) = source.demux.next_unit(now, source.publication.rung()) {
        assert!(source.demux.is_media(track), "the length of a round counts it");
        source.demux.deliver_unit(now, source.publication.rung());
        units += 1;
    }
    assert!(units > clip.frames.len() - 4, "{units}");
}

#[tokio::test]
async fn a_splice_is_told_in_hub_time() {
    let ten_before_wrap = Timestamp::from_scale((1 << 33) - 900_000 - 90_000, 90_000);
    for start in [Timestamp::ZERO, ten_before_wrap] {
        let (clip, sections, target) = with_splice(start);
        let mut source = Source::new(Settings::default()).await;
        source.push(&mux(&clip.tracks, &clip.frames), 4000);
        source.finish();
        let entries = source.entries();
        assert_eq!(entries.first().map(|entry| entry.context.tracks.len()), Some(3), "known from the map");
        let came: Vec<_> = entries.iter().filter(|entry| entry.frame.track == TrackId(2)).collect();
        assert_eq!(came.len(), sections.len());
        let picture =
            entries.iter().find(|entry| entry.frame.data == target.data && entry.frame.track == target.track);
        let pts = picture.map(|entry| entry.frame.pts.to_scale(90_000) % (1 << 33));
        for entry in came {
            assert_eq!(Some(splice_time(&entry.frame.data)), pts);
            assert!(::mpegts::shift_splice(&entry.frame.data, 0).is_some(), "its CRC is right");
        }
        // And what leaves says the same in the terms of the transport stream.
        let frames: Vec<_> = entries.iter().map(|entry| entry.frame.clone()).collect();
        let out = mux(&clip.tracks, &frames);
        let mut demux = ::mpegts::Demux::new(Settings::default());
        demux.push(&out);
        demux.finish();
        let units: Vec<_> = std::iter::from_fn(|| demux.poll()).collect();
        let is_target = |unit: &&Media| matches!(unit, Media::Unit { track: TrackId::VIDEO, data, .. } if *data == target.data);
        let Some(Media::Unit { pts, .. }) = units.iter().find(is_target) else { panic!("no picture") };
        let told = units.iter().find_map(|unit| match unit {
            Media::Unit { track: TrackId(2), data, .. } => Some(splice_time(data)),
            _ => None,
        });
        assert_eq!(told, Some(pts.cast_signed()));
    }
}

#[tokio::test]
async fn lost_packets_are_counted_and_told() {
    let clip = clip();
    let mut bytes = mux(&clip.tracks, &clip.frames);
    let mut source = Source::new(Settings::default()).await;
    let behind = bytes.split_off(188 * 300);
    source.push(&bytes, 500);
    source.push(&behind[188 * 7..], 1500);
    source.demux.report(source.publication.session.session());
    // Tables have counters of their own.
    let lost = source.publication.session.packets_lost();
    assert!((5..=7).contains(&lost), "{lost}");
    let fraction = source.publication.session.reception()[&0].fraction_lost;
    assert!(fraction > 0.0 && fraction < 0.1, "{fraction}");
    assert!(
        source.error().is_some_and(|error| error.ends_with("packets are missing")),
        "{:?}",
        source.error()
    );
}

#[tokio::test]
async fn what_is_promised_and_does_not_come_is_told_until_it_comes() {
    let clip = clip();
    let of =
        |track| clip.frames.iter().filter(move |frame| frame.track == track).cloned().collect::<Vec<_>>();
    let (pictures, sound) = (of(TrackId::VIDEO), of(TrackId::AUDIO));
    let (mut mux, mut out) = (Mux::new(Timestamp::ZERO), BytesMut::new());
    mux.set_tracks(&clip.tracks);
    let mut source = Source::new(Settings::default()).await;
    pictures.iter().for_each(|frame| mux.frame(frame, &mut out));
    source.push(&out.split(), 4900);
    assert_eq!(source.warnings(), [""; 0]);
    source.ms += 1000;
    source.demux.deliver(source.now(), source.publication.rung());
    assert_eq!(source.warnings(), ["the source announces AAC on PID 0x101 and does not send it"]);
    let later = |frame: &Frame| Frame {
        dts: frame.dts + clip.duration,
        pts: frame.pts + clip.duration,
        ..frame.clone()
    };
    sound.iter().for_each(|frame| mux.frame(&later(frame), &mut out));
    source.push(&out, 2000);
    assert_eq!(source.warnings(), [""; 0]);
}

#[tokio::test]
async fn a_program_that_is_not_there_is_told_with_those_that_are() {
    let clip = clip();
    let mut source = Source::new(Settings { program: Some(7), ..Settings::default() }).await;
    source.push(&mux(&clip.tracks, &clip.frames), 2000);
    assert_eq!(source.warnings(), ["the source has no program 7; it has 1"]);
    assert_eq!(source.entries().len(), 0);
}

#[tokio::test]
async fn what_is_no_transport_stream_is_told() {
    let mut source = Source::new(Settings::default()).await;
    source.push(&[0x55; 1 << 16], 1000);
    assert!(source.error().is_some_and(|error| error.ends_with("bytes are no MPEG transport stream")));
}

#[tokio::test]
async fn a_source_whose_stream_was_taken_learns_it() {
    let clip = clip();
    let bytes = mux(&clip.tracks, &clip.frames);
    let mut source = Source::new(Settings::default()).await;
    assert!(!source.push(&bytes, 2000).taken_over);
    let _other = source.publication.rung().hub.open(CLOCK);
    assert!(source.push(&bytes, 2000).taken_over);
}

#[test]
fn distances_go_over_the_wrap() {
    assert_eq!(distance(5, 8), 3);
    assert_eq!(distance(8, 5), -3);
    assert_eq!(distance(WRAP - 1, 2), 3);
    assert_eq!(distance(2, WRAP - 1), -3);
}
