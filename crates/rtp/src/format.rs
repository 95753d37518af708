//! Payload formats: what a session description says of a track, how an access unit becomes packets, and how packets
//! become access units again.
//!
//! One file per format, each both ways. Packets are written as every player reads them; what is read is whatever senders
//! are known to write. Sequence numbers and timestamps are others' work: a [`Packetizer`] gives payloads, and a
//! [`Depacketizer`] takes packets in order and is told where some are missing.

mod aac;
mod ac3;
mod assembly;
mod av1;
mod description;
mod g711;
mod latm;
mod mpa;
mod nal;
mod nal_read;
mod opus;
mod parameters;

pub use description::Format;

use std::collections::VecDeque;
use std::fmt;

use bytes::Bytes;
use media::Codec;

use crate::{Error, Packet};

/// Bytes that an access unit may have where nothing else is said: 16 MiB.
pub const UNIT_BYTES: usize = 16 << 20;

/// The least that [`Packetizer::new`] takes for `max_payload`: a few bytes of payload beside the headers of any format.
const MIN_PAYLOAD: usize = 32;

/// Why a track has no place in RTP, or a format is not taken; for the user to read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unsupported {
    /// There is no payload format for the codec, or none that players read.
    #[error("RTP has no form for {codec}")]
    NoForm {
        /// The name of the codec.
        codec: &'static str,
    },
    /// The parameter sets have not come yet.
    #[error("the parameter sets of {codec} are not known yet")]
    Incomplete {
        /// The name of the codec.
        codec: &'static str,
    },
    /// A format by a name that we do not read.
    #[error("the RTP payload format {encoding} is not supported")]
    Encoding {
        /// What `a=rtpmap` calls it.
        encoding: String,
    },
    /// A form of a format that we do not read.
    #[error("the RTP payload format {encoding} with {feature} is not supported")]
    Feature {
        /// What `a=rtpmap` calls it.
        encoding: String,
        /// What is special about it.
        feature: &'static str,
    },
}

/// What a packet is to carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payload<'a> {
    /// The marker bit.
    pub marker: bool,
    /// Ticks of the format's clock by which the packet's timestamp is later than the access unit's; not 0 for sound that is
    /// divided in time alone.
    pub offset: u32,
    /// The payload, one part after the other.
    pub parts: &'a [&'a [u8]],
}

impl Payload<'_> {
    /// Bytes of all parts.
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| part.len()).sum()
    }

    /// Whether there are none; no packetizer gives such a payload.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Where payloads go.
type Sink<'a> = &'a mut dyn FnMut(Payload<'_>);

/// One format, written.
trait Pack: fmt::Debug + Send {
    fn pack(&mut self, data: &[u8], key: bool, out: Sink<'_>);
}

/// Makes payloads of the access units of one track. A track whose codec changes gets a new one.
#[derive(Debug)]
pub struct Packetizer {
    format: Box<dyn Pack>,
}

impl Packetizer {
    /// `max_payload` is in bytes, without the header of the packet; what is below 32 counts as 32. Of formats that cannot
    /// divide a frame (Opus) a payload is longer where the frame is.
    ///
    /// # Errors
    ///
    /// As [`Format::of`].
    pub fn new(codec: &Codec, max_payload: usize) -> Result<Self, Unsupported> {
        let max = max_payload.max(MIN_PAYLOAD);
        Format::of(codec, 96)?;
        let format: Box<dyn Pack> = match codec {
            Codec::H264(config) => Box::new(nal::Packer::h264(config, max)),
            Codec::H265(config) => Box::new(nal::Packer::h265(config, max)),
            Codec::Av1(_) => Box::new(av1::Packer::new(max)),
            Codec::Aac(_) => Box::new(aac::Packer::new(max)),
            Codec::Opus(_) => Box::new(opus::Packer),
            Codec::G711(config) => Box::new(g711::Packer::new(*config, max)),
            Codec::Mpa(_) => Box::new(mpa::Packer::new(max)),
            Codec::Ac3(config) => Box::new(ac3::Packer::new(config, max)),
            _ => return Err(Unsupported::NoForm { codec: codec.name() }),
        };
        Ok(Self { format })
    }

    /// Gives the payloads of an access unit, in order: `data` is that of a [`media::Frame`], and `key` its flag. Pictures to
    /// start at bring their parameter sets: those of the configuration, where there are none in the data.
    ///
    /// The payloads of one NAL unit, OBU or frame that is divided are all of equal length but for the last, which is not
    /// longer. Nothing comes of data that is empty or cannot be read.
    pub fn pack(&mut self, data: &[u8], key: bool, out: &mut dyn FnMut(Payload<'_>)) {
        self.format.pack(data, key, out);
    }
}

/// What comes out of the packets of a track.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Media {
    /// The configuration: before the first access unit, and again when it has changed.
    Codec(Codec),
    /// An access unit.
    Unit {
        /// When it is shown, by the format's clock. That of the packet, or computed from it where a packet has several.
        timestamp: u32,
        /// Decoding may start here, by the bitstream.
        key: bool,
        /// The payload in the form of [`media::Frame::data`].
        data: Bytes,
    },
    /// An access unit is left out, for it lost a part or cannot be read.
    Damaged {
        /// What is wrong with it.
        what: Error,
    },
}

/// One format, read.
trait Unpack: fmt::Debug + Send {
    fn push(&mut self, packet: &Packet, lost: bool, out: &mut Output);
}

/// Makes access units of the packets of one track.
///
/// After each [`Depacketizer::push`] ask [`Depacketizer::poll`] until there is nothing more.
#[derive(Debug)]
pub struct Depacketizer {
    format: Box<dyn Unpack>,
    out: Output,
}

impl Depacketizer {
    /// For access units of [`UNIT_BYTES`] at most.
    ///
    /// # Errors
    ///
    /// The format is none that we read, or in a form that we do not read.
    pub fn new(format: &Format) -> Result<Self, Unsupported> {
        Self::with_limit(format, UNIT_BYTES)
    }

    /// For access units of `unit_bytes` at most; longer ones are left out.
    ///
    /// # Errors
    ///
    /// As [`Depacketizer::new`].
    pub fn with_limit(format: &Format, unit_bytes: usize) -> Result<Self, Unsupported> {
        let codec = format.codec();
        let out = Output { queue: VecDeque::new(), codec: None, unit_bytes };
        let mut this = Self { format: description::reader(format, codec.as_ref())?, out };
        if let Some(codec) = codec {
            this.out.configure(codec);
        }
        Ok(this)
    }

    /// Takes the next packet; `lost` says that others are missing right before it. Packets come in the order in which they
    /// were sent, none twice.
    pub fn push(&mut self, packet: &Packet, lost: bool) {
        self.format.push(packet, lost, &mut self.out);
    }

    /// What came out of the packets so far, in order.
    pub fn poll(&mut self) -> Option<Media> {
        self.out.queue.pop_front()
    }
}

/// What a depacketizer has made and is not fetched yet, and the configuration that was told.
#[derive(Debug)]
struct Output {
    queue: VecDeque<Media>,
    codec: Option<Codec>,
    unit_bytes: usize,
}

impl Output {
    /// Tells a configuration, if it was not this one before.
    fn configure(&mut self, codec: Codec) {
        if self.codec.as_ref() != Some(&codec) {
            self.codec = Some(codec.clone());
            self.queue.push_back(Media::Codec(codec));
        }
    }

    /// An access unit of the codec that was told, with what it changes of the configuration.
    fn unit(&mut self, timestamp: u32, data: Bytes) {
        if let Some(codec) = self.codec.as_ref().and_then(|codec| codec.update(&data)) {
            self.configure(codec);
        }
        let Some(codec) = &self.codec else {
            return self.damaged(Error::NoConfiguration);
        };
        let key = codec.is_random_access(&data);
        self.queue.push_back(Media::Unit { timestamp, key, data });
    }

    /// An access unit that is left out.
    fn damaged(&mut self, what: impl Into<Error>) {
        self.queue.push_back(Media::Damaged { what: what.into() });
    }
}
