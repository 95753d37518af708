//! Which lanes a player takes, and on which channels of its connection.

use fanout::{How, Pieces};
use packager::rtp::{Chunk, FRAMING_BYTES, Lane};

/// Lanes that a shape tells apart, and the bits that each has in it.
const SHAPED: usize = 5;
const BITS: usize = 12;

/// One lane as a player takes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Taken {
    pub(crate) lane: usize,
    /// What the lane was when the player learned of it.
    pub(crate) form: u32,
    /// Its channels, for packets and for reports.
    pub(crate) channels: (u8, u8),
}

/// What a player takes.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Form(Box<[Taken]>);

impl Form {
    pub(crate) fn new(taken: Vec<Taken>) -> Self {
        Self(taken.into())
    }

    /// The lanes that are taken.
    pub(crate) fn lanes(&self) -> impl Iterator<Item = usize> {
        self.0.iter().map(|taken| taken.lane)
    }

    /// How it takes that lane, as long as that is what it was.
    pub(crate) fn takes(&self, lane: usize, form: u32) -> Option<Taken> {
        self.0.iter().find(|taken| (taken.lane, taken.form) == (lane, form)).copied()
    }

    /// The packets of a frame, behind the reports that are due.
    pub(crate) fn frame<'i>(&self, chunk: &'i Chunk, how: How, out: &mut Pieces<'i>) {
        for (lane, report) in chunk.reports(how != How::Follows) {
            if let Some(taken) = self.takes_any(lane) {
                put(report, taken.channels.1, Lane::channel(lane) + 1, out);
            }
        }
        let Some(taken) = self.takes(chunk.lane, chunk.form) else { return };
        let usual = Lane::channel(chunk.lane);
        if taken.channels.0 == usual {
            out.shared(&chunk.bytes);
        } else {
            chunk.packets().for_each(|packet| put(packet, taken.channels.0, usual, out));
        }
    }

    fn takes_any(&self, lane: usize) -> Option<Taken> {
        self.0.iter().find(|taken| taken.lane == lane).copied()
    }

    /// The same for all who take the same lanes on the same channels, where these are such as clients choose.
    pub(crate) fn shape(&self) -> Option<u64> {
        self.0.iter().try_fold(0, |shape: u64, taken| {
            let (rtp, rtcp) = taken.channels;
            let is_usual = taken.lane < SHAPED && rtp % 2 == 0 && rtcp == rtp + 1;
            // A form that came back after 16 others is that of nobody who is still here.
            let bits = (u64::from(rtp / 2) + 1) << 4 | u64::from(taken.form % 16);
            is_usual.then_some(shape | bits << (BITS * taken.lane))
        })
    }
}

/// A framed packet on another channel than the one that it was made for.
fn put<'i>(packet: &'i [u8], channel: u8, usual: u8, out: &mut Pieces<'i>) {
    if channel == usual {
        return out.shared(packet);
    }
    let [dollar, _, high, low, ..] = *packet else { return };
    out.small(&[dollar, channel, high, low]);
    out.shared(packet.get(FRAMING_BYTES..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(taken: &[(usize, u32, (u8, u8))]) -> Form {
        Form::new(taken.iter().map(|&(lane, form, channels)| Taken { lane, form, channels }).collect())
    }

    #[test]
    fn those_who_take_the_same_have_one_shape() {
        let both = form(&[(0, 0, (0, 1)), (1, 0, (2, 3))]);
        assert_eq!(both.shape(), form(&[(1, 0, (2, 3)), (0, 0, (0, 1))]).shape(), "in whatever order");
        let others = [
            form(&[(0, 0, (0, 1))]),
            form(&[(1, 0, (0, 1))]),
            form(&[(0, 0, (2, 3)), (1, 0, (0, 1))]),
            form(&[(0, 1, (0, 1)), (1, 0, (2, 3))]),
            form(&[(0, 0, (254, 255)), (1, 0, (2, 3))]),
        ];
        let shapes: std::collections::BTreeSet<_> =
            others.iter().chain([&both]).map(|form| form.shape().expect("usual channels")).collect();
        assert_eq!(shapes.len(), 6);
        assert_eq!(form(&[(0, 0, (1, 2))]).shape(), None, "odd channels");
        assert_eq!(form(&[(0, 0, (0, 9))]).shape(), None, "channels apart");
    }
}
