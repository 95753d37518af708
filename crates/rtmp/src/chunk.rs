//! The chunk stream: messages cut into chunks and interleaved (RTMP 1.0 5.3).

mod decoder;
mod encoder;
mod header;

pub use decoder::Decoder;
pub use encoder::Encoder;

/// Chunk size of both directions until Set Chunk Size says otherwise (5.4.1).
pub const DEFAULT_SIZE: u32 = 128;

/// The value of a timestamp field that says: the real one follows in four bytes (5.3.1.3).
const EXTENDED: u32 = 0xff_ffff;
