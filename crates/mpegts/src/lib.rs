//! MPEG transport stream, ISO/IEC 13818-1 (Rec. ITU-T H.222.0): frames in, 188-byte packets out, and
//! the other way.
//!
//! [`Mux`] makes a stream of one program from the frames of the tracks it is given. It reads no clock and keeps
//! no bytes: each call appends whole packets to the caller's buffer, and the same packets serve every viewer and
//! every HLS segment. What belongs to one viewer alone, the splice after a skip, is made by [`Mux::splice`].
//!
//! [`Demux`] makes access units of whatever bytes come, with the stamps that they came with: a timeline is the owner's
//! business, as are sockets, files and RTP.
//! [`shift_splice`] moves what SCTE-35 says to another timeline.
//!
//! Inside: `packet` writes packets, `psi` and `program` the tables,
//! `pes` the header of an access unit, `annexb` and `es` the form each codec takes in a transport stream, `clock`
//! turns hub time into PTS, DTS and PCR.
//!
//! Examples, to be run with `cargo run --example`:
//! - `ts_demux` prints what the demultiplexer makes of a file.
//! - `ts_dump` prints the packets of a file.
//! - `bench` measures the multiplexer in megabytes of payload per second.
//! - `ts_sample` writes a file of testkit's clip, for tools and players to judge.

mod annexb;
mod clock;
pub mod demux;
mod error;
mod es;
mod mux;
mod packet;
mod pes;
mod program;
mod psi;
mod splice;

pub use clock::{LEAD, START};
pub use demux::{Demux, is_transport_stream};
pub use error::Error;
pub use es::is_splice_info;
pub use mux::{Mux, Omitted};
pub use psi::{PAT_PID, PMT_PID};
pub use splice::shift as shift_splice;

/// Bytes of one transport packet (2.4.3.2).
pub const PACKET_BYTES: usize = packet::BYTES;
