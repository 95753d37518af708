//! A strict player of DASH, which reads every version of an MPD and fetches every segment.

use std::collections::BTreeMap;

use crate::boxes::{Init, Segment};
use crate::mpd::{Mpd, Period, Representation, Set};
use crate::store::{Book, Store};

/// Tracks of one period may end this much after it: the last frame of sound reaches over.
const REACH_OVER: f64 = 0.1;
/// Clocks round.
const ROUNDING: f64 = 0.002;

/// What is known of a representation, through all periods.
#[derive(Default)]
struct Line {
    /// By start.
    segments: BTreeMap<u64, Known>,
    /// By URL.
    inits: BTreeMap<String, Init>,
}

struct Known {
    period: String,
    duration: u64,
    segment: Segment,
    url: String,
    /// Unix time of the last MPD that listed it.
    listed: f64,
}

#[derive(Default)]
pub(crate) struct Player {
    pub(crate) mpd: Mpd,
    /// All that were ever told.
    pub(crate) periods: Vec<(String, i64)>,
    lines: BTreeMap<String, Line>,
    /// Names of the rungs.
    rungs: Vec<String>,
    /// Representations' key frames may be this much apart, in seconds.
    pub(crate) apart: f64,
    /// Media comes when it is due.
    pub(crate) in_time: bool,
    /// Seconds that may be missing where the source had stopped, or was cut off by the longest segment.
    pub(crate) hole: f64,
}

impl Player {
    pub(crate) fn new(rungs: Vec<String>) -> Self {
        Self { rungs, in_time: true, ..Self::default() }
    }

    /// Reads a version of the MPD, at that Unix time.
    pub(crate) fn read(&mut self, text: &str, store: &Store, book: &Book, now: f64) {
        let mpd = Mpd::read(text);
        assert!(mpd.publish_time > self.mpd.publish_time, "published again: {text}");
        self.note_periods(&mpd);
        for (period, set, representation) in mpd.representations() {
            self.note((period, set, representation), mpd.delay, store, book, now);
        }
        for pair in mpd.periods.windows(2) {
            for one in pair[0].sets.iter().flat_map(|set| &set.representations) {
                let (t, d) = one.timeline.last().expect("segments");
                let over = at(&pair[0], one, t + d) - pair[1].start as f64 / 1e6;
                assert!(over <= REACH_OVER + self.apart, "{} reaches {over} s over: {text}", one.id);
            }
        }
        for period in &mpd.periods {
            let mut ids: Vec<&str> = period.sets.iter().map(|set| set.id.as_str()).collect();
            ids.extend(
                period.sets.iter().flat_map(|set| set.representations.iter().map(|one| one.id.as_str())),
            );
            ids.sort_unstable();
            assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "{text}");
            period.sets.iter().for_each(|set| self.check_set(period, set));
        }
        let longest = mpd
            .representations()
            .flat_map(|(_, _, one)| one.timeline.iter().map(|(_, d)| *d as f64 / f64::from(one.timescale)));
        let longest = longest.fold(0.0, f64::max);
        assert!(
            longest <= mpd.max_segment + ROUNDING && longest * 2.0 <= mpd.delay + 1.0,
            "{longest}: {text}"
        );
        self.mpd = mpd;
    }

    /// Periods keep their id and start; they come at the end and leave at the front.
    fn note_periods(&mut self, mpd: &Mpd) {
        let told: Vec<(String, i64)> = mpd.periods.iter().map(|one| (one.id.clone(), one.start)).collect();
        let first = self.periods.iter().position(|known| known == &told[0]);
        let known = first.map_or(0, |first| self.periods.len() - first);
        assert!(
            first.is_some() || self.periods.is_empty() || told[0].1 > self.periods[self.periods.len() - 1].1
        );
        assert!(known <= told.len(), "a period was taken back: {told:?}");
        assert_eq!(self.periods[self.periods.len() - known..], told[..known]);
        self.periods.extend_from_slice(&told[known..]);
        assert!(self.periods.windows(2).all(|pair| pair[0].1 < pair[1].1), "{:?}", self.periods);
        for (number, (id, _)) in self.periods.iter().enumerate() {
            assert!(self.periods[..number].iter().all(|(known, _)| known != id), "{id} came back");
        }
    }

    fn note(
        &mut self,
        (period, set, one): (&Period, &Set, &Representation),
        mpd_delay: f64,
        store: &Store,
        book: &Book,
        now: f64,
    ) {
        let Representation { id, timescale, timeline, .. } = one;
        let is_video = set.content == "video";
        let hole = self.hole;
        let line = self.lines.entry(id.clone()).or_default();
        let init = line
            .inits
            .entry(one.initialization.clone())
            .or_insert_with(|| Init::read(store.get(&one.initialization)));
        store.get(&one.initialization);
        assert_eq!(init.timescale, *timescale);
        assert_eq!(init.size.map(|(width, height)| (width.into(), height.into())), one.size, "{id}");
        assert_eq!(init.sample_rate, one.sample_rate, "{id}");
        assert!(
            one.codecs.starts_with(init.entry.to_lowercase().as_str()) || one.codecs.starts_with(init.entry)
        );
        let follows = |pair: &[(u64, u64)]| goes_on(pair[0], pair[1], *timescale, hole);
        assert!(timeline.windows(2).all(follows), "{id}: {timeline:?}");
        let before = at(period, one, timeline[0].0) - period.start as f64 / 1e6;
        assert!(before >= -REACH_OVER - self.apart, "{id} begins {before} s after its period");
        let rung = self.rungs.iter().position(|name| name == id);
        for &(t, d) in timeline {
            if let Some(known) = line.segments.get_mut(&t) {
                assert_eq!((&known.period, known.duration), (&period.id, d), "{id} {t} changed");
                store.get(&known.url);
                known.listed = now;
                continue;
            }
            let url = one.url(t);
            let segment = Segment::read(store.get(&url));
            assert_eq!(segment.duration(), d, "{url}");
            // Where no key frame is to be had, the cut may part pictures that change places. So may the end of the
            // media; and the picture that would be shown first may be missing.
            let ticks = segment.start().cast_signed() - t.cast_signed();
            let beside = ticks as f64 / f64::from(*timescale);
            let parted = segment.sap() == 0 || segment.samples.len() < 4 || hole > 0.0 && ticks > 0;
            // The distance from decoding to showing is kept where it was measured a tick otherwise: both times are rounded.
            assert!(
                ticks.abs() <= 1 || parted && beside.abs() <= 0.2,
                "{url} begins {beside} s beside what is told"
            );
            if let Some((before, last)) = line.segments.last_key_value() {
                let end = last.segment.base + last.duration;
                // Another timescale begins elsewhere.
                let same = last.period == period.id;
                assert!(*before < t, "{url} goes back");
                let follows =
                    goes_on((last.segment.base, last.duration), (segment.base, 0), *timescale, hole);
                assert!(!same || follows, "{url}: {end} {}", segment.base);
                assert!(end <= segment.base, "{url} goes back");
                assert!(last.segment.sequence_number < segment.sequence_number);
            }
            book.check(&segment, rung.filter(|_| is_video), init);
            let end = at(period, one, t + d);
            assert!(!self.in_time || end <= now + 0.5, "{url} ends {} s from now", end - now);
            let seconds = d as f64 / f64::from(*timescale);
            let rate = store.get(&url).len() as f64 * 8.0 / seconds;
            assert!(
                rate <= one.bandwidth as f64 || seconds * 6.0 < mpd_delay,
                "{id}: {rate} of {}",
                one.bandwidth
            );
            let known = Known { period: period.id.clone(), duration: d, segment, url, listed: now };
            line.segments.insert(t, known);
        }
    }

    /// Alignment and access points are as told.
    fn check_set(&self, period: &Period, set: &Set) {
        let segments = |one: &Representation| -> Vec<&Segment> {
            one.timeline.iter().map(|(t, _)| &self.lines[&one.id].segments[t].segment).collect()
        };
        let saps: Vec<u8> =
            set.representations.iter().flat_map(|one| segments(one).into_iter().map(Segment::sap)).collect();
        let told = if saps.contains(&0) { None } else { saps.iter().max().copied() };
        assert_eq!(set.sap, told, "{} {}", period.id, set.content);
        let starts = |one: &Representation| -> Vec<f64> {
            one.timeline.iter().map(|(t, _)| at(period, one, *t)).collect()
        };
        let first = starts(&set.representations[0]);
        let together = set.representations.iter().all(|one| {
            let starts = starts(one);
            starts.len() == first.len() && starts.iter().zip(&first).all(|(a, b)| (a - b).abs() < ROUNDING)
        });
        assert_eq!(set.aligned, together, "{} {}", period.id, set.content);
    }

    /// Files are removed, at that Unix time: no MPD has listed them for as long as the window reaches back.
    pub(crate) fn removed(&self, names: &[String], now: f64) {
        let known = self.lines.values().flat_map(|line| line.segments.values());
        let listed: BTreeMap<&str, f64> = known.map(|known| (known.url.as_str(), known.listed)).collect();
        for name in names {
            let since = listed.get(name.as_str()).map(|listed| now - listed);
            let early = since.is_some_and(|since| since < self.mpd.depth);
            assert!(!self.in_time || !early, "{name} goes {since:?} s after it was listed");
            for (_, _, one) in self.mpd.representations() {
                assert_ne!(one.initialization, *name, "in use");
            }
        }
    }

    /// All samples of a representation, in order.
    pub(crate) fn samples(&self, id: &str) -> usize {
        self.lines
            .get(id)
            .map_or(0, |line| line.segments.values().map(|known| known.segment.samples.len()).sum())
    }

    /// Representations, by period and set of the newest MPD.
    pub(crate) fn shape(&self) -> Vec<String> {
        let of_set = |set: &Set| {
            let ids: Vec<&str> = set.representations.iter().map(|one| one.id.as_str()).collect();
            format!("{}:{}", set.id, ids.join("+"))
        };
        let sets = |period: &Period| period.sets.iter().map(of_set).collect::<Vec<_>>().join(" ");
        self.mpd.periods.iter().map(sets).collect()
    }
}

/// Unix time of a place in the segments.
fn at(period: &Period, one: &Representation, t: u64) -> f64 {
    period.start as f64 / 1e6 + (t as f64 - one.offset as f64) / f64::from(one.timescale)
}

/// Whether segments go on from each other, but for a `hole`.
fn goes_on((t, d): (u64, u64), next: (u64, u64), timescale: u32, hole: f64) -> bool {
    let between = next.0.checked_sub(t + d).map(|units| units as f64 / f64::from(timescale));
    between.is_some_and(|between| between <= hole)
}
