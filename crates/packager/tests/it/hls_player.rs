//! A strict player of HLS, which reads every version of all playlists of a ladder and fetches every segment.

use std::collections::BTreeMap;

use crate::boxes::{Init, Segment};
use crate::store::{Book, Store};

/// What a playlist told of a segment.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Told {
    pub(crate) uri: String,
    pub(crate) seconds: f64,
    /// Unix time in milliseconds.
    pub(crate) date: i64,
    /// Its discontinuity sequence number.
    pub(crate) discontinuity: u64,
    pub(crate) map: Option<String>,
    pub(crate) gap: bool,
}

/// One rendition.
#[derive(Default)]
struct Line {
    told: BTreeMap<u64, Told>,
    first: u64,
    segments: BTreeMap<u64, (u32, Segment)>,
    /// Unix time at which a segment was listed last.
    listed: BTreeMap<String, f64>,
    longest: f64,
}

#[derive(Default)]
pub(crate) struct Player {
    target: Option<u64>,
    lines: BTreeMap<String, Line>,
    /// Discontinuity sequence numbers and dates by sequence number, of all renditions.
    rows: BTreeMap<u64, (u64, i64, bool)>,
    rungs: Vec<String>,
    pub(crate) multivariant: String,
    /// Renditions' key frames may be this much apart, in seconds.
    pub(crate) apart: f64,
    /// Media comes when it is due.
    pub(crate) in_time: bool,
    /// Seconds that may be missing where the source had stopped, or was cut off by the longest segment.
    pub(crate) hole: f64,
    fragmented: bool,
}

fn value<'a>(line: &'a str, tag: &str) -> Option<&'a str> {
    line.strip_prefix(tag)?.strip_prefix(':')
}

impl Player {
    pub(crate) fn new(rungs: Vec<String>, fragmented: bool) -> Self {
        Self { rungs, fragmented, in_time: true, ..Self::default() }
    }

    /// Reads the playlists that changed, at that Unix time.
    pub(crate) fn read(&mut self, texts: &[(String, String)], store: &Store, book: &Book, now: f64) {
        for (name, text) in texts {
            match text.contains("#EXT-X-STREAM-INF") {
                true if name == "index.m3u8" => self.multivariant = text.clone(),
                true => {}
                false => {
                    self.read_media(name.strip_suffix(".m3u8").expect("a playlist"), text, store, book, now)
                }
            }
        }
        if self.multivariant.is_empty() {
            return;
        }
        let uris = |text: &str| -> Vec<String> {
            let quoted =
                text.split("URI=\"").skip(1).map(|rest| rest.split('"').next().unwrap_or("").to_owned());
            let lines = text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned);
            quoted.chain(lines).collect()
        };
        for uri in uris(&self.multivariant) {
            assert!(self.lines.contains_key(uri.trim_end_matches(".m3u8")), "{uri} of {}", self.multivariant);
        }
    }

    fn read_media(&mut self, name: &str, text: &str, store: &Store, book: &Book, now: f64) {
        let (mut sequence, mut discontinuity, mut map) = (0, 0, None);
        let (mut seconds, mut date, mut gap) = (0.0, 0, false);
        let mut listed: Vec<(u64, Told)> = Vec::new();
        for line in text.lines() {
            if let Some(target) = value(line, "#EXT-X-TARGETDURATION") {
                let target = target.parse().expect("whole seconds");
                assert_eq!(*self.target.get_or_insert(target), target, "the target duration changed");
            } else if let Some(number) = value(line, "#EXT-X-MEDIA-SEQUENCE") {
                sequence = number.parse().expect("a number");
            } else if let Some(number) = value(line, "#EXT-X-DISCONTINUITY-SEQUENCE") {
                discontinuity = number.parse().expect("a number");
            } else if line == "#EXT-X-DISCONTINUITY" {
                discontinuity += 1;
            } else if let Some(uri) = value(line, "#EXT-X-MAP") {
                let uri = uri.strip_prefix("URI=\"").and_then(|rest| rest.strip_suffix('"'));
                map = Some(uri.expect("a URI alone").to_owned());
            } else if let Some(at) = value(line, "#EXT-X-PROGRAM-DATE-TIME") {
                date = unix_ms(at);
            } else if line == "#EXT-X-GAP" {
                gap = true;
            } else if let Some(text) = value(line, "#EXTINF") {
                seconds = text.trim_end_matches(',').parse().expect("seconds");
            } else if !line.starts_with('#') {
                let map = map.clone().filter(|_| !gap);
                let told = Told { uri: line.to_owned(), seconds, date, discontinuity, map, gap };
                listed.push((sequence, told));
                (sequence, gap) = (sequence + 1, false);
            }
        }
        self.note_listed(name, &listed, text, store, book, now);
    }

    fn note_listed(
        &mut self,
        name: &str,
        listed: &[(u64, Told)],
        text: &str,
        store: &Store,
        book: &Book,
        now: f64,
    ) {
        let (target, hole) = (self.target.expect("a target duration"), self.hole);
        let line = self.lines.entry(name.to_owned()).or_default();
        let first = listed.first().expect("segments").0;
        assert!(first >= line.first, "the window of {name} went back");
        let newest = line.told.last_key_value().map(|(&number, _)| number);
        assert!(newest.is_none_or(|newest| first <= newest + 1), "{name} left segments out");
        line.first = first;
        line.longest = line.longest.max(listed.iter().map(|(_, told)| told.seconds).sum());
        for (sequence, told) in listed {
            let (row, date, gap) =
                *self.rows.entry(*sequence).or_insert((told.discontinuity, told.date, told.gap));
            assert_eq!(row, told.discontinuity, "discontinuity sequence of {name} {sequence}");
            let apart = (date - told.date).abs() as f64 / 1000.0;
            // A gap begins where the media before it ends.
            let early = if told.gap || gap { 0.5 } else { 0.0 };
            assert!(apart <= 0.1 + self.apart + early, "{name} {sequence} begins {apart} s beside others");
            if let Some(known) = line.told.get(sequence) {
                assert_eq!(known, told, "{name} {sequence} changed");
            } else {
                assert!(told.seconds > 0.0 && (told.seconds + 0.5).floor() as u64 <= target, "{told:?}");
                let before = line.told.last_key_value().map(|(_, before)| before);
                assert!(
                    before.is_none_or(|before| before.date < told.date),
                    "{name} {sequence}: {before:?} {told:?}"
                );
                let end = told.date as f64 / 1000.0 + told.seconds;
                assert!(!self.in_time || end <= now + 0.5, "{name} {sequence} ends {} s from now", end - now);
                line.told.insert(*sequence, told.clone());
                if self.fragmented && !told.gap {
                    let (init, segment) = fetch(told, store);
                    let rung = self.rungs.iter().position(|rung| rung == name);
                    book.check(&segment, rung.filter(|_| init.size.is_some()), &init);
                    check_segment(line, hole, *sequence, told, init.timescale, &segment);
                    line.segments.insert(*sequence, (init.timescale, segment));
                }
            }
            if !told.gap {
                store.get(&told.uri);
                if let Some(map) = &told.map {
                    store.get(map);
                }
                line.listed.insert(told.uri.clone(), now);
            }
        }
        if self.fragmented {
            let of = listed.iter().filter_map(|(sequence, _)| line.segments.get(sequence));
            let independent = of.map(|(_, segment)| segment).all(|segment| segment.sap() == 1);
            assert_eq!(text.contains("#EXT-X-INDEPENDENT-SEGMENTS"), independent, "{name}");
        }
    }

    /// Files are removed, at that Unix time: no playlist has listed them for as long as RFC 8216 6.2.2 says.
    pub(crate) fn removed(&self, names: &[String], now: f64) {
        for name in names {
            for line in self.lines.values() {
                let since = line.listed.get(name).map(|listed| now - listed);
                let early = since.is_some_and(|since| since < line.longest);
                assert!(!self.in_time || !early, "{name} goes {since:?} s after it was listed");
                let told = line.told.range(line.first..).map(|(_, told)| told);
                assert!(
                    told.clone().all(|told| told.uri != *name && told.map.as_ref() != Some(name)),
                    "in use"
                );
            }
        }
    }

    /// What was told of a rendition, by sequence number.
    pub(crate) fn told(&self, name: &str) -> impl DoubleEndedIterator<Item = &Told> {
        self.lines.get(name).into_iter().flat_map(|line| line.told.values())
    }

    /// Samples of a rendition.
    pub(crate) fn samples(&self, name: &str) -> usize {
        let line = self.lines.get(name);
        line.map_or(0, |line| line.segments.values().map(|(_, segment)| segment.samples.len()).sum())
    }

    /// Discontinuities of a rendition, the first one aside.
    pub(crate) fn breaks(&self, name: &str) -> u64 {
        let mut told = self.told(name);
        let first = told.next().map_or(0, |told| told.discontinuity);
        told.next_back().map_or(0, |last| last.discontinuity - first)
    }

    /// The media playlists of the variants.
    pub(crate) fn variants(&self) -> Vec<&str> {
        let lines = self.multivariant.lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| line.trim_end_matches(".m3u8")).collect()
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.lines.keys().map(String::as_str).collect()
    }
}

fn fetch(told: &Told, store: &Store) -> (Init, Segment) {
    let init = told.map.as_ref().expect("an initialization segment");
    (Init::read(store.get(init)), Segment::read(store.get(&told.uri)))
}

/// The times in a segment are those told of it, and go on from the one before.
fn check_segment(line: &Line, hole: f64, sequence: u64, told: &Told, timescale: u32, segment: &Segment) {
    let seconds = segment.duration() as f64 / f64::from(timescale);
    assert!((seconds - told.seconds).abs() < 0.001, "{told:?} has {seconds} s");
    let Some((&number, (scale, last))) = line.segments.last_key_value() else { return };
    if *scale != timescale {
        return;
    }
    let end = last.base + last.duration();
    let goes_on = number + 1 == sequence && line.told[&number].discontinuity == told.discontinuity;
    assert!(end <= segment.base, "{told:?} goes back");
    let between = (segment.base - end) as f64 / f64::from(timescale);
    assert!(!goes_on || between <= hole, "{told:?}: {between} s between");
}

/// `2026-03-01T12:00:00.080Z`.
fn unix_ms(date: &str) -> i64 {
    let number = |range: std::ops::Range<usize>| date[range].parse::<i64>().expect("digits");
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    // Days from the civil calendar, with years that begin in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    (((days * 24 + number(11..13)) * 60 + number(14..16)) * 60 + number(17..19)) * 1000 + number(20..23)
}
