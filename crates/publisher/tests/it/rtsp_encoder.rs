//! An encoder that publishes the testkit's clip by RTSP, in real time and for ever, through a network as the test wants it.

use std::net::SocketAddr;
use std::time::Duration;

use media::{Frame, TimeDelta, Timestamp};
use rtp::rtcp::{self, NtpTime, SenderReport};
use rtp::{Format, Header, Packet, Packetizer};
use rtsp::sdp;
use tokio::task::JoinHandle;

use crate::rtsp_client::{Client, Ports, interleaved};

/// Bytes of a payload at most: few, so that pictures have several.
pub(crate) const PAYLOAD_BYTES: usize = 32;
/// Unix second of the encoder's clock at its start.
const CLOCK_S: i64 = 1_900_000_000;

/// What happens to the packets of a frame on the way: which is the place of the frame in the clip.
pub(crate) type Network = Box<dyn FnMut(&Frame, usize, Vec<Packet>) -> Vec<Packet> + Send>;

/// Does nothing.
pub(crate) fn good() -> Network {
    Box::new(|_, _, packets| packets)
}

/// How it goes about it.
pub(crate) struct Plan {
    pub(crate) udp: bool,
    pub(crate) network: Network,
    /// How much later the sound is sent than it is due.
    pub(crate) sound_late: Duration,
    /// Frames after which it falls silent and holds its connection.
    pub(crate) frames: usize,
}

impl Plan {
    pub(crate) fn new(udp: bool) -> Self {
        Self { udp, network: good(), sound_late: Duration::ZERO, frames: usize::MAX }
    }
}

/// A running encoder; its connection ends with it.
pub(crate) struct Encoder {
    sending: JoinHandle<()>,
    /// The server's ports for the tracks, over UDP.
    pub(crate) server: Vec<[SocketAddr; 2]>,
    /// The sources of its tracks.
    pub(crate) ssrcs: [u32; 2],
}

impl Drop for Encoder {
    fn drop(&mut self) {
        self.sending.abort();
    }
}

/// The description of the clip.
pub(crate) fn description() -> String {
    let clip = testkit::clip();
    let media = clip.tracks.iter().enumerate().map(|(place, track)| {
        let format = Format::of(&track.codec, 96 + place as u8).expect("a format");
        let kind = if place == 0 { sdp::Kind::Video } else { sdp::Kind::Audio };
        let Format { payload_type, encoding, clock_rate, channels, fmtp } = format;
        let format = sdp::Format { payload_type, encoding, clock_rate, channels, fmtp };
        let control = Some(format!("streamid={place}"));
        sdp::Media { kind, protocol: "RTP/AVP".to_owned(), formats: vec![format], control }
    });
    sdp::Description { name: "clip".to_owned(), control: None, media: media.collect() }.render(1)
}

/// A track as it is sent.
struct Out {
    packetizer: Packetizer,
    rate: u32,
    ssrc: u32,
    /// Timestamp of the clip's beginning.
    zero: u32,
    next: u16,
    channel: u8,
    /// Ours, and the server's.
    ports: Option<(Ports, [SocketAddr; 2])>,
}

impl Encoder {
    /// Announces, sets up and records over a connection. The stream is to take what it announces.
    pub(crate) async fn start(mut client: Client, plan: Plan) -> Self {
        client.send("ANNOUNCE", "", &[], &description()).await;
        client.answer().await.done();
        Self::record(client, plan).await
    }

    /// The same of what was announced.
    pub(crate) async fn record(mut client: Client, plan: Plan) -> Self {
        let clip = testkit::clip();
        let mut tracks = Vec::new();
        for (place, track) in clip.tracks.iter().enumerate() {
            let pair = if plan.udp { Some(Ports::bind().await) } else { None };
            let offer = pair.as_ref().map_or_else(|| interleaved(2 * place), Ports::offer);
            let offer = format!("{offer};mode=record");
            let answer = client.ask("SETUP", &format!("/streamid={place}"), &[("Transport", &offer)]).await;
            let answer = answer.done();
            let session = answer.header("Session");
            client.session = Some(session.split(';').next().unwrap_or_default().to_owned());
            let ports = pair.map(|pair| {
                let (rtp, rtcp) = answer.ports("server_port=");
                (pair, [rtp, rtcp].map(|port| SocketAddr::from(([127, 0, 0, 1], port))))
            });
            let packetizer = Packetizer::new(&track.codec, PAYLOAD_BYTES).expect("a format");
            let rate = Format::of(&track.codec, 96).expect("a format").clock_rate;
            let (ssrc, zero) = ([0x1111, 0x2222][place], [u32::MAX - 100_000, 77][place]);
            let channel = 2 * place as u8;
            tracks.push(Out { packetizer, rate, ssrc, zero, next: 65_500, channel, ports });
        }
        client.ask("RECORD", "", &[("Range", "npt=0.000-")]).await.done();
        let server = tracks.iter().filter_map(|track| Some(track.ports.as_ref()?.1)).collect();
        let ssrcs = [tracks[0].ssrc, tracks[1].ssrc];
        Self { sending: tokio::spawn(send(client, tracks, plan)), server, ssrcs }
    }
}

async fn send(mut client: Client, mut tracks: Vec<Out>, mut plan: Plan) {
    for track in &mut tracks {
        let report = SenderReport {
            ssrc: track.ssrc,
            ntp: NtpTime::from_unix(Timestamp::from_scale(CLOCK_S, 1)),
            rtp_timestamp: track.zero,
            packets: 0,
            octets: 0,
        };
        if !track.send(&mut client, true, &rtcp::encode_sender_report(&report, &[], "encoder")).await {
            return;
        }
    }
    let started = tokio::time::Instant::now();
    let mut frames = Vec::new();
    let clip = testkit::clip();
    for (place, frame) in clip.frames.iter().enumerate() {
        let late = if frame.track == media::TrackId::AUDIO { plan.sound_late } else { Duration::ZERO };
        frames.push(((frame.dts - Timestamp::ZERO).to_duration() + late, place, frame.clone()));
    }
    frames.sort_by_key(|(due, place, _)| (*due, *place));
    let mut sent = 0;
    for round in 0.. {
        for (due, place, frame) in &frames {
            if sent == plan.frames {
                return std::future::pending().await;
            }
            sent += 1;
            tokio::time::sleep_until(started + clip.duration.times(round).to_duration() + *due).await;
            let track = &mut tracks[usize::from(frame.track == media::TrackId::AUDIO)];
            let packets = track.packets(frame, clip.duration.times(round));
            let of_kind = clip.frames[..*place].iter().filter(|other| other.track == frame.track).count();
            for packet in (plan.network)(frame, of_kind, packets) {
                if !track.send(&mut client, false, &packet.encode()).await {
                    return;
                }
            }
        }
    }
}

impl Out {
    fn packets(&mut self, frame: &Frame, shift: TimeDelta) -> Vec<Packet> {
        let shown = (frame.pts + shift - Timestamp::ZERO).to_scale(self.rate);
        let timestamp = self.zero.wrapping_add(shown as u32);
        let mut packets = Vec::new();
        let Self { packetizer, next, ssrc, channel, .. } = self;
        packetizer.pack(&frame.data, frame.key, &mut |payload| {
            let header = Header {
                marker: payload.marker,
                payload_type: 96 + *channel / 2,
                sequence: *next,
                timestamp: timestamp.wrapping_add(payload.offset),
                ssrc: *ssrc,
            };
            *next = next.wrapping_add(1);
            packets.push(Packet { header, payload: payload.parts.concat().into() });
        });
        packets
    }

    async fn send(&mut self, client: &mut Client, is_report: bool, bytes: &[u8]) -> bool {
        match &self.ports {
            None => client.interleave(self.channel + u8::from(is_report), bytes).await,
            Some((ours, theirs)) => {
                let socket = if is_report { &ours.rtcp } else { &ours.rtp };
                // Nobody may be there any more.
                let _ = socket.send_to(bytes, theirs[usize::from(is_report)]).await;
                true
            }
        }
    }
}
