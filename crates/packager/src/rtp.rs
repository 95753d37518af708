//! The RTP carrier: a rung's frames as RTP packets, made once for all players of RTSP.
//!
//! Each track has a lane: a synchronization source with one run of sequence numbers for all who play it. Its clock is hub time, and
//! so the lanes share one, through epochs too; sender reports (RFC 3550 6.4.1) tie it to the wall clock of the epoch.
//! The packets lie in memory as they are sent interleaved in a connection (RFC 2326 10.12), with the channels that players
//! usually choose; over UDP the four bytes before each are left out.

mod lanes;

use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use hub::{Context, Entry};
use media::timeline::Anchor;
use media::{Timestamp, TrackId};
use rtp::rtcp::{self, NtpTime, SenderReport};

use crate::program::{Gate, Omitted};
use crate::starts::{Place, Starts};
use lanes::Lanes;
pub use lanes::{Lane, MAX_LANES};

/// Bytes before an interleaved packet: `$`, the channel, and two of length.
pub const FRAMING_BYTES: usize = 4;
/// Bytes of an RTP packet at most, so that with UDP, IP and a tunnel around it an Ethernet frame takes it.
const PACKET_BYTES: usize = 1400;
/// Sender reports come this often, and at each start for those who begin there (RFC 3550 6.2 has 5 s as the least).
const REPORT_EVERY: Duration = Duration::from_secs(5);
/// The canonical name of all lanes: players take those with one name for one source (RFC 3550 6.5.1).
pub const CNAME: &str = "rillcast";

/// The packets of one frame, with what readers need to know about them. Cloning shares the bytes.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// Packets as they are sent interleaved, one behind the other, each behind [`FRAMING_BYTES`].
    pub bytes: Bytes,
    /// Where each begins.
    starts: Arc<[u32]>,
    /// Place of its lane in [`Setup::lanes`].
    pub lane: usize,
    /// How often the lane has become one that players of before cannot read: [`Lane::form`].
    pub form: u32,
    /// Its track.
    pub track: TrackId,
    /// Decode time.
    pub dts: Timestamp,
    /// When the frame came in, on the monotonic clock of the process.
    pub arrival: Duration,
    /// A viewer may start here.
    pub start: bool,
    /// The frame is a picture of the track that leads.
    pub picture: bool,
    /// The state of all lanes before this chunk, wherever a viewer may start and wherever something of it has changed.
    pub setup: Option<Arc<Setup>>,
    /// Everybody is to get the reports of the setup, and not only who starts here.
    pub report: bool,
    /// The stream's state.
    pub context: Arc<Context>,
}

/// The state of all lanes at one moment.
#[derive(Clone, Debug)]
pub struct Setup {
    /// What each is.
    pub lanes: Arc<[Lane]>,
    /// Sequence number of the next packet of each.
    pub sequences: Vec<u16>,
    /// The moment, on the clock of the lanes.
    pub time: Timestamp,
    /// A sender report of each, framed as the packets are; none before the wall clock of the epoch is known.
    pub reports: Option<Vec<Bytes>>,
}

impl Setup {
    /// The moment as a lane counts it.
    pub fn rtp_timestamp(&self, lane: usize) -> u32 {
        self.lanes.get(lane).map_or(0, |lane| lane.rtp_timestamp(self.time))
    }
}

impl Chunk {
    /// Its packets, each with its framing.
    pub fn packets(&self) -> impl Iterator<Item = &[u8]> + Clone {
        let ends = self.starts.iter().skip(1).copied().chain([self.bytes.len() as u32]);
        self.starts.iter().zip(ends).filter_map(|(&from, to)| self.bytes.get(from as usize..to as usize))
    }
}

impl Chunk {
    /// The reports that are to be sent before its packets, each with its lane and framing: to who `begins` here, or to all.
    pub fn reports(&self, begins: bool) -> impl Iterator<Item = (usize, &Bytes)> {
        let setup = self.setup.as_ref().filter(|_| begins || self.report);
        setup.and_then(|setup| setup.reports.as_ref()).into_iter().flatten().enumerate()
    }
}

impl hub::Item for Chunk {
    fn size(&self) -> usize {
        self.bytes.len()
    }

    fn arrival(&self) -> Duration {
        self.arrival
    }

    fn is_start(&self) -> bool {
        self.start
    }
}

/// What was made of a rung, for a carrier that goes on where another one failed.
#[derive(Clone, Debug)]
pub struct Past {
    seed: u64,
    context: Option<Arc<Context>>,
    lanes: Arc<[Lane]>,
    sequences: Vec<u16>,
}

impl Past {
    /// Nothing yet. `seed` decides where identifiers and sequence numbers begin (RFC 3550 5.1 wants them unpredictable).
    pub fn new(seed: u64) -> Self {
        Self { seed, context: None, lanes: Arc::default(), sequences: Vec::new() }
    }

    /// Takes note of the next chunk.
    pub fn note(&mut self, chunk: &Chunk) {
        self.context = Some(Arc::clone(&chunk.context));
        if let Some(setup) = &chunk.setup {
            self.lanes = Arc::clone(&setup.lanes);
            self.sequences.clone_from(&setup.sequences);
        }
        if let Some(next) = self.sequences.get_mut(chunk.lane) {
            *next = next.wrapping_add(chunk.starts.len() as u16);
        }
    }
}

/// Makes packets of the entries of one rung; which of them, `program::Gate` decides.
#[derive(Debug)]
pub struct Carrier {
    gate: Gate,
    lanes: Lanes,
    starts: Starts,
    /// The wall clock that was reported last, and when.
    reported: Option<(Anchor, Duration)>,
}

impl Carrier {
    /// A carrier that goes on after another one that made `past`: it begins at a key frame.
    pub fn resume(past: &Past) -> Self {
        let omits = lanes::omits;
        let gate =
            past.context.clone().map_or_else(|| Gate::new(omits), |context| Gate::after(omits, context));
        let lanes = Lanes::resume(past.seed, &past.lanes, &past.sequences, PACKET_BYTES - rtp::HEADER_BYTES);
        Self { gate, lanes, starts: Starts::default(), reported: None }
    }

    /// Makes the packets of the next entry. None: the frame is left out.
    pub fn push(&mut self, entry: &Entry) -> Option<Chunk> {
        let passed = self.gate.push(entry)?;
        let changed = passed.join && self.lanes.set_tracks(self.gate.program().tracks());
        let frame = &entry.frame;
        let Place { start, picture } = self.starts.push(passed, self.gate.program().has_video(), frame);
        let report = self.is_report_due(entry);
        let setup = (start || changed || report).then(|| self.setup(frame.pts, entry.context.anchor));
        let packed = self.lanes.pack(frame)?;
        if report {
            self.reported = entry.context.anchor.map(|anchor| (anchor, entry.arrival));
        }
        Some(Chunk {
            bytes: packed.bytes,
            starts: packed.starts.into(),
            lane: packed.lane,
            form: packed.form,
            track: frame.track,
            dts: frame.dts,
            arrival: entry.arrival,
            start,
            picture,
            setup: setup.map(Arc::new),
            report,
            context: Arc::clone(&entry.context),
        })
    }

    /// Whether all players are to get reports with this entry: regularly, and whenever the wall clock is another one.
    fn is_report_due(&self, entry: &Entry) -> bool {
        let Some(anchor) = entry.context.anchor else { return false };
        self.reported.is_none_or(|(reported, at)| {
            reported.lag() != anchor.lag() || entry.arrival.saturating_sub(at) >= REPORT_EVERY
        })
    }

    fn setup(&self, time: Timestamp, anchor: Option<Anchor>) -> Setup {
        let report = |lane: usize| {
            let sent = self.lanes.sent(lane);
            let report = SenderReport {
                ssrc: self.lanes.all()[lane].ssrc,
                ntp: NtpTime::from_unix(anchor?.wall_of(time)),
                rtp_timestamp: self.lanes.all()[lane].rtp_timestamp(time),
                packets: sent.packets,
                octets: sent.octets,
            };
            Some(framed(Lane::channel(lane) + 1, &rtcp::encode_sender_report(&report, &[], CNAME)))
        };
        let lanes = self.lanes.all();
        Setup {
            lanes: Arc::clone(lanes),
            sequences: self.lanes.sequences(),
            time,
            reports: (0..lanes.len()).map(report).collect(),
        }
    }

    /// Entries were missed: what comes next does not go on from what was before.
    pub fn mark_skipped(&mut self) {
        self.gate.mark_skipped();
    }

    /// Tracks of the stream that RTP cannot carry.
    pub fn omitted(&self) -> &[Omitted] {
        self.gate.omitted()
    }
}

/// A packet behind its framing.
fn framed(channel: u8, packet: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(FRAMING_BYTES + packet.len());
    put_framing(channel, packet.len(), &mut bytes);
    bytes.extend_from_slice(packet);
    bytes.freeze()
}

/// What precedes a packet of `len` bytes; none is longer than 16 bits say.
fn put_framing(channel: u8, len: usize, out: &mut BytesMut) {
    out.put_u8(b'$');
    out.put_u8(channel);
    out.put_u16(len as u16);
}
