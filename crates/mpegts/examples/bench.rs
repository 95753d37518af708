//! How fast the multiplexer is: megabytes of payload per second, with pictures as large as those of a 1080p
//! stream at 6 Mbit/s. Run with `--release`.

use std::io::Write;
use std::time::Instant;

use bytes::BytesMut;
use media::{Frame, Timestamp, nal};
use rillcast_mpegts::Mux;
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

fn main() -> std::io::Result<()> {
    let clip = heavy();
    let frames = clip.frames.iter().map(|frame| frame.data.len()).sum::<usize>();
    let rounds = 200;
    let mut mux = Mux::new(Timestamp::ZERO);
    mux.set_tracks(&clip.tracks);
    let mut out = BytesMut::with_capacity(1 << 20);
    let (mut packets, start) = (0, Instant::now());
    for round in 0..rounds {
        for frame in &clip.frames {
            let shift = clip.duration.times(round);
            let moved = Frame { dts: frame.dts + shift, pts: frame.pts + shift, ..frame.clone() };
            mux.frame(&moved, &mut out);
            packets += out.len() / rillcast_mpegts::PACKET_BYTES;
            out.clear();
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let megabytes = frames as f64 * rounds as f64 / 1e6;
    writeln!(
        std::io::stdout(),
        "{:.0} MB/s, {:.0} frames/s, {:.0} packets/s",
        megabytes / seconds,
        clip.frames.len() as f64 * rounds as f64 / seconds,
        packets as f64 / seconds
    )
}
