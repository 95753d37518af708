//! The carrier's messages as one RTMP peer gets them: what it takes of them, in its message stream, from its zero on.

use std::sync::OnceLock;

use fanout::{How, Pieces};
use packager::rtmp::Chunk;
use rtmp::chunk::{Piece, Route, Shared};
use rtmp::flv::mux::Caps;
use rtmp::flv::{FourCc, TagKind};

use crate::output::apart;

/// Who the peer is: metadata have another form for a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum To {
    /// One that plays from us.
    Player,
    /// One that we publish to.
    Server,
}

/// Which kinds of media one peer wants: sound, pictures, both or neither.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Wants(u8);

impl Wants {
    /// What peers get that say nothing of it.
    pub(crate) const ALL: Self = Self(0);
    /// Bits that [`Wants::word`] has at most.
    const BITS: u32 = 2;

    /// The same with or without that kind. Data have no bit: nobody can do without.
    pub(crate) fn with(self, kind: TagKind, wanted: bool) -> Self {
        let bit = Self::bit(kind);
        Self(if wanted { self.0 & !bit } else { self.0 | bit })
    }

    pub(crate) fn has(self, kind: TagKind) -> bool {
        self.0 & Self::bit(kind) == 0
    }

    /// As the fan-out hands it on; [`Wants::from_word`] is the way back.
    pub(crate) fn word(self) -> u8 {
        self.0
    }

    pub(crate) fn from_word(word: u8) -> Self {
        Self(word)
    }

    const fn bit(kind: TagKind) -> u8 {
        match kind {
            TagKind::Audio => 1,
            TagKind::Video => 2,
            TagKind::Script => 0,
        }
    }
}

/// The form that one peer gets messages in.
pub(crate) struct Form {
    /// Where its media belong.
    pub(crate) route: Route,
    caps: Caps,
    to: To,
    pub(crate) wants: Wants,
    /// The time of its first message, in milliseconds of hub time: its timestamps begin at 0.
    zero: OnceLock<i64>,
}

impl Form {
    /// For a peer that got nothing yet and takes what `caps` say.
    pub(crate) fn new(route: Route, caps: Caps, to: To) -> Self {
        Self { route, caps, to, wants: Wants::ALL, zero: OnceLock::new() }
    }

    /// Those who began at the same frame, take and want the same and have the same message stream.
    pub(crate) fn shape(&self) -> Option<u64> {
        let zero = u64::try_from(*self.zero.get()?).ok()?;
        let media = u64::from(self.caps.bits()) << Wants::BITS | u64::from(self.wants.word());
        (self.route.stream == 1).then_some(zero << (u16::BITS + Wants::BITS) | media)
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

impl apart::Form<Chunk> for Form {
    /// The bytes of a frame, behind what the peer has to know first.
    fn frame<'i>(&self, chunk: &'i Chunk, how: How, out: &mut Pieces<'i>) {
        let zero = *self.zero.get_or_init(|| chunk.time_ms);
        // Milliseconds wrap at 32 bits.
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
        // Sequence headers are sent all the same: what is wanted again can be read at once.
        // Sound that belongs before the first picture has no time here, and is not missed.
        let is_before = chunk.time_ms < zero;
        if !is_before && self.takes(chunk.needs) && self.wants.has(chunk.message.kind()) {
            self.put(&chunk.message, time_ms, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_and_pictures_are_chosen_apart() {
        let silent = Wants::ALL.with(TagKind::Audio, false);
        assert_eq!(
            [TagKind::Audio, TagKind::Video, TagKind::Script].map(|kind| silent.has(kind)),
            [false, true, true]
        );
        let nothing = silent.with(TagKind::Video, false);
        assert_eq!(nothing.with(TagKind::Audio, true), Wants::ALL.with(TagKind::Video, false));
        assert_eq!(nothing.with(TagKind::Audio, true).with(TagKind::Video, true), Wants::ALL);
        assert!(nothing.with(TagKind::Script, false).has(TagKind::Script));
        assert_eq!(Wants::from_word(silent.word()), silent);
        assert!(u32::from(nothing.word()) < 1 << Wants::BITS);
    }

    #[test]
    fn viewers_that_want_the_same_have_one_shape() {
        let shape_of = |caps, wants| {
            let form = Form { wants, ..Form::new(Route { stream: 1, chunk_size: 1 }, caps, To::Player) };
            form.zero.set(1_800_000_000_000).expect("is unset");
            form.shape().expect("a shape")
        };
        let silent = Wants::ALL.with(TagKind::Audio, false);
        assert_eq!(shape_of(Caps::LEGACY, silent), shape_of(Caps::LEGACY, silent));
        assert_ne!(shape_of(Caps::LEGACY, silent), shape_of(Caps::LEGACY, Wants::ALL));
        assert_ne!(shape_of(Caps::ALL, Wants::ALL), shape_of(Caps::LEGACY, Wants::ALL));
    }

    fn chunk(kind: TagKind, time_ms: i64) -> Chunk {
        let context = hub::Context {
            epoch: media::timeline::Epoch { id: 0, start: media::Timestamp::ZERO },
            tracks: Default::default(),
            anchor: None,
        };
        Chunk {
            message: Shared::new(kind, rtmp::flv::mux::Head::EMPTY, bytes::Bytes::from_static(b"body"))
                .expect("short"),
            time_ms,
            needs: None,
            arrival: std::time::Duration::ZERO,
            start: kind == TagKind::Video,
            starts: 0,
            picture: kind == TagKind::Video,
            setup: None,
            join: false,
            context: std::sync::Arc::new(context),
        }
    }

    #[test]
    fn sound_that_belongs_before_the_first_picture_is_left_out() {
        use apart::Form as _;

        let form = Form::new(Route { stream: 1, chunk_size: 4096 }, Caps::LEGACY, To::Player);
        let bytes_of = |chunk: &Chunk, how| {
            let mut pieces = Pieces::new();
            form.frame(chunk, how, &mut pieces);
            pieces.bytes()
        };
        assert!(bytes_of(&chunk(TagKind::Video, 1000), How::First) > 0);
        assert_eq!(bytes_of(&chunk(TagKind::Audio, 979), How::Follows), 0);
        assert!(bytes_of(&chunk(TagKind::Audio, 1000), How::Follows) > 0);
    }
}
