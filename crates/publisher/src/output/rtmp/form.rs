//! The carrier's messages as one RTMP peer gets them: what it takes of them, in its message stream, from its zero on.

use std::sync::OnceLock;

use fanout::{How, Pieces};
use packager::rtmp::Chunk;
use rtmp::chunk::{Piece, Route, Shared};
use rtmp::flv::FourCc;
use rtmp::flv::mux::Caps;

/// Who the peer is: metadata have another form for a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum To {
    /// One that plays from us.
    Player,
    /// One that we publish to.
    Server,
}

/// The form that one peer gets messages in.
pub(crate) struct Form {
    /// Where its media belong.
    pub(crate) route: Route,
    caps: Caps,
    to: To,
    /// The time of its first message, in milliseconds of hub time: its timestamps begin at 0.
    zero: OnceLock<i64>,
}

impl Form {
    /// For a peer that got nothing yet and takes what `caps` say.
    pub(crate) fn new(route: Route, caps: Caps, to: To) -> Self {
        Self { route, caps, to, zero: OnceLock::new() }
    }

    /// The bytes of a frame, behind what the peer has to know first.
    pub(crate) fn frame<'i>(&self, chunk: &'i Chunk, how: How, out: &mut Pieces<'i>) {
        let zero = *self.zero.get_or_init(|| chunk.time_ms);
        // Sound that belongs before the first picture comes with it. Milliseconds wrap at 32 bits.
        let time_ms = (chunk.time_ms - zero).max(0) as u32;
        if let Some(setup) = chunk.setup.as_deref().filter(|_| how != How::Follows || chunk.join) {
            let all = setup.needs.iter().all(|&fourcc| self.takes(Some(fourcc)));
            let metadata = if all { &setup.metadata } else { &setup.legacy_metadata };
            let metadata = if self.to == To::Player { &metadata.play } else { &metadata.publish };
            self.put(metadata, time_ms, out);
            for header in setup.headers.iter().filter(|header| self.takes(header.needs)) {
                self.put(&header.message, time_ms, out);
            }
        }
        if self.takes(chunk.needs) {
            self.put(&chunk.message, time_ms, out);
        }
    }

    /// Those who began at the same frame, take the same and have the same message stream.
    pub(crate) fn shape(&self) -> Option<u64> {
        let zero = u64::try_from(*self.zero.get()?).ok()?;
        (self.route.stream == 1).then(|| zero << 16 | u64::from(self.caps.bits()))
    }

    fn takes(&self, needs: Option<FourCc>) -> bool {
        needs.is_none_or(|fourcc| self.caps.takes(fourcc))
    }

    fn put<'i>(&self, message: &'i Shared, time_ms: u32, out: &mut Pieces<'i>) {
        for piece in message.chunks(self.route, time_ms) {
            match piece {
                Piece::Own(own) => out.small(&own),
                Piece::Shared(bytes) => out.shared(bytes),
            }
        }
    }
}
