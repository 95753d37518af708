//! AC-3 and E-AC-3: the head of a syncframe (ETSI TS 102 366 4.3, and E.1.2 for E-AC-3).

use crate::bits::BitReader;
use crate::{AudioInfo, Error};

/// Samples of one audio block.
const BLOCK: u32 = 256;
/// Rates of `fscod`.
const RATES: [u32; 3] = [48_000, 44_100, 32_000];

/// Locations of `chanmap` (table E.1.4), most significant bit first.
mod location {
    pub(super) const LEFT_RIGHT: u16 = 0x8000 | 0x2000;
    pub(super) const CENTRE: u16 = 0x4000;
    pub(super) const SURROUNDS: u16 = 0x1000 | 0x0800;
    pub(super) const CENTRE_SURROUND: u16 = 0x0100;
    pub(super) const LFE: u16 = 0x0001;
    /// Those that stand for a pair of channels.
    pub(super) const PAIRS: u16 = 0x0400 | 0x0200 | 0x0040 | 0x0020 | 0x0010 | 0x0004;
}

/// Locations that `chan_loc` names, by its bits from the lowest up (table F.6.1).
const CHAN_LOC: [u16; 9] = [0x0400, 0x0200, 0x0100, 0x0080, 0x0040, 0x0020, 0x0010, 0x0008, 0x0002];

/// What does not change from frame to frame.
#[derive(Clone, Debug)]
pub struct Config {
    enhanced: bool,
    sample_rate: u32,
    channels: u32,
    samples: u32,
    bit_rate_code: u8,
    program: Program,
    data_rate_kbps: u16,
}

/// A program as the boxes `dac3` and `dec3` of ISO files describe it: an independent substream with those that
/// depend on it (TS 102 366 F.4 and F.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Program {
    /// Sample rate code; 3 is one of the reduced rates of E-AC-3.
    pub fscod: u8,
    /// Bitstream identification.
    pub bsid: u8,
    /// Bitstream mode, the kind of service. For E-AC-3 it is always 0, a main service: there it lies deep in the frame.
    pub bsmod: u8,
    /// Audio coding mode: the channels but for low frequency effects.
    pub acmod: u8,
    /// Whether there is a channel of low frequency effects.
    pub lfeon: bool,
    /// Dependent substreams.
    pub num_dep_sub: u8,
    /// The channels that those bring, by the bits of table F.6.1.
    pub chan_loc: u16,
}

/// The data rate does not count: it is that of one access unit, and frames may differ in size.
impl PartialEq for Config {
    fn eq(&self, other: &Self) -> bool {
        let facts = |config: &Self| {
            (config.enhanced, config.sample_rate, config.channels, config.samples, config.bit_rate_code)
        };
        facts(self) == facts(other) && self.program == other.program
    }
}

impl Eq for Config {}

impl Config {
    /// From an access unit: one syncframe of AC-3, or the syncframes of E-AC-3 that belong together. Of several
    /// programs in one E-AC-3 stream, the first is described.
    pub fn decode(data: &[u8]) -> Result<Self, Error> {
        let first = Syncframe::decode(data)?;
        if matches!(first.role, Role::Extension) {
            let (what, field, expected) = ("AC-3 syncframe", "strmtyp of the first", "0 or 2");
            return Err(Error::Invalid { what, field, value: 1, expected });
        }
        let mut locations = first.locations;
        let mut samples = first.samples;
        let mut program = first.program;
        let mut bytes = first.len.unwrap_or_default();
        let mut rest = data;
        // Only E-AC-3 frames have a length here, for an access unit of AC-3 is a single one.
        let mut len = first.len;
        while let Some(next) = len.and_then(|len| rest.get(len..)) {
            let Ok(frame) = Syncframe::decode(next) else { break };
            match frame.role {
                Role::Program(0) => samples += frame.samples,
                Role::Program(_) => break,
                // It replaces or adds channels of the program before it.
                Role::Extension => {
                    locations |= frame.locations;
                    program.add(&frame, samples > first.samples);
                }
            }
            bytes += frame.len.unwrap_or_default();
            (rest, len) = (next, frame.len);
        }
        let channels = locations.count_ones() + (locations & location::PAIRS).count_ones();
        let rate = bytes as u64 * 8 * u64::from(first.sample_rate) / u64::from(samples) / 1000;
        Ok(Self {
            enhanced: first.len.is_some(),
            sample_rate: first.sample_rate,
            channels,
            samples,
            bit_rate_code: first.bit_rate_code,
            program,
            data_rate_kbps: u16::try_from(rate).unwrap_or(u16::MAX),
        })
    }

    /// Whether it is E-AC-3 (Dolby Digital Plus).
    pub fn is_enhanced(&self) -> bool {
        self.enhanced
    }

    /// `AC-3` or `E-AC-3`.
    pub fn name(&self) -> &'static str {
        if self.enhanced { "E-AC-3" } else { "AC-3" }
    }

    /// `ac-3` or `ec-3` (TS 102 366 annex F).
    pub fn codec_string(&self) -> String {
        if self.enhanced { "ec-3" } else { "ac-3" }.to_owned()
    }

    /// The program, or the first where there are several.
    pub fn program(&self) -> Program {
        self.program
    }

    /// `bit_rate_code` of AC-3: the nominal rate by table F.4.1. 0 for E-AC-3, which has no such code.
    pub fn bit_rate_code(&self) -> u8 {
        self.bit_rate_code
    }

    /// Kilobits per second of E-AC-3, as the first access unit had them; 0 for AC-3.
    pub fn data_rate_kbps(&self) -> u16 {
        self.data_rate_kbps
    }

    /// Rate, channels (low frequency effects among them), and samples of the access unit.
    pub fn audio(&self) -> AudioInfo {
        AudioInfo {
            sample_rate: self.sample_rate,
            channels: self.channels,
            samples_per_frame: Some(self.samples),
        }
    }
}

impl Program {
    /// Without dependent substreams. The fields have at most 5 bits in the frame.
    fn new(fscod: u32, bsid: u32, bsmod: u8, acmod: u32, lfeon: bool) -> Self {
        let (fscod, bsid, acmod) = (fscod as u8, bsid as u8, acmod as u8);
        Self { fscod, bsid, bsmod, acmod, lfeon, num_dep_sub: 0, chan_loc: 0 }
    }

    /// Takes a dependent substream in. One that is `repeated` in later blocks of the access unit was counted.
    fn add(&mut self, extension: &Syncframe, repeated: bool) {
        if !repeated {
            self.num_dep_sub = (self.num_dep_sub + 1).min(0x0f);
        }
        for (bit, location) in CHAN_LOC.into_iter().enumerate() {
            if extension.locations & location != 0 {
                self.chan_loc |= 1 << bit;
            }
        }
    }
}

/// `bit_rate_code` in kbit/s (TS 102 366 table 4.13).
const BIT_RATES: [u32; 19] =
    [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640];

/// The access unit that data begins with, by its syncframes: for AC-3 one, for E-AC-3 an independent substream 0 with those
/// that follow before the next (TS 102 366 E.1.3.1). Gives its bytes and its samples.
///
/// An E-AC-3 access unit may be a part of what a container calls so, where that is made of shorter frames.
///
/// None where the data is no syncframe, or ends within one.
pub fn frame(data: &[u8]) -> Option<(usize, u32)> {
    let first = Syncframe::decode(data).ok()?;
    let Some(mut bytes) = first.len else {
        return Some((basic_bytes(data)?, first.samples)).filter(|&(bytes, _)| bytes <= data.len());
    };
    while let Some(Ok(next)) = data.get(bytes..).filter(|rest| !rest.is_empty()).map(Syncframe::decode) {
        match (next.role, next.len) {
            (Role::Program(0), _) | (_, None) => break,
            (_, Some(len)) => bytes += len,
        }
    }
    (bytes <= data.len()).then_some((bytes, first.samples))
}

/// The bytes of the syncframe that begins here, by its head, and whether it begins an access unit: all do but those of other
/// programs and dependent substreams of E-AC-3. 7 bytes are enough for one that brings no channels of its own.
///
/// # Errors
///
/// Of a head that is too short, or is none.
pub fn syncframe(head: &[u8]) -> Result<(usize, bool), Error> {
    let frame = Syncframe::decode(head)?;
    let begins = matches!(frame.role, Role::Program(0));
    match frame.len.or_else(|| basic_bytes(head)) {
        Some(bytes) => Ok((bytes, begins)),
        None => Err(BitReader::new(head, "AC-3 syncframe").invalid("frmsizecod", 63, "at most 37")),
    }
}

/// Bytes of an AC-3 syncframe: six blocks at the nominal rate, in words of 16 bits (table 4.13).
fn basic_bytes(data: &[u8]) -> Option<usize> {
    let &[_, _, _, _, code, _] = data.first_chunk()?;
    let bit_rate = *BIT_RATES.get(usize::from(code & 0x3f) >> 1)?;
    let words = match code >> 6 {
        0 => bit_rate * 2,
        // At 44.1 kHz every other frame may have a word more.
        1 => bit_rate * 96_000 / 44_100 + u32::from(code & 1),
        _ => bit_rate * 3,
    };
    Some(words as usize * 2)
}

/// Where a syncframe belongs (`strmtyp`).
enum Role {
    /// An independent substream, by its number.
    Program(u32),
    /// A dependent substream: more channels of the program before it.
    Extension,
}

struct Syncframe {
    role: Role,
    sample_rate: u32,
    /// As bits of `chanmap`.
    locations: u16,
    samples: u32,
    /// In bytes, for E-AC-3.
    len: Option<usize>,
    /// For AC-3.
    bit_rate_code: u8,
    /// Without dependent substreams.
    program: Program,
}

impl Syncframe {
    fn decode(data: &[u8]) -> Result<Self, Error> {
        let mut reader = BitReader::new(data, "AC-3 syncframe");
        let sync = reader.bits(16)?;
        if sync != 0x0b77 {
            return Err(reader.invalid("syncword", u64::from(sync), "0x0b77"));
        }
        // bsid is at the same place in both (E.1.1).
        let mut ahead = reader.clone();
        ahead.skip(24)?;
        match ahead.bits(5)? {
            bsid @ 0..=10 => Self::basic(reader, bsid),
            11..=16 => Self::enhanced(reader),
            bsid => Err(reader.invalid("bsid", u64::from(bsid), "at most 16")),
        }
    }

    /// `syncinfo` after its sync word, and `bsi` to `lfeon`.
    fn basic(mut reader: BitReader<'_>, bsid: u32) -> Result<Self, Error> {
        reader.skip(16)?; // crc1
        let fscod = reader.bits(2)?;
        let Some(rate) = RATES.get(fscod as usize) else {
            return Err(reader.invalid("fscod", u64::from(fscod), "0, 1 or 2"));
        };
        // The low bit of frmsizecod tells frames with a padding word apart.
        let bit_rate_code = (reader.bits(6)? >> 1) as u8;
        reader.skip(5)?; // bsid
        let bsmod = reader.bits(3)? as u8;
        let acmod = reader.bits(3)?;
        let has_centre = acmod & 1 != 0 && acmod != 1;
        let has_surround = acmod & 4 != 0;
        for present in [has_centre, has_surround, acmod == 2] {
            reader.skip(if present { 2 } else { 0 })?;
        }
        let lfeon = reader.flag()?;
        let program = Program::new(fscod, bsid, bsmod, acmod, lfeon);
        // Streams of bsid 9 and 10 have a half and a quarter of the rate.
        let sample_rate = rate >> bsid.saturating_sub(8);
        Ok(Self {
            role: Role::Program(0),
            sample_rate,
            locations: locations(acmod, lfeon),
            samples: 6 * BLOCK,
            len: None,
            bit_rate_code,
            program,
        })
    }

    /// `bsi` of E-AC-3 to `chanmap`.
    fn enhanced(mut reader: BitReader<'_>) -> Result<Self, Error> {
        let kind = reader.bits(2)?;
        let substream = reader.bits(3)?;
        let len = (reader.bits(11)? as usize + 1) * 2;
        let fscod = reader.bits(2)?;
        let second = reader.bits(2)?;
        let (sample_rate, blocks) = match (RATES.get(fscod as usize), RATES.get(second as usize)) {
            (Some(&rate), _) => (rate, [1, 2, 3, 6][second as usize]),
            (None, Some(&rate)) => (rate / 2, 6),
            (None, None) => return Err(reader.invalid("fscod2", u64::from(second), "0, 1 or 2")),
        };
        let acmod = reader.bits(3)?;
        let lfeon = reader.flag()?;
        let mut locations = locations(acmod, lfeon);
        let bsid = reader.bits(5)?;
        let role = match kind {
            0 | 2 => Role::Program(substream),
            1 => Role::Extension,
            _ => return Err(reader.invalid("strmtyp", u64::from(kind), "0, 1 or 2")),
        };
        if matches!(role, Role::Extension) {
            for _ in 0..if acmod == 0 { 2 } else { 1 } {
                reader.skip(5)?; // dialnorm
                if reader.flag()? {
                    reader.skip(8)?; // compr
                }
            }
            if reader.flag()? {
                locations = reader.bits(16)? as u16;
            }
        }
        let program = Program::new(fscod, bsid, 0, acmod, lfeon);
        let samples = blocks * BLOCK;
        Ok(Self { role, sample_rate, locations, samples, len: Some(len), bit_rate_code: 0, program })
    }
}

/// Channels of an `acmod` (table 4.3) as bits of `chanmap`.
fn locations(acmod: u32, lfe: bool) -> u16 {
    use location::{CENTRE, CENTRE_SURROUND, LEFT_RIGHT, LFE, SURROUNDS};
    let full = match acmod {
        1 => CENTRE,
        3 => LEFT_RIGHT | CENTRE,
        4 => LEFT_RIGHT | CENTRE_SURROUND,
        5 => LEFT_RIGHT | CENTRE | CENTRE_SURROUND,
        6 => LEFT_RIGHT | SURROUNDS,
        7 => LEFT_RIGHT | CENTRE | SURROUNDS,
        // 0 is two single channels, 2 is stereo.
        _ => LEFT_RIGHT,
    };
    if lfe { full | LFE } else { full }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::testdata::{AC3_51, EAC3_51};

    fn audio(data: &[u8]) -> (u32, u32, u32) {
        let audio = Config::decode(data).unwrap().audio();
        (audio.sample_rate, audio.channels, audio.samples_per_frame.unwrap())
    }

    /// An E-AC-3 syncframe of 16 bytes at 48 kHz.
    fn enhanced(kind: u8, substream: u8, blocks: u8, acmod: u8, lfe: u8, tail: [u8; 4]) -> Vec<u8> {
        let fields = blocks << 4 | acmod << 1 | lfe;
        let mut frame = vec![0x0b, 0x77, kind << 6 | substream << 3, 7, fields, 16 << 3];
        frame[5] |= tail[0];
        frame.extend_from_slice(&tail[1..]);
        frame.resize(16, 0);
        frame
    }

    #[test]
    fn frames_of_ffmpeg() {
        let basic = Config::decode(AC3_51).unwrap();
        assert_eq!(
            (basic.name(), basic.codec_string().as_str(), basic.is_enhanced()),
            ("AC-3", "ac-3", false)
        );
        assert_eq!(audio(AC3_51), (48_000, 6, 1536));
        let enhanced = Config::decode(EAC3_51).unwrap();
        assert_eq!((enhanced.name(), enhanced.codec_string().as_str()), ("E-AC-3", "ec-3"));
        assert_eq!(audio(EAC3_51), (48_000, 6, 1536));
    }

    #[test]
    fn channel_modes() {
        for (acmod, channels) in [2, 1, 2, 3, 3, 4, 4, 5].into_iter().enumerate() {
            assert_eq!(audio(&enhanced(0, 0, 3, acmod as u8, 0, [0; 4])).1, channels, "{acmod}");
            assert_eq!(audio(&enhanced(0, 0, 3, acmod as u8, 1, [0; 4])).1, channels + 1, "{acmod}");
        }
    }

    #[test]
    fn short_frames_of_one_access_unit_add_up() {
        let frame = enhanced(0, 0, 1, 2, 0, [0; 4]);
        assert_eq!(audio(&frame), (48_000, 2, 512));
        assert_eq!(audio(&frame.repeat(3)), (48_000, 2, 1536));
        // A second program does not count.
        let other = enhanced(0, 1, 1, 7, 1, [0; 4]);
        assert_eq!(audio(&[&frame[..], &other].concat()), (48_000, 2, 512));
    }

    #[test]
    fn dependent_substream_adds_channels() {
        let main = enhanced(0, 0, 3, 7, 1, [0; 4]);
        // dialnorm 0, compre 0, chanmape 1, chanmap Ls, Rs and the Lrs/Rrs pair: 7.1 in all.
        let chanmap = 0x1000 | 0x0800 | 0x0200_u16;
        let bits = u32::from(chanmap) << 4 | 1 << 20;
        let [_, a, b, c] = bits.to_be_bytes();
        let extension = enhanced(1, 0, 3, 6, 0, [0, a, b, c]);
        let unit = [&main[..], &extension].concat();
        assert_eq!(audio(&unit), (48_000, 8, 1536));
        let config = Config::decode(&unit).unwrap();
        // Of the three, only Lrs/Rrs is not among the channels of the independent substream.
        assert_eq!((config.program().num_dep_sub, config.program().chan_loc), (1, 0b10));
        assert_eq!(config.data_rate_kbps(), 8);
    }

    #[test]
    fn programs_are_described() {
        let basic = Config::decode(AC3_51).unwrap();
        let program =
            Program { fscod: 0, bsid: 8, bsmod: 0, acmod: 7, lfeon: true, num_dep_sub: 0, chan_loc: 0 };
        assert_eq!((basic.program(), basic.bit_rate_code(), basic.data_rate_kbps()), (program, 15, 0)); // 448 kbit/s
        let enhanced = Config::decode(EAC3_51).unwrap();
        assert_eq!((enhanced.program(), enhanced.bit_rate_code()), (Program { bsid: 16, ..program }, 0));
        // A dependent substream that comes with each of two groups of blocks is one.
        let (main, more) = (self::enhanced(0, 0, 1, 7, 1, [0; 4]), self::enhanced(1, 0, 1, 2, 0, [0; 4]));
        let unit = [&main[..], &more, &main, &more].concat();
        assert_eq!(Config::decode(&unit).unwrap().program().num_dep_sub, 1);
    }

    #[test]
    fn frames_of_another_size_are_no_other_configuration() {
        let short = enhanced(0, 0, 3, 2, 0, [0; 4]);
        let mut long = [&short[..], &[0; 16]].concat();
        long[3] = 15;
        let (short, long) = (Config::decode(&short).unwrap(), Config::decode(&long).unwrap());
        assert_ne!(short.data_rate_kbps(), long.data_rate_kbps());
        assert_eq!(short, long);
    }

    #[test]
    fn frames_tell_their_length() {
        let mut data = AC3_51.to_vec();
        data.resize(4000, 0);
        assert_eq!(frame(&data), Some((1792, 1536))); // 448 kbit/s at 48 kHz
        assert_eq!(frame(&data[..1791]), None);
        // 128 kbit/s at 44.1 kHz, without and with its padding word; and at 32 kHz.
        for (code, bytes) in [(0x40 | 16, 556), (0x40 | 17, 558), (0x80 | 16, 768)] {
            data[4] = code;
            assert_eq!(frame(&data), Some((bytes, 1536)));
        }
        data[4] = 0x3f;
        assert_eq!(frame(&data), None);
        let (main, more) = (enhanced(0, 0, 1, 7, 1, [0; 4]), enhanced(1, 0, 1, 2, 0, [0; 4]));
        let unit = [&main[..], &more, &main, &more].concat();
        assert_eq!(frame(&unit), Some((32, 512)));
        assert_eq!(frame(&unit[..31]), None);
        assert_eq!(frame(&main), Some((16, 512)));
        assert_eq!(frame(&[]), None);
        assert_eq!(syncframe(&AC3_51[..7]), Ok((1792, true)));
        assert_eq!((syncframe(&main), syncframe(&more)), (Ok((main.len(), true)), Ok((more.len(), false))));
        assert!(matches!(syncframe(&AC3_51[..3]), Err(Error::Truncated { .. })));
        assert!(matches!(syncframe(&data), Err(Error::Invalid { .. })));
    }

    #[test]
    fn reserved_values_are_refused() {
        let mut frame = AC3_51.to_vec();
        frame[4] |= 0xc0;
        assert!(Config::decode(&frame).is_err());
        frame = AC3_51.to_vec();
        frame[5] = 17 << 3;
        assert!(Config::decode(&frame).is_err());
        assert!(Config::decode(&enhanced(3, 0, 3, 2, 0, [0; 4])).is_err());
        // More channels of a program that is not there; with an empty chanmap there would be none at all.
        assert!(Config::decode(&enhanced(1, 0, 3, 2, 0, [0, 0x10, 0, 0])).is_err());
        assert!(Config::decode(&AC3_51[..6]).is_err());
        assert!(Config::decode(&AC3_51[1..]).is_err());
    }
}
