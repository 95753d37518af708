//! Which frames become chunks, where viewers may start, and what is left out.

use media::TrackId;

use crate::source::{Run, at, context, flac, other_video, picture, sample, sound, stream, video};

const PAT_PID: u16 = 0;

/// PIDs of the packets of a chunk.
fn pids(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks(188).map(|packet| u16::from_be_bytes([packet[1] & 0x1f, packet[2]])).collect()
}

#[test]
fn nothing_comes_before_the_first_key_frame() {
    let context = context(0, vec![video(), sound()], true);
    let mut run = Run::new();
    run.push(&[sample(&context, 0), picture(&context, 0, false), sample(&context, 20)]);
    assert!(run.chunks.is_empty());
    run.push(&[picture(&context, 40, true), sample(&context, 40)]);
    assert_eq!(run.chunks.len(), 2);
    let first = &run.chunks[0];
    assert!(first.start && first.picture && first.join);
    assert!(run.begun[0].key && run.begun[0].slot.discontinuity);
    assert_eq!(pids(&first.bytes)[0], PAT_PID);
    assert!(!run.chunks[1].start && !run.chunks[1].picture);
}

/// The PTS field of a PES packet (ISO/IEC 13818-1 2.4.3.7).
fn pts(packets: &[u8]) -> u64 {
    let header = packets.windows(4).position(|bytes| bytes == b"\0\0\x01\xe0").expect("a picture");
    let field = packets[header + 9..header + 14].iter().fold(0u64, |word, &byte| word << 8 | u64::from(byte));
    (field >> 33 & 7) << 30 | (field >> 17 & 0x7fff) << 15 | field >> 1 & 0x7fff
}

#[test]
fn stamps_are_the_same_whenever_the_carrier_was_started() {
    let context = context(0, vec![video()], true);
    const DAY_MS: i64 = 86_400_000;
    let mut old = Run::new();
    old.push(&[picture(&context, 0, true), picture(&context, DAY_MS, true)]);
    let mut new = Run::new();
    new.push(&[picture(&context, DAY_MS, true)]);
    assert_eq!(pts(&old.chunks[1].bytes), pts(&new.chunks[0].bytes));
    let shown = (at(DAY_MS + 80) - media::Timestamp::ZERO + mpegts::START).to_scale(90_000);
    assert_eq!(pts(&new.chunks[0].bytes), shown as u64 % (1 << 33));
}

#[test]
fn every_key_frame_is_a_start_with_tables_and_a_splice() {
    let context = context(0, vec![video(), sound()], true);
    let mut run = Run::new();
    run.push(&stream(&context, 0, 5000, 1000));
    assert_eq!(run.carrier.dropped(), 0);
    let starts: Vec<_> = run.chunks.iter().filter(|chunk| chunk.start).collect();
    assert_eq!(starts.len(), 5);
    for chunk in starts {
        assert_eq!(pids(&chunk.bytes)[0], PAT_PID);
        assert_eq!(chunk.splice.len() % 188, 0);
        assert!(!chunk.splice.is_empty());
    }
    assert!(run.chunks.iter().all(|chunk| chunk.start || chunk.splice.is_empty()));
    assert_eq!(run.cuts(), [0, 2000, 4000]);
}

#[test]
fn sound_alone_has_starts_between_its_cuts() {
    let context = context(0, vec![sound()], true);
    let mut run = Run::new();
    run.push(&stream(&context, 0, 4100, 1));
    assert_eq!(run.cuts(), [0, 2000, 4000]);
    assert_eq!(run.chunks.iter().filter(|chunk| chunk.start).count(), 9);
    assert!(run.chunks.iter().all(|chunk| !chunk.picture));
}

#[test]
fn what_ts_cannot_carry_is_left_out_and_named() {
    let context = context(0, vec![video(), flac()], true);
    let mut run = Run::new();
    run.push(&stream(&context, 0, 80, 1000));
    let mut odd = sample(&context, 80);
    odd.frame.track = TrackId(2);
    run.push(&[odd]);
    assert_eq!(run.chunks.len(), 2);
    assert_eq!(run.carrier.omitted().iter().map(|omitted| omitted.track).collect::<Vec<_>>(), [TrackId(2)]);
    assert_eq!(run.chunks[0].tracks.len(), 1);
}

#[test]
fn an_epoch_begins_at_its_first_key_frame_with_a_discontinuity() {
    let first = context(0, vec![video(), sound()], true);
    let second = context(1, vec![video(), sound()], false);
    let mut run = Run::new();
    run.push(&stream(&first, 0, 3000, 1000));
    let before = run.chunks.len();
    run.push(&[sample(&second, 5000), picture(&second, 5000, false)]);
    assert_eq!(run.chunks.len(), before);
    run.push(&[picture(&second, 5040, true)]);
    let begun = run.begun.last().unwrap();
    assert!(begun.slot.discontinuity && begun.key);
    assert_eq!((begun.end, begun.slot.start), (Some(at(3080)), at(5120)));
}

#[test]
fn a_track_that_joins_waits_for_a_key_frame() {
    let alone = context(0, vec![video()], true);
    let both = context(0, vec![video(), sound()], true);
    let mut run = Run::new();
    run.push(&stream(&alone, 0, 480, 1000));
    run.push(&[sample(&both, 480), picture(&both, 480, false), sample(&both, 500)]);
    assert_eq!(run.chunks.last().map(|chunk| (chunk.timing.dts, chunk.tracks.len())), Some((at(480), 1)));
    run.push(&[picture(&both, 1000, true), sample(&both, 1000)]);
    assert_eq!(run.cuts(), [0, 1000]);
    let joined = &run.chunks[run.chunks.len() - 2];
    assert!(run.begun[1].slot.discontinuity && joined.tracks.len() == 2);
}

#[test]
fn a_new_video_configuration_cuts_at_once() {
    let old = context(0, vec![video(), sound()], true);
    let new = context(0, vec![other_video(), sound()], true);
    let mut run = Run::new();
    run.push(&stream(&old, 0, 480, 1000));
    run.push(&[sample(&new, 480), picture(&new, 480, false)]);
    assert_eq!(run.cuts(), [0, 480]);
    assert!(run.begun[1].slot.discontinuity && !run.begun[1].key);
}

#[test]
fn a_settled_wall_clock_changes_nothing_in_the_stream() {
    let mut run = Run::new();
    run.push(&stream(&context(0, vec![video(), sound()], false), 0, 480, 1000));
    run.push(&[picture(&context(0, vec![video(), sound()], true), 480, false)]);
    assert_eq!(run.cuts(), [0]);
}

#[test]
fn a_video_without_key_frames_does_not_hold_up_the_sound_for_ever() {
    let context = context(0, vec![video(), sound()], true);
    let mut run = Run::new();
    let mut entries = stream(&context, 0, 14_000, 1000);
    entries.iter_mut().for_each(|entry| entry.frame.key &= entry.frame.track == TrackId::AUDIO);
    run.push(&entries);
    assert_eq!(run.cuts(), [12_000]);
    assert!(!run.begun[0].key);
}

#[test]
fn a_skip_is_a_discontinuity() {
    let context = context(0, vec![video(), sound()], true);
    let mut run = Run::new();
    run.push(&stream(&context, 0, 1000, 1000));
    run.carrier.mark_skipped();
    run.push(&stream(&context, 9000, 9100, 1000));
    assert_eq!(run.cuts(), [0, 9000]);
    assert!(run.begun[1].slot.discontinuity);
    assert_eq!(run.begun[1].end, Some(at(1080)));
}

/// Whether the first packet of each PID has its discontinuity_indicator set (ISO/IEC 13818-1 2.4.3.5).
fn begins_marked(bytes: &[u8]) -> bool {
    let mut seen = std::collections::BTreeSet::new();
    let mut first = bytes.chunks(188).zip(pids(bytes)).filter(|&(_, pid)| seen.insert(pid));
    first.all(|(packet, _)| packet[3] & 0x20 != 0 && packet[4] > 0 && packet[5] & 0x80 != 0)
}

#[test]
fn a_carrier_that_goes_on_after_another_begins_at_a_key_frame_and_marks_the_break() {
    let context = context(0, vec![video(), sound()], true);
    let mut run = Run::new();
    run.push(&stream(&context, 0, 7000, 5000));
    assert_eq!(run.cuts(), [0, 5000]);
    let before = run.chunks.len();
    run.fail().push(&[picture(&context, 7000, false), sample(&context, 7000)]);
    assert_eq!(run.chunks.len(), before);
    run.push(&stream(&context, 7500, 20_000, 2000));
    let first = &run.chunks[before];
    let bytes: Vec<u8> = run.chunks[before..].iter().flat_map(|chunk| chunk.bytes.to_vec()).collect();
    assert!(first.start && begins_marked(&bytes));
    let begun = run.begun[2];
    assert!(begun.slot.discontinuity && begun.key);
    assert_eq!((begun.end, begun.dts), (Some(at(7080)), at(7500)), "what is missing is no media");
}

#[test]
fn a_source_that_falls_silent_when_its_carrier_failed_has_its_last_segment_closed() {
    let context = context(0, vec![video(), sound()], true);
    let mut run = Run::new();
    run.push(&stream(&context, 0, 3000, 2000)).fail().flush();
    assert_eq!(run.ended.last().map(|slot| slot.end()), Some(at(3080)));
    run.fail().push(&stream(&context, 5000, 5200, 2000));
    let begun = run.begun.last().expect("a segment begins");
    assert_eq!((begun.dts, begun.slot.discontinuity), (at(5000), true));
}

#[test]
fn a_carrier_that_goes_on_after_nothing_has_no_break_to_mark() {
    let context = context(0, vec![video(), sound()], true);
    let mut run = Run::new();
    run.fail().push(&stream(&context, 0, 100, 2000));
    assert!(!begins_marked(&run.chunks[0].bytes));
}
