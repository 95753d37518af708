//! MPEG transport stream, ISO/IEC 13818-1 (Rec. ITU-T H.222.0): frames in, 188-byte packets out.
//!
//! [`Mux`] makes a stream of one program from the frames of the tracks it is given. It reads no clock and keeps
//! no bytes: each call appends whole packets to the caller's buffer, and the same packets serve every viewer and
//! every HLS segment. What belongs to one viewer alone, the splice after a skip, is made by [`Mux::splice`].
//!
//! Inside: `packet` writes packets, `psi` and `program` the tables,
//! `pes` the header of an access unit, `annexb` and `es` the form each codec takes in a transport stream, `clock`
//! turns hub time into PTS, DTS and PCR.
//!
//! Examples, to be run with `cargo run --example`:
//! - `ts_dump` prints the packets of a file.
//! - `bench` measures the multiplexer in megabytes of payload per second.
//! - `ts_sample` writes a file of testkit's clip, for tools and players to judge.

mod annexb;
mod clock;
mod es;
mod mux;
mod packet;
mod pes;
mod program;
mod psi;

pub use clock::{LEAD, START};
pub use mux::{Mux, Omitted};
pub use psi::{PAT_PID, PMT_PID};

/// Bytes of one transport packet (2.4.3.2).
pub const PACKET_BYTES: usize = packet::BYTES;
