//! One elementary stream: its packets to access units.

use bytes::BytesMut;
use media::codec::aac::latm;
use media::{Codec, TrackId};

use super::form::Form;
use super::packet::{Continuity, Packet, Step};
use super::pes::{self, Fault, Part, Stamps};
use super::pictures::{Pictures, Syntax};
use super::section::Sections;
use super::sound::{Framing, Sound};
use super::{Media, Output, Pid};
use crate::psi::crc32;
use crate::{Error, splice};

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) pid: Pid,
    pub(super) track: TrackId,
    pub(super) form: Form,
    continuity: Continuity,
    content: Content,
    /// Packets of its PID are scrambled.
    pub(super) scrambled: bool,
}

#[derive(Debug)]
enum Content {
    Packets(Packets),
    Sections(Sections, Box<Whole>),
    Nothing,
}

#[derive(Debug)]
struct Packets {
    reader: pes::Reader,
    units: Units,
    /// The last packet had stuffing, as it has where a PES packet ends.
    stuffed: bool,
    /// Stuffing was seen amid a PES packet.
    stuffs_amid: bool,
}

#[derive(Debug)]
enum Units {
    Pictures(Box<Pictures>),
    Sound(Box<Sound>),
    Whole(Box<Whole>),
}

/// Access units of something that is not parsed.
#[derive(Debug)]
struct Whole {
    pid: Pid,
    track: TrackId,
    codec: Codec,
    buffer: BytesMut,
    stamps: Option<Stamps>,
    skip: bool,
}

impl Stream {
    pub(super) fn new(pid: Pid, track: TrackId, form: Form) -> Self {
        let whole = |config: &media::codec::opaque::Config| Whole {
            pid,
            track,
            codec: Codec::Opaque(config.clone()),
            buffer: BytesMut::new(),
            stamps: None,
            skip: false,
        };
        let pictures = |syntax| Units::Pictures(Box::new(Pictures::new(syntax, pid, track)));
        let sound = |framing| Units::Sound(Box::new(Sound::new(framing, pid, track)));
        let units = match &form {
            Form::H264 => Some(pictures(Syntax::H264)),
            Form::H265 => Some(pictures(Syntax::H265)),
            Form::Adts | Form::MpegAudio => Some(sound(Framing::Mpeg)),
            Form::Latm => Some(sound(Framing::Loas(latm::Reader::in_band(None)))),
            Form::Dolby { .. } => Some(sound(Framing::Dolby)),
            Form::Opus(config) => Some(sound(Framing::Opus(config.clone()))),
            Form::Packets(config) => Some(Units::Whole(Box::new(whole(config)))),
            Form::Sections(_) | Form::Unsupported { .. } => None,
        };
        let reader = pes::Reader::default();
        let content = match (units, &form) {
            (Some(units), _) => {
                Content::Packets(Packets { reader, units, stuffed: false, stuffs_amid: false })
            }
            (None, Form::Sections(config)) => Content::Sections(Sections::default(), Box::new(whole(config))),
            (None, _) => Content::Nothing,
        };
        Self { pid, track, form, continuity: Continuity::default(), content, scrambled: false }
    }

    /// Whether anything will come of it.
    pub(super) fn is_carried(&self) -> bool {
        !matches!(self.content, Content::Nothing)
    }

    /// Says which track it is, where the map alone tells that.
    pub(super) fn announce(&self, out: &mut Output) {
        match &self.content {
            Content::Packets(Packets { units: Units::Whole(whole), .. }) | Content::Sections(_, whole) => {
                out.track(self.track, Some(&whole.codec));
            }
            _ => {}
        }
    }

    /// Bytes that are held.
    pub(super) fn len(&self) -> usize {
        match &self.content {
            Content::Packets(packets) => match &packets.units {
                Units::Pictures(pictures) => pictures.len(),
                Units::Sound(sound) => sound.len(),
                Units::Whole(whole) => whole.buffer.len(),
            },
            Content::Sections(sections, _) => sections.len(),
            Content::Nothing => 0,
        }
    }

    pub(super) fn packet(&mut self, packet: Packet<'_>, out: &mut Output) {
        if packet.is_scrambled() {
            return self.close(out);
        }
        self.scrambled = false;
        let step = self.continuity.step(packet);
        if let Step::Lost(packets) = step {
            out.lost += u64::from(packets);
        }
        if matches!(step, Step::Lost(_) | Step::Cut) {
            let harmed = match &mut self.content {
                Content::Packets(packets) => packets.lost(out),
                Content::Sections(sections, _) => sections.lost(),
                Content::Nothing => return,
            };
            if harmed || matches!(step, Step::Lost(_)) {
                out.damaged(self.track, Error::Lost { pid: self.pid });
            }
        }
        let Some(payload) = packet.payload().filter(|_| step != Step::Same) else { return };
        match &mut self.content {
            Content::Packets(packets) => packets.push(self.pid, self.track, packet, payload, out),
            Content::Sections(sections, whole) => {
                sections.push(packet.starts(), payload, &mut |section| whole.section(section, out));
            }
            Content::Nothing => {}
        }
    }

    /// Nothing that can be read comes any more: gives what is complete, and says that it is scrambled.
    fn close(&mut self, out: &mut Output) {
        if std::mem::replace(&mut self.scrambled, true) {
            return;
        }
        self.finish(out);
        self.continuity = Continuity::default();
        out.unsupported(format!("scrambled: {} on PID {:#x}", self.form, self.pid));
    }

    /// More is held than may be.
    pub(super) fn overflow(&mut self, limit: usize, out: &mut Output) {
        match &mut self.content {
            Content::Packets(packets) => {
                packets.reader.stop();
                match &mut packets.units {
                    Units::Pictures(pictures) => pictures.clear(),
                    Units::Sound(sound) => sound.lost(),
                    Units::Whole(whole) => whole.clear(),
                }
            }
            Content::Sections(sections, _) => {
                sections.lost();
            }
            Content::Nothing => {}
        }
        out.damaged(self.track, Error::Limit { pid: self.pid, limit });
    }

    /// All has come, or all that will.
    pub(super) fn finish(&mut self, out: &mut Output) {
        let Content::Packets(packets) = &mut self.content else { return };
        match packets.reader.missing() {
            None => packets.end(out),
            Some(0) => {}
            Some(missing) => {
                packets.give_up(out);
                out.damaged(self.track, Error::Short { pid: self.pid, missing });
            }
        }
        packets.reader.stop();
        if let Units::Pictures(pictures) = &mut packets.units {
            pictures.flush(out);
            pictures.clear();
        }
    }
}

impl Packets {
    fn push(&mut self, pid: Pid, track: TrackId, packet: Packet<'_>, payload: &[u8], out: &mut Output) {
        if packet.starts() {
            match self.reader.missing() {
                None => self.end(out),
                Some(0) => {}
                Some(missing) => {
                    self.give_up(out);
                    out.damaged(track, Error::Short { pid, missing });
                }
            }
            self.reader.start();
        } else if self.reader.is_open() {
            self.stuffs_amid |= self.stuffed;
        }
        self.stuffed = packet.is_stuffed();
        let units = &mut self.units;
        let mut sink = |part: Part<'_>| match part {
            Part::Begin(stamps) if matches!(units, Units::Whole(_)) => units.begin(out.plausible(stamps)),
            Part::Begin(stamps) => {
                out.begin(stamps);
                units.begin(stamps);
            }
            Part::Data(data) => units.data(data, out),
            Part::End => units.end(out),
        };
        match self.reader.push(pid, payload, &mut sink) {
            Ok(()) => {}
            Err(Fault::Scrambled) => out.unsupported(format!("scrambled: PES packets on PID {pid:#x}")),
            Err(Fault::Error(error)) => out.damaged(track, error),
        }
    }

    fn end(&mut self, out: &mut Output) {
        self.units.end(out);
    }

    /// The open PES packet is incomplete, and another one comes.
    fn give_up(&mut self, out: &mut Output) {
        self.units.lost(true, out);
    }

    /// Packets are missing. Says whether anything that came is lost with them.
    fn lost(&mut self, out: &mut Output) -> bool {
        let open = self.reader.is_open();
        // Where stuffing stands at ends alone, the open PES packet had ended.
        let ended = open && self.reader.missing().is_none() && self.stuffed && !self.stuffs_amid;
        if ended {
            self.end(out);
        }
        let open = open && !ended;
        self.units.lost(open, out);
        match self.units {
            // Whole frames are found again amid a PES packet.
            Units::Sound(_) => self.reader.resume(),
            _ => self.reader.stop(),
        }
        self.stuffed = false;
        open
    }
}

impl Units {
    fn begin(&mut self, stamps: Option<Stamps>) {
        match self {
            Self::Pictures(pictures) => pictures.begin(stamps),
            Self::Sound(sound) => sound.begin(stamps),
            Self::Whole(whole) => {
                whole.clear();
                whole.skip = false;
                whole.stamps = stamps;
            }
        }
    }

    fn data(&mut self, data: &[u8], out: &mut Output) {
        match self {
            Self::Pictures(pictures) => pictures.data(data, out),
            Self::Sound(sound) => sound.data(data, out),
            Self::Whole(whole) if whole.skip => {}
            Self::Whole(whole) => whole.buffer.extend_from_slice(data),
        }
    }

    fn end(&mut self, out: &mut Output) {
        match self {
            Self::Pictures(pictures) => pictures.end(out),
            Self::Sound(sound) => sound.end(out),
            Self::Whole(whole) => whole.end(out),
        }
    }

    fn lost(&mut self, open: bool, out: &mut Output) {
        match self {
            Self::Pictures(pictures) => pictures.lost(open, out),
            Self::Sound(sound) => sound.lost(),
            Self::Whole(whole) => whole.clear(),
        }
    }
}

impl Whole {
    fn clear(&mut self) {
        self.buffer.clear();
        self.stamps = None;
        self.skip = true;
    }

    fn end(&mut self, out: &mut Output) {
        let data = std::mem::take(&mut self.buffer);
        let stamps = self.stamps.take();
        self.give(stamps, &data, out);
    }

    /// A section, which has no stamp: it belongs to what is beside it.
    fn section(&mut self, section: &[u8], out: &mut Output) {
        let has_crc =
            section.first() == Some(&splice::TABLE) || section.get(1).is_some_and(|byte| byte & 0x80 != 0);
        if has_crc && crc32(section) != 0 {
            return out.damaged(self.track, Error::Crc { pid: self.pid });
        }
        self.give(None, section, out);
    }

    fn give(&mut self, stamps: Option<Stamps>, data: &[u8], out: &mut Output) {
        let Some(Stamps { pts, dts }) = stamps.or_else(|| out.newest()).filter(|_| !data.is_empty()) else {
            return;
        };
        let data = bytes::Bytes::copy_from_slice(data);
        out.unit(Media::Unit { track: self.track, pts, dts, key: true, data });
    }
}
