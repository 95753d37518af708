//! What a peer takes beyond what FLV always had.

use super::super::FourCc;

/// Codecs that a peer announces by Enhanced RTMP: in `fourCcList`, `videoFourCcInfoMap` and `audioFourCcInfoMap` of its
/// `connect`, or of the reply to ours.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Caps(u16);

impl Caps {
    /// A peer without Enhanced RTMP.
    pub const LEGACY: Self = Self(0);
    /// A peer that takes all that we can write.
    pub const ALL: Self = Self(u16::MAX);

    /// From the names announced; `*` is any codec, and names that are not ours are passed over.
    pub fn of<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let bits = names.into_iter().map(|name| match name {
            "*" => u16::MAX,
            name => FourCc::ALL.into_iter().find(|fourcc| fourcc.name() == name).map_or(0, bit),
        });
        Self(bits.fold(0, |all, bit| all | bit))
    }

    /// A number that is the same for peers that take the same.
    pub fn bits(self) -> u16 {
        self.0
    }

    /// Whether the peer takes this codec in its enhanced form.
    pub fn takes(self, fourcc: FourCc) -> bool {
        self.0 & bit(fourcc) != 0
    }
}

fn bit(fourcc: FourCc) -> u16 {
    1 << fourcc as u16
}

/// Why a peer cannot get a track, for the user to read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// Neither FLV nor Enhanced RTMP has a place for it.
    #[error("RTMP has no form for {codec}")]
    NoForm {
        /// The name of the codec.
        codec: &'static str,
    },
    /// Enhanced RTMP would have one, but the peer does not say that it reads that.
    #[error("the peer does not announce that it takes {codec} ({})", fourcc.name())]
    NotAnnounced {
        /// The name of the codec.
        codec: &'static str,
        /// What the peer would have to announce.
        fourcc: FourCc,
    },
}
