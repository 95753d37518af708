//! The chunk stream: messages cut into chunks and interleaved (RTMP 1.0 5.3).

mod decoder;
mod encoder;
mod header;
mod shared;

pub use decoder::Decoder;
pub use encoder::Encoder;
pub use shared::{Chunks, OWN_BYTES, Own, Piece, Route, Shared};

/// Chunk size of both directions until Set Chunk Size says otherwise (5.4.1).
pub const DEFAULT_SIZE: u32 = 128;

/// A chunk size with which nearly every message is one chunk, for those who play.
///
/// RTMP allows 2 GiB, and ffmpeg (VLC and mpv with it), GStreamer's `rtmp2src` and librtmp take that. Servers that pull
/// are stricter: nginx-rtmp and MediaMTX refuse more than 10 MiB; SRS only warns beyond 64 KiB.
pub const LARGE_SIZE: u32 = 10 << 20;

/// A chunk size that any server takes from those who publish: ffmpeg has told it to all of them for years. nginx-rtmp
/// allocates buffers of that size, so it is not the place for more.
pub const PUBLISH_SIZE: u32 = 60_000;

/// The value of a timestamp field that says: the real one follows in four bytes (5.3.1.3).
const EXTENDED: u32 = 0xff_ffff;
