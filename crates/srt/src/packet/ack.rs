//! Acknowledgements in their three lengths (draft-sharabayko-srt 3.2.4).

use super::Fields;
use crate::{Error, Sequence};

/// What has arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ack {
    /// The number that an ACKACK answers; 0 in those that want none.
    pub number: u32,
    /// All before this packet have arrived or are given up.
    pub next: Sequence,
    /// More, unless it is a light one.
    pub details: Option<AckDetails>,
}

/// What a light acknowledgement lacks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AckDetails {
    /// Round-trip time in microseconds.
    pub rtt_us: u32,
    /// Its mean deviation.
    pub rtt_variance_us: u32,
    /// Packets for which the receiver has room.
    pub room: u32,
    /// More, unless it is a small one.
    pub rates: Option<AckRates>,
}

/// What only a full acknowledgement has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AckRates {
    /// Packets received per second.
    pub packets_per_second: u32,
    /// The link's capacity as estimated, packets per second.
    pub link_packets_per_second: u32,
    /// Bytes received per second; peers before 1.0.2 do not tell.
    pub bytes_per_second: Option<u32>,
}

impl Ack {
    pub(super) fn decode(number: u32, bytes: &[u8]) -> Result<Self, Error> {
        let mut fields = Fields::new("ACK", bytes);
        let next = Sequence::new(fields.u32()?);
        let mut details = None;
        if bytes.len() >= 16 {
            let (rtt_us, rtt_variance_us, room) = (fields.u32()?, fields.u32()?, fields.u32()?);
            let mut rates = None;
            if bytes.len() >= 24 {
                rates = Some(AckRates {
                    packets_per_second: fields.u32()?,
                    link_packets_per_second: fields.u32()?,
                    bytes_per_second: fields.u32().ok(),
                });
            }
            details = Some(AckDetails { rtt_us, rtt_variance_us, room, rates });
        }
        Ok(Self { number, next, details })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut words = vec![self.next.get()];
        if let Some(details) = self.details {
            words.extend([details.rtt_us, details.rtt_variance_us, details.room]);
            if let Some(rates) = details.rates {
                words.extend([rates.packets_per_second, rates.link_packets_per_second]);
                words.extend(rates.bytes_per_second);
            }
        }
        words.into_iter().flat_map(u32::to_be_bytes).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn light_small_and_full() {
        let next = Sequence::new(5);
        let light = Ack { number: 0, next, details: None };
        assert_eq!(light.encode(), [0, 0, 0, 5]);
        let small = AckDetails { rtt_us: 1, rtt_variance_us: 2, room: 3, rates: None };
        let rates = AckRates { packets_per_second: 4, link_packets_per_second: 5, bytes_per_second: Some(6) };
        let full = AckDetails { rates: Some(rates), ..small };
        for ack in [
            light,
            Ack { number: 7, next, details: Some(small) },
            Ack { number: 8, next, details: Some(full) },
        ] {
            assert_eq!(Ack::decode(ack.number, &ack.encode()), Ok(ack));
        }
        assert_eq!(Ack::decode(0, &[0, 0]), Err(Error::malformed("ACK", 0, "cut short")));
    }
}
