//! Scripts for the timeline.

use crate::{Result, Seeds};

/// A connection with the clock of RTMP opens.
const OPEN: [u8; 2] = [0, 0];
/// Its first track has 25 pictures a second, its second 44.1 kHz of AAC.
const PACES: [u8; 4] = [2, 3, 0x42, 1];

pub(crate) fn write(seeds: &mut Seeds) -> Result<()> {
    let steady = [run(0, 25, 40, 20), run(1, 43, 23, 1)].concat().repeat(4);
    let begin = [&[0x12, 0x34][..], &OPEN, &PACES, &steady].concat();
    let mut add = |name: &str, parts: &[&[u8]]| seeds.add("timeline", name, &[&begin, &parts.concat()]);
    add("steady", &[])?;
    add("jump", &[&stamp(90_000_000), &steady, &stamp(5), &steady])?;
    add("wrap", &[&stamp(u32::MAX - 500), &steady])?;
    add("gap", &[&pass(8000), &stamp(20_000), &steady])?;
    add("stalled-clock", &[&run(0, 255, 0, 40), &run(0, 100, 40, 40)])?;
    add("restart", &[&[1], &pass(3000), &OPEN, &PACES, &steady])?;
    add("wall-steps", &[&[4], &(1i64 << 40).to_be_bytes(), &steady.repeat(3)])?;
    let absurd_paces = [2, 6, 0, 0, 0, 1, 0, 0, 0, 9, 0x42, 7, 0, 0, 0x1f, 0x40, 4, 0];
    add("absurd", &[&absurd_paces, &[14, 1, 0x7f], &[0xff; 7], &[0x80], &[0; 7], &steady])?;

    // A second connection of the same encoder, with a clock of its own in the second case.
    let rung = [&[0x10, 1, 0x12, 3, 0x52, 1][..], &second(&steady)].concat();
    add("ladder", &[&rung, &[1], &second(&steady), &pass(2000), &second(&steady)])?;
    let far = [&[0x1c, 40], &70_000_000u32.to_be_bytes()[..], &[0, 0]].concat();
    add("own-clock", &[&far, &rung, &steady, &second(&steady).repeat(3)])?;

    let unknown_paces = [2, 5, 0x42, 2];
    let mpegts = [&[0, 0, 0, 6][..], &unknown_paces, &run(0, 200, 3600, 40), &run(1, 100, 2160, 1)];
    seeds.add("timeline", "mpegts", &mpegts)?;
    let measured = [&[0, 0, 0, 0][..], &unknown_paces, &run(0, 120, 33, 33), &run(0, 60, 17, 17)];
    seeds.add("timeline", "measured", &measured)
}

/// Frames of a track of the first connection, with milliseconds between stamps and between arrivals.
fn run(track: u8, count: u8, step: u16, wait: u8) -> Vec<u8> {
    [&[5, track, count], &step.to_be_bytes()[..], &[wait]].concat()
}

/// The same runs on the second connection.
fn second(runs: &[u8]) -> Vec<u8> {
    runs.chunks(6).flat_map(|run| [&[run[0] | 0x10], &run[1..]].concat()).collect()
}

fn pass(millis: u64) -> Vec<u8> {
    [&[3], &millis.to_be_bytes()[..]].concat()
}

/// A picture with that stamp.
fn stamp(stamp: u32) -> Vec<u8> {
    [&[12, 40], &stamp.to_be_bytes()[..], &[0, 80]].concat()
}
