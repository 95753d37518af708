//! H.264 (RFC 6184) and H.265 (RFC 7798) as others write them: single NAL units, aggregations and fragments to access units
//! with 4-byte lengths.
//!
//! An access unit ends at the marker, or where the timestamp changes. What is known of senders that have it otherwise:
//! - Some cameras set the marker on parameter sets, with the picture to follow under the same timestamp or the next. What has
//!   no picture is no access unit; it is put before the next picture.
//! - Some set it on every slice. When a picture goes on behind its marker, markers are not believed any more.
//! - Some leave start codes (H.264 Annex B) before their units, or several units between them.
//! - Some never end a fragmented unit: the next one ends it.

use bytes::Bytes;
use media::codec::{h264, h265};
use media::{Codec, nal};

use super::assembly::Assembly;
use super::nal::{END, H264_AGGREGATION, H264_FRAGMENT, H265_AGGREGATION, H265_FRAGMENT, START, Syntax};
use super::{Output, Unpack};
use crate::{Error, Packet};

/// STAP-B, MTAP16, MTAP24 and FU-B (RFC 6184 5.2), which are of the interleaved mode.
const STAP_B: u8 = 25;
const MTAP_16: u8 = 26;
const MTAP_24: u8 = 27;
const FU_B: u8 = 29;
/// RFC 7798 4.4.4.
const PACI: u8 = 50;

/// Bytes at most that are put before the next picture.
const CARRIED: usize = 1 << 16;

/// Sets of each kind at most that wait for those of another kind.
const MAX_SETS: usize = 31;

#[derive(Debug)]
pub(super) struct Reader {
    syntax: Syntax,
    /// DONL and DOND are there (RFC 7798 4.4).
    donl: bool,
    /// Parameter sets by kind, until there are enough for a configuration.
    sets: Vec<Vec<Bytes>>,
    unit: Assembly,
    /// Where the length of the fragmented NAL unit is that is not complete.
    fragment: Option<usize>,
    facts: Facts,
    /// Packets are missing before the next one that has a payload.
    lost: bool,
    /// Packets are missing right before this access unit, so that they may have been its first.
    after_loss: bool,
    habits: Habits,
    /// Timestamp of the last access unit.
    last: Option<u32>,
    markers_lie: bool,
}

/// What is in an access unit so far.
#[derive(Debug, Default)]
struct Facts {
    delimiter: bool,
    sets: bool,
    key: bool,
    /// Whether there is a slice, and whether the first one begins a picture.
    picture: Option<bool>,
}

/// What the sender's last whole access units had, and so the next ones are to have.
#[derive(Debug, Default)]
struct Habits {
    delimiter: bool,
    keys_have_sets: bool,
}

/// The sequence and the picture parameter sets of H.264.
pub(super) fn h264_sets(sets: &[Bytes]) -> [Vec<Bytes>; 2] {
    [h264::nal_type::SPS, h264::nal_type::PPS]
        .map(|kind| sets.iter().filter(|set| h264::unit_type(set) == Some(kind)).cloned().collect())
}

impl Reader {
    pub(super) fn h264(sets: [Vec<Bytes>; 2]) -> Self {
        Self::new(Syntax::H264, false, sets.to_vec())
    }

    pub(super) fn h265(sets: [Vec<Bytes>; 3], donl: bool) -> Self {
        Self::new(Syntax::H265, donl, sets.to_vec())
    }

    fn new(syntax: Syntax, donl: bool, sets: Vec<Vec<Bytes>>) -> Self {
        Self {
            syntax,
            donl,
            sets,
            unit: Assembly::default(),
            fragment: None,
            facts: Facts::default(),
            // Who comes late may come amid an access unit.
            lost: true,
            after_loss: false,
            habits: Habits::default(),
            last: None,
            markers_lie: false,
        }
    }
}

impl Unpack for Reader {
    fn push(&mut self, packet: &Packet, lost: bool, out: &mut Output) {
        self.lost |= lost;
        if packet.payload.is_empty() {
            return;
        }
        let lost = std::mem::take(&mut self.lost);
        let timestamp = packet.header.timestamp;
        if lost && self.unit.timestamp().is_some() {
            // If the access unit had an end, that is what is missing.
            self.unit.damage(self.lost());
        }
        if self.unit.timestamp() != Some(timestamp) {
            self.end(out);
            self.unit.begin(timestamp);
            self.after_loss = lost;
        }
        let result = match self.syntax {
            Syntax::H264 => self.h264_payload(&packet.payload, out.unit_bytes),
            Syntax::H265 => self.h265_payload(&packet.payload, out.unit_bytes),
        };
        if let Err(error) = result {
            self.unit.damage(error);
        }
        let has_picture = self.facts.picture.is_some() || self.unit.is_damaged();
        if packet.header.marker && has_picture && !self.markers_lie {
            self.end(out);
        }
    }
}

impl Reader {
    fn lost(&self) -> Error {
        Error::Lost { what: self.name() }
    }

    fn name(&self) -> &'static str {
        match self.syntax {
            Syntax::H264 => "H.264 access unit",
            Syntax::H265 => "H.265 access unit",
        }
    }

    fn truncated(&self, len: usize) -> Error {
        let what = match self.syntax {
            Syntax::H264 => "H.264 payload",
            Syntax::H265 => "H.265 payload",
        };
        Error::Truncated { what, len }
    }

    /// The open access unit has ended.
    fn end(&mut self, out: &mut Output) {
        let Some(timestamp) = self.unit.timestamp() else { return };
        self.end_fragment();
        if self.facts.picture.is_none() && !self.unit.is_damaged() && self.unit.data().len() <= CARRIED {
            return self.unit.carry();
        }
        let facts = std::mem::take(&mut self.facts);
        let goes_on = self.last == Some(timestamp) && facts.picture == Some(false);
        self.markers_lie |= goes_on && !self.after_loss;
        self.last = Some(timestamp);
        let data = match self.unit.end() {
            Ok(_) if goes_on || self.after_loss && self.lacks_its_head(&facts) => {
                return out.damaged(self.lost());
            }
            Ok(data) => data,
            Err(error) => return out.damaged(error),
        };
        self.habits.delimiter = facts.delimiter;
        if facts.key {
            self.habits.keys_have_sets = facts.sets;
        }
        if out.codec.is_none() {
            self.configure(&data, out);
        }
        out.unit(timestamp, data);
    }

    /// Whether what is missing was a part of this access unit: something that it begins with is not there.
    fn lacks_its_head(&self, facts: &Facts) -> bool {
        facts.picture == Some(false)
            || self.habits.delimiter && !facts.delimiter
            || self.habits.keys_have_sets && facts.key && !facts.sets
    }

    /// The configuration, where parameter sets of all kinds have come.
    fn configure(&mut self, data: &[u8], out: &mut Output) {
        let kinds = match self.syntax {
            Syntax::H264 => &[h264::nal_type::SPS, h264::nal_type::PPS][..],
            Syntax::H265 => &[h265::nal_type::VPS, h265::nal_type::SPS, h265::nal_type::PPS],
        };
        for (&kind, sets) in kinds.iter().zip(&mut self.sets) {
            let units = nal::units(data).filter(|unit| self.syntax.unit_type(unit) == Some(kind));
            let found: Vec<_> = units.map(Bytes::copy_from_slice).take(MAX_SETS).collect();
            if !found.is_empty() {
                *sets = found;
            }
        }
        let codec = match &self.sets[..] {
            [sps, pps] => h264::Config::from_parameter_sets(sps, pps).map(Codec::H264),
            [vps, sps, pps] => h265::Config::from_parameter_sets(vps, sps, pps).map(Codec::H265),
            _ => return,
        };
        if let Ok(codec) = codec {
            out.configure(codec);
        }
    }

    fn h264_payload(&mut self, payload: &[u8], limit: usize) -> Result<(), Error> {
        let truncated = self.truncated(payload.len());
        let Some((&header, rest)) = payload.split_first() else { return Err(truncated) };
        match header & 0x1f {
            // RFC 6184 5.2 lets receivers ignore these types; 0 is also what a start code begins with.
            0 => nal::annex_b(payload).for_each(|unit| self.whole(unit, &[], limit)),
            30 | 31 => {}
            H264_AGGREGATION => self.aggregation(rest, 0, limit).ok_or(truncated)?,
            STAP_B => {
                rest.get(2..).and_then(|rest| self.aggregation(rest, 0, limit)).ok_or(truncated)?;
            }
            kind @ (H264_FRAGMENT | FU_B) => {
                let Some((&flags, mut rest)) = rest.split_first() else { return Err(truncated) };
                if kind == FU_B && flags & START != 0 {
                    rest = rest.get(2..).ok_or(truncated)?;
                }
                self.piece(flags, &[header & 0xe0 | flags & 0x1f], rest, limit)?;
            }
            MTAP_16 | MTAP_24 => {
                return Err(Error::Unsupported { what: "H.264 payload", feature: "MTAP" });
            }
            _ => self.whole(payload, &[], limit),
        }
        Ok(())
    }

    fn h265_payload(&mut self, payload: &[u8], limit: usize) -> Result<(), Error> {
        let truncated = self.truncated(payload.len());
        let Some((&[first, second], rest)) = payload.split_first_chunk() else { return Err(truncated) };
        let number = if self.donl { 2 } else { 0 };
        match first >> 1 & 0x3f {
            0 if payload.starts_with(&[0, 0, 1]) || payload.starts_with(&[0, 0, 0, 1]) => {
                nal::annex_b(payload).for_each(|unit| self.whole(unit, &[], limit));
            }
            H265_AGGREGATION => {
                let rest = rest.get(number..);
                rest.and_then(|rest| self.aggregation(rest, number / 2, limit)).ok_or(truncated)?;
            }
            H265_FRAGMENT => {
                let Some((&flags, mut rest)) = rest.split_first() else { return Err(truncated) };
                if flags & START != 0 {
                    rest = rest.get(number..).ok_or(truncated)?;
                }
                let header = [first & 0x81 | (flags & 0x3f) << 1, second];
                self.piece(flags, &header, rest, limit)?;
            }
            PACI => return Err(Error::Unsupported { what: "H.265 payload", feature: "PACI" }),
            51.. => {}
            _ => self.whole(&[first, second], rest.get(number..).ok_or(truncated)?, limit),
        }
        Ok(())
    }

    /// Units behind lengths of 16 bits, and but for the first behind `number` bytes of their order. None where one is cut short.
    fn aggregation(&mut self, mut rest: &[u8], number: usize, limit: usize) -> Option<()> {
        while let Some((&length, after)) = rest.split_first_chunk() {
            let (unit, after) = after.split_at_checked(u16::from_be_bytes(length).into())?;
            self.whole(unit, &[], limit);
            rest = after.get(number..).unwrap_or_default();
        }
        Some(())
    }

    /// A whole unit, in two parts.
    fn whole(&mut self, head: &[u8], body: &[u8], limit: usize) {
        self.end_fragment();
        if self.syntax.unit_type(head).is_none() {
            return;
        }
        if self.syntax.is_delimiter(head) {
            self.facts.delimiter = true;
            return;
        }
        self.note(head, body);
        // A unit is no longer than its packet.
        self.unit.put(&((head.len() + body.len()) as u32).to_be_bytes(), limit);
        self.unit.put(head, limit);
        self.unit.put(body, limit);
    }

    /// A fragment of a unit with this header.
    fn piece(&mut self, flags: u8, header: &[u8], data: &[u8], limit: usize) -> Result<(), Error> {
        if flags & START != 0 {
            self.end_fragment();
            self.note(header, data);
            self.fragment = Some(self.unit.data().len());
            self.unit.put(&[0; nal::LENGTH_SIZE], limit);
            self.unit.put(header, limit);
        } else if self.fragment.is_none() && !self.unit.is_damaged() {
            return Err(self.lost());
        }
        self.unit.put(data, limit);
        if flags & END != 0 {
            self.end_fragment();
        }
        Ok(())
    }

    /// Writes the length of a fragmented unit.
    fn end_fragment(&mut self) {
        let Some(unit) = self.fragment.take().and_then(|at| self.unit.data_mut().get_mut(at..)) else {
            return;
        };
        if let Some((length, rest)) = unit.split_first_chunk_mut::<{ nal::LENGTH_SIZE }>() {
            // The limit of an access unit is below 4 GiB wherever one is set.
            *length = u32::try_from(rest.len()).unwrap_or(u32::MAX).to_be_bytes();
        }
    }

    /// Takes down what the unit is that begins so.
    fn note(&mut self, head: &[u8], body: &[u8]) {
        let Some(kind) = self.syntax.unit_type(head) else { return };
        self.facts.sets |= self.syntax.is_sequence_set(kind);
        if self.facts.picture.is_none() && self.syntax.is_slice(kind) {
            let mut bytes = head.iter().chain(body).skip(self.syntax.header());
            // first_mb_in_slice is 0, or first_slice_segment_in_pic_flag is 1.
            self.facts.picture = Some(bytes.next().is_some_and(|byte| byte & 0x80 != 0));
            self.facts.key = self.syntax.is_key(kind);
        }
    }
}

impl Syntax {
    fn unit_type(self, unit: &[u8]) -> Option<u8> {
        match self {
            Self::H264 => h264::unit_type(unit),
            Self::H265 => h265::unit_type(unit),
        }
    }

    fn is_delimiter(self, unit: &[u8]) -> bool {
        match self {
            Self::H264 => h264::unit_type(unit) == Some(h264::nal_type::AUD),
            Self::H265 => h265::unit_type(unit) == Some(h265::nal_type::AUD),
        }
    }

    fn is_sequence_set(self, kind: u8) -> bool {
        match self {
            Self::H264 => kind == h264::nal_type::SPS,
            Self::H265 => kind == h265::nal_type::SPS,
        }
    }

    fn is_slice(self, kind: u8) -> bool {
        match self {
            Self::H264 => {
                matches!(kind, h264::nal_type::SLICE | h264::nal_type::PARTITION_A | h264::nal_type::IDR)
            }
            Self::H265 => kind <= h265::nal_type::LAST_VCL,
        }
    }

    fn is_key(self, kind: u8) -> bool {
        match self {
            Self::H264 => kind == h264::nal_type::IDR,
            Self::H265 => (h265::nal_type::BLA_W_LP..=h265::nal_type::CRA).contains(&kind),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::{Header, Media};

    /// Parameter sets of x264: 1920x1080.
    fn config() -> h264::Config {
        h264::Config::decode(include_bytes!("../../../media/testdata/x264-1080p.avcc")).unwrap()
    }

    fn h265_config() -> h265::Config {
        h265::Config::decode(include_bytes!("../../../media/testdata/x265-1080p.hvcc")).unwrap()
    }

    const IDR: &[u8] = b"\x65\x88abcdef";
    const SLICE: &[u8] = b"\x41\x9aabc";
    /// A slice that does not begin its picture.
    const MORE: &[u8] = b"\x41\x40abc";
    const MARKER: u32 = 1 << 31;

    struct Test {
        reader: Reader,
        out: Output,
    }

    impl Test {
        fn h264(known: bool) -> Self {
            let sets = if known {
                [config().sps(), config().pps()].map(<[Bytes]>::to_vec)
            } else {
                Default::default()
            };
            let codec = known.then(|| Codec::H264(config()));
            let out = Output { queue: VecDeque::new(), codec, unit_bytes: 1000 };
            Self { reader: Reader::h264(sets), out }
        }

        fn h265(donl: bool) -> Self {
            let out =
                Output { queue: VecDeque::new(), codec: Some(Codec::H265(h265_config())), unit_bytes: 1000 };
            Self { reader: Reader::h265(Default::default(), donl), out }
        }

        /// A timestamp, with [`MARKER`] or without. Gives what came out: units by timestamp and NAL units, and damage.
        fn push(&mut self, stamp: u32, lost: bool, payload: &[u8]) -> Vec<String> {
            let (marker, timestamp) = (stamp & MARKER != 0, stamp & !MARKER);
            let header = Header { marker, timestamp, ..Header::default() };
            let packet = Packet { header, payload: Bytes::copy_from_slice(payload) };
            self.reader.push(&packet, lost, &mut self.out);
            let text = |media| match media {
                Media::Codec(codec) => codec.name().to_owned(),
                Media::Damaged { what } => what.to_string(),
                Media::Unit { timestamp, key, data } => {
                    let units: Vec<_> =
                        nal::units(&data).map(|unit| format!("{}:{}", unit[0], unit.len())).collect();
                    format!("{timestamp}{} {}", if key { "!" } else { "" }, units.join(" "))
                }
            };
            self.out.queue.drain(..).map(text).collect()
        }
    }

    const LOST: &str = "H.264 access unit: packets are missing";
    const NONE: [&str; 0] = [];

    #[test]
    fn the_parameter_sets_may_come_in_the_stream_alone() {
        let mut test = Test::h264(false);
        assert_eq!(test.push(1 | MARKER, false, SLICE), ["an access unit before its parameter sets"]);
        assert_eq!(test.push(2, false, &config().sps()[0]), NONE);
        assert_eq!(test.push(2, false, &config().pps()[0]), NONE);
        let sizes = format!("103:{} 104:{}", config().sps()[0].len(), config().pps()[0].len());
        assert_eq!(test.push(2 | MARKER, false, IDR), ["H.264".to_owned(), format!("2! {sizes} 101:8")]);
    }

    #[test]
    fn a_marker_on_parameter_sets_ends_nothing() {
        let mut test = Test::h264(true);
        let sps = config().sps()[0].clone();
        assert_eq!(test.push(1 | MARKER, false, &sps), NONE);
        assert_eq!(test.push(1 | MARKER, false, IDR), [format!("1! 103:{} 101:8", sps.len())]);
        // Under a timestamp of their own.
        assert_eq!(test.push(2 | MARKER, false, &sps), NONE);
        assert_eq!(test.push(3 | MARKER, false, IDR), [format!("3! 103:{} 101:8", sps.len())]);
    }

    #[test]
    fn markers_that_lie_are_not_believed() {
        let mut test = Test::h264(true);
        assert_eq!(test.push(1 | MARKER, false, SLICE), ["1 65:5"]);
        assert_eq!(test.push(1 | MARKER, false, MORE), [LOST], "what was the rest of the picture");
        assert_eq!(test.push(2 | MARKER, false, SLICE), NONE);
        assert_eq!(test.push(2 | MARKER, false, MORE), NONE);
        assert_eq!(test.push(3 | MARKER, false, SLICE), ["2 65:5 65:5"]);
    }

    #[test]
    fn two_pictures_of_one_timestamp_are_two() {
        let mut test = Test::h264(true);
        assert_eq!(test.push(1 | MARKER, false, SLICE), ["1 65:5"]);
        assert_eq!(test.push(1 | MARKER, false, SLICE), ["1 65:5"]);
        assert_eq!(test.push(2 | MARKER, false, SLICE), ["2 65:5"]);
    }

    #[test]
    fn without_markers_the_timestamp_ends_a_unit() {
        let mut test = Test::h264(true);
        assert_eq!(test.push(1, false, IDR), NONE);
        assert_eq!(test.push(2, false, b"\x09\xf0"), ["1! 101:8"]);
        assert_eq!(test.push(2, false, SLICE), NONE);
        assert_eq!(test.push(3, false, SLICE), ["2 65:5"], "without its delimiter");
    }

    #[test]
    fn aggregations_and_fragments() {
        let mut test = Test::h264(true);
        let group = b"\x18\0\x02\x09\xf0\0\0\0\x05\x41\x9aabc\0\x03\x06\x05\x80";
        assert_eq!(test.push(1 | MARKER, false, group), ["1 65:5 6:3"]);
        assert_eq!(test.push(2, false, b"\x7c\x85\x88abc"), NONE);
        assert_eq!(test.push(2, false, b"\x7c\x05def"), NONE);
        assert_eq!(test.push(2 | MARKER, false, b"\x7c\x45gh"), ["2! 101:10"]);
        // An end that never comes, and a unit that begins and ends in one fragment.
        assert_eq!(test.push(3, false, b"\x5c\x81\x9aabc"), NONE);
        assert_eq!(test.push(3, false, b"\x5c\xc1\x40abc"), NONE);
        assert_eq!(test.push(3 | MARKER, false, MORE), ["3 65:5 65:5 65:5"]);
        // STAP-B and FU-B are read as if they were in order.
        assert_eq!(test.push(4 | MARKER, false, b"\x19\0\x01\0\x05\x41\x9aabc"), ["4 65:5"]);
        assert_eq!(test.push(5, false, b"\x5d\x81\0\x01\x9aabc"), NONE);
        assert_eq!(test.push(5 | MARKER, false, b"\x5c\x41d"), ["5 65:6"]);
        assert_eq!(test.push(6 | MARKER, false, b"\x1a\0"), ["H.264 payload: MTAP is not supported"]);
        assert_eq!(test.push(7 | MARKER, false, b"\x18\0\x09\x41"), ["H.264 payload: data ends at byte 4"]);
        assert_eq!(test.push(8, false, b"\x1e\0"), NONE, "a type without a meaning is nothing");
        assert_eq!(test.push(8 | MARKER, false, SLICE), ["8 65:5"]);
    }

    #[test]
    fn start_codes_are_taken_off() {
        let mut test = Test::h264(true);
        let stream = b"\0\0\0\x01\x09\xf0\0\0\0\x01\x65\x88abc\0\0\x01\x65\x40abc";
        assert_eq!(test.push(1 | MARKER, false, stream), ["1! 101:5 101:5"]);
    }

    #[test]
    fn a_loss_costs_the_unit_that_it_was_in() {
        let mut test = Test::h264(true);
        assert_eq!(test.push(1, false, SLICE), NONE);
        assert_eq!(test.push(1 | MARKER, true, MORE), [LOST], "in the middle");
        assert_eq!(test.push(2, false, SLICE), NONE);
        assert_eq!(test.push(3 | MARKER, true, SLICE), [LOST, "3 65:5"], "at the end");
        assert_eq!(test.push(5 | MARKER, true, SLICE), ["5 65:5"], "all of the fourth");
        assert_eq!(test.push(6 | MARKER, true, MORE), [LOST], "at the beginning");
        assert_eq!(test.push(7, true, b"\x5c\x01def"), NONE);
        assert_eq!(test.push(7 | MARKER, false, b"\x5c\x41gh"), [LOST]);
        // An empty packet tells of a loss too.
        assert_eq!(test.push(8, false, SLICE), NONE);
        assert_eq!(test.push(8, true, b""), NONE);
        assert_eq!(test.push(8 | MARKER, false, MORE), [LOST]);
    }

    #[test]
    fn a_loss_before_what_a_sender_always_begins_with_is_one_of_the_beginning() {
        let mut test = Test::h264(true);
        let delimited = b"\x18\0\x02\x09\xf0\0\x05\x41\x9aabc";
        assert_eq!(test.push(1 | MARKER, false, delimited), ["1 65:5"]);
        assert_eq!(test.push(2 | MARKER, true, delimited), ["2 65:5"]);
        assert_eq!(test.push(3 | MARKER, true, SLICE), [LOST], "without its delimiter");
        let mut test = Test::h264(true);
        let sps = config().sps()[0].clone();
        test.push(1, false, &sps);
        assert_eq!(test.push(1 | MARKER, false, IDR).len(), 1);
        assert_eq!(test.push(2 | MARKER, true, IDR), [LOST], "without its parameter sets");
        assert_eq!(test.push(3 | MARKER, true, SLICE), ["3 65:5"]);
    }

    #[test]
    fn who_joins_amid_a_picture_waits_for_the_next() {
        let mut test = Test::h264(true);
        assert_eq!(test.push(1 | MARKER, false, MORE), [LOST]);
        assert_eq!(test.push(2 | MARKER, false, SLICE), ["2 65:5"]);
    }

    #[test]
    fn a_unit_beyond_the_limit_is_left_out() {
        let mut test = Test::h264(true);
        let long = [SLICE, &[1; 600]].concat();
        assert_eq!(test.push(1, false, &long), NONE);
        assert_eq!(test.push(1, false, &long), NONE);
        assert_eq!(test.push(1 | MARKER, false, MORE), ["access unit: 1218 exceeds the limit of 1000"]);
        assert_eq!(test.push(2 | MARKER, false, SLICE), ["2 65:5"]);
    }

    #[test]
    fn h265_with_its_numbers_and_without() {
        let mut test = Test::h265(false);
        assert_eq!(
            test.push(1 | MARKER, false, b"\x60\x01\0\x03\x46\x01\x10\0\x04\x26\x01\xafx"),
            ["1! 38:4"]
        );
        assert_eq!(test.push(2, false, b"\x62\x01\x81\x80ab"), NONE);
        assert_eq!(test.push(2 | MARKER, false, b"\x62\x01\x41cd"), ["2 2:7"]);
        assert_eq!(test.push(3 | MARKER, false, b"\0\0\0\x01\x02\x01\x80a"), ["3 2:4"]);
        assert_eq!(test.push(4 | MARKER, false, b"\x64\x01\0"), ["H.265 payload: PACI is not supported"]);
        let mut test = Test::h265(true);
        let group = b"\x60\x01\0\x01\0\x03\x46\x01\x10\0\0\x04\x26\x01\xafx";
        assert_eq!(test.push(1 | MARKER, false, group), ["1! 38:4"]);
        assert_eq!(test.push(2, false, b"\x62\x01\x81\0\x02\x80ab"), NONE);
        assert_eq!(test.push(2 | MARKER, false, b"\x62\x01\x41cd"), ["2 2:7"]);
        assert_eq!(test.push(3 | MARKER, false, b"\x02\x01\0\x03\x80a"), ["3 2:4"]);
        assert_eq!(test.push(4 | MARKER, false, b"\x02\x01\0"), ["H.265 payload: data ends at byte 3"]);
    }
}
