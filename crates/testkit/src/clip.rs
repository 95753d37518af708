//! Tracks with frames, and the sample that most tests use.

use bytes::Bytes;
use media::codec::{aac, h264};
use media::{Codec, Frame, Kind, TimeDelta, Timestamp, Track, TrackId};

/// Some tracks and their frames, in the order of decode time.
#[derive(Clone, Debug)]
pub struct Clip {
    /// The tracks, by rising id.
    pub tracks: Vec<Track>,
    /// The frames of all tracks, by rising decode time.
    pub frames: Vec<Frame>,
    /// After how much time the same frames may follow again.
    pub duration: TimeDelta,
}

impl Clip {
    /// The same moved in time, so that the first frame is decoded at `start`.
    #[must_use]
    pub fn starting_at(mut self, start: Timestamp) -> Self {
        let shift = self.frames.first().map_or(TimeDelta::ZERO, |first| start - first.dts);
        for frame in &mut self.frames {
            frame.dts += shift;
            frame.pts += shift;
        }
        self
    }

    /// `n` times the same without a seam: time runs on, decode times rise.
    #[must_use]
    pub fn looped(self, n: usize) -> Self {
        let round = |i: usize| {
            let shift = self.duration.times(i as i64);
            self.frames.iter().map(move |frame| Frame {
                dts: frame.dts + shift,
                pts: frame.pts + shift,
                ..frame.clone()
            })
        };
        let mut frames: Vec<_> = (0..n).flat_map(round).collect();
        frames.sort_by_key(|frame| frame.dts);
        Self { frames, duration: self.duration.times(n as i64), ..self }
    }

    /// Only the tracks of this kind.
    #[must_use]
    pub fn only(mut self, kind: Kind) -> Self {
        self.tracks.retain(|track| track.codec.kind() == kind);
        self.frames.retain(|frame| self.tracks.iter().any(|track| track.id == frame.track));
        self
    }

    /// Only video.
    #[must_use]
    pub fn video_only(self) -> Self {
        self.only(Kind::Video)
    }

    /// Only audio.
    #[must_use]
    pub fn audio_only(self) -> Self {
        self.only(Kind::Audio)
    }

    /// Both together, starting at the same time; the longer duration counts. The track ids must differ.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        self.tracks.extend(other.tracks);
        self.tracks.sort_by_key(|track| track.id);
        self.frames.extend(other.frames);
        self.frames.sort_by_key(|frame| frame.dts);
        self.duration = self.duration.max(other.duration);
        self
    }
}

/// Eight seconds of H.264 (160x90, 25 pictures per second, one IDR picture per second, B-frames) and AAC (48 kHz,
/// mono) from hub time zero on. In eight seconds the pictures, the GOPs and the 375 AAC frames all come out even,
/// so that [`Clip::looped`] has no seam.
pub fn clip() -> Clip {
    let file = include_bytes!("../testdata/clip.flv");
    let (mut tracks, mut frames) = (Vec::new(), Vec::new());
    let mut sounds = 0;
    let mut first_sound = Timestamp::ZERO;
    for tag in Tags(&file[13..]) {
        match (tag.kind, tag.body) {
            (9, [_, 0, _, _, _, avcc @ ..]) => {
                let config = h264::Config::decode(avcc).expect("avcC");
                tracks.push(Track { id: TrackId::VIDEO, codec: Codec::H264(config) });
            }
            (9, &[first, 1, c0, c1, c2, ref data @ ..]) => frames.push(Frame {
                track: TrackId::VIDEO,
                dts: tag.time,
                pts: tag.time + TimeDelta::from_millis(i32::from_be_bytes([0, c0, c1, c2]).into()),
                duration: TimeDelta::from_millis(40),
                key: first >> 4 == 1,
                data: Bytes::from_static(data),
            }),
            (8, [_, 0, asc @ ..]) => {
                let config = aac::Config::decode(asc).expect("AudioSpecificConfig");
                tracks.push(Track { id: TrackId::AUDIO, codec: Codec::Aac(config) });
            }
            (8, [_, 1, data @ ..]) if sounds < 375 => {
                if sounds == 0 {
                    first_sound = tag.time;
                }
                // FLV has milliseconds; the hub has the exact times of the samples.
                let dts = first_sound + TimeDelta::from_scale(1024 * sounds, 48_000);
                sounds += 1;
                let duration = TimeDelta::from_scale(1024, 48_000);
                let data = Bytes::from_static(data);
                frames.push(Frame { track: TrackId::AUDIO, dts, pts: dts, duration, key: true, data });
            }
            _ => {}
        }
    }
    frames.sort_by_key(|frame| frame.dts);
    Clip { tracks, frames, duration: TimeDelta::from_secs(8) }
}

/// A tag of an FLV file.
struct Tag {
    kind: u8,
    time: Timestamp,
    body: &'static [u8],
}

/// The tags of an FLV file behind its header.
struct Tags(&'static [u8]);

impl Iterator for Tags {
    type Item = Tag;

    fn next(&mut self) -> Option<Tag> {
        let &[kind, s0, s1, s2, t0, t1, t2, t3, _, _, _, ref rest @ ..] = self.0 else { return None };
        let size = u32::from_be_bytes([0, s0, s1, s2]) as usize;
        let time = Timestamp::from_scale(i64::from(u32::from_be_bytes([t3, t0, t1, t2])), 1000);
        self.0 = &rest[size + 4..];
        Some(Tag { kind, time, body: &rest[..size] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clip_is_what_it_says() {
        let clip = clip();
        assert_eq!(
            clip.tracks.iter().map(|track| track.id).collect::<Vec<_>>(),
            [TrackId::VIDEO, TrackId::AUDIO]
        );
        let video = clip.clone().video_only().frames;
        let audio = clip.clone().audio_only().frames;
        assert_eq!((video.len(), audio.len()), (200, 375));
        assert!(video.iter().enumerate().all(|(i, frame)| frame.key == (i % 25 == 0)));
        assert!(video.iter().all(|frame| clip.tracks[0].codec.is_random_access(&frame.data) == frame.key));
        assert!(video.iter().any(|frame| frame.pts > frame.dts));
        assert!(video.windows(2).any(|pair| pair[1].pts < pair[0].pts), "has B-frames");
    }

    #[test]
    fn a_loop_has_no_seam() {
        let clip = clip().starting_at(Timestamp::from_scale(100, 1)).looped(3);
        assert_eq!(clip.frames[0].dts, Timestamp::from_scale(100, 1));
        assert_eq!(clip.duration, TimeDelta::from_secs(24));
        for (kind, step) in
            [(Kind::Video, TimeDelta::from_millis(40)), (Kind::Audio, TimeDelta::from_scale(8, 375))]
        {
            let frames = clip.clone().only(kind).frames;
            assert!(frames.windows(2).all(|pair| pair[1].dts - pair[0].dts == step), "{kind:?}");
            let mut shown: Vec<_> = frames.iter().map(|frame| frame.pts).collect();
            shown.sort();
            assert!(shown.windows(2).all(|pair| pair[1] - pair[0] == step), "{kind:?}");
        }
    }
}
