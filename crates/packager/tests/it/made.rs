//! Clips that are made up: pictures in any order and size, each with a payload of its own.

use std::fmt;

use bytes::{BufMut, Bytes};
use media::codec::h264;
use media::{Codec, Frame, TimeDelta, Timestamp, Track, TrackId};
use testkit::Clip;

use crate::source::sound;

/// In which order pictures are decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Order {
    /// As they are shown.
    Shown,
    /// Two of three are shown before the one that is decoded before them; nothing leans on another GOP.
    Closed,
    /// The same, and behind each key frame but the first come two that lean on the GOP before.
    Open,
}

/// Pictures of one stream.
#[derive(Clone)]
pub(crate) struct Pictures {
    pub(crate) track: Track,
    /// From one to the next.
    pub(crate) step_ms: i64,
    /// Pictures from key frame to key frame; of an open GOP a multiple of 3.
    pub(crate) gop: usize,
    /// Pictures before the first key frame; of [`Order::Shown`] alone.
    pub(crate) phase: usize,
    pub(crate) order: Order,
}

impl fmt::Debug for Pictures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step_ms, gop, phase, order, .. } = self;
        write!(f, "{order:?} step {step_ms} gop {gop} phase {phase}")
    }
}

impl Pictures {
    /// 25 a second, a key frame each 2 s, in the order in which they are shown.
    pub(crate) fn new(track: Track) -> Self {
        Self { track, step_ms: 40, gop: 50, phase: 0, order: Order::Shown }
    }

    /// Where the picture that is decoded as the `n`th is shown, and whether it is a key frame.
    fn place(&self, n: usize) -> (usize, bool) {
        // Of three in a row the last one shown is decoded first.
        let reordered = |n: usize| match n {
            0 => 0,
            n if n % 3 == 1 => n + 2,
            n => n - 1,
        };
        match self.order {
            Order::Shown => (n, n % self.gop == self.phase),
            Order::Closed => {
                let (gop, within) = (n / self.gop * self.gop, n % self.gop);
                let last = (self.gop - 1) / 3 * 3;
                (gop + if within > last { within } else { reordered(within) }, within == 0)
            }
            Order::Open => {
                let shown = reordered(n);
                (shown, shown % self.gop == 0 && (n == 0 || n % 3 == 1))
            }
        }
    }

    /// So many milliseconds of them.
    pub(crate) fn clip(&self, ms: i64) -> Clip {
        let step = TimeDelta::from_millis(self.step_ms);
        let delay = if self.order == Order::Shown { 0 } else { 1 };
        let frame = |n: usize| {
            let (shown, key) = self.place(n);
            Frame {
                track: self.track.id,
                dts: Timestamp::ZERO + step.times(n as i64),
                pts: Timestamp::ZERO + step.times(shown as i64 + delay),
                duration: step,
                key,
                data: payload(&self.track.codec, key, n),
            }
        };
        let count = usize::try_from(ms / self.step_ms).expect("some");
        let frames = (0..count).map(frame).collect();
        Clip { tracks: vec![self.track.clone()], frames, duration: TimeDelta::from_millis(ms) }
    }
}

/// One NAL unit that holds a number.
fn payload(codec: &Codec, key: bool, number: usize) -> Bytes {
    let head: &[u8] = match (codec, key) {
        (Codec::H265(_), true) => &[0x26, 0x01],
        (Codec::H265(_), false) => &[0x02, 0x01],
        (_, true) => &[0x65],
        (_, false) => &[0x41],
    };
    let mut data = Vec::new();
    data.put_u32(head.len() as u32 + 9);
    data.put_slice(head);
    data.put_slice(&[0x88; 1]);
    // No byte is zero, so that nothing has to be escaped.
    data.extend((0..8).map(|digit| 0x80 | (number >> (digit * 7)) as u8));
    data.into()
}

/// AAC frames of 1024 samples at 48 kHz.
pub(crate) fn sounds(track: Track, ms: i64) -> Clip {
    let count = ms * 48 / 1024;
    let frame = |n: i64| {
        let dts = Timestamp::ZERO + TimeDelta::from_scale(n * 1024, 48_000);
        let data = Bytes::from((0..12).map(|digit| 0x80 | (n >> (digit * 7 % 56)) as u8).collect::<Vec<_>>());
        let duration = TimeDelta::from_scale(1024, 48_000);
        Frame { track: track.id, dts, pts: dts, duration, key: true, data }
    };
    Clip {
        frames: (0..count).map(frame).collect(),
        duration: TimeDelta::from_millis(ms),
        tracks: vec![track],
    }
}

/// Pictures with sound.
pub(crate) fn both(pictures: &Pictures, ms: i64) -> Clip {
    pictures.clip(ms).with(sounds(sound(), ms))
}

/// H.264 in another profile and size than the other samples.
pub(crate) fn large() -> Track {
    let record = include_bytes!("../../../media/testdata/x264-1080p.avcc");
    Track { id: TrackId::VIDEO, codec: Codec::H264(h264::Config::decode(record).expect("avcC")) }
}
