//! The rules of RFC 8216 hold whatever a source does: a strict player watches random sources.

use std::collections::BTreeMap;
use std::time::Duration;

use hub::Entry;
use media::TimeDelta;
use proptest::collection::vec;
use proptest::prelude::*;
use rillcast_packager::Settings;
use rillcast_packager::hls::Output;
use rillcast_packager::segment::Changes;
use rillcast_packager::ts::Carrier;

use crate::source::{START_S, context, picture, sample, settings, sound, video};

/// How a stretch of media begins.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Begin {
    /// The source is a new one.
    Epoch,
    /// It was silent long enough for a flush, and then goes on without a hole.
    Flush,
    /// Media is missing.
    Hole,
    /// As if nothing had happened: only the tracks that are there differ.
    Seamless,
}

#[derive(Clone, Debug)]
struct Stretch {
    begin: Begin,
    pause_ms: i64,
    /// Pictures from key frame to key frame.
    gops: Vec<usize>,
    has_pictures: bool,
    has_sound: bool,
    /// Milliseconds by which sound comes early.
    skew_ms: i64,
    /// Media time after which the epoch's wall clock is known.
    settles_ms: i64,
}

fn stretch() -> impl Strategy<Value = Stretch> {
    let begin = prop_oneof![
        3 => Just(Begin::Epoch),
        1 => Just(Begin::Flush),
        1 => Just(Begin::Hole),
        2 => Just(Begin::Seamless)
    ];
    let gops = prop_oneof![vec(1usize..400, 1..8), vec(Just(50usize), 1..12), vec(20usize..60, 1..20)];
    let has = (prop::bool::weighted(0.85), prop::bool::weighted(0.8));
    (begin, 0i64..15_000, gops, has, -400i64..400, 0i64..8000).prop_map(
        |(begin, pause_ms, gops, (has_pictures, has_sound), skew_ms, settles_ms)| Stretch {
            begin,
            pause_ms: pause_ms / 20 * 20,
            gops,
            has_pictures,
            has_sound,
            skew_ms,
            settles_ms,
        },
    )
}

/// What a strict player knows of a segment.
#[derive(Clone, PartialEq, Debug)]
struct Known {
    name: String,
    extinf: String,
    date: String,
    /// Its discontinuity sequence number.
    discontinuity: u64,
}

#[derive(Default)]
struct Player {
    target: Option<u64>,
    known: BTreeMap<u64, Known>,
    first_listed: u64,
    listed_ms: f64,
    ever_listed_ms: f64,
}

fn value<'a>(line: &'a str, tag: &str) -> Option<&'a str> {
    line.strip_prefix(tag)?.strip_prefix(':')
}

impl Player {
    /// Reads a media playlist.
    fn read(&mut self, text: &str) {
        let (mut sequence, mut discontinuity) = (0, 0);
        let (mut extinf, mut date) = (String::new(), String::new());
        let before = self.known.last_key_value().map(|(&n, _)| n);
        self.listed_ms = 0.0;
        for line in text.lines() {
            if let Some(seconds) = value(line, "#EXT-X-TARGETDURATION") {
                let seconds = seconds.parse().expect("whole seconds");
                assert_eq!(*self.target.get_or_insert(seconds), seconds, "the target duration changed");
            } else if let Some(number) = value(line, "#EXT-X-MEDIA-SEQUENCE") {
                sequence = number.parse().expect("a number");
                assert!(sequence >= self.first_listed, "the window went back");
                self.first_listed = sequence;
            } else if let Some(number) = value(line, "#EXT-X-DISCONTINUITY-SEQUENCE") {
                discontinuity = number.parse().expect("a number");
            } else if line == "#EXT-X-DISCONTINUITY" {
                discontinuity += 1;
            } else if let Some(at) = value(line, "#EXT-X-PROGRAM-DATE-TIME") {
                date = at.to_owned();
            } else if let Some(seconds) = value(line, "#EXTINF") {
                extinf = seconds.strip_suffix(',').expect("a comma").to_owned();
            } else if !line.starts_with('#') {
                let (extinf, date) = (std::mem::take(&mut extinf), std::mem::take(&mut date));
                self.note(sequence, Known { name: line.to_owned(), extinf, date, discontinuity });
                sequence += 1;
            }
        }
        let first_new = before.map_or(START_S as u64, |n| n + 1);
        assert!((first_new..sequence).all(|n| self.known.contains_key(&n) || n < self.first_listed));
        let three = self.target.expect("a target duration") as f64 * 3000.0;
        assert!(
            self.listed_ms >= three.min(self.ever_listed_ms) - 0.1,
            "less than three targets listed: {text}"
        );
    }

    fn note(&mut self, sequence: u64, segment: Known) {
        let seconds: f64 = segment.extinf.parse().expect("seconds");
        assert!(
            seconds > 0.0 && (seconds + 0.5).floor() as u64 <= self.target.expect("a target duration"),
            "{segment:?}"
        );
        assert!(!segment.date.is_empty());
        self.listed_ms += seconds * 1000.0;
        if let Some(known) = self.known.get(&sequence) {
            assert_eq!(known, &segment, "segment {sequence} changed");
        } else {
            self.ever_listed_ms += seconds * 1000.0;
            self.known.insert(sequence, segment);
        }
    }
}

struct Watch {
    carrier: Carrier,
    output: Output,
    player: Player,
    settings: Settings,
    chunks: Vec<u8>,
    arrival: Duration,
    segments: usize,
    /// Bytes of the segments.
    told: Vec<u8>,
    removed: usize,
}

impl Watch {
    fn new(setting_s: u64, settings: Settings) -> Self {
        let settings = Settings { target: Duration::from_secs(setting_s), ..settings };
        Self {
            carrier: Carrier::new(),
            output: Output::new(settings.clone()),
            player: Player::default(),
            settings,
            chunks: Vec::new(),
            arrival: Duration::ZERO,
            segments: 0,
            told: Vec::new(),
            removed: 0,
        }
    }

    fn push(&mut self, entry: &Entry) {
        let Some(chunk) = self.carrier.push(entry) else { return };
        assert_eq!(chunk.bytes.len() % 188, 0);
        self.arrival = self.arrival.max(chunk.arrival);
        self.chunks.extend_from_slice(&chunk.bytes);
        let changes = self.output.push(0, &chunk);
        self.take(&changes);
    }

    fn flush(&mut self) {
        let changes = self.output.tick(self.arrival + Duration::from_secs(3));
        self.take(&changes);
    }

    fn take(&mut self, changes: &Changes) {
        if changes.added.is_empty() {
            return;
        }
        let text = self.output.text("track_1.m3u8").expect("a playlist with a segment");
        self.player.read(std::str::from_utf8(&text).expect("UTF-8"));
        for file in &changes.added {
            assert_eq!(file.name, self.name(self.segments));
            let bytes = file.parts.concat();
            assert_eq!(bytes[..3], [0x47, 0x40, 0], "a segment begins with the PAT");
            self.told.extend_from_slice(repeated_tables_off(&self.told, &bytes));
            self.segments += 1;
        }
        for removed in &changes.removed {
            assert_eq!(*removed, self.name(self.removed), "removed in order");
            self.removed += 1;
        }
        let kept = (self.player.first_listed - START_S as u64) as usize - self.removed;
        let listed = self.segments - self.removed - kept;
        assert!(
            changes.removed.is_empty() || kept > listed + self.settings.history,
            "a window is kept: {kept} {listed}"
        );
    }

    fn name(&self, index: usize) -> String {
        format!("track_1-k3x9-{}.ts", START_S as usize + index)
    }

    /// After the end: everything that was muxed is in the segments, once and in order.
    fn finish(mut self) {
        self.flush();
        if self.output.text("track_1.m3u8").is_none() {
            return;
        }
        let (told, muxed) = (self.told.len(), self.chunks.len());
        assert!(self.told == self.chunks, "{told} bytes in segments, {muxed} muxed");
    }
}

/// A segment without the tables that it repeats from `before`, for it was cut where none are.
fn repeated_tables_off<'s>(before: &[u8], segment: &'s [u8]) -> &'s [u8] {
    let tables = |packets: &[u8]| -> Vec<Vec<u8>> {
        let is_table = |packet: &&[u8]| {
            let pid = u16::from_be_bytes([packet[1] & 0x1f, packet[2]]);
            (pid == mpegts::PAT_PID || pid == mpegts::PMT_PID) && packet[3] & 0x10 != 0
        };
        packets.chunks(188).filter(is_table).map(<[u8]>::to_vec).collect()
    };
    let known = tables(&before[before.len().saturating_sub(188 * 5000)..]);
    let repeated = segment.chunks(188).zip(known.iter().rev().take(2).rev());
    let count = repeated.take_while(|(packet, table)| *packet == &table[..]).count();
    &segment[count * 188..]
}

/// Plays a stretch from `from`; the time at which it ends.
fn play(watch: &mut Watch, stretch: &Stretch, epoch: u64, from: i64) -> i64 {
    let tracks = || vec![video(), sound()];
    let (unsettled, settled) = (context(epoch, tracks(), false), context(epoch, tracks(), true));
    let of = |ms: i64| if ms - from < stretch.settles_ms { &unsettled } else { &settled };
    let mut entries: Vec<(i64, Entry)> = Vec::new();
    let mut at = from;
    for &gop in &stretch.gops {
        for index in 0..gop {
            if stretch.has_pictures {
                entries.push((at, picture(of(at), at, index == 0)));
            }
            if stretch.has_sound {
                entries.extend([at, at + 20].map(|ms| (ms - stretch.skew_ms, sample(of(ms), ms))));
            }
            at += 40;
        }
    }
    entries.sort_by_key(|(arrival, _)| *arrival);
    // Contexts settle in arrival order, never back.
    let mut is_settled = false;
    for (_, mut entry) in entries {
        is_settled |= entry.context.anchor.is_some();
        entry.context = if is_settled { settled.clone() } else { unsettled.clone() };
        watch.push(&entry);
    }
    at
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_rules_hold(
        setting_s in 1u64..7,
        window in 3usize..8,
        history in 0usize..3,
        stretches in vec(stretch(), 1..7),
    ) {
        let settings = Settings { window, history, ..settings() };
        let mut watch = Watch::new(setting_s, settings);
        let (mut epoch, mut at) = (0, 0);
        for stretch in &stretches {
            match stretch.begin {
                Begin::Epoch => {
                    epoch += 1;
                    at += stretch.pause_ms;
                }
                Begin::Flush => watch.flush(),
                Begin::Hole => at += stretch.pause_ms,
                Begin::Seamless => {}
            }
            at = play(&mut watch, stretch, epoch, at);
        }
        watch.finish();
    }

    /// Key frames at any distance that a target can hold: no segment is tiny, and all are independent.
    #[test]
    fn no_segment_is_tiny(setting_s in 1u64..4, gops in vec(5usize..50, 3..60), has_sound: bool) {
        let settings = settings();
        let mut watch = Watch::new(setting_s, settings);
        let stretch = Stretch {
            begin: Begin::Epoch, pause_ms: 0, gops, has_pictures: true, has_sound, skew_ms: 0, settles_ms: 0,
        };
        play(&mut watch, &stretch, 0, 0);
        // Some of 25 pictures may lack one more to a second, if those before had one over.
        let second = TimeDelta::from_millis(950);
        for segment in watch.player.known.values() {
            let seconds: f64 = segment.extinf.parse().expect("seconds");
            prop_assert!(TimeDelta::from_secs_f64(seconds) >= second, "{segment:?}");
        }
    }
}

/// Each of them repeats the tables of the one before.
#[test]
fn segments_in_a_row_that_no_tables_are_in() {
    let stretch = |begin, gops, has_pictures, has_sound| Stretch {
        begin,
        pause_ms: 0,
        gops,
        has_pictures,
        has_sound,
        skew_ms: 0,
        settles_ms: 0,
    };
    let pictures = stretch(Begin::Epoch, vec![69, 1], true, false);
    let both = Stretch { skew_ms: 1, ..stretch(Begin::Epoch, vec![298, 111, 316], true, true) };
    let mut watch = Watch::new(5, settings());
    let at = play(&mut watch, &pictures, 1, 0);
    let at = play(&mut watch, &both, 2, at);
    watch.flush();
    play(&mut watch, &stretch(Begin::Flush, vec![1], false, true), 2, at);
    watch.finish();
}
