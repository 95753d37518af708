//! The lanes of a rung: one for each track that was ever carried, and none ever becomes another track's.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use media::{Codec, Frame, Kind, Timestamp, Track, TrackId};
use rtp::Header;
use rtp::format::{Format, Packetizer};

use super::put_framing;
use crate::program::Omitted;

/// Lanes at most: a connection has 256 channels, and nobody plays so many tracks.
pub const MAX_LANES: usize = 16;
/// The first payload type that a description assigns (RFC 3551 6).
const DYNAMIC: u8 = 96;

/// What players are told of a track.
#[derive(Clone, PartialEq, Debug)]
pub struct Lane {
    /// The track.
    pub track: TrackId,
    /// Pictures, sound or data.
    pub kind: Kind,
    /// The track is carried now.
    pub live: bool,
    /// How its packets are to be read.
    pub format: Format,
    /// Counts up when `format` becomes one that a player of before cannot read.
    pub form: u32,
    /// Its synchronization source.
    pub ssrc: u32,
}

impl Lane {
    /// The channel of the lane's packets, where a player leaves it to us; that of its reports is one more.
    pub fn channel(lane: usize) -> u8 {
        // There are at most MAX_LANES.
        (2 * lane) as u8
    }

    /// Hub time as the lane counts it.
    pub fn rtp_timestamp(&self, time: Timestamp) -> u32 {
        // It wraps at 32 bits.
        time.to_scale(self.format.clock_rate) as u32
    }
}

/// Tracks that RTP has no form for, and those that are too many.
pub(super) fn omits(tracks: &[Track]) -> Vec<Omitted> {
    let mut carried = 0;
    let reason = |track: &Track| match Format::of(&track.codec, DYNAMIC) {
        Err(unsupported) => Some(unsupported.to_string()),
        Ok(_) if carried == MAX_LANES => Some(format!("RTSP has {MAX_LANES} tracks at most")),
        Ok(_) => {
            carried += 1;
            None
        }
    };
    let reasons: Vec<_> = tracks.iter().map(reason).collect();
    let omitted =
        |(track, reason): (&Track, Option<String>)| Some(Omitted { track: track.id, reason: reason? });
    tracks.iter().zip(reasons).filter_map(omitted).collect()
}

/// What was sent on a lane, as sender reports count it: both wrap.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Sent {
    pub(super) packets: u32,
    pub(super) octets: u32,
}

/// The packets of a frame.
pub(super) struct Packed {
    pub(super) bytes: Bytes,
    pub(super) starts: Vec<u32>,
    pub(super) lane: usize,
    pub(super) form: u32,
}

#[derive(Debug)]
pub(super) struct Lanes {
    seed: u64,
    max_payload: usize,
    all: Arc<[Lane]>,
    /// Beside each lane.
    states: Vec<State>,
}

#[derive(Debug)]
struct State {
    /// None: the lane is of a carrier before, and its track has not come again.
    packetizer: Option<Packetizer>,
    codec: Option<Codec>,
    next: u16,
    sent: Sent,
}

impl Lanes {
    /// Goes on with lanes of before.
    pub(super) fn resume(seed: u64, lanes: &Arc<[Lane]>, sequences: &[u16], max_payload: usize) -> Self {
        let state = |&next| State { packetizer: None, codec: None, next, sent: Sent::default() };
        Self { seed, max_payload, all: Arc::clone(lanes), states: sequences.iter().map(state).collect() }
    }

    pub(super) fn all(&self) -> &Arc<[Lane]> {
        &self.all
    }

    pub(super) fn sequences(&self) -> Vec<u16> {
        self.states.iter().map(|state| state.next).collect()
    }

    pub(super) fn sent(&self, lane: usize) -> Sent {
        self.states.get(lane).map(|state| state.sent).unwrap_or_default()
    }

    /// Carries these tracks from now on. Whether players are told something else of the lanes than before.
    pub(super) fn set_tracks(&mut self, tracks: &[Track]) -> bool {
        let mut lanes = self.all.to_vec();
        lanes.iter_mut().for_each(|lane| lane.live = false);
        for track in tracks {
            let place = lanes.iter().position(|lane| lane.track == track.id).unwrap_or(lanes.len());
            let payload_type = DYNAMIC + place as u8;
            let (Ok(format), true) = (Format::of(&track.codec, payload_type), place < MAX_LANES) else {
                continue;
            };
            let kind = track.codec.kind();
            if let Some(lane) = lanes.get_mut(place) {
                lane.form += u32::from(!is_readable(&lane.format, &format));
                (lane.live, lane.kind, lane.format) = (true, kind, format);
            } else {
                let (ssrc, next) = self.begin(place);
                lanes.push(Lane { track: track.id, kind, live: true, format, form: 0, ssrc });
                self.states.push(State { packetizer: None, codec: None, next, sent: Sent::default() });
            }
            let state = &mut self.states[place];
            if state.codec.as_ref() != Some(&track.codec) {
                state.packetizer = Packetizer::new(&track.codec, self.max_payload).ok();
                state.codec = Some(track.codec.clone());
            }
        }
        let changed = *lanes != *self.all;
        if changed {
            self.all = lanes.into();
        }
        changed
    }

    /// Synchronization source and first sequence number of a lane.
    fn begin(&self, place: usize) -> (u32, u16) {
        let mixed = mix(self.seed ^ mix(place as u64 + 1));
        ((mixed >> 32) as u32, mixed as u16)
    }

    /// The packets of a frame. None: it has no lane.
    pub(super) fn pack(&mut self, frame: &Frame) -> Option<Packed> {
        let place = self.all.iter().position(|lane| lane.live && lane.track == frame.track)?;
        let (lane, state) = (&self.all[place], self.states.get_mut(place)?);
        let (timestamp, channel) = (lane.rtp_timestamp(frame.pts), Lane::channel(place));
        let State { packetizer, next, sent, .. } = state;
        let size = frame.data.len() + frame.data.len() / 64 + 512;
        let (mut bytes, mut starts) = (BytesMut::with_capacity(size), Vec::new());
        packetizer.as_mut()?.pack(&frame.data, frame.key, &mut |payload| {
            let octets: usize = payload.parts.iter().map(|part| part.len()).sum();
            let header = Header {
                marker: payload.marker,
                payload_type: lane.format.payload_type,
                sequence: *next,
                timestamp: timestamp.wrapping_add(payload.offset),
                ssrc: lane.ssrc,
            };
            starts.push(bytes.len() as u32);
            put_framing(channel, rtp::HEADER_BYTES + octets, &mut bytes);
            bytes.extend_from_slice(&header.encode());
            payload.parts.iter().for_each(|part| bytes.extend_from_slice(part));
            *next = next.wrapping_add(1);
            sent.packets = sent.packets.wrapping_add(1);
            sent.octets = sent.octets.wrapping_add(octets as u32);
        });
        Some(Packed { bytes: bytes.freeze(), starts, lane: place, form: lane.form })
    }
}

/// Whether a player that knows the one format can read the other: what is in band may change.
fn is_readable(known: &Format, new: &Format) -> bool {
    let in_band = ["H264", "H265", "AV1"].iter().any(|name| known.encoding.eq_ignore_ascii_case(name));
    known.payload_type == new.payload_type
        && known.encoding == new.encoding
        && (known.clock_rate, known.channels) == (new.clock_rate, new.channels)
        && (in_band || known.fmtp == new.fmtp)
}

/// Spreads bits over the whole word (the finalizer of SplitMix64).
fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
