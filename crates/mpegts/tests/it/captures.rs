//! Streams off the air and off encoders, which are not ours to give away: the files of the same names in the public test suite
//! tsduck/tsduck-test, in the folder that `RILLCAST_CAPTURES` names. Without it nothing is shown here.
//!
//! What is expected was compared with what ffprobe says: the same presentation and decode times and key frames for every access
//! unit behind the first program map and the first parameter sets.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use rillcast_mpegts::Demux;
use rillcast_mpegts::demux::{Media, Settings};

/// Program numbers, and for each track its codec, its units, how many of them are key, and the first and the last PTS; then what
/// was damaged, by count, and what is not supported.
fn summary(bytes: &[u8], program: Option<u16>, chunk: usize) -> String {
    let mut demux = Demux::new(Settings { program, ..Settings::default() });
    let (mut text, mut damaged) = (String::new(), 0);
    let (mut tracks, mut told) = (BTreeMap::new(), BTreeMap::new());
    for part in bytes.chunks(chunk).chain([&[][..]]) {
        if part.is_empty() {
            demux.finish();
        }
        demux.push(part);
        while let Some(media) = demux.poll() {
            match media {
                Media::Track { id, codec } => {
                    told.insert(id, codec.codec_string().unwrap_or_else(|| codec.name().to_owned()));
                }
                Media::Unit { track, pts, key, .. } => {
                    let (count, keys, _, last) = tracks.entry(track).or_insert((0, 0, pts, pts));
                    (*count, *keys, *last) = (*count + 1, *keys + u32::from(key), pts);
                }
                Media::Damaged { .. } => damaged += 1,
                Media::Unsupported { what } => writeln!(text, "{what}").expect("a string"),
                _ => {}
            }
        }
    }
    for (track, (count, keys, first, last)) in tracks {
        writeln!(text, "{} {}: {count} units, {keys} key, {first} to {last}", track.0, told[&track])
            .expect("a string");
    }
    writeln!(text, "{damaged} damaged").expect("a string");
    text
}

/// What was not looked at is said.
#[allow(clippy::print_stdout)]
fn check(name: &str, program: Option<u16>, expected: &str) {
    let Some(folder) = std::env::var_os("RILLCAST_CAPTURES").map(PathBuf::from) else {
        println!("{name} was not looked at: RILLCAST_CAPTURES names no folder");
        return;
    };
    let bytes = std::fs::read(folder.join(name)).expect("the capture");
    for chunk in [1316, 1, 100_000] {
        assert_eq!(summary(&bytes, program, chunk), expected, "{name} {program:?}");
    }
}

#[test]
fn captures() {
    check(
        "h264-aac.ts",
        None,
        "\
        0 avc1.64001f: 250 units, 5 key, 349673440 to 350569840\n\
        1 mp4a.40.2: 559 units, 559 key, 349500301 to 350571661\n\
        2 damaged\n\
    ",
    );
    check(
        "dvb-h264-mp2.ts",
        None,
        "\
        0 avc1.42c028: 299 units, 2 key, 129902 to 1023902\n\
        1 mp4a.40.33: 417 units, 417 key, 126000 to 1024560\n\
        0 damaged\n\
    ",
    );
    check(
        "mpeg2video-mp2.ts",
        None,
        "\
        1 mp4a.40.33: 119 units, 119 key, 1728695384 to 1728950264\n\
        2 data: 74 units, 74 key, 1728711944 to 1728985544\n\
        1 damaged\n\
    ",
    );
    check(
        "h264-mp3-teletext.ts",
        None,
        "\
        0 damaged\n\
    ",
    );
    check(
        "mpts-h264-ac3.ts",
        None,
        "\
        scrambled: H.264 on PID 0x6e\n\
        scrambled: AC-3 on PID 0x79\n\
        scrambled: AC-3 on PID 0x7a\n\
        scrambled: AC-3 on PID 0x7b\n\
        0 damaged\n\
    ",
    );
    check(
        "mpts-hevc-mpeg2-mp2.ts",
        None,
        "\
        1 mp4a.40.33: 34 units, 34 key, 5653960297 to 5654031577\n\
        2 data: 26 units, 26 key, 5653961508 to 5654051508\n\
        3 mp4a.40.33: 37 units, 37 key, 5653956247 to 5654034007\n\
        4 data: 53 units, 53 key, 5653935930 to 5654038327\n\
        5 data: 4 units, 4 key, 5653981897 to 5654021047\n\
        7 data: 1 units, 1 key, 5653965767 to 5653965767\n\
        8 data: 1 units, 1 key, 5653965767 to 5653965767\n\
        9 data: 1 units, 1 key, 5653960297 to 5653960297\n\
        10 mp4a.40.33: 40 units, 40 key, 5653948487 to 5654032727\n\
        3 damaged\n\
    ",
    );
    check(
        "mpts-hevc-mpeg2-mp2.ts",
        Some(3410),
        "\
        0 hvc1.2.4.L153.B0: 17 units, 1 key, 5438652736 to 5438681536\n\
        2 damaged\n\
    ",
    );
    check(
        "mpts-hevc-mpeg2-mp2.ts",
        Some(9),
        "\
        0 damaged\n\
    ",
    );
}
