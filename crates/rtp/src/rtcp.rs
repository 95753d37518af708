//! RTCP (RFC 3550 6): sender and receiver reports, goodbyes, and the compound packets that carry them.
//!
//! Reading is lenient about what surrounds reports: any packet may come first or alone (RFC 5506), and what is not known
//! is passed over. Who may send what, and when, is the owner's matter.

mod ntp;

pub use ntp::NtpTime;

use crate::Error;

/// More messages in one compound packet than anybody has to say.
const MAX_MESSAGES: usize = 64;
/// Report blocks or sources in one message: a count of 5 bits (RFC 3550 6.4.1).
const MAX_COUNT: usize = 31;
/// A text in a source description has its length in 8 bits (RFC 3550 6.5).
const MAX_TEXT: usize = 255;

const VERSION: u8 = 2;
const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const BYE: u8 = 203;
/// The item of a source description that says which streams belong together (RFC 3550 6.5.1).
const CNAME: u8 = 1;

/// What a sender says of its stream (RFC 3550 6.4.1): a moment on its wall clock, and where the stream's clock was then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SenderReport {
    /// Whose stream.
    pub ssrc: u32,
    /// The moment on the sender's wall clock, or on any clock that all its streams share. 0 where it has none.
    pub ntp: NtpTime,
    /// The same moment in the stream's timestamps.
    pub rtp_timestamp: u32,
    /// Data packets sent so far. Wraps.
    pub packets: u32,
    /// Bytes of payload sent so far, without headers and padding. Wraps.
    pub octets: u32,
}

/// What a receiver says of a stream that it gets (RFC 3550 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ReportBlock {
    /// Whose stream.
    pub ssrc: u32,
    /// Packets lost since the report before, in 1/256 of those expected.
    pub fraction_lost: u8,
    /// Packets lost since the beginning, 24 bits with sign: duplicates count against it.
    pub lost: i32,
    /// The highest sequence number, with the number of times it has wrapped in the upper 16 bits.
    pub highest_sequence: u32,
    /// How much the distance of packets varies on the way, in ticks of the stream's clock.
    pub jitter: u32,
    /// The middle 32 bits of the NTP time of the last sender report ([`NtpTime::middle`]), 0 where there was none.
    pub last_sr: u32,
    /// Since that report came, in 1/65536 s.
    pub delay_since_last_sr: u32,
}

/// One packet of a compound packet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// From one who sends, with what it says of the streams that it receives.
    SenderReport(SenderReport, Vec<ReportBlock>),
    /// From one who only receives.
    ReceiverReport {
        /// Who says so.
        ssrc: u32,
        /// A block for each stream, at most 31.
        blocks: Vec<ReportBlock>,
    },
    /// Sources that end (RFC 3550 6.6), at most 31.
    Bye {
        /// Their SSRCs.
        ssrcs: Vec<u32>,
    },
    /// Anything else, by its packet type.
    Other(u8),
}

/// Reads a compound packet: a datagram, or the content of an interleaved frame. Some devices send a good report and
/// nonsense behind it; what was read before the nonsense stands.
///
/// # Errors
///
/// Already the first message cannot be read, or there are over 64.
pub fn decode(data: &[u8]) -> Result<Vec<Message>, Error> {
    let mut messages = Vec::new();
    let mut rest = data;
    while !rest.is_empty() {
        if messages.len() == MAX_MESSAGES {
            return Err(Error::Limit {
                what: "messages in an RTCP packet",
                value: MAX_MESSAGES as u64 + 1,
                limit: MAX_MESSAGES as u64,
            });
        }
        match message(rest) {
            Ok((message, behind)) => {
                messages.push(message);
                rest = behind;
            }
            Err(_) if !messages.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    if messages.is_empty() {
        return Err(Error::Truncated { what: "RTCP packet", len: 0 });
    }
    Ok(messages)
}

/// The first message, and what is behind it.
fn message(data: &[u8]) -> Result<(Message, &[u8]), Error> {
    let truncated = |what| Error::Truncated { what, len: data.len() };
    let Some(&[first, kind, l0, l1]) = data.first_chunk() else {
        return Err(truncated("RTCP header"));
    };
    if first >> 6 != VERSION {
        return Err(Error::Invalid {
            what: "RTCP header",
            field: "version",
            value: u64::from(first >> 6),
            expected: "2",
        });
    }
    // In words of 32 bits, less one (RFC 3550 6.4.1). Padding, of the last message alone, is inside and read by nobody.
    let len = 4 * usize::from(u16::from_be_bytes([l0, l1])) + 4;
    let (Some(body), Some(behind)) = (data.get(4..len), data.get(len..)) else {
        return Err(truncated("RTCP message"));
    };
    let mut body = Reader(body);
    let count = usize::from(first & 0x1f);
    let read = match kind {
        SENDER_REPORT => sender_report(&mut body, count),
        RECEIVER_REPORT => receiver_report(&mut body, count),
        BYE => bye(&mut body, count),
        other => Some(Message::Other(other)),
    };
    Ok((read.ok_or_else(|| truncated("RTCP report"))?, behind))
}

fn sender_report(body: &mut Reader<'_>, count: usize) -> Option<Message> {
    let report = SenderReport {
        ssrc: body.word()?,
        ntp: NtpTime(u64::from(body.word()?) << 32 | u64::from(body.word()?)),
        rtp_timestamp: body.word()?,
        packets: body.word()?,
        octets: body.word()?,
    };
    Some(Message::SenderReport(report, blocks(body, count)?))
}

fn receiver_report(body: &mut Reader<'_>, count: usize) -> Option<Message> {
    Some(Message::ReceiverReport { ssrc: body.word()?, blocks: blocks(body, count)? })
}

fn bye(body: &mut Reader<'_>, count: usize) -> Option<Message> {
    let ssrcs = (0..count).map(|_| body.word()).collect::<Option<_>>()?;
    Some(Message::Bye { ssrcs })
}

fn blocks(body: &mut Reader<'_>, count: usize) -> Option<Vec<ReportBlock>> {
    (0..count).map(|_| block(body)).collect()
}

fn block(body: &mut Reader<'_>) -> Option<ReportBlock> {
    let (ssrc, losses) = (body.word()?, body.word()?);
    Some(ReportBlock {
        ssrc,
        fraction_lost: (losses >> 24) as u8,
        lost: (losses << 8) as i32 >> 8,
        highest_sequence: body.word()?,
        jitter: body.word()?,
        last_sr: body.word()?,
        delay_since_last_sr: body.word()?,
    })
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn word(&mut self) -> Option<u32> {
        let (word, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*word))
    }
}

/// A compound packet of a sender: its report with at most 31 blocks, and its CNAME, of which 255 bytes are sent.
pub fn encode_sender_report(report: &SenderReport, blocks: &[ReportBlock], cname: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let blocks = blocks.get(..MAX_COUNT).unwrap_or(blocks);
    put_message(&mut out, SENDER_REPORT, blocks.len(), |out| {
        put_words(
            out,
            &[
                report.ssrc,
                (report.ntp.0 >> 32) as u32,
                report.ntp.0 as u32,
                report.rtp_timestamp,
                report.packets,
                report.octets,
            ],
        );
        put_blocks(out, blocks);
    });
    put_cname(&mut out, report.ssrc, cname);
    out
}

/// A compound packet of one who only receives and has the name `ssrc` itself: at most 31 blocks, and its CNAME, of which
/// 255 bytes are sent.
pub fn encode_receiver_report(ssrc: u32, blocks: &[ReportBlock], cname: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let blocks = blocks.get(..MAX_COUNT).unwrap_or(blocks);
    put_message(&mut out, RECEIVER_REPORT, blocks.len(), |out| {
        put_words(out, &[ssrc]);
        put_blocks(out, blocks);
    });
    put_cname(&mut out, ssrc, cname);
    out
}

/// A compound packet in which `ssrc` says goodbye. A report without blocks leads it, for a compound packet has to begin with
/// a report (RFC 3550 6.1).
pub fn encode_bye(ssrc: u32, cname: &str) -> Vec<u8> {
    let mut out = encode_receiver_report(ssrc, &[], cname);
    put_message(&mut out, BYE, 1, |out| put_words(out, &[ssrc]));
    out
}

/// A message whose content is a whole number of words.
fn put_message(out: &mut Vec<u8>, kind: u8, count: usize, content: impl FnOnce(&mut Vec<u8>)) {
    let mut body = Vec::new();
    content(&mut body);
    out.extend([VERSION << 6 | count as u8, kind]);
    // At most 31 blocks or one text: far from 16 bits.
    out.extend(((body.len() / 4) as u16).to_be_bytes());
    out.extend(body);
}

fn put_words(out: &mut Vec<u8>, words: &[u32]) {
    out.extend(words.iter().flat_map(|word| word.to_be_bytes()));
}

fn put_blocks(out: &mut Vec<u8>, blocks: &[ReportBlock]) {
    for block in blocks {
        // The sum stays at its limits (RFC 3550 6.4.1: it is clamped, not wrapped).
        let lost = block.lost.clamp(-0x80_0000, 0x7f_ffff) as u32 & 0xff_ffff;
        put_words(
            out,
            &[
                block.ssrc,
                u32::from(block.fraction_lost) << 24 | lost,
                block.highest_sequence,
                block.jitter,
                block.last_sr,
                block.delay_since_last_sr,
            ],
        );
    }
}

/// A source description with the one item that must be there (RFC 3550 6.5).
fn put_cname(out: &mut Vec<u8>, ssrc: u32, cname: &str) {
    let cname = (0..=MAX_TEXT.min(cname.len())).rev().find_map(|len| cname.get(..len)).unwrap_or_default();
    put_message(out, SOURCE_DESCRIPTION, 1, |out| {
        put_words(out, &[ssrc]);
        out.extend([CNAME, cname.len() as u8]);
        out.extend(cname.as_bytes());
        // One zero at least ends the list, and more fill the word.
        out.resize((out.len() / 4 + 1) * 4, 0);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REPORT: SenderReport = SenderReport {
        ssrc: 0x0102_0304,
        ntp: NtpTime(0x1111_1111_8000_0000),
        rtp_timestamp: 90_000,
        packets: 7,
        octets: 700,
    };
    const BLOCK: ReportBlock = ReportBlock {
        ssrc: 9,
        fraction_lost: 25,
        lost: -2,
        highest_sequence: 0x1_0005,
        jitter: 33,
        last_sr: 0x1111_8000,
        delay_since_last_sr: 65_536,
    };

    #[test]
    fn a_sender_report_on_the_wire() {
        let wire = encode_sender_report(&REPORT, &[BLOCK], "me");
        let expected: [&[u8]; 4] = [
            &[0x81, 200, 0, 12, 1, 2, 3, 4, 0x11, 0x11, 0x11, 0x11, 0x80, 0, 0, 0],
            &[0, 1, 0x5f, 0x90, 0, 0, 0, 7, 0, 0, 2, 0xbc],
            &[0, 0, 0, 9, 25, 0xff, 0xff, 0xfe, 0, 1, 0, 5, 0, 0, 0, 33, 0x11, 0x11, 0x80, 0, 0, 1, 0, 0],
            &[0x81, 202, 0, 3, 1, 2, 3, 4, 1, 2, b'm', b'e', 0, 0, 0, 0],
        ];
        assert_eq!(wire, expected.concat());
        assert_eq!(decode(&wire).unwrap(), [Message::SenderReport(REPORT, vec![BLOCK]), Message::Other(202)]);
    }

    #[test]
    fn a_goodbye_is_led_by_a_report() {
        let read = decode(&encode_bye(5, "a name of eleven")).unwrap();
        let report = Message::ReceiverReport { ssrc: 5, blocks: vec![] };
        assert_eq!(read, [report, Message::Other(202), Message::Bye { ssrcs: vec![5] }]);
    }

    #[test]
    fn too_much_is_cut_off() {
        let name = "ä".repeat(200);
        let wire = encode_receiver_report(1, &[BLOCK; 40], &name);
        let read = decode(&wire).unwrap();
        assert!(matches!(&read[0], Message::ReceiverReport { blocks, .. } if blocks.len() == 31));
        assert_eq!(read[1], Message::Other(202));
        let many = ReportBlock { lost: i32::MAX, ..BLOCK };
        let read = decode(&encode_receiver_report(1, &[many], "")).unwrap();
        assert!(matches!(&read[0], Message::ReceiverReport { blocks, .. } if blocks[0].lost == 0x7f_ffff));
    }

    #[test]
    fn a_report_is_not_lost_by_the_nonsense_behind_it() {
        let mut wire = encode_sender_report(&REPORT, &[], "me");
        wire.extend([0x81, 203, 0, 9]);
        assert_eq!(decode(&wire).unwrap().len(), 2);
        wire.extend([0; 36]);
        assert_eq!(decode(&wire).unwrap()[2], Message::Bye { ssrcs: vec![0] });
    }

    #[test]
    fn what_is_no_report_is_refused() {
        assert!(matches!(decode(&[]), Err(Error::Truncated { len: 0, .. })));
        assert!(matches!(decode(&[0x80, 200, 0]), Err(Error::Truncated { .. })));
        assert!(matches!(decode(&[0x40, 200, 0, 0]), Err(Error::Invalid { field: "version", value: 1, .. })));
        // Shorter than the fixed part, and than its count says.
        assert!(matches!(decode(&[0x80, 200, 0, 1, 0, 0, 0, 0]), Err(Error::Truncated { .. })));
        assert!(matches!(decode(&[0x81, 201, 0, 1, 0, 0, 0, 0]), Err(Error::Truncated { .. })));
        assert!(matches!(decode(&[0x80, 204, 0, 0].repeat(65)), Err(Error::Limit { value: 65, .. })));
        assert_eq!(decode(&[0x80, 204, 0, 0].repeat(64)).unwrap().len(), 64);
    }

    fn any_block() -> impl Strategy<Value = ReportBlock> {
        let numbers =
            (any::<u32>(), any::<u8>(), -0x80_0000..0x80_0000, any::<u32>(), any::<u32>(), any::<u32>());
        (numbers, any::<u32>()).prop_map(
            |((ssrc, fraction_lost, lost, highest_sequence, jitter, last_sr), delay)| ReportBlock {
                ssrc,
                fraction_lost,
                lost,
                highest_sequence,
                jitter,
                last_sr,
                delay_since_last_sr: delay,
            },
        )
    }

    proptest! {
        #[test]
        fn reports_survive_the_round_trip(
            (ssrc, ntp, rtp_timestamp, packets, octets) in any::<(u32, u64, u32, u32, u32)>(),
            blocks in proptest::collection::vec(any_block(), 0..=31),
            cname in ".{0,40}",
        ) {
            let report = SenderReport { ssrc, ntp: NtpTime(ntp), rtp_timestamp, packets, octets };
            let read = decode(&encode_sender_report(&report, &blocks, &cname)).unwrap();
            prop_assert_eq!(read, [Message::SenderReport(report, blocks.clone()), Message::Other(202)]);
            let read = decode(&encode_receiver_report(ssrc, &blocks, &cname)).unwrap();
            prop_assert_eq!(read, [Message::ReceiverReport { ssrc, blocks }, Message::Other(202)]);
        }

        #[test]
        fn any_bytes_are_taken(data in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&data);
        }

        #[test]
        fn damaged_reports_are_taken(damage in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..6)) {
            let mut wire = encode_sender_report(&REPORT, &[BLOCK], "me");
            wire.extend(encode_bye(5, "me"));
            for (at, value) in damage {
                let at = at % wire.len();
                wire[at] = value;
            }
            let most = wire.len() / 4;
            prop_assert!(decode(&wire).is_ok_and(|read| read.len() <= most) || decode(&wire).is_err());
        }
    }
}
