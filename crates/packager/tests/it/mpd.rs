//! An MPD as a player reads it.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

#[derive(Clone, PartialEq, Default, Debug)]
pub(crate) struct Mpd {
    pub(crate) publish_time: String,
    /// In seconds, as all durations here.
    pub(crate) depth: f64,
    pub(crate) update: f64,
    pub(crate) delay: f64,
    pub(crate) max_segment: f64,
    pub(crate) periods: Vec<Period>,
}

#[derive(Clone, PartialEq, Default, Debug)]
pub(crate) struct Period {
    pub(crate) id: String,
    /// In microseconds of Unix time.
    pub(crate) start: i64,
    pub(crate) sets: Vec<Set>,
}

#[derive(Clone, PartialEq, Default, Debug)]
pub(crate) struct Set {
    pub(crate) id: String,
    pub(crate) content: String,
    pub(crate) aligned: bool,
    pub(crate) sap: Option<u8>,
    pub(crate) max_frame_rate: Option<String>,
    pub(crate) representations: Vec<Representation>,
}

#[derive(Clone, PartialEq, Default, Debug)]
pub(crate) struct Representation {
    pub(crate) id: String,
    pub(crate) bandwidth: u64,
    pub(crate) codecs: String,
    pub(crate) size: Option<(u32, u32)>,
    pub(crate) frame_rate: Option<String>,
    pub(crate) sample_rate: Option<u32>,
    pub(crate) timescale: u32,
    pub(crate) offset: u64,
    pub(crate) initialization: String,
    pub(crate) media: String,
    /// Start and duration of each segment.
    pub(crate) timeline: Vec<(u64, u64)>,
}

impl Representation {
    /// The URL of a segment.
    pub(crate) fn url(&self, t: u64) -> String {
        self.media.replace("$Time$", &t.to_string())
    }
}

impl Mpd {
    pub(crate) fn read(text: &str) -> Self {
        let mut reader = Reader::from_str(text);
        let mut mpd = Self::default();
        loop {
            match reader.read_event().expect("well-formed") {
                Event::Start(tag) | Event::Empty(tag) => mpd.open(&tag),
                Event::Eof => return mpd,
                _ => {}
            }
        }
    }

    fn open(&mut self, tag: &BytesStart<'_>) {
        match tag.name().as_ref() {
            "MPD" => {
                assert_eq!(value(tag, "type").as_deref(), Some("dynamic"));
                assert_eq!(value(tag, "availabilityStartTime").as_deref(), Some("1970-01-01T00:00:00Z"));
                let seconds = |name| micros(&value(tag, name).expect(name)) as f64 / 1e6;
                self.publish_time = value(tag, "publishTime").expect("publishTime");
                self.depth = seconds("timeShiftBufferDepth");
                self.update = seconds("minimumUpdatePeriod");
                self.delay = seconds("suggestedPresentationDelay");
                self.max_segment = seconds("maxSegmentDuration");
            }
            "Period" => {
                let start = micros(&value(tag, "start").expect("a start"));
                self.periods.push(Period { id: value(tag, "id").expect("an id"), start, sets: Vec::new() });
            }
            "AdaptationSet" => {
                let set = Set {
                    id: value(tag, "id").expect("an id"),
                    content: value(tag, "contentType").expect("a type"),
                    aligned: value(tag, "segmentAlignment").expect("said") == "true",
                    sap: number(tag, "startWithSAP"),
                    max_frame_rate: value(tag, "maxFrameRate"),
                    representations: Vec::new(),
                };
                self.periods.last_mut().expect("a period").sets.push(set);
            }
            "Representation" => {
                let representation = Representation {
                    id: value(tag, "id").expect("an id"),
                    bandwidth: number(tag, "bandwidth").expect("a bandwidth"),
                    codecs: value(tag, "codecs").expect("codecs"),
                    size: number(tag, "width").zip(number(tag, "height")),
                    frame_rate: value(tag, "frameRate"),
                    sample_rate: number(tag, "audioSamplingRate"),
                    ..Representation::default()
                };
                let sets = &mut self.periods.last_mut().expect("a period").sets;
                sets.last_mut().expect("a set").representations.push(representation);
            }
            "SegmentTemplate" => {
                let newest = self.newest();
                newest.timescale = number(tag, "timescale").expect("a timescale");
                newest.offset = number(tag, "presentationTimeOffset").expect("an offset");
                newest.initialization = value(tag, "initialization").expect("a URL");
                newest.media = value(tag, "media").expect("a URL");
            }
            "S" => {
                let timeline = &mut self.newest().timeline;
                let mut t = number(tag, "t").unwrap_or_else(|| timeline.last().map_or(0, |(t, d)| t + d));
                let d = number(tag, "d").expect("a duration");
                for _ in 0..=number(tag, "r").unwrap_or(0) {
                    timeline.push((t, d));
                    t += d;
                }
            }
            _ => {}
        }
    }

    fn newest(&mut self) -> &mut Representation {
        let set = self.periods.last_mut().and_then(|period| period.sets.last_mut());
        set.and_then(|set| set.representations.last_mut()).expect("a representation")
    }

    /// All representations with their period and set.
    pub(crate) fn representations(&self) -> impl Iterator<Item = (&Period, &Set, &Representation)> {
        self.periods.iter().flat_map(|period| {
            period
                .sets
                .iter()
                .flat_map(move |set| set.representations.iter().map(move |one| (period, set, one)))
        })
    }
}

fn value(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = tag.try_get_attribute(name).expect("well-formed")?;
    Some(attribute.normalized_value(Default::default()).expect("escaped").into_owned())
}

fn number<T: std::str::FromStr>(tag: &BytesStart<'_>, name: &str) -> Option<T> {
    value(tag, name).map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

/// `PT2.04S`.
fn micros(duration: &str) -> i64 {
    let seconds = duration.strip_prefix("PT").and_then(|rest| rest.strip_suffix('S'));
    let (whole, part) = seconds.map(|s| s.split_once('.').unwrap_or((s, "0"))).expect("seconds alone");
    let part = format!("{part:0<6}");
    whole.parse::<i64>().expect("a number") * 1_000_000 + part.parse::<i64>().expect("microseconds")
}
