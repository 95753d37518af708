//! `onMetaData` (E.5; Enhanced RTMP v2, "Enhancing onMetaData").

use bytes::{BufMut, Bytes, BytesMut};
use media::Rational;

use super::{Facts, Track};
use crate::amf0::Value;

/// What is said of a stream before its media. Only what is known is said, and only of tracks that are there: players
/// wait for what was announced.
#[derive(Clone, Copy, Debug, Default)]
pub struct Description<'a> {
    /// The pictures.
    pub video: Option<&'a Track>,
    /// The sound.
    pub audio: Option<&'a Track>,
    /// Pictures per second as measured, for bitstreams that do not state it.
    pub frame_rate: Option<Rational>,
    /// Bits per second of the pictures.
    pub video_bit_rate: Option<u64>,
    /// Bits per second of the sound.
    pub audio_bit_rate: Option<u64>,
    /// Name and version of our program; empty says nothing.
    pub encoder: &'a str,
}

impl Description<'_> {
    /// The body of the script tag, which is what a player gets; for what a publisher sends, see [`set_data_frame`].
    ///
    /// It belongs at timestamp 0, whenever it is sent: ffmpeg makes a subtitle track of `onMetaData` at any other.
    pub fn encode(&self) -> Bytes {
        let mut values = Vec::new();
        let mut say = |name: &str, value: Value| values.push((name.to_owned(), value));
        let kilobits = |rate: u64| Value::Number(rate as f64 / 1000.0);
        if let Some((track, Facts::Video(video))) = self.video.map(|track| (track, track.facts)) {
            // VP9 and AV1 may not have told it yet.
            if video.width > 0 && video.height > 0 {
                say("width", f64::from(video.width).into());
                say("height", f64::from(video.height).into());
            }
            if let Some(rate) = video.frame_rate.or(self.frame_rate) {
                say("framerate", rate.as_f64().into());
            }
            say("videocodecid", track.codec_id().into());
            if let Some(rate) = self.video_bit_rate {
                say("videodatarate", kilobits(rate));
            }
        }
        if let Some((track, Facts::Audio(audio))) = self.audio.map(|track| (track, track.facts)) {
            say("audiocodecid", track.codec_id().into());
            say("audiosamplerate", f64::from(audio.sample_rate).into());
            say("audiochannels", f64::from(audio.channels).into());
            say("stereo", Value::Boolean(audio.channels == 2));
            if let Some(rate) = self.audio_bit_rate {
                say("audiodatarate", kilobits(rate));
            }
        }
        if !self.encoder.is_empty() {
            say("encoder", self.encoder.into());
        }
        let mut body = BytesMut::new();
        Value::from("onMetaData").encode(&mut body);
        Value::EcmaArray(values).encode(&mut body);
        body.freeze()
    }
}

/// What [`Description::encode`] gave as a publisher sends it: servers keep what is set so and hand it to their players.
pub fn set_data_frame(description: &[u8]) -> Bytes {
    let mut body = BytesMut::new();
    Value::from("@setDataFrame").encode(&mut body);
    body.put_slice(description);
    body.freeze()
}

#[cfg(test)]
mod tests {
    use super::super::Caps;
    use super::*;
    use crate::flv::script;
    use media::Codec;
    use media::codec::{aac, h264, h265};

    fn number(value: &Value, name: &str) -> Option<f64> {
        value.get(name).and_then(Value::as_number)
    }

    #[test]
    fn what_is_known_is_said() {
        let record = include_bytes!("../../../../media/testdata/x264-open-gop-30000-1001.avcc");
        let video = Track::new(&Codec::H264(h264::Config::decode(record).unwrap()), Caps::LEGACY).unwrap();
        let audio =
            Track::new(&Codec::Aac(aac::Config::decode(&[0x12, 0x10]).unwrap()), Caps::LEGACY).unwrap();
        let description = Description {
            video: Some(&video),
            audio: Some(&audio),
            video_bit_rate: Some(2_500_000),
            audio_bit_rate: Some(128_000),
            encoder: "Test 1",
            ..Description::default()
        };
        let said = script::decode(&description.encode()).unwrap();
        let value = said.value;
        assert_eq!(said.name, "onMetaData");
        let numbers = ["videocodecid", "audiocodecid", "audiosamplerate", "videodatarate", "audiodatarate"];
        let expected = [7.0, 10.0, 44_100.0, 2500.0, 128.0];
        assert_eq!(numbers.map(|name| number(&value, name)), expected.map(Some));
        assert!(number(&value, "width") > Some(0.0));
        assert!((number(&value, "framerate").unwrap() - 30_000.0 / 1001.0).abs() < 1e-9);
        assert_eq!(value.get("stereo"), Some(&Value::Boolean(true)));
        assert_eq!(value.get("encoder").and_then(Value::as_str), Some("Test 1"));
        assert!(
            set_data_frame(&description.encode()).starts_with(b"\x02\0\x0d@setDataFrame\x02\0\x0aonMetaData")
        );
    }

    #[test]
    fn a_codec_of_enhanced_rtmp_is_named_by_its_fourcc() {
        let record = include_bytes!("../../../../media/testdata/x265-1080p.hvcc");
        let video = Track::new(&Codec::H265(h265::Config::decode(record).unwrap()), Caps::ALL).unwrap();
        let description = Description { video: Some(&video), ..Description::default() };
        let value = script::decode(&description.encode()).unwrap().value;
        assert_eq!(number(&value, "videocodecid"), Some(f64::from(u32::from_be_bytes(*b"hvc1"))));
        assert_eq!(value.get("audiocodecid"), None);
        assert_eq!(value.get("encoder"), None);
    }

    #[test]
    fn sbr_doubles_the_rate_that_is_heard() {
        // HE-AAC, core at 24 kHz.
        let config = aac::Config::decode(&[0x2b, 0x11, 0x88, 0x00]).unwrap();
        assert_eq!((config.object_type(), config.audio().sample_rate), (5, 24_000));
        let audio = Track::new(&Codec::Aac(config), Caps::LEGACY).unwrap();
        let description = Description { audio: Some(&audio), ..Description::default() };
        let value = script::decode(&description.encode()).unwrap().value;
        assert_eq!(number(&value, "audiosamplerate"), Some(48_000.0));
    }
}
