//! Rungs of one source: one clock, whoever connects when.

use std::collections::BTreeMap;

use media::codec::h264;
use proptest::prelude::*;

use super::*;

const GOP_MS: u64 = 2000;
/// Whatever a test writes is kept.
const LIMITS: Limits = Limits {
    bytes: 64 << 20,
    lag: Duration::from_secs(600),
    gop: Duration::from_secs(600),
    keep_unread: true,
};

fn pictures() -> Track {
    let record = include_bytes!("../../../../media/testdata/x264-1080p.avcc");
    Track { id: TrackId::VIDEO, codec: Codec::H264(h264::Config::decode(record).expect("avcC")) }
}

/// What an encoder sends of a stretch of its time: (its time, track, key frame).
fn frames(from: u64, to: u64) -> impl Iterator<Item = (u64, TrackId, bool)> {
    let pictures = (from..to).filter(|ms| ms % 40 == 0).map(|ms| (ms, TrackId::VIDEO, ms % GOP_MS == 0));
    let first_sound = (from * 48).div_ceil(1024);
    let sounds = (first_sound..).map(|n| (n * 1024 / 48, TrackId::AUDIO, true));
    let mut all: Vec<_> = pictures.chain(sounds.take_while(|(ms, ..)| *ms < to)).collect();
    all.sort_by_key(|frame| frame.0);
    all.into_iter()
}

/// A payload that says when the encoder made it.
fn made(ms: u64) -> Bytes {
    Bytes::copy_from_slice(&ms.to_be_bytes())
}

fn made_at(entry: &Entry) -> u64 {
    u64::from_be_bytes(entry.frame.data[..].try_into().expect("8 bytes"))
}

fn open(rung: &Arc<Stream>) -> Feed {
    let feed = rung.open(SourceClock::RTMP);
    feed.set_tracks(vec![pictures(), sound(1)]);
    feed
}

/// Sends what an encoder makes in `from..to`, `delay` later, in stamps that are zero at its time `zero`.
fn send(feed: &Feed, from: u64, to: u64, delay: u64, zero: u64) {
    for (ms, track, key) in frames(from, to) {
        feed.push(at(ms + delay), track, ms.wrapping_sub(zero), 0, key, made(ms));
    }
}

/// Where the key frames of a rung are, by epoch and by the encoder's time.
fn keys(entries: &[Entry]) -> BTreeMap<(u64, u64), Timestamp> {
    let keys = entries.iter().filter(|entry| entry.start);
    keys.map(|entry| ((entry.context.epoch.id, made_at(entry)), entry.frame.pts)).collect()
}

fn epochs(entries: &[Entry]) -> Vec<u64> {
    let mut epochs: Vec<u64> = entries.iter().map(|entry| entry.context.epoch.id).collect();
    epochs.dedup();
    epochs
}

#[test]
fn a_rungs_context_tells_of_an_epoch_and_an_anchor_that_another_rung_brought() {
    let rungs = Stream::ladder(LIMITS, 2);
    let mut cursors = [0, 1].map(|rung: usize| rungs[rung].subscribe().expect("open"));
    let feeds = [open(&rungs[0]), open(&rungs[1])];
    for (ms, track, key) in frames(0, 3000) {
        feeds
            .iter()
            .for_each(|feed| assert_eq!(feed.push(at(ms), track, ms, 0, key, made(ms)), Pushed::Taken));
    }
    // The encoder begins anew; the second rung's frames come behind the first one's.
    for (ms, track, key) in frames(0, 3000) {
        feeds.iter().for_each(|feed| {
            assert_eq!(feed.push(at(3000 + ms), track, ms + 500_000, 0, key, made(ms)), Pushed::Taken)
        });
    }
    for cursor in &mut cursors {
        let entries = read(cursor);
        assert_eq!(epochs(&entries), [0, 1]);
        for (epoch, from) in [(0, 0), (1, 3000)] {
            let of_epoch: Vec<_> = entries.iter().filter(|entry| entry.context.epoch.id == epoch).collect();
            let settled = of_epoch.iter().find(|entry| entry.context.anchor.is_some()).expect("an anchor");
            assert!(settled.arrival >= Duration::from_millis(from + 1000));
            assert!(of_epoch[0].context.anchor.is_none(), "of an epoch that has just begun");
            assert!(of_epoch.last().is_some_and(|last| last.context.anchor == settled.context.anchor));
        }
        assert_eq!(
            entries[0].frame.track,
            TrackId::VIDEO,
            "tracks have the numbers that their source gave them"
        );
        assert_eq!(entries[0].context.tracks.len(), 2);
    }
}

#[test]
fn a_rung_that_is_published_twice_takes_that_rung_alone() {
    let rungs = Stream::ladder(LIMITS, 2);
    let mut cursor = rungs[0].subscribe().expect("open");
    let (first, other) = (open(&rungs[0]), open(&rungs[1]));
    send(&first, 0, 2000, 0, 0);
    send(&other, 0, 2000, 0, 0);
    let second = open(&rungs[0]);
    assert!(!first.is_current());
    assert_eq!(first.push(at(2000), TrackId::VIDEO, 2000, 0, true, made(2000)), Pushed::Refused);
    assert!(second.is_current() && other.is_current());
    send(&second, 4000, 6000, 0, 0);
    assert_eq!(epochs(&read(&mut cursor)), [0], "the other rung ran on");
    drop(first);
    assert!(rungs[0].status(Duration::from_secs(6)).fed);
}

#[test]
fn pictures_of_a_newcomer_wait_for_its_key_frame_and_sound_does_not() {
    let rungs = Stream::ladder(LIMITS, 2);
    let mut cursor = rungs[0].subscribe().expect("open");
    let (first, other) = (open(&rungs[0]), open(&rungs[1]));
    send(&first, 0, 3000, 0, 0);
    send(&other, 0, 5000, 0, 0);
    drop(first);
    send(&open(&rungs[0]), 5000, 7000, 0, 0);
    let entries = read(&mut cursor);
    let after =
        |track: TrackId| entries.iter().find(|entry| entry.frame.track == track && made_at(entry) >= 5000);
    assert_eq!(after(TrackId::VIDEO).map(made_at), Some(6000));
    assert!(after(TrackId::AUDIO).is_some_and(|entry| made_at(entry) < 5030));
}

#[test]
fn closing_one_rung_leaves_the_others() {
    let rungs = Stream::ladder(LIMITS, 3);
    rungs[1].close();
    assert!(rungs[1].subscribe().is_none());
    assert!(rungs[0].subscribe().is_some() && rungs[2].subscribe().is_some());
    let _haste = rungs[0].hasten();
    assert!(rungs[0].is_awaited() && !rungs[2].is_awaited());
}

#[test]
fn a_track_that_has_no_number_on_a_ladder_is_dropped() {
    let rungs = Stream::ladder(LIMITS, MAX_RUNGS);
    let feed = rungs[MAX_RUNGS - 1].open(SourceClock::RTMP);
    feed.set_tracks(vec![data(2047), data(2048)]);
    assert_eq!(feed.push(at(0), TrackId(2047), 0, 0, true, Bytes::new()), Pushed::Taken);
    assert_eq!(feed.push(at(0), TrackId(2048), 0, 0, true, Bytes::new()), Pushed::Taken);
    let status = rungs[MAX_RUNGS - 1].status(Duration::ZERO);
    assert_eq!(status.tracks.iter().map(|track| track.frames).collect::<Vec<_>>(), [1, 0]);
}

/// What one rung's encoder does: a connection for each stretch of its time, in steps of a GOP.
#[derive(Clone, Debug)]
struct Plan {
    skew_ms: u64,
    connections: Vec<Connection>,
}

#[derive(Clone, Debug)]
struct Connection {
    /// GOPs without a connection before it.
    hole: u64,
    /// GOPs that it lasts.
    lasting: u64,
    /// Its stamps begin at zero, as with most encoders; else they go on.
    anew: bool,
    /// The one before it is not closed, but taken over.
    hung: bool,
}

fn plan() -> impl Strategy<Value = Plan> {
    let connection = (0u64..4, 2u64..6, any::<bool>(), any::<bool>())
        .prop_map(|(hole, lasting, anew, hung)| Connection { hole, lasting, anew, hung });
    (0u64..800, prop::collection::vec(connection, 1..5)).prop_map(|(skew_ms, mut connections)| {
        // At the start all are there at once, with one clock.
        connections[0] = Connection { hole: 0, anew: false, hung: false, ..connections[0] };
        Plan { skew_ms, connections }
    })
}

/// What happens to a rung.
enum Event {
    Open,
    Close,
    Frame { stamp: u64, made: u64, track: TrackId, key: bool },
}

impl Plan {
    /// The events of a rung with the times of their arrival in milliseconds.
    fn events(&self, rung: usize) -> Vec<(u64, usize, Event)> {
        let mut events = Vec::new();
        let mut time = 0;
        for (index, connection) in self.connections.iter().enumerate() {
            let from = time + connection.hole * GOP_MS;
            let to = from + connection.lasting * GOP_MS;
            if index > 0 && !connection.hung {
                events.push((time + self.skew_ms, rung, Event::Close));
            }
            events.push((from + self.skew_ms, rung, Event::Open));
            let zero = if connection.anew { from } else { 0 };
            events.extend(frames(from, to).map(|(made, track, key)| {
                (made + self.skew_ms, rung, Event::Frame { stamp: made - zero, made, track, key })
            }));
            time = to;
        }
        events
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Key frames of one time are at one time on all rungs that are in the same epoch, whatever the delays of the rungs
    /// and whoever reconnects when; and times rise.
    #[test]
    fn rungs_keep_their_key_frames_together(plans in prop::collection::vec(plan(), 1..5)) {
        let rungs = Stream::ladder(LIMITS, plans.len());
        let mut cursors: Vec<_> = rungs.iter().map(|rung| rung.subscribe().expect("open")).collect();
        let mut events: Vec<_> = plans.iter().enumerate().flat_map(|(rung, plan)| plan.events(rung)).collect();
        events.sort_by_key(|event| event.0);
        let mut feeds: Vec<Option<Feed>> = rungs.iter().map(|_| None).collect();
        for (ms, rung, event) in events {
            match event {
                Event::Open => feeds[rung] = Some(open(&rungs[rung])),
                Event::Close => feeds[rung] = None,
                Event::Frame { stamp, made: ms_made, track, key } => {
                    let feed = feeds[rung].as_ref().expect("open");
                    prop_assert_eq!(feed.push(at(ms), track, stamp, 0, key, made(ms_made)), Pushed::Taken);
                }
            }
        }
        let mut together: BTreeMap<(u64, u64), Timestamp> = BTreeMap::new();
        for (rung, cursor) in cursors.iter_mut().enumerate() {
            let entries = read(cursor);
            prop_assert!(entries.windows(2).all(|pair| pair[0].context.epoch.id <= pair[1].context.epoch.id));
            let mut last = BTreeMap::new();
            for entry in &entries {
                let before = last.insert(entry.frame.track, entry.frame.dts);
                prop_assert!(before.is_none_or(|before| before < entry.frame.dts));
            }
            for (made, pts) in keys(&entries) {
                let other = *together.entry(made).or_insert(pts);
                let off = (pts - other).abs();
                prop_assert!(off <= TimeDelta::from_millis(1), "rung {rung}, epoch {}, {} ms: {off:?}", made.0, made.1);
            }
        }
    }
}
