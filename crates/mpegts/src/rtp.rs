//! Transport streams in RTP (RFC 2250 2): packets whose payload is whole transport packets.

/// Payload type of a transport stream (RFC 3551 table 5).
const MP2T: u8 = 33;
/// Bytes of the fixed header (RFC 3550 5.1).
const HEADER_BYTES: usize = 12;

/// The transport packets in an RTP packet of payload type 33, without header, extension and padding.
///
/// None for everything else, transport packets that come without RTP among them: those begin with 0x47, which is another
/// version of RTP.
pub fn payload(datagram: &[u8]) -> Option<&[u8]> {
    let (header, rest) = datagram.split_first_chunk::<HEADER_BYTES>()?;
    if header[0] >> 6 != 2 || header[1] & 0x7F != MP2T {
        return None;
    }
    let mut rest = rest.get(usize::from(header[0] & 0x0F) * 4..)?;
    if header[0] & 0x10 != 0 {
        let (extension, behind) = rest.split_first_chunk::<4>()?;
        rest = behind.get(usize::from(u16::from_be_bytes([extension[2], extension[3]])) * 4..)?;
    }
    if header[0] & 0x20 != 0 {
        let padding = usize::from(*rest.last()?);
        rest = rest.get(..rest.len().checked_sub(padding)?)?;
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: [u8; 12] = [0x80, 0xA1, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];

    fn packet(first: u8, rest: &[u8]) -> Vec<u8> {
        let mut packet = [&HEADER[..], rest].concat();
        packet[0] = first;
        packet
    }

    #[test]
    fn what_is_around_the_payload_is_cut_off() {
        assert_eq!(payload(&packet(0x80, &[0x47, 1, 2])), Some(&[0x47, 1, 2][..]));
        assert_eq!(payload(&packet(0x81, &[9, 9, 9, 9, 0x47])), Some(&[0x47][..]));
        assert_eq!(payload(&packet(0x90, &[0, 0, 0, 1, 9, 9, 9, 9, 0x47])), Some(&[0x47][..]));
        assert_eq!(payload(&packet(0xA0, &[0x47, 7, 0, 2])), Some(&[0x47, 7][..]));
    }

    #[test]
    fn other_packets_are_not_taken() {
        assert_eq!(payload(&[0x47; 188]), None);
        let mut other = packet(0x80, &[1]);
        other[1] = 96;
        assert_eq!(payload(&other), None);
        for broken in [packet(0x8F, &[1]), packet(0x90, &[0, 0, 0, 9]), packet(0xA0, &[7]), packet(0xA0, &[])]
        {
            assert_eq!(payload(&broken), None);
        }
        assert_eq!(payload(&HEADER[..11]), None);
    }
}
