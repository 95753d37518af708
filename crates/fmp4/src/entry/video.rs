//! Visual sample entries (ISO/IEC 14496-12 12.1.3). Aspect ratio and colour are left to the bitstream.

use bytes::BufMut;
use media::VideoInfo;
use media::codec::h265::nal_type;
use media::codec::{av1, h264, h265, vp9};

use super::DATA_REFERENCE;
use crate::boxes::{put, put_bytes};

/// `avc1`: parameter sets are in the entry alone (ISO/IEC 14496-15 5.4.2.1).
pub(super) fn put_h264(out: &mut Vec<u8>, config: &h264::Config) {
    put_visual(out, b"avc1", config.video(), "AVC Coding", b"avcC", config.record());
}

/// `hvc1`: the same for H.265 (ISO/IEC 14496-15 8.4.1).
pub(super) fn put_h265(out: &mut Vec<u8>, config: &h265::Config) {
    put_visual(out, b"hvc1", config.video(), "HEVC Coding", b"hvcC", &complete(config.record()));
}

/// AV1 Codec ISO Media File Format Binding 2.2.
pub(super) fn put_av1(out: &mut Vec<u8>, config: &av1::Config) {
    put_visual(out, b"av01", config.video(), "AOM Coding", b"av1C", config.record());
}

/// VP Codec ISO Media File Format Binding, "VP Codec Sample Entry Box".
pub(super) fn put_vp9(out: &mut Vec<u8>, config: &vp9::Config) {
    put_visual(out, b"vp09", config.video(), "VPC Coding", b"vpcC", config.record());
}

/// The `HEVCDecoderConfigurationRecord` as `hvc1` wants it: `array_completeness` 1 for all arrays of parameter sets
/// (ISO/IEC 14496-15 8.4.1), and the version of the published specification.
fn complete(record: &[u8]) -> Vec<u8> {
    /// Where `numOfArrays` is (8.3.3.1.2).
    const ARRAYS_AT: usize = 22;
    let mut record = record.to_vec();
    if let Some(version) = record.first_mut() {
        *version = 1;
    }
    let arrays = record.get(ARRAYS_AT).copied().unwrap_or_default();
    let mut at = ARRAYS_AT + 1;
    for _ in 0..arrays {
        let Some(kind) = record.get_mut(at) else { break };
        if (nal_type::VPS..=nal_type::PPS).contains(&(*kind & 0x3f)) {
            *kind |= 0x80;
        }
        let units = number(&record, at + 1);
        at += 3;
        for _ in 0..units {
            at += 2 + usize::from(number(&record, at));
        }
    }
    record
}

/// The 16-bit number there, 0 beyond the end.
fn number(record: &[u8], at: usize) -> u16 {
    record.get(at..at + 2).map_or(0, |bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
}

/// `name` has at most 31 bytes.
fn put_visual(
    out: &mut Vec<u8>,
    kind: &[u8; 4],
    video: VideoInfo,
    name: &str,
    config_kind: &[u8; 4],
    config: &[u8],
) {
    const NAME: usize = 31;
    const DOTS_PER_INCH: u32 = 72 << 16;
    put(out, kind, |out| {
        out.put_slice(&[0; 6]);
        out.put_u16(DATA_REFERENCE);
        out.put_slice(&[0; 16]);
        // `supports` has seen that they fit.
        out.put_u16(video.width as u16);
        out.put_u16(video.height as u16);
        out.put_u32(DOTS_PER_INCH);
        out.put_u32(DOTS_PER_INCH);
        out.put_u32(0);
        out.put_u16(1); // frame_count
        out.put_u8(name.len() as u8);
        out.put_slice(name.as_bytes());
        out.put_bytes(0, NAME.saturating_sub(name.len()));
        out.put_u16(0x0018); // depth
        out.put_i16(-1);
        put_bytes(out, config_kind, config);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const HVCC: &[u8] = include_bytes!("../../../media/testdata/x265-10bit-layers-scaling-lists.hvcc");

    #[test]
    fn arrays_of_parameter_sets_are_complete() {
        let config = h265::Config::decode(HVCC).unwrap();
        // As drafts had it, with a supplemental array behind.
        let made = h265::Config::from_parameter_sets(config.vps(), config.sps(), config.pps()).unwrap();
        let mut record = made.record().to_vec();
        record[0] = 0;
        record[22] += 1;
        record.extend_from_slice(&[39, 0, 1, 0, 2, 0x4e, 1]);
        let done = complete(&record);
        let again = h265::Config::decode(&done).unwrap();
        assert_eq!((again.vps(), again.sps(), again.pps()), (made.vps(), made.sps(), made.pps()));
        let changed: Vec<_> =
            record.iter().zip(&done).filter(|(old, new)| old != new).map(|(&old, &new)| (old, new)).collect();
        assert_eq!(changed, [(0, 1), (32, 160), (33, 161), (34, 162)]);
        assert_eq!(complete(&done), done);
    }

    #[test]
    fn records_that_end_early_are_taken() {
        for len in 0..HVCC.len() {
            assert_eq!(complete(&HVCC[..len]).len(), len);
        }
    }
}
