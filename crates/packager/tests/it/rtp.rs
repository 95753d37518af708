//! The carrier of RTP: numbers, times and framing of its packets, where players start, and what sender reports say.

use std::sync::Arc;

use bytes::Bytes;
use hub::{Context, Entry};
use media::codec::aac;
use media::timeline::{Anchor, Epoch};
use media::{Codec, Kind, TimeDelta, Timestamp, Track, TrackId, nal};
use rillcast_packager::rtp::{Carrier, Chunk, FRAMING_BYTES, Lane, MAX_LANES, Past, Setup};
use rtp::rtcp::{self, Message, SenderReport};
use rtp::{Depacketizer, Media, Packet};
use testkit::Clip;

use crate::source::{at, context, entry, flac, other_video, picture, sample, sound, stream, video};

/// Where identifiers and sequence numbers of the tests come from.
const SEED: u64 = 42;

/// A carrier and what it has made.
struct Run {
    carrier: Carrier,
    past: Past,
    chunks: Vec<Chunk>,
}

impl Run {
    fn new() -> Self {
        let past = Past::new(SEED);
        Self { carrier: Carrier::resume(&past), past, chunks: Vec::new() }
    }

    fn push(&mut self, entries: &[Entry]) -> &mut Self {
        for entry in entries {
            let Some(chunk) = self.carrier.push(entry) else { continue };
            self.past.note(&chunk);
            self.chunks.push(chunk);
        }
        self
    }

    /// The carrier fails, and another one goes on.
    fn fail(&mut self) -> &mut Self {
        self.carrier = Carrier::resume(&self.past);
        self
    }

    /// What is made of these entries.
    fn made(&mut self, entries: &[Entry]) -> Vec<Chunk> {
        let before = self.chunks.len();
        self.push(entries);
        self.chunks[before..].to_vec()
    }

    /// The lanes as they were told last.
    fn lanes(&self) -> Arc<[Lane]> {
        let setup = self.chunks.iter().rev().find_map(|chunk| chunk.setup.clone());
        Arc::clone(&setup.expect("told").lanes)
    }
}

/// The clip from the start of these tests on.
fn clip(rounds: usize) -> Clip {
    testkit::clip().starting_at(at(0)).looped(rounds)
}

fn clip_context(anchor: bool) -> Arc<Context> {
    context(0, clip(1).tracks, anchor)
}

/// The frames of a clip as they come in when they are due.
fn entries(context: &Arc<Context>, clip: &Clip) -> Vec<Entry> {
    let is_start = |frame: &media::Frame| frame.key && frame.track == TrackId::VIDEO;
    clip.frames.iter().map(|frame| entry(context, frame.clone(), is_start(frame))).collect()
}

/// The packets of a chunk behind their framing, which must be theirs.
fn packets(chunk: &Chunk) -> Vec<Packet> {
    let framed: Vec<&[u8]> = chunk.packets().collect();
    assert_eq!(framed.concat(), chunk.bytes, "nothing is between them");
    framed.into_iter().map(|packet| unframed(packet, Lane::channel(chunk.lane))).collect()
}

fn unframed(framed: &[u8], channel: u8) -> Packet {
    Packet::decode(content(framed, channel)).expect("a packet")
}

/// What follows `$`, the channel and the length (RFC 2326 10.12).
fn content(framed: &[u8], expected: u8) -> Bytes {
    let [dollar, channel, high, low, ref rest @ ..] = *framed else { panic!("{framed:?}") };
    assert_eq!((dollar, channel), (b'$', expected));
    assert_eq!(usize::from(u16::from_be_bytes([high, low])), rest.len());
    assert_eq!(framed.len() - rest.len(), FRAMING_BYTES);
    Bytes::copy_from_slice(rest)
}

fn report(setup: &Setup, lane: usize) -> SenderReport {
    let framed = &setup.reports.as_ref().expect("the wall clock is known")[lane];
    let messages = rtcp::decode(&content(framed, Lane::channel(lane) + 1)).expect("RTCP");
    let [Message::SenderReport(report, _), Message::Other(202)] = &messages[..] else {
        panic!("{messages:?}")
    };
    *report
}

/// The reports that all players get: the entry's time after the beginning, in ms, and the state with them.
fn reported(chunks: &[Chunk]) -> Vec<(i64, Arc<Setup>)> {
    let ms = |chunk: &Chunk| (chunk.dts - at(0)).to_scale(1000);
    let due = chunks.iter().filter(|chunk| chunk.report);
    due.map(|chunk| (ms(chunk), chunk.setup.clone().expect("reports have a state"))).collect()
}

/// The next number of each lane after these chunks, which must have no holes.
fn follow(chunks: &[Chunk], next: &mut [Option<u16>]) {
    for chunk in chunks {
        for packet in packets(chunk) {
            let next = &mut next[chunk.lane];
            let expected = next.unwrap_or(packet.header.sequence);
            assert_eq!(packet.header.sequence, expected, "lane {}", chunk.lane);
            *next = Some(expected.wrapping_add(1));
        }
    }
}

/// Types of the NAL units of an H.264 payload (RFC 6184 5.2).
fn nal_types(payload: &[u8]) -> Vec<u8> {
    match payload[0] & 0x1f {
        24 => {
            let (mut types, mut rest) = (Vec::new(), &payload[1..]);
            while let &[high, low, first, ..] = rest {
                types.push(first & 0x1f);
                rest = &rest[2 + usize::from(u16::from_be_bytes([high, low]))..];
            }
            types
        }
        28 => vec![payload[1] & 0x1f],
        of => vec![of],
    }
}

fn sps(track: &Track) -> Bytes {
    let Codec::H264(config) = &track.codec else { panic!("{track:?}") };
    config.sps()[0].clone()
}

/// AAC-LC, 44.1 kHz, stereo.
fn slower_sound() -> Track {
    let config = aac::Config::decode(&[0x12, 0x10]).expect("a configuration");
    Track { id: TrackId::AUDIO, codec: Codec::Aac(config) }
}

#[test]
fn each_lane_counts_its_packets_and_has_hub_time_in_its_own_clock() {
    let (clip, mut run) = (clip(3), Run::new());
    run.push(&entries(&clip_context(true), &clip));
    assert_eq!(run.chunks.len(), clip.frames.len());
    let lanes = run.lanes();
    assert_eq!(lanes.iter().map(|lane| lane.format.clock_rate).collect::<Vec<_>>(), [90_000, 48_000]);
    assert_ne!(lanes[0].ssrc, lanes[1].ssrc);
    for (chunk, frame) in run.chunks.iter().zip(&clip.frames) {
        let lane = &lanes[chunk.lane];
        assert_eq!((chunk.track, chunk.dts, lane.track), (frame.track, frame.dts, frame.track));
        let packets = packets(chunk);
        for (place, packet) in packets.iter().enumerate() {
            let header = packet.header;
            assert_eq!(header.timestamp, frame.pts.to_scale(lane.format.clock_rate) as u32);
            assert_eq!((header.ssrc, header.payload_type), (lane.ssrc, 96 + chunk.lane as u8));
            assert_eq!(header.marker, place + 1 == packets.len(), "the end of a frame is marked");
            assert!(packet.encode().len() <= 1400);
        }
    }
    assert!(run.chunks.iter().any(|chunk| chunk.packets().count() > 1), "a frame of several packets is here");
    follow(&run.chunks, &mut [None; 2]);
}

#[test]
fn what_is_read_of_the_packets_is_what_went_in() {
    let (clip, mut run) = (clip(1), Run::new());
    run.push(&entries(&clip_context(true), &clip));
    for (place, lane) in run.lanes().iter().enumerate() {
        let mut depacketizer = Depacketizer::new(&lane.format).expect("a format that we read");
        let of_lane = run.chunks.iter().filter(|chunk| chunk.lane == place);
        for (chunk, frame) in of_lane.zip(clip.frames.iter().filter(|frame| frame.track == lane.track)) {
            packets(chunk).iter().for_each(|packet| depacketizer.push(packet, false));
            let media: Vec<_> = std::iter::from_fn(|| depacketizer.poll()).collect();
            let Some(Media::Unit { timestamp, key, data }) = media.last() else { panic!("{media:?}") };
            assert_eq!(*timestamp, lane.rtp_timestamp(frame.pts));
            assert_eq!(*key, frame.key);
            assert!(data.ends_with(last_unit(lane.kind, &frame.data)), "{:?}", frame.dts);
        }
    }
}

/// The last NAL unit of a picture, and all of a sound.
fn last_unit(kind: Kind, data: &Bytes) -> &[u8] {
    if kind == Kind::Video { nal::units(data).last().expect("a unit") } else { data }
}

#[test]
fn players_start_at_key_frames_which_bring_their_parameter_sets() {
    let (clip, mut run) = (clip(2), Run::new());
    run.push(&entries(&clip_context(true), &clip));
    let starts: Vec<usize> = (0..run.chunks.len()).filter(|&place| run.chunks[place].start).collect();
    assert_eq!(starts.len(), 16, "one a second");
    for place in starts {
        let chunk = &run.chunks[place];
        let frame = &clip.frames[place];
        assert!(chunk.picture && frame.key && frame.track == TrackId::VIDEO);
        let types: Vec<u8> = packets(chunk).iter().flat_map(|packet| nal_types(&packet.payload)).collect();
        let first = |of| types.iter().position(|&found| found == of).expect("there");
        assert!(first(7) < first(8) && first(8) < first(5), "SPS, PPS, slice: {types:?}");
        let setup = chunk.setup.as_ref().expect("the state is told where players start");
        assert_eq!(setup.time, frame.pts);
        assert_eq!(setup.rtp_timestamp(0), packets(chunk)[0].header.timestamp);
        for lane in 0..2 {
            let next = run.chunks[place..].iter().find(|chunk| chunk.lane == lane);
            if let Some(next) = next {
                assert_eq!(setup.sequences[lane], packets(next)[0].header.sequence);
            }
        }
        assert_eq!(chunk.reports(true).map(|(lane, _)| lane).collect::<Vec<_>>(), [0, 1]);
    }
}

#[test]
fn nothing_comes_before_the_first_key_frame() {
    let context = context(0, vec![video(), sound()], true);
    let mut run = Run::new();
    run.push(&[sample(&context, 0), picture(&context, 0, false), sample(&context, 20)]);
    assert!(run.chunks.is_empty());
    run.push(&[picture(&context, 40, true), sample(&context, 40)]);
    assert_eq!(run.chunks.iter().map(|chunk| chunk.start).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn sound_alone_has_starts_of_its_own() {
    let mut run = Run::new();
    run.push(&stream(&context(0, vec![sound()], true), 0, 4100, 1));
    let starts: Vec<_> = run.chunks.iter().filter(|chunk| chunk.start).collect();
    assert_eq!(starts.len(), 9);
    assert!(starts.iter().all(|chunk| chunk.setup.is_some() && !chunk.picture));
}

#[test]
fn reports_say_nothing_before_the_wall_clock_of_the_epoch_is_settled() {
    let (early, settled) = (clip_context(false), clip_context(true));
    let mut run = Run::new();
    run.push(&entries(&early, &clip(1)));
    assert_eq!(reported(&run.chunks).len(), 0);
    assert!(run.chunks.iter().filter_map(|chunk| chunk.setup.as_ref()).all(|setup| setup.reports.is_none()));
    assert!(run.chunks.iter().all(|chunk| chunk.reports(true).next().is_none()));
    // The next entry with it brings them to all, though nobody starts there.
    let next = run.made(&[picture(&settled, 8000, false)]);
    assert!(next[0].report && !next[0].start);
    assert_eq!(next[0].reports(false).count(), 2);
}

#[test]
fn reports_tie_all_lanes_to_one_wall_clock() {
    let wall = Timestamp::from_scale(1_900_000_000_123, 1000);
    let anchor = Anchor { media: at(700), wall };
    let context = Arc::new(Context { anchor: Some(anchor), ..(*clip_context(true)).clone() });
    let mut run = Run::new();
    run.push(&entries(&context, &clip(2)));
    let lanes = run.lanes();
    let mut seen = 0;
    for setup in run.chunks.iter().filter_map(|chunk| chunk.setup.as_ref()) {
        for (place, lane) in lanes.iter().enumerate() {
            let report = report(setup, place);
            assert_eq!(report.ssrc, lane.ssrc);
            assert_eq!(report.ntp.to_unix(), anchor.wall_of(setup.time));
            assert_eq!(report.rtp_timestamp, setup.time.to_scale(lane.format.clock_rate) as u32);
            // What a player makes of a frame's stamp is its wall clock, whichever lane it is of.
            let frame = clip(2).frames.into_iter().rfind(|frame| frame.track == lane.track).expect("frames");
            let ahead = lane.rtp_timestamp(frame.pts).wrapping_sub(report.rtp_timestamp) as i32;
            let shown = report.ntp.to_unix() + TimeDelta::from_scale(ahead.into(), lane.format.clock_rate);
            let off = shown - anchor.wall_of(frame.pts);
            assert!(off.abs() <= TimeDelta::from_scale(1, lane.format.clock_rate).times(2), "{off:?}");
        }
        seen += 1;
    }
    assert!(seen >= 16);
}

#[test]
fn reports_count_what_was_sent_before_them() {
    let mut run = Run::new();
    run.push(&entries(&clip_context(true), &clip(1)));
    let mut sent = [(0u32, 0u32); 2];
    for chunk in &run.chunks {
        if let Some(setup) = &chunk.setup {
            for (lane, &counted) in sent.iter().enumerate() {
                let report = report(setup, lane);
                assert_eq!((report.packets, report.octets), counted);
            }
        }
        for packet in packets(chunk) {
            sent[chunk.lane].0 += 1;
            sent[chunk.lane].1 += packet.payload.len() as u32;
        }
    }
    assert!(sent.iter().all(|&(packets, octets)| packets > 100 && octets > 1000), "{sent:?}");
}

#[test]
fn reports_come_every_five_seconds_and_when_the_wall_clock_is_another() {
    let context = context(0, vec![video(), sound()], true);
    let mut run = Run::new();
    run.push(&stream(&context, 0, 12_000, 2000));
    assert_eq!(reported(&run.chunks).iter().map(|(ms, _)| *ms).collect::<Vec<_>>(), [0, 5000, 10_000]);
    // The same wall clock by another pair of times is no other.
    let same = Anchor { media: at(9000), wall: at(9000) };
    let other = Anchor { media: at(9000), wall: at(9001) };
    for (from, anchor, expected) in [(12_000, same, None), (13_000, other, Some(13_000))] {
        let context = Arc::new(Context { anchor: Some(anchor), ..(*context).clone() });
        let chunks = run.made(&stream(&context, from, from + 1000, 2000));
        let found = reported(&chunks);
        assert_eq!(found.first().map(|(ms, _)| *ms), expected);
        if let Some((_, setup)) = found.first() {
            assert_eq!(report(setup, 1).ntp.to_unix(), anchor.wall_of(setup.time));
        }
    }
    // And five seconds after that one.
    let context = Arc::new(Context { anchor: Some(other), ..(*context).clone() });
    let chunks = run.made(&stream(&context, 14_000, 19_000, 2000));
    assert_eq!(reported(&chunks).iter().map(|(ms, _)| *ms).collect::<Vec<_>>(), [18_000]);
}

#[test]
fn an_epoch_goes_on_in_numbers_and_times_and_settles_its_wall_clock_anew() {
    let before = context(0, vec![video(), sound()], true);
    let unsettled = context(1, vec![video(), sound()], false);
    let mut run = Run::new();
    run.push(&stream(&before, 0, 3000, 1000));
    let (lanes, mut next) = (run.lanes(), [None; 2]);
    follow(&run.chunks, &mut next);
    let chunks = run.made(&stream(&unsettled, 20_000, 21_000, 1000));
    assert!(chunks[0].start, "its first key frame");
    assert_eq!(lanes, run.lanes(), "players go on as they are");
    follow(&chunks, &mut next);
    for chunk in &chunks {
        let due = if chunk.lane == 0 { chunk.dts + TimeDelta::from_millis(80) } else { chunk.dts };
        assert_eq!(packets(chunk)[0].header.timestamp, lanes[chunk.lane].rtp_timestamp(due));
    }
    assert!(reported(&chunks).is_empty() && chunks[0].reports(true).next().is_none());
    let anchor = Anchor { media: at(20_000), wall: at(20_300) };
    let settled = Arc::new(Context { anchor: Some(anchor), ..(*unsettled).clone() });
    let found = reported(&run.made(&stream(&settled, 21_000, 22_000, 1000)));
    assert_eq!(found.iter().map(|(ms, _)| *ms).collect::<Vec<_>>(), [21_000]);
    assert_eq!(report(&found[0].1, 0).ntp.to_unix(), anchor.wall_of(found[0].1.time));
}

#[test]
fn parameter_sets_in_band_change_no_form() {
    let mut run = Run::new();
    run.push(&stream(&context(0, vec![video(), sound()], true), 0, 1000, 1000));
    let (known, mut next) = (run.lanes(), [None; 2]);
    follow(&run.chunks, &mut next);
    let other = context(0, vec![other_video(), sound()], true);
    let chunks = run.made(&stream(&other, 1000, 2000, 1000));
    follow(&chunks, &mut next);
    assert!(chunks.iter().all(|chunk| chunk.form == 0), "players go on");
    let setup = chunks[0].setup.as_ref().expect("it is told that something changed");
    assert_eq!((setup.lanes[0].form, setup.lanes[0].ssrc), (0, known[0].ssrc));
    assert_ne!(setup.lanes[0].format.fmtp, known[0].format.fmtp, "who comes now is told the new ones");
    let new = sps(&other_video());
    let sent =
        packets(&chunks[0]).iter().any(|packet| packet.payload.windows(new.len()).any(|part| part == new));
    assert!(sent, "and who plays gets them in band");
}

#[test]
fn a_codec_that_players_cannot_read_is_another_form() {
    let h265 = Track { id: TrackId::VIDEO, codec: testkit::samples::h265().tracks[0].codec.clone() };
    let mut run = Run::new();
    let mut next = [None; 2];
    let steps = [
        (vec![video(), sound()], (0, 0)),
        (vec![video(), slower_sound()], (0, 1)),
        (vec![h265, slower_sound()], (1, 1)),
        (vec![video(), sound()], (2, 2)),
    ];
    let mut ssrcs = None;
    for (step, (tracks, forms)) in steps.into_iter().enumerate() {
        let from = 1000 * step as i64;
        let chunks = run.made(&stream(&context(0, tracks, true), from, from + 1000, 1000));
        follow(&chunks, &mut next);
        let lanes = run.lanes();
        assert_eq!((lanes[0].form, lanes[1].form), forms, "step {step}");
        assert!(chunks.iter().all(|chunk| chunk.form == if chunk.lane == 0 { forms.0 } else { forms.1 }));
        let of_step = lanes.iter().map(|lane| lane.ssrc).collect::<Vec<_>>();
        assert_eq!(*ssrcs.get_or_insert_with(|| of_step.clone()), of_step);
    }
}

#[test]
fn what_a_description_alone_says_of_sound_is_another_form() {
    // AAC Main in place of AAC-LC, with the same rate and channels: no packet tells.
    let config = aac::Config::decode(&[0x09, 0x90]).expect("a configuration");
    let other = Track { id: TrackId::AUDIO, codec: Codec::Aac(config) };
    let mut run = Run::new();
    run.push(&stream(&context(0, vec![video(), sound()], true), 0, 1000, 1000));
    run.push(&stream(&context(0, vec![video(), other], true), 1000, 2000, 1000));
    assert_eq!(run.lanes().iter().map(|lane| lane.form).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn a_track_that_goes_and_comes_back_has_its_lane_again() {
    let both = context(0, vec![video(), sound()], true);
    let alone = context(0, vec![video()], true);
    let mut run = Run::new();
    run.push(&stream(&both, 0, 1000, 1000));
    let (known, mut next) = (run.lanes(), [None; 2]);
    follow(&run.chunks, &mut next);
    let chunks = run.made(&stream(&alone, 1000, 2000, 1000));
    follow(&chunks, &mut next);
    let lanes = run.lanes();
    assert_eq!(lanes.iter().map(|lane| lane.live).collect::<Vec<_>>(), [true, false]);
    let third = Track { id: TrackId(7), ..sound() };
    let chunks = run.made(&stream(&context(0, vec![video(), third], true), 2000, 3000, 1000));
    follow(&chunks, &mut next);
    let lanes = run.lanes();
    assert_eq!(
        lanes.iter().map(|lane| lane.live).collect::<Vec<_>>(),
        [true, false, true],
        "another track's is new"
    );
    assert_ne!(lanes[2].ssrc, lanes[1].ssrc);
    let chunks = run.made(&stream(&both, 3000, 4000, 1000));
    follow(&chunks, &mut next);
    assert_eq!(run.lanes()[..2], known[..], "all as it was");
    assert!(chunks.iter().any(|chunk| chunk.lane == 1));
}

#[test]
fn a_carrier_that_goes_on_after_another_begins_at_a_key_frame_and_goes_on_in_numbers() {
    let (clip, context) = (clip(3), clip_context(true));
    let entries = entries(&context, &clip);
    let mut run = Run::new();
    run.push(&entries[..1000]);
    let (known, mut next) = (run.lanes(), [None; 2]);
    follow(&run.chunks, &mut next);
    let chunks = run.fail().made(&entries[1000..]);
    assert!(chunks[0].start && chunks[0].report && chunks[0].picture);
    assert_eq!(run.lanes(), known);
    follow(&chunks, &mut next);
}

#[test]
fn a_carrier_that_goes_on_knows_a_format_that_has_changed_meanwhile() {
    let mut run = Run::new();
    run.push(&stream(&context(0, vec![video(), sound()], true), 0, 1000, 1000));
    run.fail().push(&stream(&context(0, vec![video(), slower_sound()], true), 2000, 3000, 1000));
    assert_eq!(run.lanes().iter().map(|lane| lane.form).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn what_rtp_cannot_carry_is_left_out_and_named() {
    let mut run = Run::new();
    run.push(&stream(&context(0, vec![video(), flac()], true), 0, 80, 1000));
    let omitted: Vec<_> = run.carrier.omitted().iter().map(|omitted| omitted.track).collect();
    assert_eq!((omitted, run.lanes().len()), (vec![TrackId(2)], 1));
    let many = (0..20).map(|id| Track { id: TrackId(id), ..sound() }).collect();
    let mut run = Run::new();
    run.push(&stream(&context(0, many, true), 0, 80, 1000));
    assert_eq!((run.carrier.omitted().len(), run.lanes().len()), (20 - MAX_LANES, MAX_LANES));
}

#[test]
fn identifiers_and_first_numbers_are_those_of_the_seed() {
    let lanes = |seed| {
        let context = context(0, vec![video(), sound()], true);
        let mut carrier = Carrier::resume(&Past::new(seed));
        let chunk = carrier.push(&picture(&context, 0, true)).expect("a key frame");
        let setup = chunk.setup.expect("a start");
        (setup.lanes.iter().map(|lane| lane.ssrc).collect::<Vec<_>>(), setup.sequences.clone())
    };
    assert_eq!(lanes(1), lanes(1));
    assert_ne!(lanes(1).0, lanes(2).0);
    assert_ne!(lanes(1).1, lanes(2).1);
}

#[test]
fn numbers_wrap_and_go_on() {
    let mut run = Run::new();
    let (context, mut next) = (clip_context(true), [None; 2]);
    let (mut before, mut wrapped) = (None, false);
    for round in 0..300 {
        let clip = testkit::clip().audio_only().starting_at(at(8000 * round));
        // The pictures are what the gate waits for.
        let first = entry(&context, testkit::clip().starting_at(at(8000 * round)).frames[0].clone(), true);
        let chunks = run.made(&[vec![first], entries(&context, &clip)].concat());
        follow(&chunks, &mut next);
        wrapped |= before.is_some_and(|before| next[1] < Some(before));
        before = next[1];
        run.chunks.drain(..run.chunks.len() - 1);
    }
    assert!(wrapped);
}

#[test]
fn an_epoch_of_another_size_is_described_anew() {
    let first = context(0, vec![video()], true);
    let mut run = Run::new();
    run.push(&stream(&first, 0, 1000, 1000));
    let epoch = Epoch { id: 1, start: at(5000) };
    let second = Arc::new(Context { epoch, ..(*context(1, vec![other_video()], true)).clone() });
    let chunks = run.made(&stream(&second, 5000, 6000, 1000));
    let lanes = &chunks[0].setup.as_ref().expect("a start").lanes;
    assert_eq!(lanes[0].format.codec(), Some(other_video().codec));
}
