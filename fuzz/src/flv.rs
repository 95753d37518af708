//! FLV: tag bodies to tracks and frames, and files to tags.

use std::collections::BTreeMap;
use std::mem;

use bytes::Bytes;
use media::codec::av1;
use media::{Codec, TrackId, nal};
use rtmp::flv::file::Reader;
use rtmp::flv::mux;
use rtmp::flv::{Demux, Media, Tag, TagKind};
use rtmp::{Error, Limits};

use crate::input::Input;
use crate::limits;

/// Tracks of one stream, and of one message.
const TRACKS: usize = 16;
/// A unit of one byte behind a length of one byte grows most by getting a length of four.
const GROWTH: (usize, usize) = (5, 2);

/// Tags, each a kind, a length of 16 bits and a body.
///
/// - Each frame belongs to a track announced before, whose configuration is that of the frame.
/// - Frames, tracks and things that are not supported stay within their bounds.
/// - Frames of H.264 and H.265 are whole units behind lengths of four bytes.
/// - What is written again is read as the same.
pub fn flv_tags(data: &[u8]) {
    let mut input = Input::new(data);
    let mut watch = Watch::default();
    for timestamp_ms in 0.. {
        if input.is_empty() {
            break;
        }
        let kind = match input.byte() % 3 {
            0 => TagKind::Audio,
            1 => TagKind::Video,
            _ => TagKind::Script,
        };
        watch.push(Tag { kind, timestamp_ms, body: Bytes::copy_from_slice(input.block()) });
    }
}

/// The first byte chooses the limits, the next two the size of the parts in which the rest, a file, arrives.
///
/// - Tags and kind of error do not depend on how the bytes were split; what is in the tags is watched as in
///   [`flv_tags`].
/// - No tag is longer than the limits allow.
pub fn flv_file(data: &[u8]) {
    let mut input = Input::new(data);
    let limits = limits(input.byte());
    let step = input.number(2) as usize + 1;
    let bytes = input.rest();
    let (tags, error) = read(&limits, bytes, bytes.len().max(1));
    assert_eq!(read(&limits, bytes, step), (tags.clone(), error), "in parts of {step}");
    let mut watch = Watch::default();
    for tag in tags {
        assert!(tag.body.len() <= limits.media_bytes as usize);
        watch.push(tag);
    }
}

/// The tags, and the variant of the error after them.
fn read(limits: &Limits, bytes: &[u8], step: usize) -> (Vec<Tag>, Option<mem::Discriminant<Error>>) {
    let mut reader = Reader::new(limits);
    let mut tags = Vec::new();
    for part in bytes.chunks(step) {
        reader.push(part);
        loop {
            match reader.poll() {
                Ok(Some(tag)) => tags.push(tag),
                Ok(None) => break,
                Err(error) => return (tags, Some(mem::discriminant(&error))),
            }
        }
    }
    (tags, None)
}

/// A demultiplexer, and what it promised so far.
#[derive(Default)]
struct Watch {
    demux: Demux,
    tracks: BTreeMap<TrackId, Codec>,
    written: BTreeMap<TrackId, Written>,
    unsupported: usize,
}

impl Watch {
    fn push(&mut self, tag: Tag) {
        let (len, dts) = (tag.body.len(), tag.timestamp_ms);
        // An error is about this tag alone.
        let _ = self.demux.push(tag);
        let (mut count, mut bytes) = (0, 0);
        while let Some(media) = self.demux.poll() {
            count += 1;
            bytes += self.check(media, dts);
        }
        assert!(count <= 2 * TRACKS, "{count} from one tag");
        assert!(bytes * GROWTH.1 <= len * GROWTH.0, "{bytes} bytes from {len}");
        assert!(self.tracks.len() <= TRACKS && self.unsupported <= 16);
    }

    /// The bytes of payload.
    fn check(&mut self, media: Media, dts: u32) -> usize {
        match media {
            Media::Track { id, codec } => {
                crate::codec_configs::check(&codec);
                assert_ne!(self.tracks.get(&id), Some(&codec), "announced again");
                self.written.entry(id).or_default().configure(&codec);
                self.tracks.insert(id, codec);
                0
            }
            Media::Frame { track, dts_ms, dts_offset_ns, cts_ms, key, data } => {
                let codec = self.tracks.get(&track).expect("a track announced before");
                assert_eq!((dts_ms, key), (dts, codec.is_random_access(&data)));
                assert!(dts_offset_ns < 1_000_000 && cts_ms.unsigned_abs() <= 1 << 23 && !data.is_empty());
                assert_eq!(codec.update(&data), None, "the frame's own configuration was announced");
                if let Codec::H264(_) | Codec::H265(_) = codec {
                    assert_eq!(nal::relength(data.clone(), 4).as_ref(), Ok(&data));
                }
                self.written.entry(track).or_default().frame(codec, dts_ms, cts_ms, key, &data);
                data.len()
            }
            Media::Unsupported { .. } => {
                self.unsupported += 1;
                0
            }
            _ => 0,
        }
    }
}

/// One track, written again and read again.
#[derive(Default)]
struct Written {
    demux: Demux,
    /// None where RTMP has no form for the codec.
    track: Option<mux::Track>,
}

impl Written {
    fn configure(&mut self, codec: &Codec) {
        self.track = mux::Track::new(codec, mux::Caps::ALL).ok();
        let Some(track) = &self.track else { return };
        self.describe(track);
        if let Some(body) = track.sequence_header().cloned() {
            self.demux
                .push(Tag { kind: track.kind(), timestamp_ms: 0, body })
                .expect("our own sequence header");
        }
    }

    /// What is said of the track can be read.
    fn describe(&self, track: &mux::Track) {
        assert_eq!(TagKind::from_type(track.kind().tag_type()), Some(track.kind()));
        let (video, audio) = match track.kind() {
            TagKind::Video => (Some(track), None),
            _ => (None, Some(track)),
        };
        let bit_rate = Some(128_000);
        let description = mux::Description {
            video,
            audio,
            video_bit_rate: bit_rate,
            audio_bit_rate: bit_rate,
            encoder: "x",
            ..mux::Description::default()
        };
        let mut demux = Demux::new();
        let body = description.encode();
        demux.push(Tag { kind: TagKind::Script, timestamp_ms: 0, body }).expect("our own metadata");
        assert!(matches!(demux.poll(), Some(Media::Metadata(said)) if said.value.get("encoder").is_some()));
    }

    fn frame(&mut self, codec: &Codec, timestamp_ms: u32, cts: i32, is_key: bool, payload: &Bytes) {
        let Some(track) = &self.track else { return };
        // A second temporal delimiter behind the first is odd enough to be taken away as well.
        if matches!(codec, Codec::Av1(_)) && av1::without_temporal_delimiter(payload.clone()) != payload {
            return;
        }
        while self.demux.poll().is_some() {}
        let body = [&track.head(is_key, cts)[..], payload].concat().into();
        self.demux.push(Tag { kind: track.kind(), timestamp_ms, body }).expect("our own frame");
        let frames = std::iter::from_fn(|| self.demux.poll()).filter_map(|media| match media {
            Media::Frame { dts_ms, cts_ms, key, data, .. } => Some((dts_ms, cts_ms, key, data)),
            _ => None,
        });
        let timed = matches!(codec, Codec::H264(_) | Codec::H265(_));
        let expected = (timestamp_ms, if timed { cts } else { 0 }, is_key, payload.clone());
        assert_eq!(frames.collect::<Vec<_>>(), [expected]);
    }
}
