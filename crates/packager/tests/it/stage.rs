//! Encoders, a hub, and all segmented outputs of a ladder, each watched by a strict player; time is virtual.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hub::{Cursor, Entry, Feed, Limits, Read, Stream};
use media::timeline::{Arrival, SourceClock};
use media::{Frame, TimeDelta, Timestamp, Track};
use rillcast_packager::segment::Changes;
use rillcast_packager::ts::Carrier;
use rillcast_packager::{Rung, Settings, cmaf, dash, hls};
use testkit::Clip;

use crate::source::{START_S, at, settings};
use crate::store::{Book, Store};
use crate::{dash_player, hls_player};

/// What an encoder sends on one connection, frame by frame when it is due.
#[derive(Clone)]
pub(crate) struct Show {
    pub(crate) rung: usize,
    pub(crate) clip: Clip,
    /// When it begins, in milliseconds.
    pub(crate) from: i64,
    /// The stamp of its first frame, in milliseconds.
    pub(crate) stamp: i64,
    /// Its frames come this much later, without a difference in their stamps.
    pub(crate) lag: i64,
    /// It goes on with the connection of the show before, which may have had other tracks.
    pub(crate) goes_on: bool,
    /// The connection is closed at its end.
    pub(crate) leaves: bool,
    /// All of it comes at once.
    pub(crate) burst: bool,
}

impl Show {
    pub(crate) fn new(rung: usize, clip: Clip) -> Self {
        Self { rung, clip, from: 0, stamp: 0, lag: 0, goes_on: false, leaves: false, burst: false }
    }

    /// The same from another time on, with stamps that say so.
    pub(crate) fn from(self, from: i64) -> Self {
        Self { from, stamp: from, ..self }
    }

    pub(crate) fn end(&self) -> i64 {
        self.from + self.clip.duration.to_scale(1000)
    }
}

enum Event {
    Begin(Vec<Track>, bool),
    Frame(Frame, i64),
    Leave,
}

/// A ladder with its outputs.
pub(crate) struct Stage {
    hubs: Vec<Arc<Stream>>,
    cursors: Vec<Cursor<Entry>>,
    feeds: Vec<Option<Feed>>,
    carriers: Vec<Carrier>,
    pub(crate) dash: cmaf::Output,
    pub(crate) fragments: cmaf::Output,
    pub(crate) ts: hls::Output,
    stores: [Store; 3],
    pub(crate) book: Book,
    pub(crate) dash_player: dash_player::Player,
    /// Of HLS with fragmented MP4.
    pub(crate) fragments_player: hls_player::Player,
    pub(crate) ts_player: hls_player::Player,
    heard: Vec<i64>,
    /// Entries that the hub made.
    pub(crate) entries: Vec<Vec<Entry>>,
    pub(crate) now: i64,
}

/// A ladder of so many rungs, named track_1 and so on.
pub(crate) fn ladder(rungs: usize) -> Settings {
    let rung = |number| Rung { name: format!("track_{number}"), ..Rung::default() };
    Settings { rungs: (1..=rungs).map(rung).collect(), ..settings() }
}

impl Stage {
    pub(crate) fn new(settings: Settings) -> Self {
        let limits = Limits {
            bytes: 256 << 20,
            lag: Duration::from_secs(600),
            gop: Duration::from_secs(600),
            keep_unread: true,
        };
        let count = settings.rungs.len();
        let hubs = Stream::ladder(limits, count);
        let names: Vec<String> = settings.rungs.iter().map(|rung| rung.name.clone()).collect();
        Self {
            cursors: hubs.iter().map(|hub| hub.subscribe().expect("open")).collect(),
            feeds: hubs.iter().map(|_| None).collect(),
            carriers: hubs.iter().map(|_| Carrier::new()).collect(),
            heard: vec![0; count],
            entries: vec![Vec::new(); count],
            hubs,
            dash: cmaf::Output::new(settings.clone(), cmaf::Text::Dash),
            fragments: cmaf::Output::new(settings.clone(), cmaf::Text::Hls),
            ts: hls::Output::new(settings),
            stores: Default::default(),
            book: Book::default(),
            dash_player: dash_player::Player::new(names.clone()),
            fragments_player: hls_player::Player::new(names.clone(), true),
            ts_player: hls_player::Player::new(names, false),
            now: 0,
        }
    }

    /// Rungs' key frames may be this many seconds apart.
    pub(crate) fn apart(mut self, seconds: f64) -> Self {
        self.dash_player.apart = seconds;
        self.fragments_player.apart = seconds;
        self.ts_player.apart = seconds;
        self
    }

    /// Media does not come when it is due.
    pub(crate) fn untimed(mut self) -> Self {
        self.dash_player.in_time = false;
        self.fragments_player.in_time = false;
        self.ts_player.in_time = false;
        self
    }

    /// So many seconds may be missing of what goes on: in HLS any number, for its dates tell.
    pub(crate) fn holes(mut self, seconds: f64) -> Self {
        self.dash_player.hole = seconds;
        self.fragments_player.hole = f64::MAX;
        self
    }

    /// Plays the shows beside each other.
    pub(crate) fn play(&mut self, shows: Vec<Show>) -> &mut Self {
        let mut events: Vec<(i64, usize, Event)> = Vec::new();
        for show in shows {
            let rung = show.rung;
            let end = show.end();
            events.push((show.from + show.lag, rung, Event::Begin(show.clip.tracks.clone(), show.goes_on)));
            for frame in show.clip.frames {
                let ms = (frame.dts - Timestamp::ZERO).to_scale(1000);
                let due = if show.burst { 0 } else { ms };
                events.push((show.from + show.lag + due, rung, Event::Frame(frame, show.stamp + ms)));
            }
            if show.leaves {
                let due = if show.burst { show.from } else { end };
                events.push((due + show.lag, rung, Event::Leave));
            }
        }
        events.sort_by_key(|(due, ..)| *due);
        for (due, rung, event) in events {
            self.advance(due);
            self.happen(rung, event);
            self.drain(rung);
        }
        self
    }

    /// Nothing happens until then.
    pub(crate) fn advance(&mut self, until: i64) {
        while self.now / 1000 < until / 1000 {
            self.now = (self.now / 1000 + 1) * 1000;
            if self.heard.iter().any(|heard| self.now - heard >= 1000) {
                let (mono, wall) = (duration(self.now), at(self.now));
                let changes = self.dash.tick(mono, wall);
                self.take_dash(&changes);
                let changes = self.fragments.tick(mono, wall);
                self.take_hls(1, &changes);
                let changes = self.ts.tick(mono);
                self.take_hls(2, &changes);
            }
        }
        self.now = self.now.max(until);
    }

    /// The media ends, and what is left is told.
    pub(crate) fn finish(&mut self) -> &mut Self {
        self.advance(self.now + 6000);
        self
    }

    fn happen(&mut self, rung: usize, event: Event) {
        let arrival = Arrival { mono: duration(self.now), wall: at(self.now) };
        match event {
            Event::Begin(tracks, goes_on) => {
                if !goes_on || self.feeds[rung].is_none() {
                    self.feeds[rung] = None;
                    self.feeds[rung] = Some(self.hubs[rung].open(SourceClock::RTMP));
                }
                self.feeds[rung].as_ref().expect("opened").set_tracks(tracks);
            }
            Event::Frame(frame, stamp) => {
                let Some(feed) = &self.feeds[rung] else { return };
                let delay = (frame.pts - frame.dts).to_scale(1000);
                let stamp = u64::try_from(stamp).expect("not before zero") & u64::from(u32::MAX);
                feed.push(arrival, frame.track, stamp, delay, frame.key, frame.data);
            }
            Event::Leave => self.feeds[rung] = None,
        }
    }

    fn drain(&mut self, rung: usize) {
        let mut entries = Vec::new();
        let mut context = Context::from_waker(Waker::noop());
        let read = self.cursors[rung].poll_read(&mut context, &mut entries, usize::MAX);
        assert!(matches!(read, Poll::Pending | Poll::Ready(Read::Items)), "nothing is skipped");
        for entry in entries {
            self.push(rung, &entry);
        }
    }

    /// An entry of a rung, from the hub or made by hand.
    pub(crate) fn push(&mut self, rung: usize, entry: &Entry) {
        self.heard[rung] = self.now;
        self.book.note(rung, entry);
        self.entries[rung].push(entry.clone());
        let wall = at(self.now);
        let changes = self.dash.push(rung, entry, wall);
        self.take_dash(&changes);
        let changes = self.fragments.push(rung, entry, wall);
        self.take_hls(1, &changes);
        if let Some(chunk) = self.carriers[rung].push(entry) {
            let changes = self.ts.push(rung, &chunk);
            self.take_hls(2, &changes);
        }
    }

    /// Announces something else of a rung.
    pub(crate) fn set_rung(&mut self, rung: usize, announced: &Rung) {
        let changes = self.dash.set_rung(rung, announced.clone(), at(self.now));
        self.take_dash(&changes);
        let changes = self.fragments.set_rung(rung, announced.clone(), at(self.now));
        self.take_hls(1, &changes);
        let changes = self.ts.set_rung(rung, announced.clone());
        self.take_hls(2, &changes);
    }

    fn take_dash(&mut self, changes: &Changes) {
        let now = unix(self.now);
        self.stores[0].add(changes);
        // Those of one rung alone say the same with less in it.
        for (_, text) in texts(changes).into_iter().filter(|(name, _)| name == dash::MANIFEST) {
            self.dash_player.read(&text, &self.stores[0], &self.book, now);
        }
        self.dash_player.removed(&changes.removed, now);
        self.stores[0].remove(changes);
    }

    fn take_hls(&mut self, which: usize, changes: &Changes) {
        let now = unix(self.now);
        let player = if which == 1 { &mut self.fragments_player } else { &mut self.ts_player };
        self.stores[which].add(changes);
        player.read(&texts(changes), &self.stores[which], &self.book, now);
        player.removed(&changes.removed, now);
        self.stores[which].remove(changes);
    }

    /// Files that a player of DASH could ask for.
    pub(crate) fn available(&self) -> usize {
        self.stores[0].files.len()
    }

    pub(crate) fn manifest(&self) -> String {
        let text = self.dash.text(dash::MANIFEST).expect("a manifest");
        String::from_utf8(text.to_vec()).expect("UTF-8")
    }

    /// A playlist of HLS with fragmented MP4.
    pub(crate) fn playlist(&self, name: &str) -> String {
        let text = self.fragments.text(name).unwrap_or_else(|| panic!("{name} is not there"));
        String::from_utf8(text.to_vec()).expect("UTF-8")
    }

    /// Nothing of a rung was lost on the way from the hub into the segments of DASH and HLS.
    #[track_caller]
    pub(crate) fn is_whole(&self, rung: usize) {
        let name = format!("track_{}", rung + 1);
        let from = Timestamp::ZERO;
        assert_eq!(self.dash_player.samples(&name), self.book.count(rung, true, from), "pictures of {name}");
        assert_eq!(self.fragments_player.samples(&name), self.book.count(rung, true, from));
    }
}

fn texts(changes: &Changes) -> Vec<(String, String)> {
    let texts = changes.texts.iter();
    texts.map(|(name, text)| (name.clone(), String::from_utf8(text.to_vec()).expect("UTF-8"))).collect()
}

fn duration(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).expect("not before the start"))
}

fn unix(ms: i64) -> f64 {
    START_S as f64 + ms as f64 / 1000.0
}

/// Aligned rungs of that many, one a little behind the other.
pub(crate) fn rungs(count: usize, seconds: i64) -> Vec<Show> {
    (0..count).map(|rung| Show { lag: rung as i64 * 70, ..Show::new(rung, clip(seconds)) }).collect()
}

/// The clip of that many seconds; pictures and sound begin together at zero.
pub(crate) fn clip(seconds: i64) -> Clip {
    let rounds = usize::try_from(seconds / 8 + 1).expect("some");
    part(testkit::clip().starting_at(Timestamp::ZERO).looped(rounds), 0, seconds * 1000)
}

/// The frames of a clip from one time to another, in milliseconds; they begin at zero again.
pub(crate) fn part(mut clip: Clip, from: i64, until: i64) -> Clip {
    let [start, end] = [from, until].map(|ms| Timestamp::from_scale(ms, 1000));
    clip.frames.retain(|frame| frame.dts >= start && frame.dts < end);
    for frame in &mut clip.frames {
        frame.dts = Timestamp::ZERO + (frame.dts - start);
        frame.pts = Timestamp::ZERO + (frame.pts - start);
    }
    clip.duration = TimeDelta::from_millis(until - from);
    clip
}
