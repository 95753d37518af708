//! RTSP publishers: from the packets of their tracks to the hub.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hub::Pushed;
use media::timeline::{Arrival, SourceClock};
use media::{Kind, TICKS_PER_SECOND, TimeDelta, Timestamp, TrackId};
use packager::rtp::CNAME;
use rtp::receive::{Limits, Receiver, Restart};
use rtp::rtcp::{self, Message};
use rtp::sync::{Stamp, Sync, USUAL_WAIT};
use rtp::{DecodeTimes, Depacketizer, Format, Media, Packet};
use rtsp::sdp::{self, Description};

use super::intake::{Delivered, Intake, Unit};
use crate::rung::Rung;
use crate::session::{Reception, Session};

/// The clock of what goes to the hub: the house's own, so that nothing is rounded.
pub(crate) const CLOCK: SourceClock = SourceClock { scale: TICKS_PER_SECOND as u32, bits: 64 };
/// The common time of the tracks begins near the monotonic time of the program; what came before it is not negative then.
const ZERO: TimeDelta = TimeDelta::from_secs(1 << 20);
/// Access units that may wait for the clocks of the tracks to be known, and their bytes.
const MAX_WAITING: usize = 4000;
const MAX_WAITING_BYTES: usize = 32 << 20;

/// The tracks of a publication, and how their clocks belong together.
pub(crate) struct Demux {
    /// By their places in the description; none is one that we cannot read.
    tracks: Vec<Option<Track>>,
    sync: Sync,
    /// Access units whose time is not known yet.
    waiting: VecDeque<(usize, Stamp, Picture)>,
    waiting_bytes: usize,
    intake: Intake,
    /// What is to be told of it.
    damaged: Option<String>,
}

struct Track {
    id: TrackId,
    format: Format,
    receiver: Receiver,
    depacketizer: Depacketizer,
    /// Of pictures: what makes decode times of their times.
    decode_times: Option<DecodeTimes<Picture>>,
    /// Of sound: its first access unit, until another one has come.
    first: Option<(u32, Picture)>,
    begun: bool,
    /// Of the last report.
    lost: u64,
    expected: u64,
}

/// An access unit without its time.
struct Picture {
    key: bool,
    data: Bytes,
}

impl Demux {
    /// Whether any track of a description can be read; else why none can.
    pub(crate) fn can_read(description: &Description) -> Result<(), String> {
        let mut reasons = Vec::new();
        for media in &description.media {
            match read(media) {
                Ok(_) => return Ok(()),
                Err(why) => reasons.push(why),
            }
        }
        match reasons.is_empty() {
            true => Err("its description has no track".to_owned()),
            false => Err(reasons.join("; ")),
        }
    }

    /// What of the description can be read goes to the hub by `feed`; of the rest `rung` is told.
    pub(crate) fn new(description: &Description, feed: Arc<hub::Feed>, rung: &Rung) -> Self {
        let mut intake = Intake::new(feed);
        let mut tracks = Vec::new();
        for (place, media) in description.media.iter().enumerate() {
            match read(media) {
                Ok((format, depacketizer)) => tracks.push(Some(Track::new(place, format, depacketizer))),
                Err(why) => {
                    rung.set_unsupported(&why);
                    tracks.push(None);
                }
            }
        }
        // What a description says of a codec is known before the first packet: the first frames wait for all tracks.
        for track in tracks.iter_mut().flatten() {
            if let Some(codec) = track.format.codec() {
                intake.track(track.id, codec);
            }
        }
        let rate = |track: &Option<Track>| track.as_ref().map_or(1, |track| track.format.clock_rate);
        let rates: Vec<u32> = tracks.iter().map(rate).collect();
        let is_video = |track: &Option<Track>| {
            track.as_ref().is_some_and(|track| track.format.kind() == Some(Kind::Video))
        };
        let leader = tracks.iter().position(is_video).unwrap_or(0);
        Self {
            tracks,
            sync: Sync::new(&rates, leader, USUAL_WAIT),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            intake,
            damaged: None,
        }
    }

    /// The track comes over a connection, which keeps the order.
    pub(crate) fn set_ordered(&mut self, track: usize) {
        if let Some(track) = self.track(track) {
            track.receiver = Receiver::new(track.format.clock_rate, Limits::ordered());
        }
    }

    fn track(&mut self, track: usize) -> Option<&mut Track> {
        self.tracks.get_mut(track)?.as_mut()
    }

    /// Takes a packet of a track.
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn packet(&mut self, now: Arrival, place: usize, data: Bytes) -> Result<(), rtp::Error> {
        let Some(track) = self.track(place) else { return Ok(()) };
        let packet = Packet::decode(data)?;
        // Of another format, as comfort noise or what a sender calls to mind: not for the one that was announced.
        if packet.header.payload_type == track.format.payload_type {
            track.receiver.push(now.mono, packet);
            self.receive(now, place);
        }
        Ok(())
    }

    /// Takes the time: packets that have waited long enough for others go on.
    pub(crate) fn handle_timeout(&mut self, now: Arrival) {
        for place in 0..self.tracks.len() {
            self.receive(now, place);
        }
    }

    /// When it is to be called again at the latest.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let tracks = self.tracks.iter().flatten().filter_map(|track| track.receiver.deadline());
        tracks.chain(self.sync.deadline()).min()
    }

    /// Takes the packets that are in order.
    fn receive(&mut self, now: Arrival, place: usize) {
        let Some(track) = self.tracks.get_mut(place).and_then(Option::as_mut) else { return };
        while let Some(received) = track.receiver.poll(now.mono) {
            if received.restart == Some(Restart::Source) {
                self.sync.restart(place);
            }
            track.depacketizer.push(&received.packet, received.is_behind_hole());
            while let Some(media) = track.depacketizer.poll() {
                match media {
                    Media::Codec(codec) => {
                        if let Some(times) = &mut track.decode_times {
                            times.set_depth(codec.reorder_depth());
                        }
                        self.intake.track(track.id, codec);
                    }
                    Media::Unit { timestamp, key, data } => {
                        for (timestamp, picture) in track.begin(timestamp, Picture { key, data }) {
                            let stamp = self.sync.arrive(now.mono, place, timestamp);
                            self.waiting_bytes += picture.data.len();
                            self.waiting.push_back((place, stamp, picture));
                        }
                    }
                    Media::Damaged { what } => self.damaged = Some(what.to_string()),
                    _ => {}
                }
            }
        }
    }

    /// Takes reports of the sender of a track.
    pub(crate) fn reports(&mut self, now: Arrival, place: usize, data: &[u8]) {
        let Some(track) = self.tracks.get_mut(place).and_then(Option::as_mut) else { return };
        for message in rtcp::decode(data).unwrap_or_default() {
            let Message::SenderReport(report, _) = message else { continue };
            // Of another sender it says nothing about this one; before the first packet nobody knows better.
            if track.receiver.ssrc().is_none_or(|ssrc| ssrc == report.ssrc) {
                track.receiver.note_sender_report(now.mono, &report);
                self.sync.report(now.mono, place, &report);
            }
        }
    }

    /// Gives to the hub what has a time; `rung` is told of what is noteworthy.
    pub(crate) fn deliver(&mut self, now: Arrival, rung: &Rung) -> Delivered {
        if let Some(damaged) = self.damaged.take() {
            rung.set_damaged(now.mono, &damaged);
        }
        let mut delivered = Delivered::default();
        let is_over =
            |demux: &Self| demux.waiting.len() > MAX_WAITING || demux.waiting_bytes > MAX_WAITING_BYTES;
        let mut still = VecDeque::new();
        while let Some((place, stamp, picture)) = self.waiting.pop_front() {
            let time = self.sync.time(now.mono, stamp);
            let Some(time) = time else {
                if is_over(self) {
                    self.waiting_bytes -= picture.data.len();
                } else {
                    still.push_back((place, stamp, picture));
                }
                continue;
            };
            self.waiting_bytes -= picture.data.len();
            self.push(now, rung, place, time, picture, &mut delivered);
        }
        self.waiting = still;
        delivered
    }

    fn push(
        &mut self,
        now: Arrival,
        rung: &Rung,
        place: usize,
        time: Timestamp,
        picture: Picture,
        delivered: &mut Delivered,
    ) {
        let Some(track) = self.tracks.get_mut(place).and_then(Option::as_mut) else { return };
        let (id, intake) = (track.id, &mut self.intake);
        let mut give = |dts: Timestamp, pts: Timestamp, picture: Picture| {
            let dts_ticks = u64::try_from((dts + ZERO).ticks()).unwrap_or(0);
            let cts = (pts - dts).ticks();
            let Picture { key, data } = picture;
            delivered.units += 1;
            match intake.unit(now, Unit { track: id, dts: dts_ticks, cts, key, data }) {
                Pushed::Refused => delivered.taken_over = true,
                pushed => rung.note_pushed(pushed),
            }
        };
        match &mut track.decode_times {
            None => give(time, time, picture),
            Some(times) => {
                times.push(time, picture);
                while let Some(timed) = times.poll() {
                    give(timed.dts, timed.pts, timed.item);
                }
            }
        }
    }

    /// What has arrived of each track, for its sender; the session is told too.
    pub(crate) fn report(&mut self, now: Duration, ssrc: u32, session: &Session) -> Vec<(usize, Vec<u8>)> {
        let mut reports = Vec::new();
        for (place, track) in self.tracks.iter_mut().enumerate() {
            let Some(track) = track else { continue };
            session.note_reception(place, track.reception());
            if let Some(block) = track.receiver.report(now) {
                reports.push((place, rtcp::encode_receiver_report(ssrc, &[block], CNAME)));
            }
        }
        reports
    }
}

impl Track {
    fn new(place: usize, format: Format, depacketizer: Depacketizer) -> Self {
        let depth = format.codec().and_then(|codec| codec.reorder_depth());
        let is_video = format.kind() == Some(Kind::Video);
        Self {
            // A description has a few tracks only.
            id: TrackId(place as u16),
            receiver: Receiver::new(format.clock_rate, Limits::default()),
            decode_times: is_video.then(|| DecodeTimes::new(depth)),
            format,
            depacketizer,
            first: None,
            begun: is_video,
            lost: 0,
            expected: 0,
        }
    }

    /// What goes on now that this has come. Two access units of sound cannot begin at once, but some senders stamp the first so:
    /// what an encoder puts before the sound (its priming), cut off by the file that it came from. It is left out.
    fn begin(&mut self, timestamp: u32, picture: Picture) -> impl Iterator<Item = (u32, Picture)> + use<> {
        let before = match self.begun {
            true => None,
            false => self.first.take().filter(|(first, _)| *first != timestamp),
        };
        self.begun |= before.is_some();
        let this = match self.begun {
            true => Some((timestamp, picture)),
            false => {
                self.first = Some((timestamp, picture));
                None
            }
        };
        before.into_iter().chain(this)
    }

    /// How its packets arrive, since this was asked last.
    fn reception(&mut self) -> Reception {
        let stats = self.receiver.stats();
        let expected = stats.packets + stats.lost;
        let (lost_now, expected_now) = (stats.lost - self.lost, expected - self.expected);
        (self.lost, self.expected) = (stats.lost, expected);
        let fraction_lost = if expected_now == 0 { 0.0 } else { lost_now as f32 / expected_now as f32 };
        Reception { packets_lost: stats.lost, fraction_lost, jitter: stats.jitter }
    }
}

/// How the packets of a track are to be read, or why we cannot, as a sentence.
fn read(media: &sdp::Media) -> Result<(Format, Depacketizer), String> {
    let Some(format) = media.formats.first() else {
        return Err(format!("a track of {} has no format", Shown(&media.kind)));
    };
    let sdp::Format { payload_type, encoding, clock_rate, channels, fmtp } = format;
    if encoding.is_empty() || *clock_rate == 0 {
        return Err(format!("payload type {payload_type} has no name and clock rate (a=rtpmap)"));
    }
    let format = Format {
        payload_type: *payload_type,
        encoding: encoding.clone(),
        clock_rate: *clock_rate,
        channels: *channels,
        fmtp: fmtp.clone(),
    };
    match Depacketizer::new(&format) {
        Ok(depacketizer) => Ok((format, depacketizer)),
        Err(unsupported) => Err(unsupported.to_string()),
    }
}

/// The kind of a medium for a sentence.
struct Shown<'a>(&'a sdp::Kind);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            sdp::Kind::Audio => f.write_str("sound"),
            sdp::Kind::Video => f.write_str("pictures"),
            sdp::Kind::Other(name) => name.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What goes on of sound that is stamped so.
    fn goes_on(stamps: &[u32]) -> Vec<(u32, u8)> {
        let format = Format::of_rtpmap(96, "opus/48000/2", "").expect("a format");
        let depacketizer = Depacketizer::new(&format).expect("it is read");
        let mut track = Track::new(0, format, depacketizer);
        let picture = |number| Picture { key: true, data: vec![number as u8].into() };
        let begun =
            stamps.iter().enumerate().flat_map(|(number, &stamp)| track.begin(stamp, picture(number)));
        begun.map(|(stamp, picture)| (stamp, picture.data[0])).collect()
    }

    #[test]
    fn sound_that_begins_twice_at_once_begins_with_the_later() {
        assert_eq!(goes_on(&[960, 1920, 2880]), [(960, 0), (1920, 1), (2880, 2)]);
        assert_eq!(goes_on(&[960, 960, 1920]), [(960, 1), (1920, 2)], "as rtspclientsink stamps AAC");
        assert_eq!(goes_on(&[960, 960, 960, 1920]), [(960, 2), (1920, 3)]);
        assert_eq!(goes_on(&[960]), []);
    }
}
