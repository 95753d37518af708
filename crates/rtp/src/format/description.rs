//! What `m=`, `a=rtpmap` and `a=fmtp` of a session description (RFC 8866) say of a track, both ways.

use media::codec::{aac, av1, g711, h264, h265, opus};
use media::{Codec, Error, Kind};

use super::parameters::{get, hex, hex_text, number, sets, sets_text};
use super::{Unpack, Unsupported};

/// The format of a track's payloads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Format {
    /// The payload type: 0 to 95 are fixed (RFC 3551 6), 96 to 127 are the session's to give.
    pub payload_type: u8,
    /// The name of the format, which is read without regard to case.
    pub encoding: String,
    /// Ticks per second of the timestamps.
    pub clock_rate: u32,
    /// Channels of sound, where they are stated.
    pub channels: Option<u16>,
    /// What follows the payload type in `a=fmtp`; empty without one.
    pub fmtp: String,
}

/// The clock of pictures and of MPEG audio.
const RATE_90_KHZ: u32 = 90_000;

/// Payload types that need no `a=rtpmap` (RFC 3551 6), of those that we read.
const PCMU: u8 = 0;
const PCMA: u8 = 8;
const MPA: u8 = 14;

impl Format {
    /// How a track of that codec is described to a player. `payload_type` is used where the format has none of its own, as
    /// G.711 of 8 kHz and MPEG audio do.
    ///
    /// # Errors
    ///
    /// No payload format carries it, or its parameter sets are not known yet.
    pub fn of(codec: &Codec, payload_type: u8) -> Result<Self, Unsupported> {
        let video = |encoding: &str, fmtp| Self {
            payload_type,
            encoding: encoding.to_owned(),
            clock_rate: RATE_90_KHZ,
            channels: None,
            fmtp,
        };
        let sound = |encoding: &str, clock_rate, channels: u32, fmtp| Self {
            payload_type,
            encoding: encoding.to_owned(),
            clock_rate,
            channels: u16::try_from(channels).ok(),
            fmtp,
        };
        let incomplete = Err(Unsupported::Incomplete { codec: codec.name() });
        Ok(match codec {
            Codec::H264(config) if config.pps().is_empty() => return incomplete,
            Codec::H264(config) => video("H264", h264_fmtp(config)),
            Codec::H265(config) if config.vps().is_empty() || config.pps().is_empty() => return incomplete,
            Codec::H265(config) => video("H265", h265_fmtp(config)),
            Codec::Av1(config) => video("AV1", av1_fmtp(config)),
            Codec::Aac(config) => {
                sound("MPEG4-GENERIC", aac_rate(config), config.audio().channels, aac_fmtp(config))
            }
            Codec::Opus(config) if config.mapping_family() == 0 => {
                let stereo = u8::from(config.channels() == 2);
                // RFC 7587 4.1: always this rate and two channels.
                sound("opus", opus::SAMPLE_RATE, 2, format!("sprop-stereo={stereo}"))
            }
            Codec::Opus(config) => {
                sound("multiopus", opus::SAMPLE_RATE, config.channels().into(), multiopus_fmtp(config))
            }
            Codec::G711(config) => g711(config, payload_type),
            Codec::Mpa(_) => Self {
                payload_type: MPA,
                encoding: "MPA".to_owned(),
                clock_rate: RATE_90_KHZ,
                channels: None,
                fmtp: String::new(),
            },
            Codec::Ac3(config) => {
                let audio = config.audio();
                let name = if config.is_enhanced() { "eac3" } else { "ac3" };
                sound(name, audio.sample_rate, audio.channels, String::new())
            }
            _ => return Err(Unsupported::NoForm { codec: codec.name() }),
        })
    }

    /// The format of a fixed payload type, for descriptions without `a=rtpmap`. None for what we do not read.
    pub fn of_payload_type(payload_type: u8) -> Option<Self> {
        let (encoding, clock_rate, channels) = match payload_type {
            PCMU => ("PCMU", g711::SAMPLE_RATE, Some(1)),
            PCMA => ("PCMA", g711::SAMPLE_RATE, Some(1)),
            MPA => ("MPA", RATE_90_KHZ, None),
            _ => return None,
        };
        Some(Self { payload_type, encoding: encoding.to_owned(), clock_rate, channels, fmtp: String::new() })
    }

    /// From what follows the payload type in `a=rtpmap` (RFC 8866 6.6), as `H264/90000` or `opus/48000/2`. None without a
    /// clock rate.
    pub fn of_rtpmap(payload_type: u8, rtpmap: &str, fmtp: &str) -> Option<Self> {
        let mut fields = rtpmap.trim().split('/');
        let encoding = fields.next().filter(|encoding| !encoding.is_empty())?.to_owned();
        let clock_rate = fields.next()?.trim().parse().ok().filter(|&rate| rate > 0)?;
        let channels = fields.next().and_then(|channels| channels.trim().parse().ok());
        Some(Self { payload_type, encoding, clock_rate, channels, fmtp: fmtp.trim().to_owned() })
    }

    /// What follows the payload type in `a=rtpmap`.
    pub fn rtpmap(&self) -> String {
        let Self { encoding, clock_rate, channels, .. } = self;
        match channels {
            Some(channels) => format!("{encoding}/{clock_rate}/{channels}"),
            None => format!("{encoding}/{clock_rate}"),
        }
    }

    /// Pictures or sound, as `m=` names it; none for formats that we do not read.
    pub fn kind(&self) -> Option<Kind> {
        Some(match Encoding::of(&self.encoding)? {
            Encoding::H264 | Encoding::H265 | Encoding::Av1 => Kind::Video,
            _ => Kind::Audio,
        })
    }

    /// The configuration, where the description has all of it: the rest comes with the stream.
    pub fn codec(&self) -> Option<Codec> {
        let codec = match Encoding::of(&self.encoding)? {
            Encoding::H264 => {
                let [sps, pps] = super::nal_read::h264_sets(&sets(&self.fmtp, "sprop-parameter-sets"));
                h264::Config::from_parameter_sets(&sps, &pps).map(Codec::H264)
            }
            Encoding::H265 => {
                let [vps, sps, pps] = h265_sets(&self.fmtp);
                h265::Config::from_parameter_sets(&vps, &sps, &pps).map(Codec::H265)
            }
            // The size comes with the sequence header alone.
            Encoding::Av1 => return None,
            Encoding::Aac => aac::Config::decode(&hex(get(&self.fmtp, "config")?)?).map(Codec::Aac),
            Encoding::Latm => return super::latm::codec(&self.fmtp),
            Encoding::Opus => opus_head(self.opus_channels()).map(Codec::Opus),
            Encoding::Multiopus => multiopus(self)?.map(Codec::Opus),
            Encoding::Pcma => self.g711(g711::Law::A),
            Encoding::Pcmu => self.g711(g711::Law::Mu),
            // Each frame says it all.
            Encoding::Mpa | Encoding::Ac3 | Encoding::Eac3 => return None,
        };
        codec.ok()
    }

    fn g711(&self, law: g711::Law) -> Result<Codec, Error> {
        let channels = u8::try_from(self.channels.unwrap_or(1)).unwrap_or(u8::MAX);
        g711::Config::new(law, self.clock_rate, channels).map(Codec::G711)
    }

    /// `sprop-stereo` (RFC 7587 6.1) is 0 where it is missing, but many senders of stereo do not say it, and to play mono as
    /// stereo costs nothing.
    fn opus_channels(&self) -> u8 {
        if number(&self.fmtp, "sprop-stereo") == Some(0) { 1 } else { 2 }
    }
}

/// The formats that we read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Encoding {
    H264,
    H265,
    Av1,
    Aac,
    Latm,
    Opus,
    Multiopus,
    Pcma,
    Pcmu,
    Mpa,
    Ac3,
    Eac3,
}

impl Encoding {
    fn of(name: &str) -> Option<Self> {
        Some(match name.trim().to_ascii_uppercase().as_str() {
            "H264" => Self::H264,
            "H265" | "HEVC" => Self::H265,
            "AV1" => Self::Av1,
            "MPEG4-GENERIC" => Self::Aac,
            "MP4A-LATM" => Self::Latm,
            "OPUS" => Self::Opus,
            "MULTIOPUS" => Self::Multiopus,
            "PCMA" => Self::Pcma,
            "PCMU" => Self::Pcmu,
            "MPA" => Self::Mpa,
            "AC3" => Self::Ac3,
            "EAC3" => Self::Eac3,
            _ => return None,
        })
    }
}

/// The reader of a format whose description has this configuration.
pub(super) fn reader(format: &Format, codec: Option<&Codec>) -> Result<Box<dyn Unpack>, Unsupported> {
    let unsupported = || Unsupported::Encoding { encoding: format.encoding.clone() };
    let feature = |feature| Unsupported::Feature { encoding: format.encoding.clone(), feature };
    Ok(match Encoding::of(&format.encoding).ok_or_else(unsupported)? {
        Encoding::H264 => {
            // RFC 6184 5.4: units come in another order than they are decoded in. Nobody writes it.
            if number(&format.fmtp, "packetization-mode") == Some(2) {
                return Err(feature("interleaving"));
            }
            let sets = super::nal_read::h264_sets(&sets(&format.fmtp, "sprop-parameter-sets"));
            Box::new(super::nal_read::Reader::h264(sets))
        }
        Encoding::H265 => {
            // RFC 7798 4.4: then each unit has its number. ffmpeg takes the second parameter to say so too.
            let donl = ["sprop-max-don-diff", "sprop-depack-buf-nalus"]
                .into_iter()
                .any(|name| number(&format.fmtp, name).is_some_and(|value| value > 0));
            Box::new(super::nal_read::Reader::h265(h265_sets(&format.fmtp), donl))
        }
        Encoding::Av1 => Box::new(super::av1::Reader::default()),
        Encoding::Aac => match codec {
            Some(Codec::Aac(config)) => Box::new(super::aac::Reader::new(format, config).map_err(feature)?),
            _ => return Err(feature("no config that is one of AAC")),
        },
        Encoding::Latm => Box::new(super::latm::Reader::new(format).map_err(feature)?),
        Encoding::Opus | Encoding::Multiopus if codec.is_some() => Box::new(super::opus::Reader),
        Encoding::Multiopus | Encoding::Opus => return Err(feature("no channel mapping")),
        Encoding::Pcma | Encoding::Pcmu if codec.is_some() => Box::new(super::g711::Reader),
        Encoding::Pcma | Encoding::Pcmu => return Err(feature("this number of channels")),
        Encoding::Mpa => Box::new(super::mpa::Reader::new(format.clock_rate)),
        Encoding::Ac3 => Box::new(super::ac3::Reader::new(format.clock_rate, false)),
        Encoding::Eac3 => Box::new(super::ac3::Reader::new(format.clock_rate, true)),
    })
}

/// RFC 6184 8.1. Profile and level are those of the first sequence parameter set.
fn h264_fmtp(config: &h264::Config) -> String {
    let level = match config.sps().first().map(|sps| &sps[..]) {
        Some([_, profile, constraints, level, ..]) => {
            format!("profile-level-id={profile:02x}{constraints:02x}{level:02x};")
        }
        _ => String::new(),
    };
    let sets = sets_text(config.sps().iter().chain(config.pps()));
    format!("packetization-mode=1;{level}sprop-parameter-sets={sets}")
}

/// RFC 7798 7.1.
fn h265_fmtp(config: &h265::Config) -> String {
    let [vps, sps, pps] = [config.vps(), config.sps(), config.pps()].map(sets_text);
    format!("sprop-vps={vps};sprop-sps={sps};sprop-pps={pps}")
}

fn h265_sets(fmtp: &str) -> [Vec<bytes::Bytes>; 3] {
    ["sprop-vps", "sprop-sps", "sprop-pps"].map(|name| sets(fmtp, name))
}

/// RTP Payload Format For AV1 7.2.1, with the fields of the configuration record (binding 2.3.3).
fn av1_fmtp(config: &av1::Config) -> String {
    match config.record()[..] {
        [_, second, third, ..] => {
            format!("profile={};level-idx={};tier={}", second >> 5, second & 0x1f, third >> 7)
        }
        _ => String::new(),
    }
}

/// RFC 3640 3.3.6.
fn aac_fmtp(config: &aac::Config) -> String {
    let asc = hex_text(config.asc());
    format!(
        "streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config={asc}"
    )
}

/// The rate of the sound that is heard, which ffmpeg has for HE-AAC too: SBR doubles that of the core.
fn aac_rate(config: &aac::Config) -> u32 {
    let rate = config.audio().sample_rate;
    if matches!(config.object_type(), 5 | 29) { rate.saturating_mul(2) } else { rate }
}

/// As libwebrtc and GStreamer describe what RFC 7587 has no words for.
fn multiopus_fmtp(config: &opus::Config) -> String {
    let mapping: Vec<_> = config.mapping().iter().map(u8::to_string).collect();
    format!(
        "channel_mapping={};num_streams={};coupled_streams={}",
        mapping.join(","),
        config.streams(),
        config.coupled_streams()
    )
}

/// An identification header (RFC 7845 5.1) of mono or stereo, with nothing known of the input.
fn opus_head(channels: u8) -> Result<opus::Config, Error> {
    opus::Config::decode(&opus_head_bytes(channels, 0))
}

fn opus_head_bytes(channels: u8, family: u8) -> Vec<u8> {
    let [r0, r1, r2, r3] = opus::SAMPLE_RATE.to_le_bytes();
    [b"OpusHead\x01", &[channels, 0, 0, r0, r1, r2, r3, 0, 0, family][..]].concat()
}

fn multiopus(format: &Format) -> Option<Result<opus::Config, Error>> {
    let field = |name| number(&format.fmtp, name).and_then(|value| u8::try_from(value).ok());
    let mapping: Option<Vec<u8>> =
        get(&format.fmtp, "channel_mapping")?.split(',').map(|channel| channel.trim().parse().ok()).collect();
    let channels = u8::try_from(format.channels?).ok()?;
    let mut head = opus_head_bytes(channels, 1);
    head.extend([field("num_streams")?, field("coupled_streams")?]);
    head.extend(mapping?);
    Some(opus::Config::decode(&head))
}

fn g711(config: &g711::Config, payload_type: u8) -> Format {
    let audio = config.audio();
    let (encoding, fixed) = match config.law() {
        g711::Law::A => ("PCMA", PCMA),
        g711::Law::Mu => ("PCMU", PCMU),
    };
    let is_fixed = audio.sample_rate == g711::SAMPLE_RATE && audio.channels == 1;
    Format {
        payload_type: if is_fixed { fixed } else { payload_type },
        encoding: encoding.to_owned(),
        clock_rate: audio.sample_rate,
        channels: u16::try_from(audio.channels).ok().filter(|_| !is_fixed),
        fmtp: String::new(),
    }
}
