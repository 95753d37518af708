//! Media segments: what was said of the samples is what is read, whatever the samples are.

use bytes::Bytes;
use media::{Frame, Timestamp};
use mp4_atom::{Decode, Moof};
use proptest::prelude::*;
use rillcast_fmp4::{Sample, Segment, payload, segment_head, timescale};
use testkit::{Clip, clip, samples};

use crate::walker::{Node, u32_at, walk};

/// `sample_flags` of a sync sample and of another.
const FLAGS: [u32; 2] = [0x0101_0000, 0x0200_0000];

/// What a fragment says, found by the walker.
struct Read {
    sequence_number: u32,
    base_decode_time: u64,
    samples: Vec<Sample>,
    /// From the start of `moof` to the first byte of media.
    data_offset: usize,
}

fn read(moof: Node<'_>) -> Read {
    assert_eq!(moof.outline(), "moof(mfhd traf(tfhd tfdt trun))");
    let tfdt = moof.find("traf/tfdt");
    assert_eq!(tfdt.version_flags(), (1, 0));
    let (trun, mut fields) =
        (moof.find("traf/trun"), moof.find("traf/trun").body[4..].chunks(4).map(|b| u32_at(b, 0)));
    let (version, flags) = trun.version_flags();
    assert_eq!(flags & 1, 1);
    let [default_duration, default_size, default_flags] = defaults(moof.find("traf/tfhd"));
    let mut next = || fields.next().expect("a field");
    let (count, data_offset) = (next(), next() as usize);
    let mut first_flags = (flags & 4 != 0).then(&mut next);
    let mut field =
        |bit, default: Option<u32>| if flags & bit != 0 { next() } else { default.expect("a default") };
    let samples = (0..count)
        .map(|_| {
            let (duration, size) = (field(0x100, default_duration), field(0x200, default_size));
            let own = field(0x400, first_flags.take().or(default_flags));
            let composition_offset = field(0x800, Some(0)) as i32;
            let sync = FLAGS.iter().position(|&known| known == own).expect("flags in use") == 1;
            Sample { duration, size, composition_offset, sync }
        })
        .collect::<Vec<_>>();
    assert_eq!(fields.next(), None);
    // Readers of version 0 take the offsets as unsigned (ISO/IEC 14496-12 8.8.8).
    let signed = samples.iter().any(|sample: &Sample| sample.composition_offset < 0);
    assert_eq!(version, u8::from(signed));
    Read {
        sequence_number: u32_at(moof.find("mfhd").body, 4),
        base_decode_time: u64::from(u32_at(tfdt.body, 4)) << 32 | u64::from(u32_at(tfdt.body, 8)),
        samples,
        data_offset,
    }
}

/// Default duration, size and flags of `tfhd`.
fn defaults(tfhd: Node<'_>) -> [Option<u32>; 3] {
    let (_, flags) = tfhd.version_flags();
    // Relative to moof, with a sample description, without an offset of its own.
    assert_eq!(flags & 0x02_0003, 0x02_0002);
    let mut fields = tfhd.body[4..].chunks(4).map(|bytes| u32_at(bytes, 0));
    assert_eq!([fields.next(), fields.next()], [Some(1), Some(1)]);
    let found = [8, 16, 32].map(|bit| if flags & bit != 0 { fields.next() } else { None });
    assert_eq!(fields.next(), None);
    found
}

fn check(segment: &Segment<'_>) {
    let head = segment_head(segment);
    let boxes = walk(&head);
    let kinds: Vec<_> = boxes.iter().map(|node| &node.kind).collect();
    assert_eq!(kinds, [b"styp", b"moof", b"mdat"]);
    assert_eq!(boxes[0].body, b"msdh\0\0\0\0msdhcmfs");
    let found = read(boxes[1]);
    assert_eq!(found.sequence_number, segment.sequence_number);
    assert_eq!(found.base_decode_time, segment.base_decode_time);
    assert_eq!(found.samples, segment.samples);
    assert_eq!(found.data_offset, head.len() - boxes[1].at);
    let payload: u64 = segment.samples.iter().map(|sample| u64::from(sample.size)).sum();
    match u32_at(&head, boxes[2].at) {
        1 => assert_eq!(head[boxes[2].at + 8..], (payload + 16).to_be_bytes()),
        size => assert_eq!(u64::from(size), payload + 8),
    }
    check_with_atoms(segment, &head[boxes[1].at..]);
}

/// The same by the other implementation.
fn check_with_atoms(segment: &Segment<'_>, mut bytes: &[u8]) {
    let moof = Moof::decode(&mut bytes).expect("moof");
    assert_eq!(moof.mfhd.sequence_number, segment.sequence_number);
    let [traf] = &moof.traf[..] else { panic!("one traf") };
    assert!(traf.tfhd.default_base_is_moof);
    assert_eq!(traf.tfdt.as_ref().expect("tfdt").base_media_decode_time, segment.base_decode_time);
    let [trun] = &traf.trun[..] else { panic!("one trun") };
    assert_eq!(trun.samples.len(), segment.samples.len());
    for (entry, sample) in trun.samples.iter().zip(segment.samples) {
        assert_eq!(entry.duration.or(traf.tfhd.default_sample_duration), Some(sample.duration));
        assert_eq!(entry.size.or(traf.tfhd.default_sample_size), Some(sample.size));
        assert_eq!(entry.cts.unwrap_or(0), i64::from(sample.composition_offset));
        let flags = entry.flags.or(traf.tfhd.default_sample_flags);
        assert_eq!(flags, Some(FLAGS[usize::from(sample.sync)]));
    }
}

prop_compose! {
    /// Often alike, as samples are.
    fn any_sample()(
        duration in prop_oneof![Just(1024u32), any::<u32>()],
        size in prop_oneof![Just(300u32), any::<u32>()],
        composition_offset in prop_oneof![Just(0i32), any::<i32>()],
        sync: bool,
    ) -> Sample {
        Sample { duration, size, composition_offset, sync }
    }
}

proptest! {
    #[test]
    fn any_samples_come_back(
        sequence_number: u32,
        base_decode_time: u64,
        samples in prop_oneof![
            prop::collection::vec(any_sample(), 0..40),
            (any_sample(), 0usize..40).prop_map(|(sample, count)| vec![sample; count]),
            (any_sample(), any_sample(), 0usize..40)
                .prop_map(|(first, rest, count)| [vec![first], vec![rest; count]].concat()),
        ],
    ) {
        check(&Segment { sequence_number, base_decode_time, samples: &samples });
    }
}

/// A segment of a track's first frames: samples, payload, and the frames.
fn first_frames(clip: &Clip, count: usize) -> (Vec<Sample>, Vec<Bytes>, Vec<Frame>) {
    let codec = &clip.tracks[0].codec;
    let scale = timescale(codec);
    let mut out = Vec::new();
    let frames = clip.frames[..count].to_vec();
    let next = clip.frames[1..].iter().map(|frame| frame.dts);
    let samples = frames.iter().zip(next).map(|(frame, next): (&Frame, Timestamp)| Sample {
        duration: (next.to_scale(scale) - frame.dts.to_scale(scale)) as u32,
        size: payload(codec, &frame.data, &mut out) as u32,
        composition_offset: (frame.pts.to_scale(scale) - frame.dts.to_scale(scale)) as i32,
        sync: frame.key,
    });
    (samples.collect(), out, frames)
}

/// Each sample's bytes lie where `trun` says.
#[test]
fn frames_are_found_in_the_segment() {
    let clips = [
        (clip().video_only(), 1000),
        (clip().audio_only(), 1024),
        (samples::opus(), 960),
        (samples::ac3(), 1536),
    ];
    for (clip, duration) in clips {
        let (samples, payload, frames) = first_frames(&clip, 20);
        assert!(samples.iter().all(|sample| sample.duration == duration));
        let segment = Segment { sequence_number: 1, base_decode_time: 0, samples: &samples };
        check(&segment);
        let file = [segment_head(&segment)].into_iter().chain(payload).collect::<Vec<_>>().concat();
        let moof = walk(&file)[1];
        let found = read(moof);
        let mut at = moof.at + found.data_offset;
        for (sample, frame) in found.samples.iter().zip(&frames) {
            let end = at + sample.size as usize;
            // The clip has its parameter sets in the configuration alone.
            assert_eq!(file[at..end], frame.data);
            at = end;
        }
        assert_eq!(at, file.len());
    }
}
