//! Transport streams: what our multiplexer writes of every codec, whole and damaged.

use bytes::BytesMut;
use media::codec::opaque;
use media::{Codec, Frame, TimeDelta, Timestamp, Track, TrackId};
use mpegts::Mux;
use testkit::{Clip, clip, samples};

use crate::{Result, Seeds};

/// Bytes of a seed at most.
const BYTES: usize = 188 * 40;

pub(crate) fn write(seeds: &mut Seeds) -> Result<()> {
    let clips = [
        ("h264-aac", clip()),
        ("h265", samples::h265()),
        ("mp3", samples::mp3()),
        ("mp2", samples::mp2()),
        ("ac3", samples::ac3()),
        ("eac3", samples::eac3()),
        ("opus", samples::opus()),
        ("data", data()),
    ];
    for (name, clip) in clips {
        let bytes = mux(&clip);
        let head = [0, 4, 0];
        seeds.add("mpegts_demux", name, &[&head, &bytes])?;
        let (before, behind) = bytes.split_at((188 * 12).min(bytes.len()));
        let without = behind.get(188..).unwrap_or_default();
        seeds.add("mpegts_demux", &format!("{name}-lost"), &[&head, before, without])?;
        let longer: Vec<u8> = bytes.chunks(188).flat_map(|packet| [packet, &[0x47; 16]].concat()).collect();
        seeds.add("mpegts_demux", &format!("{name}-204-cut"), &[&[1, 0, 99], &longer[100..]])?;
    }
    latm(seeds)
}

/// LOAS in the place of ADTS: the map says so, the elements are those of a stream of 48 kHz with silent access units.
fn latm(seeds: &mut Seeds) -> Result<()> {
    // useSameStreamMux 0, audioMuxVersion 0, allStreamsSameTimeFraming 1, one frame, program and layer, the configuration 1190,
    // frameLengthType 0, latmBufferFullness 255, no other data, no CRC; then 6 bytes.
    let bits = concat!(
        "0",
        "0",
        "1",
        "000000",
        "0000",
        "000",
        "0001000110010000",
        "000",
        "11111111",
        "0",
        "0",
        "00000110",
        "001000010000000000000000000000000000000000011100"
    );
    let element: Vec<u8> = bits
        .as_bytes()
        .chunks(8)
        .map(|byte| byte.iter().enumerate().map(|(at, bit)| (bit & 1) << (7 - at)).sum())
        .collect();
    let loas = [&[0x56, 0xE0, element.len() as u8][..], &element].concat();
    let config = opaque::Config { stream_type: 0x11, descriptors: bytes::Bytes::new() };
    let bytes = mux(&repeated(Codec::Opaque(config), loas.repeat(2)));
    seeds.add("mpegts_demux", "latm", &[&[0, 4, 0], &bytes])
}

/// SCTE-35, teletext and MPEG-2 video as far as a multiplexer is concerned.
fn data() -> Clip {
    const SPLICE_NULL: [u8; 20] =
        [0xFC, 0x30, 0x11, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0x4F, 0x25, 0x33, 0x96];
    let descriptors = bytes::Bytes::from_static(&[0x56, 5, b'e', b'n', b'g', 9, 0]);
    let opaque =
        |stream_type| Codec::Opaque(opaque::Config { stream_type, descriptors: descriptors.clone() });
    let mut clip = repeated(opaque(0x02), vec![0, 0, 1, 0xB3, 7, 7]);
    for (id, stream_type, unit) in [(2, 0x06, vec![0x10, 2, 0x2C]), (3, 0x86, SPLICE_NULL.to_vec())] {
        let mut other = repeated(opaque(stream_type), unit);
        other.tracks[0].id = TrackId(id);
        other.frames.iter_mut().for_each(|frame| frame.track = TrackId(id));
        clip = clip.with(other);
    }
    clip
}

fn repeated(codec: Codec, data: Vec<u8>) -> Clip {
    let (track, duration) = (TrackId(1), TimeDelta::from_millis(40));
    let data = bytes::Bytes::from(data);
    let frame = |n: i64| {
        let dts = Timestamp::ZERO + duration.times(n);
        Frame { track, dts, pts: dts, duration, key: true, data: data.clone() }
    };
    let frames = (0..10).map(frame).collect();
    Clip { tracks: vec![Track { id: track, codec }], frames, duration: duration.times(10) }
}

fn mux(clip: &Clip) -> Vec<u8> {
    let mut mux = Mux::new(Timestamp::ZERO);
    mux.set_tracks(&clip.tracks);
    let mut out = BytesMut::new();
    for frame in &clip.frames {
        mux.frame(frame, &mut out);
        if out.len() >= BYTES {
            break;
        }
    }
    out.truncate(BYTES);
    out.to_vec()
}
