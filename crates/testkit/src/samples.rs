//! Short streams of one track in other codecs than the clip's, all from hub time zero on.

use bytes::Bytes;
use media::codec::{ac3, h265, mpa, opus};
use media::{Codec, Frame, TimeDelta, Timestamp, Track, TrackId, nal};

use crate::Clip;

/// Two seconds of H.265, 160x90, 25 pictures per second, one IDR picture per second, no reordering; each access
/// unit begins with a delimiter, each IDR picture has its parameter sets.
pub fn h265() -> Clip {
    let mut units: Vec<Vec<&[u8]>> = Vec::new();
    let mut sets = [Vec::new(), Vec::new(), Vec::new()];
    for unit in nal::annex_b(include_bytes!("../testdata/video.h265")) {
        let kind = h265::unit_type(unit).expect("a NAL unit");
        match kind {
            h265::nal_type::AUD => units.push(Vec::new()),
            h265::nal_type::VPS..=h265::nal_type::PPS => {
                sets[usize::from(kind - h265::nal_type::VPS)] = vec![Bytes::from_static(unit)];
            }
            _ => {}
        }
        units.last_mut().expect("delimiter first").push(unit);
    }
    let config = h265::Config::from_parameter_sets(&sets[0], &sets[1], &sets[2]).expect("parameter sets");
    let codec = Codec::H265(config);
    let data: Vec<_> = units.into_iter().map(nal::join).collect();
    one_track(TrackId::VIDEO, codec, data, TimeDelta::from_millis(40))
}

/// A second of MP3, 48 kHz, stereo.
pub fn mp3() -> Clip {
    mpeg_audio(include_bytes!("../testdata/audio.mp3"))
}

/// A second of MP2, 48 kHz, mono.
pub fn mp2() -> Clip {
    mpeg_audio(include_bytes!("../testdata/audio.mp2"))
}

fn mpeg_audio(file: &'static [u8]) -> Clip {
    let config = mpa::Config::decode(file).expect("MPEG audio");
    // 32 kbit/s at 48 kHz: every frame has this size.
    fixed_size(Codec::Mpa(config), file, 96)
}

/// A second of AC-3, 48 kHz, mono.
pub fn ac3() -> Clip {
    dolby(include_bytes!("../testdata/audio.ac3"), 192)
}

/// A second of E-AC-3, 48 kHz, mono.
pub fn eac3() -> Clip {
    dolby(include_bytes!("../testdata/audio.eac3"), 128)
}

fn dolby(file: &'static [u8], size: usize) -> Clip {
    let config = ac3::Config::decode(&file[..size]).expect("AC-3");
    fixed_size(Codec::Ac3(config), file, size)
}

fn fixed_size(codec: Codec, file: &'static [u8], size: usize) -> Clip {
    let info = codec.audio().expect("audio");
    let samples = info.samples_per_frame.expect("a fixed frame length");
    let data = file.chunks_exact(size).map(Bytes::from_static).collect();
    one_track(TrackId::AUDIO, codec, data, TimeDelta::from_scale(samples.into(), info.sample_rate))
}

/// A second of Opus, stereo, frames of 20 ms.
pub fn opus() -> Clip {
    let mut packets = ogg_packets(include_bytes!("../testdata/audio.opus")).into_iter();
    let config = opus::Config::decode(&packets.next().expect("OpusHead")).expect("OpusHead");
    let data = packets.skip(1).collect();
    one_track(TrackId::AUDIO, Codec::Opus(config), data, TimeDelta::from_millis(20))
}

/// The packets of an Ogg file with one stream (RFC 3533).
fn ogg_packets(mut file: &[u8]) -> Vec<Bytes> {
    let (mut packets, mut packet) = (Vec::new(), Vec::new());
    while let Some(page) = file.strip_prefix(b"OggS") {
        let count = usize::from(page[22]);
        let (lacing, mut body) = page[23..].split_at(count);
        for &len in lacing {
            let (segment, rest) = body.split_at(len.into());
            packet.extend_from_slice(segment);
            body = rest;
            if len < 255 {
                packets.push(Bytes::from(std::mem::take(&mut packet)));
            }
        }
        file = body;
    }
    packets
}

fn one_track(id: TrackId, codec: Codec, data: Vec<Bytes>, duration: TimeDelta) -> Clip {
    let frame = |(i, data): (usize, Bytes)| {
        let dts = Timestamp::ZERO + duration.times(i as i64);
        let key = codec.is_random_access(&data);
        Frame { track: id, dts, pts: dts, duration, key, data }
    };
    let whole = duration.times(data.len() as i64);
    let frames = data.into_iter().enumerate().map(frame).collect();
    Clip { tracks: vec![Track { id, codec }], frames, duration: whole }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_has_its_frames() {
        let expected = [
            (h265(), "H.265", 50),
            (mp3(), "MP3", 43),
            (mp2(), "MP2", 42),
            (ac3(), "AC-3", 32),
            (eac3(), "E-AC-3", 32),
        ];
        for (clip, name, frames) in expected.into_iter().chain([(opus(), "Opus", 51)]) {
            assert_eq!((clip.tracks[0].codec.name(), clip.frames.len()), (name, frames));
        }
    }

    #[test]
    fn pictures_come_whole() {
        let keys: Vec<_> = h265().frames.iter().map(|frame| frame.key).collect();
        assert!(keys.iter().enumerate().all(|(i, &key)| key == (i % 25 == 0)));
    }
}
