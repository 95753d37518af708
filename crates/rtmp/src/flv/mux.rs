//! Tracks and frames to the bodies of tags: [`Demux`](super::Demux) the other way.
//!
//! A frame's body is a [`Head`] of a few bytes and the frame's own payload, which nobody copies. One access unit makes
//! one body. H.264, AAC, MP3 and G.711 are written as FLV always had them, so that every peer can read them; all else
//! needs a peer that announces it ([`Caps`]).

mod caps;
mod description;

pub use caps::{Caps, Reason};
pub use description::{Description, set_data_frame};

use std::fmt;
use std::ops::Deref;

use bytes::{BufMut, Bytes, BytesMut};
use media::codec::{g711, mpa};
use media::{AudioInfo, Codec, Kind, VideoInfo};

use super::{FourCc, TagKind};

/// Bytes at most of a [`Head`].
pub const HEAD_BYTES: usize = 8;

/// The first bytes of a tag's body, before the frame's payload.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Head {
    bytes: [u8; HEAD_BYTES],
    len: u8,
}

impl Head {
    /// Nothing: for bodies that are complete as they are.
    pub const EMPTY: Self = Self { bytes: [0; HEAD_BYTES], len: 0 };

    fn new(parts: [&[u8]; 3]) -> Self {
        let mut head = Self::EMPTY;
        for part in parts {
            head.bytes[usize::from(head.len)..][..part.len()].copy_from_slice(part);
            head.len += part.len() as u8;
        }
        head
    }
}

impl Deref for Head {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Head({:02x?})", &**self)
    }
}

/// How the bodies of one track look.
#[derive(Clone, PartialEq, Debug)]
pub struct Track {
    layout: Layout,
    sequence_header: Option<Bytes>,
    facts: Facts,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Layout {
    /// `CodecID` 7.
    Avc,
    /// `SoundFormat` 10.
    Aac,
    /// `SoundFormat` 2 or 14, with the first byte of the body.
    Mp3(u8),
    /// `SoundFormat` 7 or 8, with the first byte of the body.
    G711(u8),
    /// Enhanced RTMP.
    Enhanced(FourCc),
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Facts {
    Video(VideoInfo),
    /// The rate is that of the sound that is heard.
    Audio(AudioInfo),
}

/// Whether a peer can get a track of that codec. [`Track::new`] fails where this does.
pub fn carries(codec: &Codec, caps: Caps) -> Result<(), Reason> {
    layout(codec, caps).map(|_| ())
}

impl Track {
    /// Fails where the peer cannot get such a track.
    pub fn new(codec: &Codec, caps: Caps) -> Result<Self, Reason> {
        let layout = layout(codec, caps)?;
        Ok(Self { layout, sequence_header: sequence_header(layout, codec), facts: facts(codec)? })
    }

    /// Of its tags.
    pub fn kind(&self) -> TagKind {
        match self.facts {
            Facts::Video(_) => TagKind::Video,
            Facts::Audio(_) => TagKind::Audio,
        }
    }

    /// The body that tells the configuration, to be sent before the first frame and when it has changed. None for MP3,
    /// AC-3, E-AC-3 and G.711, whose bodies tell it themselves.
    pub fn sequence_header(&self) -> Option<&Bytes> {
        self.sequence_header.as_ref()
    }

    /// What precedes the payload of a frame. `cts_ms` is its presentation time less its decode time, both as they are on
    /// the wire; it is cut at 24 bits, and only H.264 and H.265 have it.
    pub fn head(&self, key: bool, cts_ms: i32) -> Head {
        match self.layout {
            Layout::Avc => Head::new([&[frame_type(key) | 7, 1], &signed_24(cts_ms), &[]]),
            Layout::Aac => Head::new([&[AAC, 1], &[], &[]]),
            Layout::Mp3(first) | Layout::G711(first) => Head::new([&[first], &[], &[]]),
            Layout::Enhanced(fourcc) => {
                let name = fourcc.name().as_bytes();
                if !fourcc.is_video() {
                    return Head::new([&[EX_AUDIO | CODED_FRAMES], name, &[]]);
                }
                let first = EX_VIDEO | frame_type(key);
                match (fourcc, cts_ms) {
                    (FourCc::Hevc, 0) => Head::new([&[first | CODED_FRAMES_X], name, &[]]),
                    (FourCc::Hevc, _) => Head::new([&[first | CODED_FRAMES], name, &signed_24(cts_ms)]),
                    _ => Head::new([&[first | CODED_FRAMES], name, &[]]),
                }
            }
        }
    }

    /// `videocodecid` or `audiocodecid`: the old number, or the FourCC as one (Enhanced RTMP v2, "Enhancing onMetaData").
    fn codec_id(&self) -> f64 {
        match self.layout {
            Layout::Avc => 7.0,
            Layout::Aac => 10.0,
            Layout::Mp3(first) | Layout::G711(first) => f64::from(first >> 4),
            Layout::Enhanced(fourcc) => {
                let name = fourcc.name().bytes();
                f64::from(name.fold(0u32, |number, byte| number << 8 | u32::from(byte)))
            }
        }
    }
}

/// First byte of AAC: always said to be 44 kHz, 16 bit and stereo (E.4.2.1).
const AAC: u8 = 0xaf;
/// `SoundFormat` 9, and `isExVideoHeader`; `VideoPacketType` and `AudioPacketType`.
const EX_AUDIO: u8 = 9 << 4;
const EX_VIDEO: u8 = 0x80;
const SEQUENCE_START: u8 = 0;
const CODED_FRAMES: u8 = 1;
const CODED_FRAMES_X: u8 = 3;

/// `FrameType`: 1 for a picture to start at, 2 for others.
fn frame_type(key: bool) -> u8 {
    if key { 1 << 4 } else { 2 << 4 }
}

/// SI24.
fn signed_24(value: i32) -> [u8; 3] {
    let [_, b0, b1, b2] = value.clamp(-0x80_0000, 0x7f_ffff).to_be_bytes();
    [b0, b1, b2]
}

fn layout(codec: &Codec, caps: Caps) -> Result<Layout, Reason> {
    let fourcc = match codec {
        Codec::H264(_) => return Ok(Layout::Avc),
        Codec::Aac(_) => return Ok(Layout::Aac),
        Codec::Mpa(config) if config.layer() == 3 => match mp3(config) {
            Some(first) => return Ok(Layout::Mp3(first)),
            None => FourCc::Mp3,
        },
        Codec::G711(config) => {
            return g711(config).map(Layout::G711).ok_or(Reason::NoForm { codec: "G.711 of this rate" });
        }
        Codec::H265(_) => FourCc::Hevc,
        Codec::Av1(_) => FourCc::Av1,
        Codec::Vp9(_) => FourCc::Vp9,
        Codec::Opus(_) => FourCc::Opus,
        Codec::Flac(_) => FourCc::Flac,
        Codec::Ac3(config) if config.is_enhanced() => FourCc::Eac3,
        Codec::Ac3(_) => FourCc::Ac3,
        _ => return Err(Reason::NoForm { codec: codec.name() }),
    };
    if caps.takes(fourcc) {
        return Ok(Layout::Enhanced(fourcc));
    }
    Err(Reason::NotAnnounced { codec: codec.name(), fourcc })
}

/// The first byte of MP3 (E.4.2.1), none for rates that it cannot tell. There is no 48 kHz, and everybody says 44.1:
/// decoders read the frame.
fn mp3(config: &mpa::Config) -> Option<u8> {
    const SIXTEEN_BITS: u8 = 1 << 1;
    let AudioInfo { sample_rate, channels, .. } = config.audio();
    let (format, rate) = match sample_rate {
        44_100 | 48_000 => (2, 3),
        22_050 => (2, 2),
        11_025 => (2, 1),
        8000 => (14, 0),
        _ => return None,
    };
    Some(format << 4 | rate << 2 | SIXTEEN_BITS | u8::from(channels == 2))
}

/// The first byte of G.711 (E.4.2.1), none for what FLV cannot tell. `SoundRate` is 0, as ffmpeg has it: 8 kHz is not among
/// its rates, and is what these formats have.
fn g711(config: &g711::Config) -> Option<u8> {
    const SIXTEEN_BITS: u8 = 1 << 1;
    let AudioInfo { sample_rate, channels, .. } = config.audio();
    let format = match config.law() {
        g711::Law::A => 7,
        g711::Law::Mu => 8,
    };
    (sample_rate == g711::SAMPLE_RATE && channels <= 2)
        .then_some(format << 4 | SIXTEEN_BITS | u8::from(channels == 2))
}

fn sequence_header(layout: Layout, codec: &Codec) -> Option<Bytes> {
    let mut body = BytesMut::new();
    match layout {
        Layout::Avc => body.put_slice(&[frame_type(true) | 7, 0, 0, 0, 0]),
        Layout::Aac => body.put_slice(&[AAC, 0]),
        Layout::Mp3(_) | Layout::G711(_) => return None,
        Layout::Enhanced(fourcc) => {
            let first = if fourcc.is_video() { EX_VIDEO | frame_type(true) } else { EX_AUDIO };
            body.put_u8(first | SEQUENCE_START);
            body.put_slice(fourcc.name().as_bytes());
        }
    }
    match codec {
        Codec::H264(config) => body.put_slice(config.record()),
        Codec::H265(config) => body.put_slice(config.record()),
        Codec::Av1(config) => body.put_slice(config.record()),
        Codec::Vp9(config) => body.put_slice(config.record()),
        Codec::Aac(config) => body.put_slice(config.asc()),
        Codec::Opus(config) => body.put_slice(config.head()),
        Codec::Flac(config) => {
            // The signature, then STREAMINFO as the last block, 34 bytes long (RFC 9639 8.1).
            body.put_slice(b"fLaC\x80\x00\x00\x22");
            body.put_slice(config.streaminfo());
        }
        _ => return None,
    }
    Some(body.freeze())
}

fn facts(codec: &Codec) -> Result<Facts, Reason> {
    match (codec.kind(), codec.video(), codec.audio()) {
        (Kind::Video, Some(video), _) => Ok(Facts::Video(video)),
        (_, _, Some(audio)) => Ok(Facts::Audio(AudioInfo {
            sample_rate: match codec {
                // SBR doubles the rate of the core.
                Codec::Aac(config) if matches!(config.object_type(), 5 | 29) => audio.sample_rate * 2,
                _ => audio.sample_rate,
            },
            ..audio
        })),
        _ => Err(Reason::NoForm { codec: codec.name() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use media::codec::{aac, ac3, flac, h264, h265, opaque, opus, vp9};

    fn h264() -> Codec {
        Codec::H264(h264::Config::decode(include_bytes!("../../../media/testdata/x264-1080p.avcc")).unwrap())
    }

    fn h265() -> Codec {
        Codec::H265(h265::Config::decode(include_bytes!("../../../media/testdata/x265-1080p.hvcc")).unwrap())
    }

    fn mp3(header: [u8; 4]) -> Codec {
        Codec::Mpa(mpa::Config::decode(&header).unwrap())
    }

    fn head(codec: &Codec, key: bool, cts_ms: i32) -> Vec<u8> {
        Track::new(codec, Caps::ALL).unwrap().head(key, cts_ms).to_vec()
    }

    #[test]
    fn pictures_of_old_have_their_composition_time() {
        assert_eq!(head(&h264(), true, 80), b"\x17\x01\x00\x00\x50");
        assert_eq!(head(&h264(), false, -40), b"\x27\x01\xff\xff\xd8");
        assert_eq!(head(&h264(), false, i32::MAX), b"\x27\x01\x7f\xff\xff");
        let track = Track::new(&h264(), Caps::LEGACY).unwrap();
        let header = track.sequence_header().unwrap();
        assert_eq!((header[..6].to_vec(), track.kind()), (b"\x17\0\0\0\0\x01".to_vec(), TagKind::Video));
    }

    #[test]
    fn a_picture_of_h265_has_a_composition_time_only_where_it_has_one() {
        assert_eq!(head(&h265(), true, 0), b"\x93hvc1");
        assert_eq!(head(&h265(), false, 40), b"\xa1hvc1\x00\x00\x28");
        let header = Track::new(&h265(), Caps::ALL).unwrap().sequence_header().unwrap().clone();
        assert_eq!(header[..6], *b"\x90hvc1\x01");
    }

    #[test]
    fn sound_of_old() {
        let aac = Codec::Aac(aac::Config::decode(&[0x12, 0x10]).unwrap());
        assert_eq!(head(&aac, true, 0), b"\xaf\x01");
        let track = Track::new(&aac, Caps::LEGACY).unwrap();
        assert_eq!(track.sequence_header().unwrap()[..], b"\xaf\x00\x12\x10"[..]);
        // 44.1 kHz stereo, 48 kHz stereo, MPEG-2.5 at 8 kHz mono.
        for (header, first) in [
            ([0xff, 0xfb, 0x90, 0x64], 0x2f),
            ([0xff, 0xfb, 0x94, 0x64], 0x2f),
            ([0xff, 0xe3, 0x28, 0xc4], 0xe2),
        ] {
            assert_eq!(head(&mp3(header), true, 0), [first]);
            assert_eq!(Track::new(&mp3(header), Caps::LEGACY).unwrap().sequence_header(), None);
        }
    }

    #[test]
    fn g711_of_8_khz() {
        let g711 = |law, rate, channels| Codec::G711(g711::Config::new(law, rate, channels).unwrap());
        assert_eq!(head(&g711(g711::Law::A, 8000, 1), true, 0), b"\x72");
        assert_eq!(head(&g711(g711::Law::Mu, 8000, 2), true, 0), b"\x83");
        let track = Track::new(&g711(g711::Law::Mu, 8000, 1), Caps::LEGACY).unwrap();
        assert_eq!((track.sequence_header(), track.codec_id()), (None, 8.0));
        let reason = carries(&g711(g711::Law::A, 16_000, 1), Caps::ALL).unwrap_err();
        assert_eq!(reason.to_string(), "RTMP has no form for G.711 of this rate");
    }

    #[test]
    fn sound_of_enhanced_rtmp() {
        let opus = Codec::Opus(opus::Config::decode(b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0").unwrap());
        assert_eq!(head(&opus, true, 0), b"\x91Opus");
        let header = Track::new(&opus, Caps::ALL).unwrap().sequence_header().unwrap().clone();
        assert_eq!(header[..13], *b"\x90OpusOpusHead");
        let block = include_bytes!("../../../media/testdata/ffmpeg-96k.flac-streaminfo");
        let flac = Codec::Flac(flac::Config::decode(block).unwrap());
        let header = Track::new(&flac, Caps::ALL).unwrap().sequence_header().unwrap().clone();
        assert_eq!((&header[..13], header.len()), (&b"\x90fLaCfLaC\x80\0\0\x22"[..], 13 + 34));
        for (frame, first) in [
            (&include_bytes!("../../../media/testdata/ffmpeg-ac3-51-head.frame")[..], b"\x91ac-3"),
            (&include_bytes!("../../../media/testdata/ffmpeg-eac3-51-head.frame")[..], b"\x91ec-3"),
        ] {
            let codec = Codec::Ac3(ac3::Config::decode(frame).unwrap());
            assert_eq!(head(&codec, true, 0), first);
            assert_eq!(Track::new(&codec, Caps::ALL).unwrap().sequence_header(), None);
        }
        // A rate that the old header cannot tell.
        assert_eq!(head(&mp3([0xff, 0xf3, 0x84, 0xc4]), true, 0), b"\x91.mp3");
    }

    #[test]
    fn what_a_peer_cannot_get_has_a_reason() {
        let reason = carries(&h265(), Caps::LEGACY).unwrap_err();
        assert_eq!(reason.to_string(), "the peer does not announce that it takes H.265 (hvc1)");
        assert!(carries(&h265(), Caps::of(["hvc1"])).is_ok());
        assert!(carries(&h265(), Caps::of(["av01"])).is_err());
        let vp9 = vp9::Config::decode(include_bytes!("../../../media/testdata/vpx.vpcc")).unwrap();
        assert!(carries(&Codec::Vp9(vp9), Caps::of(["*"])).is_ok());
        let layer_2 = mp3([0xff, 0xfd, 0xa4, 0]);
        assert_eq!(carries(&layer_2, Caps::ALL), Err(Reason::NoForm { codec: "MP2" }));
        let opaque = Codec::Opaque(opaque::Config { stream_type: 2, descriptors: Bytes::new() });
        assert_eq!(carries(&opaque, Caps::ALL).unwrap_err().to_string(), "RTMP has no form for MPEG-2 video");
    }
}
