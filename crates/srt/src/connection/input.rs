//! What comes from the peer.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::receive::Arrival;
use super::{Connection, MAX_PAYLOAD_BYTES, Reason};
use crate::packet::{Ack, Body, Control, Data, LossList, Packet, encode_loss};
use crate::{Error, Sequence};

impl Connection {
    /// A datagram from the peer. An error says why it was left out; the connection goes on as it was.
    pub fn handle_packet(&mut self, now: Duration, datagram: &[u8]) -> Result<(), Error> {
        self.advance(now);
        if self.closed.is_some() {
            return Ok(());
        }
        let packet = Packet::decode(datagram).and_then(|packet| {
            if packet.destination == self.socket {
                Ok(packet)
            } else {
                Err(Error::malformed("packet", 12, "for another socket"))
            }
        });
        let result = packet.and_then(|packet| match packet.body {
            Body::Data(data) => self.data(packet.timestamp, &data),
            Body::Control(control) => self.control(packet.timestamp, control),
        });
        match result {
            Ok(()) => self.heard = self.now,
            Err(_) => self.stats.pkt_malformed += 1,
        }
        self.tick();
        result
    }

    fn control(&mut self, timestamp: u32, control: Control<'_>) -> Result<(), Error> {
        match control {
            Control::Ack(ack) => self.ack(&ack),
            Control::Nak(list) => self.nak(list),
            Control::AckAck(number) => {
                if let Some(sample) = self.arrivals.answered(self.now, number) {
                    self.rtt.measure(sample);
                    self.delivery.note_drift(self.now, timestamp, sample);
                }
            }
            Control::DropRequest { first, last, .. } => {
                self.receive.give_up(first, last);
                self.arrivals.wake(self.now);
            }
            Control::Shutdown => self.end(Reason::Peer),
            Control::KeyMaterial { response: false, content } => self.take_keys(content),
            Control::KeyMaterial { response: true, content } => self.confirm_keys(content),
            // A handshake is a repetition of what led here.
            Control::Handshake(_)
            | Control::KeepAlive
            | Control::Congestion
            | Control::PeerError(_)
            | Control::Other { .. } => {}
        }
        Ok(())
    }

    fn data(&mut self, timestamp: u32, data: &Data<'_>) -> Result<(), Error> {
        let bytes = data.payload.len();
        if bytes == 0 || bytes > MAX_PAYLOAD_BYTES {
            return Err(Error::Payload { value: bytes, limit: MAX_PAYLOAD_BYTES });
        }
        self.stats.pkt_recv += 1;
        self.stats.byte_recv += bytes as u64;
        self.stats.pkt_rcv_retrans += u64::from(data.retransmitted);
        self.arrivals.note(self.now, bytes);
        let due = self.delivery.due(self.now, timestamp);
        let arrival = match self.receive.wants(data.sequence) {
            Err(arrival) => arrival,
            Ok(_) => match self.open(data) {
                Some(payload) => self.receive.push(self.now, data.sequence, data.retransmitted, due, payload),
                None => {
                    self.stats.pkt_rcv_undecrypt += 1;
                    return Ok(());
                }
            },
        };
        match arrival {
            Arrival::Kept => {}
            Arrival::Gap(first, last) => {
                self.stats.pkt_rcv_loss += last.plus(1).since(first).unsigned_abs() as u64;
            }
            Arrival::Jump(skipped) => {
                self.stats.pkt_rcv_loss += u64::from(skipped);
                self.stats.pkt_rcv_drop += u64::from(skipped);
            }
            Arrival::Belated => self.stats.pkt_rcv_belated += 1,
            Arrival::NoRoom => self.stats.pkt_rcv_no_room += 1,
        }
        self.stats.pkt_recv_unique += u64::from(!matches!(arrival, Arrival::Belated | Arrival::NoRoom));
        Ok(())
    }

    /// The payload in the clear; none where it is not encrypted as was agreed.
    fn open(&mut self, data: &Data<'_>) -> Option<Bytes> {
        match (&mut self.crypto, data.key) {
            (None, None) => Some(Bytes::copy_from_slice(data.payload)),
            (Some(crypto), Some(parity)) => {
                let mut payload = BytesMut::from(data.payload);
                let is_open =
                    crypto.receive.decrypt(parity, data.sequence, self.receive.next(), &mut payload);
                is_open.then(|| payload.freeze())
            }
            _ => None,
        }
    }

    fn ack(&mut self, ack: &Ack) {
        self.stats.pkt_recv_ack += 1;
        self.send.confirm(ack.next);
        if let Some(details) = ack.details {
            self.rtt.note(details.rtt_us, details.rtt_variance_us);
            self.room = usize::try_from(details.room).unwrap_or(usize::MAX);
        }
        if ack.number != 0 {
            self.tell(Control::AckAck(ack.number));
        }
    }

    fn nak(&mut self, list: LossList<'_>) {
        self.stats.pkt_recv_nak += 1;
        // What was sent again may be lost again, and the peer has the less time for it the later we believe it.
        let lost = self.send.note_lost(self.now, list, self.rtt.shortest());
        self.stats.pkt_snd_loss += lost.packets;
        if let Some((first, last)) = lost.dropped {
            self.tell(Control::DropRequest { message: 0, first, last });
        }
    }

    /// Tells the peer what is missing.
    pub(super) fn report(&mut self, ranges: impl IntoIterator<Item = (Sequence, Sequence)>) {
        let bytes = encode_loss(ranges);
        if let Ok(list) = LossList::decode(&bytes)
            && !bytes.is_empty()
        {
            self.stats.pkt_sent_nak += 1;
            self.tell(Control::Nak(list));
        }
    }
}
