//! The unit of everything: one access unit of one track.

use bytes::Bytes;

use crate::{TimeDelta, Timestamp, TrackId};

/// One access unit, demultiplexed and on the stream's clock. Cloning shares the payload.
#[derive(Clone, PartialEq, Debug)]
pub struct Frame {
    /// The track it belongs to.
    pub track: TrackId,
    /// Decode time; strictly rising within a track, for the whole life of a stream.
    pub dts: Timestamp,
    /// Presentation time; never before `dts`.
    pub pts: Timestamp,
    /// How long it lasts by its own nature: samples ÷ rate for audio, the frame grid for video; zero where
    /// unknown. The distance to the next frame's `dts` is the truth where there is a next frame.
    pub duration: TimeDelta,
    /// Decoding may start here: IDR, recovery point or CRA/BLA picture; always true for audio and data.
    pub key: bool,
    /// H.264 and H.265: NAL units, each behind a 4-byte big-endian length (ISO/IEC 14496-15 5.3.2). AV1: OBUs
    /// of one temporal unit without temporal delimiter. Audio: one raw access unit, without ADTS or the like.
    pub data: Bytes,
}
