//! RTCP packets.

use media::TimeDelta;
use rtp::rtcp::{Message, NtpTime, decode, encode_receiver_report, encode_sender_report};

/// What comes on a channel or port for reports.
///
/// - There are no more messages than the bytes have room for.
/// - Reports are the same when they are written and read again.
/// - Times of senders survive the way to Unix time and back, to the tick that they are rounded to.
pub fn rtcp(data: &[u8]) {
    let Ok(messages) = decode(data) else { return };
    assert!((1..=data.len() / 4).contains(&messages.len()), "{} messages", messages.len());
    for message in messages {
        let again = match &message {
            Message::SenderReport(report, blocks) => {
                let again = NtpTime::from_unix(report.ntp.to_unix());
                assert!(again.since(report.ntp).abs() <= TimeDelta::from_ticks(1), "{report:?}");
                encode_sender_report(report, blocks, "name")
            }
            Message::ReceiverReport { ssrc, blocks } => encode_receiver_report(*ssrc, blocks, "name"),
            _ => continue,
        };
        let read = decode(&again).expect("what was read before");
        assert_eq!((read.first(), read.len()), (Some(&message), 2));
    }
}
