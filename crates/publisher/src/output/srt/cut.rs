//! The carrier's bytes as payloads of SRT: seven transport packets each.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use packager::ts::Chunk;

/// Bytes of a payload at most: what live mode has by default, and all its players take.
pub(crate) const PAYLOAD_BYTES: usize = 7 * mpegts::PACKET_BYTES;

/// What leaves in one packet, to everybody who plays. Cloning shares the bytes.
#[derive(Clone, Debug)]
pub(crate) struct Payload {
    /// Whole transport packets, one to seven.
    pub(crate) bytes: Bytes,
    /// When the frame came in that it begins with.
    arrival: Duration,
    /// A viewer may start here.
    start: bool,
    /// Whole transport packets that a viewer gets first which skipped to here.
    pub(crate) splice: Bytes,
}

impl hub::Item for Payload {
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

/// Cuts what the carrier makes. What is left over of a frame waits for the next one, but not for long, and not where a viewer
/// may start: that is where a payload begins.
#[derive(Default)]
pub(super) struct Cut {
    rest: Option<Rest>,
}

struct Rest {
    bytes: BytesMut,
    arrival: Duration,
    start: bool,
    splice: Bytes,
    since: Duration,
}

impl Rest {
    fn finish(self) -> Payload {
        let Self { bytes, arrival, start, splice, .. } = self;
        Payload { bytes: bytes.freeze(), arrival, start, splice }
    }
}

impl Cut {
    /// Takes the next chunk at the time `now`, and appends what that completes.
    pub(super) fn push(&mut self, now: Duration, chunk: &Chunk, out: &mut impl FnMut(Payload)) {
        if chunk.start {
            self.flush(out);
        }
        let mut bytes = chunk.bytes.clone();
        if let Some(mut rest) = self.rest.take() {
            let more = bytes.split_to(bytes.len().min(PAYLOAD_BYTES - rest.bytes.len()));
            rest.bytes.extend_from_slice(&more);
            if rest.bytes.len() < PAYLOAD_BYTES {
                self.rest = Some(rest);
                return;
            }
            out(rest.finish());
        }
        let (mut start, mut splice) = (chunk.start, chunk.splice.clone());
        while bytes.len() >= PAYLOAD_BYTES {
            let (start, splice) = (std::mem::take(&mut start), std::mem::take(&mut splice));
            out(Payload { bytes: bytes.split_to(PAYLOAD_BYTES), arrival: chunk.arrival, start, splice });
        }
        if !bytes.is_empty() {
            let (bytes, arrival) = (BytesMut::from(bytes), chunk.arrival);
            self.rest = Some(Rest { bytes, arrival, start, splice, since: now });
        }
    }

    /// Since when something is left over.
    pub(super) fn waits_since(&self) -> Option<Duration> {
        self.rest.as_ref().map(|rest| rest.since)
    }

    /// What is left over is a payload as it is.
    pub(super) fn flush(&mut self, out: &mut impl FnMut(Payload)) {
        if let Some(rest) = self.rest.take() {
            out(rest.finish());
        }
    }

    /// What is left over is of no use: what follows it was missed.
    pub(super) fn clear(&mut self) {
        self.rest = None;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hub::{Context, Entry, Item as _};
    use media::Timestamp;
    use media::timeline::Epoch;
    use packager::ts::Carrier;

    use super::*;

    /// What the carrier makes of a sample.
    fn chunks() -> Vec<Chunk> {
        let clip = testkit::samples::h265();
        let epoch = Epoch { id: 1, start: Timestamp::ZERO };
        let context = Arc::new(Context { epoch, tracks: clip.tracks.into(), anchor: None });
        let mut carrier = Carrier::new();
        let entries = clip.frames.into_iter().map(|frame| {
            let (context, start) = (Arc::clone(&context), frame.key);
            Entry { context, start, arrival: Duration::ZERO, frame }
        });
        entries.filter_map(|entry| carrier.push(&entry)).collect()
    }

    #[test]
    fn nothing_is_lost_and_starts_begin_payloads() {
        let (chunks, mut cut, mut payloads) = (chunks(), Cut::default(), Vec::new());
        for chunk in &chunks {
            cut.push(Duration::ZERO, chunk, &mut |payload| payloads.push(payload));
        }
        cut.flush(&mut |payload| payloads.push(payload));
        let whole: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.bytes.to_vec()).collect();
        assert_eq!(payloads.iter().flat_map(|payload| payload.bytes.to_vec()).collect::<Vec<u8>>(), whole);
        let starts = |is_start: &dyn Fn(usize) -> bool, len: usize| (0..len).filter(|&n| is_start(n)).count();
        assert_eq!(
            starts(&|n| chunks[n].start, chunks.len()),
            starts(&|n| payloads[n].is_start(), payloads.len())
        );
        for (n, payload) in payloads.iter().enumerate() {
            let is_last = payloads.get(n + 1).is_none_or(|next| next.is_start());
            assert!(payload.bytes.len() == PAYLOAD_BYTES || is_last && payload.bytes.len() % 188 == 0);
            assert_eq!(payload.splice.is_empty(), !payload.is_start());
        }
    }
}
