//! The transport stream multiplexer, with pictures as large as those of a 1080p stream at 6 Mbit/s.

use bytes::BytesMut;
use criterion::{Criterion, Throughput};
use media::{Frame, Timestamp, nal};
use mpegts::Mux;
use testkit::{Clip, clip};

/// The clip with four slices to a picture, blown up to real sizes.
fn heavy() -> Clip {
    let mut clip = clip();
    for frame in clip.frames.iter_mut().filter(|frame| clip.tracks[0].id == frame.track) {
        let size = if frame.key { 40_000 } else { 6_000 };
        let slice: Vec<u8> = (0..size).map(|i| (i % 255) as u8 | 1).collect();
        let first = if frame.key { 0x65 } else { 0x41 };
        let slice = [&[first][..], &slice].concat();
        frame.data = nal::join([&slice[..]; 4]);
    }
    clip
}

/// One round of the clip, time going on from round to round.
pub(crate) fn bench(criterion: &mut Criterion) {
    let clip = heavy();
    let mut mux = Mux::new(Timestamp::ZERO);
    mux.set_tracks(&clip.tracks);
    let mut out = BytesMut::with_capacity(1 << 20);
    let mut group = criterion.benchmark_group("mux");
    group.throughput(Throughput::Bytes(clip.frames.iter().map(|frame| frame.data.len() as u64).sum()));
    let mut round = 0;
    group.bench_function("a clip of 1080p", |bencher| {
        bencher.iter(|| {
            let shift = clip.duration.times(round);
            round += 1;
            for frame in &clip.frames {
                let moved = Frame { dts: frame.dts + shift, pts: frame.pts + shift, ..frame.clone() };
                mux.frame(&moved, &mut out);
                out.clear();
            }
        });
    });
    group.finish();
}
