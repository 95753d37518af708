//! Transport streams.

use std::collections::BTreeMap;

use media::{Codec, TrackId, nal};
use mpegts::demux::{Media, Settings};
use mpegts::{Demux, is_transport_stream, shift_splice};

use crate::codec_configs;
use crate::input::Input;

/// Values of a stamp.
const WRAP: u64 = 1 << 33;
/// Bytes that an access unit may have here.
const UNIT_BYTES: usize = 20_000;
/// The bytes of a packet beyond that, and what lengths of units add.
const SLACK: usize = 4 * UNIT_BYTES;

/// The first byte chooses a program (0 to 7; 0 none), the next two the size of the parts in which the rest, a stream, arrives.
///
/// - What comes out does not depend on how the bytes were split.
/// - Each access unit belongs to a track that was announced before and not removed, and is not empty or longer than allowed.
/// - Stamps have 33 bits, and NAL units are whole and no delimiters.
/// - No configuration is announced twice in a row.
pub fn mpegts_demux(data: &[u8]) {
    let mut input = Input::new(data);
    let program = Some(u16::from(input.byte() & 7)).filter(|&program| program != 0);
    let step = usize::from(input.number(2) as u16) + 1;
    let bytes = input.rest();
    let settings = Settings { program, unit_bytes: UNIT_BYTES, held_bytes: 3 * UNIT_BYTES };
    let whole = demux(settings, bytes, bytes.len().max(1));
    assert_eq!(demux(settings, bytes, step), whole, "in parts of {step}");
    let _ = is_transport_stream(bytes);
    if let Some(shifted) = shift_splice(bytes, 900_000) {
        assert_eq!(shift_splice(&shifted, -900_000).expect("as it was"), bytes);
    }
}

fn demux(settings: Settings, bytes: &[u8], step: usize) -> Vec<Media> {
    let (mut demux, mut found) = (Demux::new(settings), Vec::new());
    let mut tracks = BTreeMap::new();
    for part in bytes.chunks(step).chain([&[][..]]) {
        if part.is_empty() {
            demux.finish();
        }
        demux.push(part);
        while let Some(media) = demux.poll() {
            check(&media, &mut tracks);
            found.push(media);
        }
    }
    assert!(demux.skipped() <= bytes.len() as u64 + 204);
    found
}

fn check(media: &Media, tracks: &mut BTreeMap<TrackId, Codec>) {
    match media {
        Media::Track { id, codec } => {
            if !matches!(codec, Codec::Opaque(_)) {
                codec_configs::check(codec);
            }
            assert_ne!(tracks.insert(*id, codec.clone()).as_ref(), Some(codec), "told once");
        }
        Media::Removed { id } => assert!(tracks.remove(id).is_some(), "it was there"),
        Media::Unit { track, pts, dts, key, data } => {
            let codec = tracks.get(track).expect("told before");
            assert!(*pts < WRAP && *dts < WRAP);
            assert!(!data.is_empty() && data.len() <= UNIT_BYTES + SLACK);
            assert_eq!(*key, codec.is_random_access(data));
            if matches!(codec, Codec::H264(_) | Codec::H265(_)) {
                assert_eq!(nal::join(nal::units(data)), data, "all of it is units");
            }
        }
        Media::Damaged { error, .. } => assert!(!error.to_string().is_empty()),
        Media::Unsupported { what } => assert!(!what.is_empty()),
        Media::Programs(programs) => {
            assert!(programs.iter().filter(|program| program.chosen).count() <= 1);
        }
        _ => {}
    }
}
