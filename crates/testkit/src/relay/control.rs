//! The control connection of RTSP (RFC 2326), as far as a relay has to know it: where heads of messages are, and the ports
//! in their `Transport` fields (12.39).

use bytes::{Buf as _, Bytes, BytesMut};

/// Longer heads are passed without being looked at, and so is all that follows.
const HEAD_BYTES: usize = 64 << 10;

/// Takes the bytes of one direction apart. Joined again, the pieces are the bytes that came.
#[derive(Default, Debug)]
pub(super) struct Splitter {
    bytes: BytesMut,
    /// So many of the next bytes are none of a head.
    pass: usize,
    /// What comes is not RTSP.
    opaque: bool,
}

/// A part of what came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Piece {
    /// To be passed as it is.
    Opaque(Bytes),
    /// The head of a message, with the empty line.
    Head(Head),
}

impl Splitter {
    /// More bytes came.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next piece; none until more bytes come.
    pub(super) fn next(&mut self) -> Option<Piece> {
        if self.opaque {
            self.pass = usize::MAX;
        }
        if self.pass == 0 && self.bytes.first() == Some(&b'$') {
            // An interleaved packet (10.12).
            let &[_, _, high, low, ..] = &self.bytes[..] else { return None };
            self.pass = 4 + usize::from(u16::from_be_bytes([high, low]));
        } else if self.pass == 0 && self.bytes.starts_with(b"\r\n") {
            self.pass = 2;
        }
        if self.pass > 0 {
            let bytes = self.bytes.len().min(self.pass);
            self.pass -= bytes;
            return (bytes > 0).then(|| Piece::Opaque(self.bytes.split_to(bytes).freeze()));
        }
        let Some(end) = self.bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            self.opaque = self.bytes.len() > HEAD_BYTES;
            return if self.opaque { self.next() } else { None };
        };
        let Ok(text) = String::from_utf8(self.bytes[..end + 4].to_vec()) else {
            self.opaque = true;
            return self.next();
        };
        self.bytes.advance(end + 4);
        let head = Head { text };
        self.pass = head.field("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        Some(Piece::Head(head))
    }
}

/// The head of a request or a response.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Head {
    text: String,
}

/// A port for RTP and one for RTCP.
pub(super) type Ports = (u16, u16);

impl Head {
    /// Whether it is a request to set up a track.
    pub(super) fn is_setup(&self) -> bool {
        self.text.starts_with("SETUP ")
    }

    /// The status, where it is a response.
    pub(super) fn status(&self) -> Option<u16> {
        self.text.strip_prefix("RTSP/")?.split(' ').nth(1)?.parse().ok()
    }

    /// The number that a response shares with its request.
    pub(super) fn sequence(&self) -> Option<u64> {
        self.field("cseq")?.parse().ok()
    }

    /// The value of a field, whose name is given in lower case.
    fn field(&self, name: &str) -> Option<&str> {
        self.text.lines().skip(1).find_map(|line| value(line, name)).map(str::trim)
    }

    /// The ports of that parameter of the `Transport` field.
    pub(super) fn ports(&self, parameter: &str) -> Option<Ports> {
        let transport = self.field("transport")?;
        transport.split([';', ',']).find_map(|part| {
            let ports = value_of(part, parameter)?;
            let (rtp, rtcp) = ports.split_once('-').unwrap_or((ports, ""));
            let rtp = rtp.trim().parse().ok()?;
            Some((rtp, rtcp.trim().parse().unwrap_or_else(|_| u16::wrapping_add(rtp, 1))))
        })
    }

    /// Replaces the value of that parameter wherever it stands in `Transport` fields.
    pub(super) fn replace(&mut self, parameter: &str, with: &str) {
        let lines = self.text.split_inclusive("\r\n").map(|line| {
            if value(line, "transport").is_none() {
                return line.to_owned();
            }
            let (field, parts) = line.split_once(':').unwrap_or((line, ""));
            let (parts, end) = parts.split_at(parts.trim_end().len());
            let parts = parts.split_inclusive([';', ',']).map(|part| {
                let (part, separator) = part.split_at(part.trim_end_matches([';', ',']).len());
                match part.split_once('=') {
                    Some((name, _)) if value_of(part, parameter).is_some() => {
                        format!("{name}={with}{separator}")
                    }
                    _ => format!("{part}{separator}"),
                }
            });
            format!("{field}:{}{end}", parts.collect::<String>())
        });
        self.text = lines.collect();
    }

    /// As [`Self::replace`], with two ports.
    pub(super) fn replace_ports(&mut self, parameter: &str, (rtp, rtcp): Ports) {
        self.replace(parameter, &format!("{rtp}-{rtcp}"));
    }

    pub(super) fn into_bytes(self) -> Bytes {
        self.text.into()
    }
}

/// What stands behind `name:` in a line that has that field.
fn value<'line>(line: &'line str, name: &str) -> Option<&'line str> {
    let (field, value) = line.split_once(':')?;
    field.trim().eq_ignore_ascii_case(name).then_some(value)
}

/// What stands behind `name=` in a part of a `Transport` field.
fn value_of<'part>(part: &'part str, name: &str) -> Option<&'part str> {
    let (parameter, value) = part.split_once('=')?;
    parameter.trim().eq_ignore_ascii_case(name).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETUP: &str = "SETUP rtsp://h/live/x/trackID=0 RTSP/1.0\r\nCSeq: 3\r\n\
        TRANSPORT: RTP/AVP/TCP;unicast,RTP/AVP;unicast;Client_Port=5000-5001;mode=play\r\n\r\n";

    fn head(text: &str) -> Head {
        Head { text: text.to_owned() }
    }

    fn pieces(bytes: &[u8], size: usize) -> Vec<Piece> {
        let mut splitter = Splitter::default();
        let mut pieces = Vec::new();
        for bytes in bytes.chunks(size) {
            splitter.push(bytes);
            pieces.extend(std::iter::from_fn(|| splitter.next()));
        }
        pieces
    }

    fn joined(pieces: &[Piece]) -> Vec<u8> {
        pieces
            .iter()
            .flat_map(|piece| match piece {
                Piece::Opaque(bytes) => bytes.to_vec(),
                Piece::Head(head) => head.text.clone().into_bytes(),
            })
            .collect()
    }

    #[test]
    fn ports_are_read_and_replaced_where_they_stand() {
        let mut head = head(SETUP);
        assert!(head.is_setup());
        assert_eq!((head.sequence(), head.status()), (Some(3), None));
        assert_eq!(head.ports("client_port"), Some((5000, 5001)));
        assert_eq!(head.ports("server_port"), None);
        head.replace_ports("client_port", (6, 7));
        assert_eq!(head.text, SETUP.replace("5000-5001", "6-7"));
    }

    #[test]
    fn a_response_has_a_status_and_both_pairs() {
        let mut head = head(
            "RTSP/1.0 200 OK\r\nCSeq:9\r\nSession: a;timeout=60\r\nTransport: RTP/AVP/UDP;unicast;\
             source=127.0.0.1;client_port=4;server_port=8000-8001;ssrc=AB\r\n\r\n",
        );
        assert_eq!((head.sequence(), head.status()), (Some(9), Some(200)));
        assert_eq!(
            (head.ports("client_port"), head.ports("server_port")),
            (Some((4, 5)), Some((8000, 8001)))
        );
        head.replace_ports("server_port", (10, 11));
        head.replace("source", "::1");
        assert!(head.text.contains("unicast;source=::1;client_port=4;server_port=10-11;ssrc=AB\r\n\r\n"));
    }

    #[test]
    fn whatever_the_pieces_the_bytes_are_the_same() {
        let mut bytes = SETUP.as_bytes().to_vec();
        bytes.extend_from_slice(b"$\0\0\x1dSETUP in a packet is no head\r\n");
        bytes.extend_from_slice(
            b"ANNOUNCE x RTSP/1.0\r\nCSeq: 4\r\nContent-length: 10\r\n\r\n\r\n\r\nv=0\r\n\r",
        );
        bytes.extend_from_slice(b"RTSP/1.0 200 OK\r\nCSeq: 4\r\n\r\n");
        for size in 1..bytes.len() {
            let pieces = pieces(&bytes, size);
            assert_eq!(joined(&pieces), bytes, "pieces of {size}");
            let heads = pieces.iter().filter(|piece| matches!(piece, Piece::Head(_))).count();
            assert_eq!(heads, 3, "pieces of {size}");
        }
    }

    #[test]
    fn what_is_no_rtsp_passes() {
        let long = vec![b'x'; HEAD_BYTES + 2000];
        let bytes = [&long[..], b"\r\n\r\n", SETUP.as_bytes()].concat();
        let passed = pieces(&bytes, 1000);
        assert_eq!(joined(&passed), bytes);
        assert!(passed.iter().all(|piece| matches!(piece, Piece::Opaque(_))));
        assert_eq!(joined(&pieces(b"\xff\xfe\r\n\r\nmore", 3)), b"\xff\xfe\r\n\r\nmore");
    }
}
