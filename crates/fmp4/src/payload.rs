//! A sample's bytes in `mdat`: those of the frame, without what the sample entry forbids beside itself.

use bytes::Bytes;
use media::codec::{h264, h265};
use media::{Codec, nal};

/// `seq_parameter_set_extension_rbsp` (ITU-T H.264 table 7-1).
const H264_SPS_EXTENSION: u8 = 13;

/// Appends the payload of a sample as it goes into `mdat` to `out`, as slices that share the bytes of `data`, and
/// returns how many bytes that are.
///
/// `data` is that of a [`media::Frame`]. Parameter sets of H.264 and H.265 are left out, for with `avc1` and `hvc1`
/// they are in the sample entry alone (ISO/IEC 14496-15 5.4.2.1, 8.4.1): a change of them needs a new initialization
/// segment. Everything else stays: delimiters and messages are legal, and filler data too, without which there
/// are hardware decoders that fail (<https://github.com/video-dev/hls.js/issues/4787>). What follows a NAL unit whose
/// length reaches beyond the data is left out.
///
/// A frame that held parameter sets alone has no payload: 0 is returned, and it makes no sample.
pub fn payload(codec: &Codec, data: &Bytes, out: &mut Vec<Bytes>) -> usize {
    match codec {
        Codec::H264(_) => put_units(data, out, |unit| {
            use h264::nal_type::{PPS, SPS};
            !matches!(h264::unit_type(unit), Some(SPS | PPS | H264_SPS_EXTENSION))
        }),
        Codec::H265(_) => put_units(data, out, |unit| {
            use h265::nal_type::{PPS, VPS};
            !matches!(h265::unit_type(unit), Some(VPS..=PPS))
        }),
        _ => put(data, 0..data.len(), out),
    }
}

/// Those NAL units that are `wanted`, with as few slices as they allow. Empty ones are left out.
fn put_units(data: &Bytes, out: &mut Vec<Bytes>, wanted: impl Fn(&[u8]) -> bool) -> usize {
    let (mut start, mut end, mut total) = (0, 0, 0);
    while let Some(unit) = unit_at(data, end) {
        let next = end + nal::LENGTH_SIZE + unit.len();
        if unit.is_empty() || !wanted(unit) {
            total += put(data, start..end, out);
            start = next;
        }
        end = next;
    }
    total + put(data, start..end, out)
}

/// The unit whose length is at `at`.
fn unit_at(data: &[u8], at: usize) -> Option<&[u8]> {
    let (length, rest) = data.get(at..)?.split_first_chunk::<{ nal::LENGTH_SIZE }>()?;
    rest.get(..u32::from_be_bytes(*length) as usize)
}

fn put(data: &Bytes, range: std::ops::Range<usize>, out: &mut Vec<Bytes>) -> usize {
    let len = range.len();
    if len > 0 {
        out.push(data.slice(range));
    }
    len
}

#[cfg(test)]
mod tests {
    use super::*;
    use media::codec::opus;
    use proptest::prelude::*;

    fn h264() -> Codec {
        Codec::H264(
            h264::Config::decode(include_bytes!("../../media/testdata/x264-1080p.avcc")).expect("avcC"),
        )
    }

    fn h265() -> Codec {
        Codec::H265(
            h265::Config::decode(include_bytes!("../../media/testdata/x265-1080p.hvcc")).expect("hvcC"),
        )
    }

    fn opus() -> Codec {
        let head = b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0";
        Codec::Opus(opus::Config::decode(head).expect("OpusHead"))
    }

    /// The slices and what they hold together.
    fn taken(codec: &Codec, data: &Bytes) -> (Vec<Bytes>, Vec<u8>) {
        let mut out = Vec::new();
        let len = payload(codec, data, &mut out);
        let all = out.concat();
        assert_eq!(len, all.len());
        let within = data.as_ptr_range();
        assert!(out.iter().all(|part| !part.is_empty() && within.contains(&part.as_ptr())));
        (out, all)
    }

    #[test]
    fn h264_without_parameter_sets() {
        let units: [&[u8]; 8] =
            [&[9, 0xf0], &[0x67, 1], &[0x68, 2], &[0x6d], &[6, 5], &[0x65, 3], &[0x68], &[12]];
        let (parts, all) = taken(&h264(), &nal::join(units));
        assert_eq!(all, nal::join([units[0], units[4], units[5], units[7]]));
        assert_eq!(parts.len(), 3);
    }

    #[test]
    fn h265_without_parameter_sets() {
        let units: [&[u8]; 6] =
            [&[0x46, 1, 0x50], &[0x40, 1], &[0x42, 1], &[0x44, 1], &[0x4e, 1], &[0x26, 1]];
        let (parts, all) = taken(&h265(), &nal::join(units));
        assert_eq!(all, nal::join([units[0], units[4], units[5]]));
        assert_eq!(parts.len(), 2);
        assert_eq!(taken(&h265(), &nal::join(units[1..4].iter().copied())), (vec![], vec![]));
    }

    #[test]
    fn whole_frames_are_one_slice() {
        let data = nal::join([&[9, 0xf0][..], &[0x41, 1, 2, 3]]);
        assert_eq!(taken(&h264(), &data).0, [data]);
        let packet = Bytes::from_static(&[0xfc, 0, 0, 0, 1]);
        assert_eq!(taken(&opus(), &packet).0, [packet]);
        assert_eq!(taken(&opus(), &Bytes::new()), (vec![], vec![]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(data: Vec<u8>) {
            let data = Bytes::from(data);
            for codec in [h264(), h265()] {
                let (_, all) = taken(&codec, &data);
                // What is left is whole units.
                prop_assert_eq!(nal::relength(all.clone().into(), 4).unwrap(), all);
            }
        }

        #[test]
        fn other_units_stay_in_order(kinds in prop::collection::vec(0u8..32, 0..20)) {
            let units: Vec<[u8; 2]> = kinds.iter().enumerate().map(|(i, &kind)| [kind, i as u8]).collect();
            let kept = units.iter().filter(|unit| !matches!(unit[0], 7 | 8 | 13)).map(|unit| &unit[..]);
            let (_, all) = taken(&h264(), &nal::join(units.iter().map(|unit| &unit[..])));
            prop_assert_eq!(all, nal::join(kept));
        }
    }
}
