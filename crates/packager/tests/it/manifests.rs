//! Whole MPDs, compared with files that the schema of ISO/IEC 23009-1 was seen to accept.

use media::{Kind, Rational, TimeDelta, Timestamp};
use quick_xml::Reader;
use quick_xml::events::Event;
use rillcast_packager::dash::{
    AdaptationSet, Manifest, Period, Picture, Piece, Representation, Sound, render,
};
use testkit::golden;

use crate::source::at;

/// Video of the tests is told at 90 kHz, sound at its sample rate.
const VIDEO_SCALE: u32 = 90_000;
const AUDIO_SCALE: u32 = 48_000;
/// AAC access units in segments of about 2 s.
const AUDIO_UNITS: [u64; 8] = [94, 94, 93, 94, 94, 94, 93, 94];

/// Unix time in units of a timescale.
fn units(ms: i64, scale: u32) -> u64 {
    u64::try_from(at(ms).to_scale(scale)).expect("after 1970")
}

/// A rung with segments of 2 s that begin at `from` ms, the period with them.
fn rung(name: &str, (width, height): (u32, u32), bandwidth: u64, from: i64, count: i64) -> Representation {
    let segment = |n| Piece { t: units(from + n * 2000, VIDEO_SCALE), d: 2 * u64::from(VIDEO_SCALE) };
    Representation {
        id: name.to_owned(),
        bandwidth,
        codecs: "avc1.64001f".to_owned(),
        picture: Some(Picture { width, height, frame_rate: Rational::new(25, 1) }),
        sound: None,
        timescale: VIDEO_SCALE,
        presentation_time_offset: units(from, VIDEO_SCALE),
        initialization: format!("{name}-k3x9-0.mp4"),
        media: format!("{name}-k3x9-$Time$.m4s"),
        timeline: (0..count).map(segment).collect(),
    }
}

fn audio(from: i64) -> Representation {
    let start = units(from, AUDIO_SCALE);
    let mut t = start;
    let segment = |count| {
        let piece = Piece { t, d: count * 1024 };
        t += piece.d;
        piece
    };
    Representation {
        id: "sound".to_owned(),
        bandwidth: 131_072,
        codecs: "mp4a.40.2".to_owned(),
        picture: None,
        sound: Some(Sound { sample_rate: AUDIO_SCALE, channels: 2 }),
        timescale: AUDIO_SCALE,
        presentation_time_offset: start,
        initialization: "sound-k3x9-0.mp4".to_owned(),
        media: "sound-k3x9-$Time$.m4s".to_owned(),
        timeline: AUDIO_UNITS.into_iter().map(segment).collect(),
    }
}

fn video_set(representations: Vec<Representation>) -> AdaptationSet {
    AdaptationSet {
        id: 0,
        kind: Kind::Video,
        language: None,
        segment_alignment: true,
        sap: Some(1),
        representations,
    }
}

fn audio_set(representations: Vec<Representation>) -> AdaptationSet {
    let language = Some("pt-BR".to_owned());
    AdaptationSet { id: 1, kind: Kind::Audio, language, ..video_set(representations) }
}

fn period(from: i64, sets: Vec<AdaptationSet>) -> Period {
    let start = at(from) - Timestamp::ZERO;
    Period { id: start.to_scale(1000).to_string(), start, sets }
}

fn manifest(periods: Vec<Period>) -> Manifest {
    Manifest {
        publish_time: at(16_120),
        minimum_update_period: TimeDelta::from_secs(1),
        time_shift_buffer_depth: TimeDelta::from_secs(24),
        suggested_presentation_delay: TimeDelta::from_secs(6),
        max_segment_duration: TimeDelta::from_millis(2006),
        min_buffer_time: TimeDelta::from_secs(2),
        periods,
    }
}

fn ladder(from: i64, count: i64) -> Vec<Representation> {
    vec![
        rung("track_1", (1920, 1080), 6_000_000, from, count),
        rung("track_2", (1280, 720), 3_000_000, from, count),
        rung("track_3", (640, 360), 900_000, from, count),
    ]
}

#[test]
fn one_rung_with_sound() {
    let mut rung = rung("track_1", (1280, 720), 3_000_000, 80, 8);
    rung.picture = Some(Picture { width: 1280, height: 720, frame_rate: Rational::new(30_000, 1001) });
    let sets = vec![video_set(vec![rung]), audio_set(vec![audio(80)])];
    golden("testdata/one-rung.mpd", &render(&manifest(vec![period(80, sets)])));
}

#[test]
fn three_rungs_that_share_their_sound() {
    let sets = vec![video_set(ladder(80, 8)), audio_set(vec![audio(80)])];
    golden("testdata/ladder.mpd", &render(&manifest(vec![period(80, sets)])));
}

#[test]
fn a_rung_that_was_silent_has_a_hole() {
    let mut rungs = ladder(80, 8);
    rungs[1].timeline.drain(3..5);
    let set = AdaptationSet { segment_alignment: false, sap: None, ..video_set(rungs) };
    golden("testdata/hole.mpd", &render(&manifest(vec![period(80, vec![set, audio_set(vec![audio(80)])])])));
}

#[test]
fn each_epoch_is_a_period() {
    let first = vec![video_set(ladder(80, 4)), audio_set(vec![audio(80)])];
    let second = vec![video_set(ladder(20_040, 3)), audio_set(vec![audio(20_040)])];
    let mut manifest = manifest(vec![period(80, first), period(20_040, second)]);
    manifest.publish_time = at(26_080);
    golden("testdata/epochs.mpd", &render(&manifest));
}

#[test]
fn sound_alone() {
    let manifest = manifest(vec![period(0, vec![audio_set(vec![audio(0)])])]);
    golden("testdata/sound.mpd", &render(&manifest));
}

#[test]
fn twelve_rungs_without_sound() {
    let rungs = (1..=12)
        .map(|n| rung(&format!("track_{n}"), (16 * 12 * n, 9 * 12 * n), u64::from(n) * 500_000, 80, 8));
    golden("testdata/twelve.mpd", &render(&manifest(vec![period(80, vec![video_set(rungs.collect())])])));
}

#[test]
fn what_has_nothing_to_play_is_left_out() {
    let silent = |mut rung: Representation| {
        rung.timeline.clear();
        rung
    };
    let mut rungs = ladder(80, 8);
    rungs[2].timeline.clear();
    let data = AdaptationSet { id: 2, kind: Kind::Data, ..video_set(ladder(80, 8)) };
    let sets = vec![video_set(rungs), audio_set(vec![silent(audio(80))]), data];
    let empty = vec![video_set(vec![]), audio_set(vec![silent(audio(9000))])];
    let mut manifest = manifest(vec![period(80, sets), period(9000, empty)]);
    assert!(!manifest.is_empty());
    let text = render(&manifest);
    let count = |element| text.matches(element).count();
    assert_eq!((count("<Period "), count("<AdaptationSet "), count("<Representation ")), (1, 1, 2), "{text}");

    manifest.periods.remove(0);
    assert!(manifest.is_empty());
    assert_eq!(render(&manifest).matches("<Period").count(), 0);
}

/// GStreamer looks for the start tag in the first 512 bytes, and for a blank behind its name.
#[test]
fn the_start_tag_is_where_players_look_for_it() {
    let mut manifest = manifest(vec![period(0, vec![audio_set(vec![audio(0)])])]);
    let check = |manifest: &Manifest| {
        let text = render(manifest);
        assert!(text.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<MPD "), "{text}");
        let tag = text.find("<MPD ").expect("checked");
        let end = tag + text[tag..].find('>').expect("an end") + 1;
        assert!(end <= 512, "{end} bytes");
        assert!(!text[tag..end].contains('\n'));
    };
    check(&manifest);
    let longest = TimeDelta::MAX;
    manifest.publish_time = Timestamp::from_ticks(i64::MAX);
    manifest.minimum_update_period = longest;
    manifest.time_shift_buffer_depth = longest;
    manifest.suggested_presentation_delay = longest;
    manifest.max_segment_duration = longest;
    manifest.min_buffer_time = longest;
    check(&manifest);
}

#[test]
fn texts_and_numbers_that_do_not_fit_are_escaped_or_left_out() {
    let name = "<a&\"b'>";
    let mut rung = rung(name, (1280, 720), u64::MAX, 80, 1);
    rung.picture = Some(Picture { width: 1280, height: 720, frame_rate: None });
    let mut sound = audio(80);
    sound.sound = Some(Sound { sample_rate: 48_000, channels: 24 });
    let language = Some("en\" evil=\"1".to_owned());
    let sets = vec![video_set(vec![rung]), AdaptationSet { language, ..audio_set(vec![sound]) }];
    let text = render(&manifest(vec![period(80, sets)]));
    for absent in ["frameRate", "maxFrameRate", "AudioChannelConfiguration", "lang", "evil"] {
        assert!(!text.contains(absent), "{absent} in {text}");
    }
    assert!(text.contains(&format!(" bandwidth=\"{}\"", u32::MAX)), "{text}");

    let mut reader = Reader::from_str(&text);
    let mut ids = Vec::new();
    loop {
        match reader.read_event().expect("well-formed") {
            Event::Start(tag) if tag.name().as_ref() == "Representation" => {
                let id = tag.try_get_attribute("id").expect("well-formed").expect("an id");
                ids.push(id.normalized_value(Default::default()).expect("escaped").into_owned());
            }
            Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(ids, [name, "sound"]);
}

#[test]
fn a_set_tells_the_highest_size_and_rate() {
    let mut rungs = ladder(80, 1);
    let rate = |num, den| Picture { width: 1920, height: 1080, frame_rate: Rational::new(num, den) };
    rungs[0].picture = Some(rate(30_000, 1001));
    rungs[1].picture = Some(Picture { width: 1280, ..rate(30, 1) });
    rungs[2].picture = Some(rate(25, 1));
    let text = render(&manifest(vec![period(80, vec![video_set(rungs)])]));
    assert!(text.contains(" maxWidth=\"1920\" maxHeight=\"1080\" maxFrameRate=\"30\""), "{text}");
}
