//! `Transport` (RFC 2326 12.39).

use super::{parameter, split};

/// One way to carry a track, as a client offers it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transport {
    /// What the packets are.
    pub profile: Profile,
    /// Over what, and where.
    pub lower: Lower,
    /// Whether the client says that it sends (`mode=record`).
    pub record: bool,
}

/// What the packets are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Profile {
    /// RTP/AVP (RFC 3551).
    Avp,
    /// RTP/AVPF (RFC 4585), which differs in when reports may be sent.
    Avpf,
}

/// Over what a track goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lower {
    /// Over the connection itself (10.12), on the channels that the client proposes, for RTP and RTCP.
    Interleaved(Option<(u8, u8)>),
    /// Over UDP, unicast, with these ports of the client, for RTP and RTCP.
    Udp((u16, u16)),
}

impl Profile {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Avp => "RTP/AVP",
            Self::Avpf => "RTP/AVPF",
        }
    }
}

impl Transport {
    /// The offers of a header that can be met here: unicast, not encrypted, over UDP or the connection itself. What is
    /// wrong or unknown is left out; where to send to (`destination`) is not for a client to say, for it might name another.
    pub fn decode(value: &str) -> impl Iterator<Item = Self> {
        split(value, ',').filter_map(Self::decode_one)
    }

    fn decode_one(spec: &str) -> Option<Self> {
        let mut parts = split(spec, ';');
        let mut protocol = parts.next()?.split('/');
        protocol.next().filter(|name| name.trim().eq_ignore_ascii_case("RTP"))?;
        let profile = match protocol.next()?.trim() {
            name if name.eq_ignore_ascii_case("AVP") => Profile::Avp,
            name if name.eq_ignore_ascii_case("AVPF") => Profile::Avpf,
            _ => return None,
        };
        let tcp = match protocol.next().map(str::trim) {
            None => false,
            Some(lower) if lower.eq_ignore_ascii_case("UDP") => false,
            Some(lower) if lower.eq_ignore_ascii_case("TCP") => true,
            Some(_) => return None,
        };
        let (mut record, mut channels, mut ports) = (false, None, None);
        for part in parts {
            let (name, value) = parameter(part);
            match name.to_ascii_lowercase().as_str() {
                "multicast" => return None,
                // ANNOUNCE of some encoders comes with `mode=receive`, which is what the server does.
                "mode" => record = ["record", "receive"].iter().any(|mode| value.eq_ignore_ascii_case(mode)),
                "interleaved" => channels = pair(&value),
                "client_port" => {
                    ports = pair(&value).filter(|ports: &(u16, u16)| ports.0 != 0 && ports.1 != 0)
                }
                _ => {}
            }
        }
        let lower = if tcp { Lower::Interleaved(channels) } else { Lower::Udp(ports?) };
        Some(Self { profile, lower, record })
    }
}

/// `a-b`; for `a` alone the second is the next one. None where they are no numbers, too large, or the same.
fn pair<N: TryFrom<u32> + PartialEq>(text: &str) -> Option<(N, N)> {
    let number = |text: &str| text.trim().parse::<u32>().ok();
    let (first, second) = match text.split_once('-') {
        Some((first, second)) => (number(first)?, number(second)?),
        None => (number(text)?, number(text)?.checked_add(1)?),
    };
    let pair = (N::try_from(first).ok()?, N::try_from(second).ok()?);
    Some(pair).filter(|(first, second)| first != second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Profile::*;

    fn decode(value: &str) -> Vec<(Profile, Lower, bool)> {
        Transport::decode(value).map(|offer| (offer.profile, offer.lower, offer.record)).collect()
    }

    #[test]
    fn what_clients_offer() {
        let udp = |ports| Lower::Udp(ports);
        let tcp = Lower::Interleaved;
        for (value, expected) in [
            // FFmpeg
            ("RTP/AVP/TCP;unicast;interleaved=0-1", vec![(Avp, tcp(Some((0, 1))), false)]),
            (
                "RTP/AVP/UDP;unicast;client_port=18406-18407;mode=record",
                vec![(Avp, udp((18406, 18407)), true)],
            ),
            // live555
            ("RTP/AVP;unicast;client_port=61948-61949", vec![(Avp, udp((61948, 61949)), false)]),
            // rtspclientsink
            ("RTP/AVPF/TCP;unicast;interleaved=2-3;mode=\"RECORD\"", vec![(Avpf, tcp(Some((2, 3))), true)]),
            ("rtp/avp/tcp; UNICAST ; Interleaved = 4", vec![(Avp, tcp(Some((4, 5))), false)]),
            ("RTP/AVP/TCP", vec![(Avp, tcp(None), false)]),
            (
                "RTP/SAVP/TCP;unicast,RTP/AVP;multicast,RTP/AVP;client_port=5-6,RTP/AVP/TCP;unicast",
                vec![(Avp, udp((5, 6)), false), (Avp, tcp(None), false)],
            ),
        ] {
            assert_eq!(decode(value), expected, "{value}");
        }
    }

    #[test]
    fn what_cannot_be_met_is_no_offer() {
        for value in [
            "",
            ",;,",
            "RTP",
            "RTP/AVP",
            "RTP/AVP;unicast",
            "RTP/AVP/SCTP;client_port=5-6",
            "x-real-rdt/udp;client_port=1",
            "RTP/AVP;unicast;client_port=0-1",
            "RTP/AVP;client_port=65535",
            "RTP/AVP;client_port=70000-70001",
            "RTP/AVP;client_port=7-7",
            "MP2T/TCP;interleaved=0-1",
            "RTP/AVP/TCP;multicast",
        ] {
            assert_eq!(decode(value), [], "{value}");
        }
        // Channels are for the server to choose in the end.
        for value in
            ["RTP/AVP/TCP;interleaved=255", "RTP/AVP/TCP;interleaved=1-1", "RTP/AVP/TCP;interleaved=x"]
        {
            assert_eq!(decode(value), [(Avp, Lower::Interleaved(None), false)], "{value}");
        }
    }
}
