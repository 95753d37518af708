//! The MPEG-TS carrier: a rendition's frames as transport packets, muxed once for HLS and for every viewer.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hub::{Context, Entry};
use media::{Timestamp, Track};
use mpegts::Mux;

use crate::cut::{Part, Timing};
use crate::program::{Gate, Omitted};
use crate::starts::{Place, Starts};

/// Room for tables, headers and the stuffing of the last packet.
const SPARE_BYTES: usize = 4 * mpegts::PACKET_BYTES;

/// The base of the transport stream's clock, never another: PTS is hub time from 1970 in 33 bits of 90 kHz, so that
/// it goes on where it was when the program is restarted, on whatever day.
const BASE: Timestamp = Timestamp::ZERO;

/// The packets of one frame, with what readers need to know about them. Cloning shares the bytes.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// Whole transport packets.
    pub bytes: Bytes,
    /// When the frame is decoded and shown.
    pub timing: Timing,
    /// The part of the frame's track in the cut.
    pub part: Part,
    /// The program takes effect with this frame: nothing goes on from what was before.
    pub join: bool,
    /// When the frame came in, on the monotonic clock of the process.
    pub arrival: Duration,
    /// A viewer may start here: PAT, PMT and a key frame, or sound where there is no video.
    pub start: bool,
    /// To be sent before `bytes` to a viewer that skipped to this chunk; empty unless `start`.
    pub splice: Bytes,
    /// The frame is a picture of the leading video track.
    pub picture: bool,
    /// The stream's state: epoch and wall clock.
    pub context: Arc<Context>,
    /// The tracks in the PMT: those of the stream that MPEG-TS carries, once a change of theirs took effect.
    pub tracks: Arc<[Track]>,
}

impl hub::Item for Chunk {
    fn size(&self) -> usize {
        self.bytes.len() + self.splice.len()
    }

    fn arrival(&self) -> Duration {
        self.arrival
    }

    fn is_start(&self) -> bool {
        self.start
    }
}

/// What was made of a rendition, for a carrier that goes on where another one failed: context and tracks of the
/// newest chunk.
#[derive(Clone, Debug, Default)]
pub struct Past(Option<(Arc<Context>, Arc<[Track]>)>);

impl Past {
    /// Takes note of the next chunk.
    pub fn note(&mut self, chunk: &Chunk) {
        self.0 = Some((Arc::clone(&chunk.context), Arc::clone(&chunk.tracks)));
    }
}

/// Muxes the entries of one rendition; which of them, `program::Gate` decides.
#[derive(Debug)]
pub struct Carrier {
    gate: Gate,
    mux: Mux,
    /// Something was muxed, here or by the carrier before.
    begun: bool,
    starts: Starts,
}

/// Tracks that MPEG-TS has no form for.
fn omits(tracks: &[Track]) -> Vec<Omitted> {
    // A mux of its own, for only the mux knows what it takes.
    let omitted = Mux::new(Timestamp::ZERO).set_tracks(tracks);
    omitted
        .into_iter()
        .map(|omitted| Omitted { track: omitted.track, reason: omitted.reason.to_owned() })
        .collect()
}

impl Carrier {
    /// A carrier of which nothing was muxed yet.
    pub fn new() -> Self {
        Self { gate: Gate::new(omits), mux: Mux::new(BASE), begun: false, starts: Starts::default() }
    }

    /// A carrier that goes on after another one that made `past`: it begins at the next key frame, with the marks of a
    /// break.
    pub fn resume(past: &Past) -> Self {
        let mut carrier = Self::new();
        let Some((context, tracks)) = past.0.clone() else { return carrier };
        // The map that receivers know has the first version: another one that follows gets the next.
        carrier.mux.set_tracks(&tracks);
        carrier.gate = Gate::after(omits, context);
        carrier.begun = true;
        carrier
    }

    /// Muxes the next entry. None: the frame is left out, for its track is not carried or waits for a key frame.
    pub fn push(&mut self, entry: &Entry) -> Option<Chunk> {
        let passed = self.gate.push(entry)?;
        let mux = &mut self.mux;
        if passed.join {
            mux.set_tracks(self.gate.program().tracks());
            if self.begun {
                mux.mark_discontinuity();
            }
        }
        self.begun = true;
        let frame = &entry.frame;
        let program = self.gate.program();
        let Place { start, picture } = self.starts.push(passed, program.has_video(), frame);
        let mut splice = BytesMut::new();
        let mut bytes = BytesMut::with_capacity(frame.data.len() + frame.data.len() / 16 + SPARE_BYTES);
        if start {
            mux.splice(&mut splice);
        }
        if start || passed.join {
            mux.tables(&mut bytes);
        }
        mux.frame(frame, &mut bytes);
        Some(Chunk {
            bytes: bytes.freeze(),
            timing: frame.into(),
            part: passed.part,
            join: passed.join,
            arrival: entry.arrival,
            start,
            splice: splice.freeze(),
            picture,
            context: Arc::clone(&entry.context),
            tracks: Arc::clone(program.tracks()),
        })
    }

    /// Entries were missed: what comes next does not go on from what was before.
    pub fn mark_skipped(&mut self) {
        self.gate.mark_skipped();
    }

    /// Tracks of the stream that MPEG-TS cannot carry.
    pub fn omitted(&self) -> &[Omitted] {
        self.gate.omitted()
    }

    /// Frames that belonged into the stream and were left out; see [`Mux::dropped`].
    pub fn dropped(&self) -> u64 {
        self.mux.dropped()
    }
}

impl Default for Carrier {
    fn default() -> Self {
        Self::new()
    }
}

/// PID of a packet, and whether a table or a PES packet begins in it.
fn pid(packet: &[u8]) -> (u16, bool) {
    (u16::from_be_bytes([packet[1] & 0x1f, packet[2]]), packet[1] & 0x40 != 0)
}

/// Whether a receiver can begin with these packets.
pub(crate) fn begins_with_tables(packets: &[u8]) -> bool {
    packets.len() >= mpegts::PACKET_BYTES && pid(packets) == (mpegts::PAT_PID, true)
}

/// The newest tables in the packets of `chunks`, given newest first: PAT and PMT as they stand there. A segment that
/// has to begin where no tables are repeats them; packets may be sent twice (ISO/IEC 13818-1 2.4.3.3).
pub(crate) fn newest_tables<'a>(chunks: impl Iterator<Item = &'a Bytes>) -> Vec<Bytes> {
    // The packets of the map, read backwards to its beginning.
    let (mut map, mut is_whole) = (Vec::new(), false);
    for chunk in chunks {
        let count = chunk.len() / mpegts::PACKET_BYTES;
        for at in (0..count).rev().map(|n| n * mpegts::PACKET_BYTES) {
            let packet = chunk.slice(at..at + mpegts::PACKET_BYTES);
            let has_payload = packet[3] & 0x10 != 0;
            match pid(&packet) {
                (mpegts::PMT_PID, begins) if has_payload && !is_whole => {
                    is_whole = begins;
                    map.push(packet);
                }
                (mpegts::PAT_PID, true) if has_payload && is_whole => {
                    map.push(packet);
                    map.reverse();
                    return map;
                }
                _ => {}
            }
        }
    }
    Vec::new()
}
