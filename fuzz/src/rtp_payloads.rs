//! Packets of every payload format.

use bytes::Bytes;
use media::{Codec, Kind, nal};
use rtp::{Depacketizer, Format, Header, Media, Packet, Packetizer, Unsupported};

use crate::codec_configs;
use crate::input::Input;

/// The formats, as descriptions have them: encoding, clock rate, channels, parameters where the input brings none.
const FORMATS: [(&str, u32, Option<u16>, &str); 18] = [
    ("H264", 90_000, None, "packetization-mode=1"),
    ("H265", 90_000, None, ""),
    ("H265", 90_000, None, "sprop-max-don-diff=1"),
    ("AV1", 90_000, None, ""),
    ("MPEG4-GENERIC", 48_000, Some(2), "mode=AAC-hbr;config=1190"),
    ("MPEG4-GENERIC", 22_050, Some(1), "mode=AAC-lbr;config=1388;constantDuration=1024"),
    (
        "mpeg4-generic",
        48_000,
        Some(2),
        "config=1190;sizelength=13;indexlength=3;indexdeltalength=3;ctsdeltalength=22;dtsdeltalength=22;\
         randomaccessindication=1;streamstateindication=4;auxiliarydatasizelength=7",
    ),
    ("mpeg4-generic", 48_000, Some(2), "config=1190;constantsize=40"),
    ("opus", 48_000, Some(2), "sprop-stereo=1"),
    ("multiopus", 48_000, Some(6), "channel_mapping=0,4,1,2,3,5;num_streams=4;coupled_streams=2"),
    ("PCMU", 8000, None, ""),
    ("PCMA", 16_000, Some(2), ""),
    ("MPA", 90_000, None, ""),
    ("AC3", 48_000, Some(6), ""),
    ("eac3", 48_000, None, ""),
    ("VP8", 90_000, None, ""),
    ("MP4A-LATM", 44_100, None, "cpresent=0;config=400024103fc0"),
    ("MP4A-LATM", 48_000, Some(2), ""),
];

/// Bytes that an access unit may have here.
const UNIT_BYTES: usize = 20_000;

/// The first byte chooses a format. The next block is its parameters, and if it is empty they are those of a usual sender. Then
/// come packets: a byte of flags (1 marker, 2 others are missing before it, 4 the timestamp changes, 8 by two bytes), and a
/// block.
///
/// - Nothing comes before its configuration, and no access unit is empty or longer than allowed.
/// - NAL units are whole and no delimiters, sound is key.
/// - What comes can be packed and unpacked again, byte for byte where nothing is added to it, in packets of the size wanted.
pub fn rtp_payloads(data: &[u8]) {
    let mut input = Input::new(data);
    let choice = usize::from(input.byte()) % FORMATS.len();
    let (encoding, clock_rate, channels, usual) = FORMATS[choice];
    let stated = String::from_utf8_lossy(input.block()).into_owned();
    let fmtp = if stated.is_empty() { usual.to_owned() } else { stated };
    let format = Format { payload_type: 96, encoding: encoding.to_owned(), clock_rate, channels, fmtp };
    description(&format);
    let mut depacketizer = match Depacketizer::with_limit(&format, UNIT_BYTES) {
        Ok(depacketizer) => depacketizer,
        Err(reason) => return assert!(!reason.to_string().is_empty()),
    };
    let (mut sequence, mut timestamp, mut codec) = (0u16, 0u32, None);
    while !input.is_empty() {
        let flags = input.byte();
        sequence = sequence.wrapping_add(1 + u16::from(flags >> 1 & 1));
        if flags & 4 != 0 {
            let step = if flags & 8 == 0 { 3000 } else { input.number(2) as u32 };
            timestamp = timestamp.wrapping_add(step);
        }
        let header = Header { marker: flags & 1 != 0, payload_type: 96, sequence, timestamp, ssrc: 1 };
        let packet = Packet { header, payload: Bytes::copy_from_slice(input.block()) };
        depacketizer.push(&packet, flags & 2 != 0);
        while let Some(media) = depacketizer.poll() {
            check(media, &mut codec);
        }
    }
}

fn check(media: Media, codec: &mut Option<Codec>) {
    match media {
        Media::Codec(new) => {
            codec_configs::check(&new);
            assert_ne!(codec.as_ref(), Some(&new), "told once");
            *codec = Some(new);
        }
        Media::Unit { key, data, .. } => {
            let codec = codec.as_ref().expect("told before");
            assert!(!data.is_empty() && data.len() <= UNIT_BYTES);
            assert_eq!(key, codec.is_random_access(&data));
            assert!(key || codec.kind() == Kind::Video);
            if matches!(codec, Codec::H264(_) | Codec::H265(_)) {
                assert_eq!(nal::join(nal::units(&data)), data, "all of it is units");
            }
            again(codec, &data);
        }
        Media::Damaged { what } => assert!(!what.to_string().is_empty()),
        _ => {}
    }
}

/// A description is written as it is read.
fn description(format: &Format) {
    let again = Format::of_rtpmap(96, &format.rtpmap(), &format.fmtp).expect("an rtpmap");
    assert_eq!((&again.encoding, again.clock_rate), (&format.encoding, format.clock_rate));
    let Some(codec) = format.codec() else { return };
    match Format::of(&codec, 96) {
        Ok(written) => assert_eq!(written.codec(), Some(codec), "{written:?}"),
        Err(reason) => assert!(!matches!(reason, Unsupported::Encoding { .. }), "{reason}"),
    }
}

/// The same access unit through packets of ours.
fn again(codec: &Codec, data: &Bytes) {
    const MAX: usize = 100;
    let Ok(mut packetizer) = Packetizer::new(codec, MAX) else { return };
    let format = Format::of(codec, 96).expect("as there is a packetizer");
    let Ok(mut depacketizer) = Depacketizer::with_limit(&format, UNIT_BYTES * 2) else { return };
    let mut found = Vec::new();
    let mut sequence = 0u16;
    packetizer.pack(data, false, &mut |payload| {
        assert!(payload.len() <= MAX || matches!(codec, Codec::Opus(_)));
        assert!(!payload.is_empty());
        sequence = sequence.wrapping_add(1);
        let header = Header { marker: payload.marker, payload_type: 96, sequence, timestamp: 0, ssrc: 1 };
        depacketizer.push(&Packet { header, payload: payload.parts.concat().into() }, false);
        while let Some(media) = depacketizer.poll() {
            if let Media::Unit { data, .. } = media {
                found.extend_from_slice(&data);
            }
        }
    });
    // What others call one frame we may not; pictures without a beginning are not believed.
    if matches!(codec, Codec::Aac(_) | Codec::Opus(_) | Codec::G711(_)) && data.len() < 8192 {
        assert_eq!(found, data[..]);
    }
}
