//! Writes one track of test frames as a fragmented MP4 file to standard output, for tools that judge such files:
//! `sample video 3 > video.mp4` is the H.264 clip three times over. Other names: `audio`, `h265`, `mp3`, `mp2`, `ac3`,
//! `eac3` and `opus`. A segment ends at the first key frame after a second.

use std::io::Write;

use media::{Frame, TimeDelta, Track};
use rillcast_fmp4::{Sample, Segment, init_segment, payload, segment_head, timescale};
use testkit::{Clip, clip, samples};

fn named(name: &str) -> Option<Clip> {
    Some(match name {
        "video" => clip().video_only(),
        "audio" => clip().audio_only(),
        "h265" => samples::h265(),
        "mp3" => samples::mp3(),
        "mp2" => samples::mp2(),
        "ac3" => samples::ac3(),
        "eac3" => samples::eac3(),
        "opus" => samples::opus(),
        _ => return None,
    })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "video".to_owned());
    let rounds = arguments.next().and_then(|rounds| rounds.parse().ok()).unwrap_or(1);
    let clip = named(&name).ok_or_else(|| format!("no sample {name}"))?.looped(rounds);
    let track = &clip.tracks[0];
    let mut out = std::io::stdout().lock();
    out.write_all(&init_segment(&track.codec, timescale(&track.codec), "und")?)?;
    let (mut rest, mut number) = (&clip.frames[..], 1);
    while let Some(first) = rest.first() {
        let ends = |frame: &Frame| frame.key && frame.dts - first.dts >= TimeDelta::from_secs(1);
        let len = rest.iter().position(ends).unwrap_or(rest.len());
        for part in segment(track, rest, len, number) {
            out.write_all(&part)?;
        }
        (rest, number) = (&rest[len..], number + 1);
    }
    Ok(())
}

/// A segment of the first `len` frames, its head and its payload.
fn segment(track: &Track, frames: &[Frame], len: usize, sequence_number: u32) -> Vec<bytes::Bytes> {
    let codec = &track.codec;
    let scale = timescale(codec);
    let (mut samples, mut data) = (Vec::new(), Vec::new());
    for (i, frame) in frames[..len].iter().enumerate() {
        let next = frames.get(i + 1).map_or(frame.dts + frame.duration, |next| next.dts);
        let decode = frame.dts.to_scale(scale);
        samples.push(Sample {
            duration: (next.to_scale(scale) - decode) as u32,
            size: payload(codec, &frame.data, &mut data) as u32,
            composition_offset: (frame.pts.to_scale(scale) - decode) as i32,
            sync: frame.key,
        });
    }
    let base_decode_time = frames[0].dts.to_scale(scale) as u64;
    data.insert(0, segment_head(&Segment { sequence_number, base_decode_time, samples: &samples }));
    data
}
