//! Media segments: `styp`, `moof` and the header of `mdat` (ISO/IEC 14496-12 8.8, 8.16; ISO/IEC 23000-19 7.3.2).

use bytes::{BufMut, Bytes};

use crate::TRACK_ID;
use crate::boxes::{HEADER, put, put_brands, put_full};

/// One sample of a segment, whose payload has its place in `mdat` by the order of the samples.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sample {
    /// From this sample's decode time to the next one's, on the track's clock.
    pub duration: u32,
    /// Bytes of its payload.
    pub size: u32,
    /// From decode to presentation time on the track's clock; 0 for sound. May be negative, see [`Segment`].
    pub composition_offset: i32,
    /// Decoding can start here.
    pub sync: bool,
}

/// What a media segment says of its samples.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment<'a> {
    /// Rises from segment to segment of a track.
    pub sequence_number: u32,
    /// Decode time of the first sample on the track's clock: the sum of all durations before it.
    ///
    /// Decode times go in as they are, so that no offset is negative, and the earliest presentation time, by which
    /// manifests name a segment, is later than this. Signed offsets would allow to move decode times until both are the
    /// same, as CMAF's brand `cmf2` has it. But FFmpeg's demuxer (5.1) then shows every picture later by the greatest of
    /// the negative offsets, and so out of step with the sound.
    pub base_decode_time: u64,
    /// In decode order.
    pub samples: &'a [Sample],
}

/// Fields that the flags of `tfhd` announce (8.8.7.1).
mod tfhd {
    pub(super) const SAMPLE_DESCRIPTION_INDEX: u32 = 0x02;
    pub(super) const DEFAULT_DURATION: u32 = 0x08;
    pub(super) const DEFAULT_SIZE: u32 = 0x10;
    pub(super) const DEFAULT_FLAGS: u32 = 0x20;
    pub(super) const DEFAULT_BASE_IS_MOOF: u32 = 0x02_0000;
}

/// Fields that the flags of `trun` announce (8.8.8.1).
mod trun {
    pub(super) const DATA_OFFSET: u32 = 0x01;
    pub(super) const FIRST_SAMPLE_FLAGS: u32 = 0x04;
    pub(super) const DURATION: u32 = 0x100;
    pub(super) const SIZE: u32 = 0x200;
    pub(super) const FLAGS: u32 = 0x400;
    pub(super) const COMPOSITION_OFFSET: u32 = 0x800;
}

impl Sample {
    /// `sample_flags` (8.8.3.1).
    fn flags(&self) -> u32 {
        /// `sample_depends_on` 2: on no other.
        const SYNC: u32 = 2 << 24;
        /// `sample_depends_on` 1, `sample_is_non_sync_sample`.
        const NON_SYNC: u32 = 1 << 24 | 1 << 16;
        if self.sync { SYNC } else { NON_SYNC }
    }
}

/// What all samples have in common stands once in `tfhd`, the rest with each sample in `trun`: in the fragment in
/// either case and not in `trex`, so that it says all of itself (CMAF 7.7.3).
struct Common {
    duration: Option<u32>,
    size: Option<u32>,
    /// Of all samples, or of all but the first.
    flags: Option<u32>,
    /// Where the first differs.
    first_flags: Option<u32>,
    /// Whether presentation and decode times are the same.
    in_order: bool,
    /// Whether one is presented before it is decoded.
    early: bool,
}

impl Common {
    fn of(samples: &[Sample]) -> Self {
        let first = samples.first().map(Sample::flags);
        let rest = samples.get(1..).unwrap_or_default();
        let flags = if rest.is_empty() { first } else { same(rest, Sample::flags) };
        Self {
            duration: same(samples, |sample| sample.duration),
            size: same(samples, |sample| sample.size),
            flags,
            first_flags: first.filter(|_| flags.is_some() && flags != first),
            in_order: samples.iter().all(|sample| sample.composition_offset == 0),
            early: samples.iter().any(|sample| sample.composition_offset < 0),
        }
    }

    fn tfhd_flags(&self) -> u32 {
        tfhd::DEFAULT_BASE_IS_MOOF
            | tfhd::SAMPLE_DESCRIPTION_INDEX
            | when(self.duration.is_some(), tfhd::DEFAULT_DURATION)
            | when(self.size.is_some(), tfhd::DEFAULT_SIZE)
            | when(self.flags.is_some(), tfhd::DEFAULT_FLAGS)
    }

    fn trun_flags(&self) -> u32 {
        trun::DATA_OFFSET
            | when(self.first_flags.is_some(), trun::FIRST_SAMPLE_FLAGS)
            | when(self.duration.is_none(), trun::DURATION)
            | when(self.size.is_none(), trun::SIZE)
            | when(self.flags.is_none(), trun::FLAGS)
            | when(!self.in_order, trun::COMPOSITION_OFFSET)
    }
}

/// The value that all samples have, if there is one.
fn same(samples: &[Sample], value: impl Fn(&Sample) -> u32) -> Option<u32> {
    let first = value(samples.first()?);
    samples.iter().all(|sample| value(sample) == first).then_some(first)
}

fn when(present: bool, flag: u32) -> u32 {
    if present { flag } else { 0 }
}

/// `styp`, `moof` and the header of `mdat`. The payload of the samples follows behind it, as it is.
pub fn segment_head(segment: &Segment<'_>) -> Bytes {
    let samples = segment.samples;
    let mut out = Vec::with_capacity(160 + samples.len() * 16);
    // DASH wants the first brand of a media segment (ISO/IEC 23009-1 6.3.4.2), CMAF the second (7.3.3.1).
    put_brands(&mut out, b"styp", &[b"msdh", b"cmfs"]);
    let moof_at = out.len();
    let mut data_offset_at = 0;
    put(&mut out, b"moof", |out| {
        put_full(out, b"mfhd", 0, 0, |out| out.put_u32(segment.sequence_number));
        put(out, b"traf", |out| {
            let common = Common::of(samples);
            put_tfhd(out, &common);
            put_full(out, b"tfdt", 1, 0, |out| out.put_u64(segment.base_decode_time));
            data_offset_at = put_trun(out, &common, samples);
        });
    });
    let moof_len = out.len() - moof_at;
    let header_at = out.len();
    put_mdat_header(&mut out, samples.iter().map(|sample| u64::from(sample.size)).sum());
    let data_offset = (moof_len + out.len() - header_at) as u32;
    out[data_offset_at..data_offset_at + 4].copy_from_slice(&data_offset.to_be_bytes());
    out.into()
}

/// 8.8.7.
fn put_tfhd(out: &mut Vec<u8>, common: &Common) {
    put_full(out, b"tfhd", 0, common.tfhd_flags(), |out| {
        out.put_u32(TRACK_ID);
        out.put_u32(1); // sample_description_index
        let defaults = [common.duration, common.size, common.flags];
        defaults.into_iter().flatten().for_each(|value| out.put_u32(value));
    });
}

/// 8.8.8. Returns where the data offset has to be filled in.
///
/// Version 1 has signed offsets, and is only for where they are needed: of a track with it CMAF (7.5.17) wants the
/// earliest presentation time to be the decode time, see [`Segment::base_decode_time`].
fn put_trun(out: &mut Vec<u8>, common: &Common, samples: &[Sample]) -> usize {
    let mut data_offset_at = 0;
    put_full(out, b"trun", common.early.into(), common.trun_flags(), |out| {
        out.put_u32(samples.len() as u32);
        data_offset_at = out.len();
        out.put_u32(0);
        if let Some(flags) = common.first_flags {
            out.put_u32(flags);
        }
        for sample in samples {
            if common.duration.is_none() {
                out.put_u32(sample.duration);
            }
            if common.size.is_none() {
                out.put_u32(sample.size);
            }
            if common.flags.is_none() {
                out.put_u32(sample.flags());
            }
            if !common.in_order {
                out.put_i32(sample.composition_offset);
            }
        }
    });
    data_offset_at
}

/// 8.1.1, with a 64-bit size (4.2) where it has to be.
fn put_mdat_header(out: &mut Vec<u8>, payload: u64) {
    match u32::try_from(payload + HEADER as u64) {
        Ok(size) => {
            out.put_u32(size);
            out.put_slice(b"mdat");
        }
        Err(_) => {
            out.put_u32(1);
            out.put_slice(b"mdat");
            out.put_u64(payload + 2 * HEADER as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(sync: bool) -> Sample {
        Sample { duration: 1024, size: 300, composition_offset: 0, sync }
    }

    fn head(samples: &[Sample]) -> Bytes {
        segment_head(&Segment { sequence_number: 7, base_decode_time: 1 << 40, samples })
    }

    /// Samples that are all alike need no entry each.
    #[test]
    fn equal_samples_are_said_once() {
        let bytes = head(&[sample(true); 100]);
        assert_eq!(bytes.len(), head(&[sample(true)]).len());
        let expected = [
            &b"\0\0\0\x18stypmsdh\0\0\0\0msdhcmfs"[..],
            b"\0\0\0\x68moof\0\0\0\x10mfhd\0\0\0\0\0\0\0\x07",
            b"\0\0\0\x50traf\0\0\0\x20tfhd\0\x02\0\x3a\0\0\0\x01\0\0\0\x01\0\0\x04\0\0\0\x01\x2c\x02\0\0\0",
            b"\0\0\0\x14tfdt\x01\0\0\0\0\0\x01\0\0\0\0\0",
            b"\0\0\0\x14trun\0\0\0\x01\0\0\0\x64\0\0\0\x70",
            b"\0\0\x75\x38mdat",
        ];
        assert_eq!(bytes, expected.concat());
    }

    #[test]
    fn flags_stand_where_they_are_shortest() {
        let common = |syncs: &[bool]| {
            let samples: Vec<_> = syncs.iter().map(|&sync| sample(sync)).collect();
            let common = Common::of(&samples);
            (common.flags.is_some(), common.first_flags.is_some())
        };
        assert_eq!(common(&[true]), (true, false));
        assert_eq!(common(&[true, true]), (true, false));
        assert_eq!(common(&[true, false, false]), (true, true));
        assert_eq!(common(&[false, true, true]), (true, true));
        assert_eq!(common(&[true, false, true]), (false, false));
        assert_eq!(common(&[]), (false, false));
    }

    #[test]
    fn offsets_are_signed_only_where_one_is_negative() {
        let version = |offsets: &[i32]| {
            let sample = |&composition_offset: &i32| Sample { composition_offset, ..sample(false) };
            let bytes = head(&offsets.iter().map(sample).collect::<Vec<_>>());
            let at = bytes.windows(4).position(|kind| kind == b"trun").unwrap();
            bytes[at + 4]
        };
        assert_eq!(version(&[0, 0]), 0);
        assert_eq!(version(&[2000, 5000, 0]), 0);
        assert_eq!(version(&[2000, -1000, 0]), 1);
    }

    #[test]
    fn more_than_four_gigabytes_have_a_long_size() {
        let large = Sample { size: u32::MAX, ..sample(true) };
        let bytes = head(&[large; 2]);
        assert_eq!(bytes[bytes.len() - 16..], *b"\0\0\0\x01mdat\0\0\0\x02\0\0\0\x0e");
        assert_eq!(bytes[bytes.len() - 20..bytes.len() - 16], [0, 0, 0, 0x78]);
    }
}
