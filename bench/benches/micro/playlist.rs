//! The text of a media playlist, which is made once per segment.

use std::hint::black_box;
use std::sync::Arc;

use criterion::Criterion;
use media::{TimeDelta, Timestamp};
use packager::hls::{MediaPlaylist, render_media};
use packager::segment::{Body, Segment};

/// A live playlist of so many segments of 2 s.
fn live(segments: u64) -> MediaPlaylist {
    let duration = TimeDelta::from_millis(2000);
    let segment = |number: u64| {
        let start = Timestamp::ZERO + duration.times(number as i64);
        let body = Body {
            start,
            duration,
            fragment: None,
            size: 500_000,
            independent: true,
            discontinuity: number % 10 == 9,
            tracks: Arc::new([]),
            pictures: 50,
        };
        let name = format!("track_1-mwuaceg0-{number}.ts");
        Arc::new(Segment { sequence: number, name, program_date_time: start, gap: false, init: None, body })
    };
    MediaPlaylist {
        target_duration: 2,
        discontinuity_sequence: 7,
        segments: (0..segments).map(segment).collect(),
    }
}

/// The usual window, and one of an hour.
pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("playlist");
    for segments in [12, 1800] {
        let playlist = live(segments);
        group.bench_function(format!("{segments} segments"), |bencher| {
            bencher.iter(|| render_media(black_box(&playlist)));
        });
    }
    group.finish();
}
