//! The MPD's elements and attributes, ISO/IEC 23009-1 5.3; their order is the schema's.

use std::io;

use media::{Kind, Rational};
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, Event};
use quick_xml::writer::ElementWriter;

use super::{AdaptationSet, Manifest, Period, Picture, Piece, Representation, Sound, form, timeline};
use crate::date;

type Xml = Writer<Vec<u8>>;

/// The MPD's text.
///
/// What has nothing to play is left out: representations without a segment, sets and periods without a
/// representation; see [`Manifest::is_empty`]. The start tag of `MPD` is within the first 512 bytes and on one line:
/// GStreamer recognises an MPD by it.
pub fn render(manifest: &Manifest) -> String {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 1);
    // Writing to a Vec cannot fail.
    let _ = write_document(&mut xml, manifest);
    let mut text = String::from_utf8(xml.into_inner()).expect("made of str alone");
    text.push('\n');
    text
}

/// An element whose start tag is being written.
struct Tag<'a>(ElementWriter<'a, Vec<u8>>);

impl<'a> Tag<'a> {
    fn new(xml: &'a mut Xml, name: &'static str) -> Self {
        Self(xml.create_element(name))
    }

    fn with(self, name: &'static str, value: impl ToString) -> Self {
        Self(self.0.with_attribute((name, value.to_string().as_str())))
    }

    fn with_some(self, name: &'static str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    fn empty(self) -> io::Result<()> {
        self.0.write_empty().map(drop)
    }

    fn around(self, content: impl FnOnce(&mut Xml) -> io::Result<()>) -> io::Result<()> {
        self.0.write_inner_content(content).map(drop)
    }
}

/// A descriptor (5.8.2).
fn write_descriptor(
    xml: &mut Xml,
    name: &'static str,
    scheme: &'static str,
    value: impl ToString,
) -> io::Result<()> {
    Tag::new(xml, name).with("schemeIdUri", scheme).with("value", value).empty()
}

fn write_document(xml: &mut Xml, manifest: &Manifest) -> io::Result<()> {
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    Tag::new(xml, "MPD")
        .with("xmlns", "urn:mpeg:dash:schema:mpd:2011")
        .with("profiles", "urn:mpeg:dash:profile:isoff-live:2011")
        .with("type", "dynamic")
        .with("availabilityStartTime", "1970-01-01T00:00:00Z")
        .with("publishTime", date::utc(manifest.publish_time))
        .with("minimumUpdatePeriod", form::duration(manifest.minimum_update_period))
        .with("timeShiftBufferDepth", form::duration(manifest.time_shift_buffer_depth))
        .with("suggestedPresentationDelay", form::duration(manifest.suggested_presentation_delay))
        .with("maxSegmentDuration", form::duration(manifest.max_segment_duration))
        .with("minBufferTime", form::duration(manifest.min_buffer_time))
        .around(|xml| {
            for period in manifest.periods.iter().filter(|period| period.is_told()) {
                write_period(xml, period)?;
            }
            // Served beside the MPD, so that players do not ask a stranger for the time.
            write_descriptor(xml, "UTCTiming", "urn:mpeg:dash:utc:http-iso:2014", "time")
        })
}

fn write_period(xml: &mut Xml, period: &Period) -> io::Result<()> {
    Tag::new(xml, "Period").with("id", &period.id).with("start", form::duration(period.start)).around(|xml| {
        for set in period.sets.iter().filter(|set| set.is_told()) {
            write_set(xml, set)?;
        }
        Ok(())
    })
}

fn write_set(xml: &mut Xml, set: &AdaptationSet) -> io::Result<()> {
    let (content, mime) = match set.kind {
        Kind::Video => ("video", "video/mp4"),
        Kind::Audio => ("audio", "audio/mp4"),
        Kind::Data => return Ok(()),
    };
    let pictures: Option<Vec<Picture>> = set.told().map(|representation| representation.picture).collect();
    let pictures = pictures.unwrap_or_default();
    Tag::new(xml, "AdaptationSet")
        .with("id", set.id)
        .with("contentType", content)
        .with("mimeType", mime)
        .with_some("lang", set.language.as_ref().filter(|tag| form::is_language(tag)))
        .with("segmentAlignment", set.segment_alignment)
        .with_some("startWithSAP", set.sap)
        .with_some("maxWidth", pictures.iter().map(|picture| picture.width).max())
        .with_some("maxHeight", pictures.iter().map(|picture| picture.height).max())
        .with_some("maxFrameRate", highest_frame_rate(&pictures).map(form::frame_rate))
        .around(|xml| {
            write_descriptor(xml, "Role", "urn:mpeg:dash:role:2011", "main")?;
            set.told().try_for_each(|representation| write_representation(xml, representation))
        })
}

/// The highest rate; none where one is not known.
fn highest_frame_rate(pictures: &[Picture]) -> Option<Rational> {
    let rates: Option<Vec<Rational>> = pictures.iter().map(|picture| picture.frame_rate).collect();
    let product = |a: u32, b: u32| u64::from(a) * u64::from(b);
    rates?.into_iter().max_by(|a, b| product(a.num, b.den).cmp(&product(b.num, a.den)))
}

fn write_representation(xml: &mut Xml, representation: &Representation) -> io::Result<()> {
    let Representation { id, bandwidth, codecs, picture, sound, .. } = representation;
    Tag::new(xml, "Representation")
        .with("id", id)
        .with("bandwidth", bandwidth.min(&u64::from(u32::MAX)))
        .with("codecs", codecs)
        .with_some("width", picture.map(|picture| picture.width))
        .with_some("height", picture.map(|picture| picture.height))
        .with_some("frameRate", picture.and_then(|picture| picture.frame_rate).map(form::frame_rate))
        .with_some("audioSamplingRate", sound.map(|sound| sound.sample_rate))
        .around(|xml| {
            if let Some(sound) = sound {
                write_channels(xml, sound)?;
            }
            write_template(xml, representation)
        })
}

/// AudioChannelConfiguration (5.8.4.7).
fn write_channels(xml: &mut Xml, sound: &Sound) -> io::Result<()> {
    let Some(value) = form::channel_configuration(sound.channels) else { return Ok(()) };
    write_descriptor(xml, "AudioChannelConfiguration", "urn:mpeg:mpegB:cicp:ChannelConfiguration", value)
}

/// SegmentTemplate (5.3.9.4).
fn write_template(xml: &mut Xml, representation: &Representation) -> io::Result<()> {
    Tag::new(xml, "SegmentTemplate")
        .with("timescale", representation.timescale)
        .with("presentationTimeOffset", representation.presentation_time_offset)
        .with("initialization", &representation.initialization)
        .with("media", &representation.media)
        .around(|xml| {
            Tag::new(xml, "SegmentTimeline").around(|xml| write_timeline(xml, &representation.timeline))
        })
}

fn write_timeline(xml: &mut Xml, pieces: &[Piece]) -> io::Result<()> {
    timeline::fold(pieces).into_iter().try_for_each(|run| {
        let repeated = (run.r > 0).then_some(run.r);
        Tag::new(xml, "S").with_some("t", run.t).with("d", run.d).with_some("r", repeated).empty()
    })
}
