//! H.264 (RFC 6184) and H.265 (RFC 7798) as we write them: small NAL units aggregated, large ones in fragments
//! (`packetization-mode=1` of the one, `sprop-max-don-diff=0` of the other).

use bytes::Bytes;
use media::codec::{h264, h265};
use media::nal;

use super::{Pack, Payload, Sink};

/// The two codecs, which have the same build with headers of one byte and of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    H264,
    H265,
}

/// STAP-A, and FU-A (RFC 6184 5.2).
pub(super) const H264_AGGREGATION: u8 = 24;
pub(super) const H264_FRAGMENT: u8 = 28;
/// Aggregation packet, and fragmentation unit (RFC 7798 4.4).
pub(super) const H265_AGGREGATION: u8 = 48;
pub(super) const H265_FRAGMENT: u8 = 49;
/// S and E of a fragment's header (RFC 6184 5.8, RFC 7798 4.4.3).
pub(super) const START: u8 = 0x80;
pub(super) const END: u8 = 0x40;

/// Bytes of the length before each unit of an aggregation.
const LENGTH: usize = 2;

#[derive(Debug)]
pub(super) struct Packer {
    syntax: Syntax,
    sets: Vec<Bytes>,
    max: usize,
}

impl Packer {
    pub(super) fn h264(config: &h264::Config, max: usize) -> Self {
        Self { syntax: Syntax::H264, sets: [config.sps(), config.pps()].concat(), max }
    }

    pub(super) fn h265(config: &h265::Config, max: usize) -> Self {
        Self { syntax: Syntax::H265, sets: [config.vps(), config.sps(), config.pps()].concat(), max }
    }
}

impl Syntax {
    fn has_sets(self, data: &[u8]) -> bool {
        match self {
            Self::H264 => h264::has_parameter_sets(data),
            Self::H265 => h265::has_parameter_sets(data),
        }
    }

    /// Whether the unit is sent: it has a header, and is no access unit delimiter, which says nothing that the marker does not.
    fn is_sent(self, unit: &[u8]) -> bool {
        match self {
            Self::H264 => h264::unit_type(unit).is_some_and(|kind| kind != h264::nal_type::AUD),
            Self::H265 => h265::unit_type(unit).is_some_and(|kind| kind != h265::nal_type::AUD),
        }
    }

    /// Bytes of a unit's header.
    pub(super) fn header(self) -> usize {
        match self {
            Self::H264 => 1,
            Self::H265 => 2,
        }
    }

    /// The header of an aggregation (RFC 6184 5.7: F if it is set in any, the greatest NRI; RFC 7798 4.4.2: F as well, the
    /// lowest layer and the lowest temporal id).
    fn aggregation(self, units: &[&[u8]]) -> Vec<u8> {
        let first = |unit: &&[u8]| unit.first().copied().unwrap_or_default();
        let forbidden = units.iter().map(first).fold(0, |all, header| all | header & 0x80);
        match self {
            Self::H264 => {
                let importance = units.iter().map(first).map(|header| header & 0x60).max().unwrap_or(0);
                vec![forbidden | importance | H264_AGGREGATION]
            }
            Self::H265 => {
                let second = |unit: &&[u8]| unit.get(1).copied().unwrap_or_default();
                let layer = |unit: &&[u8]| first(unit) << 5 & 0x20 | second(unit) >> 3;
                let layer = units.iter().map(layer).min().unwrap_or(0);
                let temporal = units.iter().map(|unit| second(unit) & 0x07).min().unwrap_or(0);
                vec![forbidden | H265_AGGREGATION << 1 | layer >> 5, layer << 3 | temporal]
            }
        }
    }

    /// The header of a unit's fragments, the last byte without S and E.
    fn fragment(self, unit: &[u8]) -> Option<Vec<u8>> {
        Some(match (self, unit) {
            (Self::H264, &[header, ..]) => vec![header & 0xe0 | H264_FRAGMENT, header & 0x1f],
            (Self::H265, &[first, second, ..]) => {
                vec![first & 0x81 | H265_FRAGMENT << 1, second, first >> 1 & 0x3f]
            }
            _ => return None,
        })
    }
}

impl Pack for Packer {
    fn pack(&mut self, data: &[u8], key: bool, out: Sink<'_>) {
        let sets = if key && !self.syntax.has_sets(data) { &self.sets[..] } else { &[] };
        let units = sets.iter().map(|set| &set[..]).chain(nal::units(data));
        let mut units = units.filter(|unit| self.syntax.is_sent(unit)).peekable();
        let mut group = Group { syntax: self.syntax, max: self.max, units: Vec::new(), bytes: 0 };
        while let Some(unit) = units.next() {
            let last = units.peek().is_none();
            if unit.len() > self.max {
                group.send(false, out);
                self.fragment(unit, last, out);
            } else {
                group.add(unit, out);
                if last {
                    group.send(true, out);
                }
            }
        }
    }
}

impl Packer {
    fn fragment(&self, unit: &[u8], last: bool, out: Sink<'_>) {
        let (Some(mut header), Some(body)) = (self.syntax.fragment(unit), unit.get(self.syntax.header()..))
        else {
            return;
        };
        let room = self.max - header.len();
        let count = body.len().div_ceil(room);
        for (index, piece) in body.chunks(room).enumerate() {
            let end = index + 1 == count;
            if let Some(flags) = header.last_mut() {
                *flags = *flags & 0x3f | if index == 0 { START } else { 0 } | if end { END } else { 0 };
            }
            out(Payload { marker: last && end, offset: 0, parts: &[&header, piece] });
        }
    }
}

/// Units that may go into one packet.
struct Group<'a> {
    syntax: Syntax,
    max: usize,
    units: Vec<&'a [u8]>,
    /// With their lengths.
    bytes: usize,
}

impl<'a> Group<'a> {
    fn add(&mut self, unit: &'a [u8], out: Sink<'_>) {
        if self.syntax.header() + self.bytes + LENGTH + unit.len() > self.max {
            self.send(false, out);
        }
        self.units.push(unit);
        self.bytes += LENGTH + unit.len();
    }

    fn send(&mut self, marker: bool, out: Sink<'_>) {
        match &self.units[..] {
            [] => {}
            &[unit] => out(Payload { marker, offset: 0, parts: &[unit] }),
            units => {
                let header = self.syntax.aggregation(units);
                // They fit into 16 bits, unless a packet is as long as no network takes it.
                let lengths: Vec<_> = units.iter().map(|unit| (unit.len() as u16).to_be_bytes()).collect();
                let both = lengths.iter().zip(units).flat_map(|(length, unit)| [&length[..], unit]);
                let parts: Vec<_> = std::iter::once(&header[..]).chain(both).collect();
                out(Payload { marker, offset: 0, parts: &parts });
            }
        }
        self.units.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payloads(packer: &mut Packer, units: &[&[u8]], key: bool) -> Vec<(bool, Vec<u8>)> {
        let mut payloads = Vec::new();
        packer.pack(&nal::join(units.iter().copied()), key, &mut |payload| {
            payloads.push((payload.marker, payload.parts.concat()));
        });
        payloads
    }

    fn packer(syntax: Syntax, max: usize) -> Packer {
        Packer { syntax, sets: vec![Bytes::from_static(b"\x67s"), Bytes::from_static(b"\x68p")], max }
    }

    #[test]
    fn small_units_are_aggregated_and_a_lone_one_is_not() {
        let mut packer = packer(Syntax::H264, 32);
        let units: [&[u8]; 3] = [b"\x09\xf0", b"\x06sei", b"\x41slice"];
        assert_eq!(
            payloads(&mut packer, &units, false),
            [(true, b"\x58\0\x04\x06sei\0\x06\x41slice".to_vec())]
        );
        assert_eq!(payloads(&mut packer, &units[2..], false), [(true, b"\x41slice".to_vec())]);
        assert_eq!(payloads(&mut packer, &units[..1], false), []);
        assert_eq!(payloads(&mut packer, &[], true).len(), 1, "the parameter sets alone");
    }

    #[test]
    fn a_key_frame_brings_its_parameter_sets_once() {
        let mut packer = packer(Syntax::H264, 32);
        let with = [(true, b"\x78\0\x02\x67s\0\x02\x68p\0\x02\x65i".to_vec())];
        assert_eq!(payloads(&mut packer, &[b"\x65i"], true), with);
        assert_eq!(payloads(&mut packer, &[b"\x67s", b"\x68p", b"\x65i"], true), with);
    }

    #[test]
    fn a_large_unit_is_divided() {
        let mut h264 = packer(Syntax::H264, 32);
        let unit = [b"\x65".to_vec(), vec![7; 70]].concat();
        let found = payloads(&mut h264, &[b"\x06s", &unit, b"\x06e"], false);
        let heads: Vec<_> =
            found.iter().map(|(marker, payload)| (*marker, payload.len(), payload[0], payload[1])).collect();
        assert_eq!(
            heads,
            [
                (false, 2, 6, b's'),
                (false, 32, 0x7c, 0x85),
                (false, 32, 0x7c, 0x05),
                (false, 12, 0x7c, 0x45),
                (true, 2, 6, b'e')
            ]
        );
        let mut h265 = packer(Syntax::H265, 32);
        let unit = [b"\x26\x01".to_vec(), vec![7; 40]].concat();
        let found = payloads(&mut h265, &[&unit], false);
        let heads: Vec<_> =
            found.iter().map(|(marker, payload)| (*marker, payload.len(), &payload[..3])).collect();
        assert_eq!(heads, [(false, 32, &b"\x62\x01\x93"[..]), (true, 14, b"\x62\x01\x53")]);
    }

    #[test]
    fn an_aggregation_of_h265_is_of_the_lowest_layer_and_temporal_id() {
        assert_eq!(Syntax::H265.aggregation(&[b"\x02\x0b", b"\x02\x12"]), b"\x60\x0a");
        assert_eq!(Syntax::H265.aggregation(&[b"\x83\x01", b"\x03\x01"]), b"\xe1\x01");
    }
}
