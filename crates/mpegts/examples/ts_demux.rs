//! Prints what the demultiplexer makes of an MPEG-TS file: programs, tracks, and for each track how many access units there
//! were and from when to when; and what was damaged or is not supported.
//!
//! `ts_demux FILE [PROGRAM] [--units]`; with `--units` a line for each access unit.

// A program whose purpose is to print.
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::Read;

use rillcast_mpegts::Demux;
use rillcast_mpegts::demux::{Media, Settings};

/// Units, key units, bytes, first and last PTS.
type Count = (u64, u64, usize, u64, u64);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let path = arguments.first().ok_or("usage: ts_demux FILE [PROGRAM] [--units]")?;
    let program = arguments.get(1).and_then(|number| number.parse().ok());
    let units = arguments.iter().any(|argument| argument == "--units");
    let mut demux = Demux::new(Settings { program, ..Settings::default() });
    let (mut file, mut buffer) = (File::open(path)?, vec![0; 1316]);
    let mut counts = BTreeMap::new();
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            demux.finish();
        }
        demux.push(&buffer[..read]);
        while let Some(media) = demux.poll() {
            print(media, units, &mut counts);
        }
        if read == 0 {
            break;
        }
    }
    for (track, (count, keys, bytes, first, last)) in counts {
        println!("track {track}: {count} units, {keys} key, {bytes} bytes, PTS {first} to {last}");
    }
    println!("{} bytes were no packets", demux.skipped());
    Ok(())
}

fn print(media: Media, units: bool, counts: &mut BTreeMap<u16, Count>) {
    match media {
        Media::Programs(programs) => {
            for program in programs {
                println!("program {}{}", program.number, if program.chosen { " (taken)" } else { "" });
                for stream in program.streams {
                    let track = stream.track.map_or_else(|| "-".to_owned(), |track| track.0.to_string());
                    println!(
                        "  PID {:#06x} type {:#04x} track {track}: {}",
                        stream.pid, stream.stream_type, stream.name
                    );
                }
            }
        }
        Media::Track { id, codec } => {
            println!(
                "{id}: {} {:?} {:?} {:?}",
                codec.name(),
                codec.codec_string(),
                codec.video(),
                codec.audio()
            );
        }
        Media::Unit { track, pts, dts, key, data } => {
            let count = counts.entry(track.0).or_insert((0, 0, 0, pts, pts));
            *count = (count.0 + 1, count.1 + u64::from(key), count.2 + data.len(), count.3, pts);
            if units {
                println!("unit {} {pts} {dts} {} {}", track.0, u8::from(key), data.len());
            }
        }
        other => println!("{other:?}"),
    }
}
