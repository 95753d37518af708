//! Writes a transport stream of test frames to standard output, for tools that judge such streams:
//! `sample av 3 > av.ts` is the H.264 and AAC clip three times over. Other names: `video`, `audio`, `h265`, `mp3`,
//! `mp2`, `ac3`, `eac3`, `opus`, and `slow` with one picture per second.

use std::io::Write;

use bytes::BytesMut;
use media::Timestamp;
use rillcast_mpegts::Mux;
use testkit::{Clip, clip, samples};

fn named(name: &str) -> Option<Clip> {
    Some(match name {
        "av" => clip(),
        "video" => clip().video_only(),
        "audio" => clip().audio_only(),
        "h265" => samples::h265(),
        "mp3" => samples::mp3(),
        "mp2" => samples::mp2(),
        "ac3" => samples::ac3(),
        "eac3" => samples::eac3(),
        "opus" => samples::opus(),
        "slow" => {
            let mut clip = clip().video_only();
            clip.frames.retain(|frame| frame.key);
            clip
        }
        _ => return None,
    })
}

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "av".to_owned());
    let rounds = arguments.next().and_then(|rounds| rounds.parse().ok()).unwrap_or(1);
    let Some(clip) = named(&name) else { return Err(std::io::Error::other(format!("no sample {name}"))) };
    let clip = clip.looped(rounds);
    let mut mux = Mux::new(Timestamp::ZERO);
    mux.set_tracks(&clip.tracks);
    let mut out = BytesMut::new();
    clip.frames.iter().for_each(|frame| mux.frame(frame, &mut out));
    std::io::stdout().write_all(&out)
}
