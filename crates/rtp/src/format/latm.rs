//! AAC in LATM (RFC 6416): `AudioMuxElement`s as they are, each in a packet of its own or over several. It is read alone: what we
//! write is RFC 3640, which more players have.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use media::Codec;
use media::codec::aac::Config;
use media::codec::aac::latm::{self, StreamMuxConfig};

use super::assembly::Assembly;
use super::parameters::{get, hex, number};
use super::{Format, Output, Unpack};
use crate::{Error, Packet};

const WHAT: &str = "LATM payload";
const LOST: Error = Error::Lost { what: "AudioMuxElement" };
/// Elements in one packet; by 6.3 it is one.
const MAX_ELEMENTS: usize = 64;

/// The `StreamMuxConfig` in the description, if there is one; else what is wrong with it.
fn stated(fmtp: &str) -> Result<Option<StreamMuxConfig>, &'static str> {
    let Some(config) = get(fmtp, "config").filter(|config| !config.is_empty()) else { return Ok(None) };
    let data = hex(config).ok_or("a config that is not in hexadecimal")?;
    match StreamMuxConfig::decode(&data) {
        Ok(config) => Ok(Some(config)),
        Err(media::Error::Unsupported { feature, .. }) => Err(feature),
        Err(_) => Err("a config that is none of LATM"),
    }
}

/// The configuration that the description has.
pub(super) fn codec(fmtp: &str) -> Option<Codec> {
    stated(fmtp).ok()?.map(|mux| Codec::Aac(mux.config().clone()))
}

/// An element: how its access units are coded, and they.
type Element = (Config, Vec<Bytes>);

#[derive(Debug)]
pub(super) struct Reader {
    latm: latm::Reader,
    clock_rate: u64,
    /// What came of the element so far.
    element: Assembly,
    /// Packets are missing right before its first one: that may be a later one of an element whose beginning was lost.
    behind_hole: bool,
    /// The most elements that a packet had.
    most: usize,
    lost: bool,
}

impl Reader {
    /// Fails with what is special about the format.
    pub(super) fn new(format: &Format) -> Result<Self, &'static str> {
        let stated = stated(&format.fmtp)?;
        // 7.3: unless it is said, the elements bring their configuration. That of the description is then the same.
        let latm = match (number(&format.fmtp, "cpresent"), stated) {
            (Some(0), Some(config)) => latm::Reader::out_of_band(config),
            (Some(0), None) => return Err("no config"),
            (_, config) => latm::Reader::in_band(config),
        };
        Ok(Self {
            latm,
            clock_rate: format.clock_rate.into(),
            element: Assembly::default(),
            behind_hole: false,
            most: 1,
            lost: false,
        })
    }

    /// The elements that are all of `data`: what is something else does not end where one does.
    fn elements(&mut self, data: &[u8]) -> Result<Vec<Element>, Error> {
        let mut latm = self.latm.clone();
        let elements = read(&mut latm, data);
        if self.behind_hole && !matches!(&elements, Ok(elements) if elements.len() <= self.most) {
            // What it says of a configuration is not believed either.
            return Err(LOST);
        }
        self.latm = latm;
        self.most = self.most.max(elements.as_ref().map_or(0, Vec::len));
        elements
    }

    /// The element has ended, if there is one.
    fn end(&mut self, out: &mut Output) {
        let Some(timestamp) = self.element.timestamp() else { return };
        match self.element.end().and_then(|data| self.elements(&data)) {
            Ok(elements) => self.give(timestamp, elements, out),
            Err(error) => out.damaged(error),
        }
    }

    fn give(&self, timestamp: u32, elements: Vec<Element>, out: &mut Output) {
        let mut samples = 0u64;
        for (config, units) in elements {
            let audio = config.audio();
            out.configure(Codec::Aac(config));
            for unit in units {
                let ticks = samples * self.clock_rate / u64::from(audio.sample_rate.max(1));
                samples += u64::from(audio.samples_per_frame.unwrap_or_default());
                if !unit.is_empty() {
                    out.unit(timestamp.wrapping_add(ticks as u32), unit);
                }
            }
        }
    }
}

/// All that `data` has, one behind the other.
fn read(latm: &mut latm::Reader, data: &[u8]) -> Result<Vec<Element>, Error> {
    let (mut elements, mut rest) = (Vec::new(), data);
    while !rest.is_empty() {
        if elements.len() == MAX_ELEMENTS {
            let (value, limit) = (MAX_ELEMENTS as u64 + 1, MAX_ELEMENTS as u64);
            return Err(Error::Limit { what: WHAT, value, limit });
        }
        let latm::Element { units, len } = latm.element(rest)?;
        rest = rest.get(len..).unwrap_or_default();
        // It was read by this one.
        if let Some(mux) = latm.config() {
            elements.push((mux.config().clone(), units));
        }
    }
    Ok(elements)
}

impl Unpack for Reader {
    fn push(&mut self, packet: &Packet, lost: bool, out: &mut Output) {
        self.lost |= lost;
        if packet.payload.is_empty() {
            return;
        }
        let lost = std::mem::take(&mut self.lost);
        let timestamp = packet.header.timestamp;
        if lost && self.element.timestamp().is_some() {
            self.element.damage(LOST);
        }
        if self.element.timestamp() != Some(timestamp) {
            self.end(out);
            self.element.begin(timestamp);
            self.behind_hole = lost;
        }
        self.element.put(&packet.payload, out.unit_bytes);
        // 6.1: it ends with the marker.
        if packet.header.marker {
            self.end(out);
        }
    }
}
