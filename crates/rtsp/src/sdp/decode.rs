//! Reading. What RTSP has no use for is passed over, right or wrong: origins, times and addresses of encoders and cameras
//! break the grammar in many ways that harm nobody, and the order of the lines does too.

use super::{Description, Format, Kind, Media, payload_types};
use crate::{Error, Limits, Status};

/// Payload types have 7 bits (RFC 3550 5.1).
const PAYLOAD_TYPES: u8 = 128;

impl Description {
    /// Reads the body of an ANNOUNCE.
    ///
    /// # Errors
    /// Where it is no SDP, where `m=` and `a=rtpmap` cannot be read, where there is no medium, or more than
    /// [`Limits::tracks`].
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self, Error> {
        let text = String::from_utf8_lossy(bytes);
        let mut description = Self::default();
        let (mut lines, mut begun) = (0, false);
        for (index, line) in text.lines().enumerate() {
            lines = index + 1;
            let line = line.replace(char::is_control, " ");
            let line = line.trim_end();
            if line.is_empty() {
                continue;
            }
            let wrong = |why| Error::Description { line: lines, why };
            let mut chars = line.chars();
            let (Some(kind), Some('=')) = (chars.next(), chars.next()) else {
                return Err(wrong("it is not of the form x=value"));
            };
            let value = chars.as_str().trim_start();
            if !begun && (kind, value) != ('v', "0") {
                return Err(wrong("it should be v=0"));
            }
            begun = true;
            match kind {
                's' if description.media.is_empty() => description.name = name(value),
                'm' => description.media.push(media(value).map_err(wrong)?),
                'a' => description.attribute(value).map_err(wrong)?,
                _ => {}
            }
            if description.media.len() > limits.tracks {
                let (value, limit) = (description.media.len() as u64, limits.tracks as u64);
                return Err(Error::Limit { what: "media", value, limit, status: Status::BAD_REQUEST });
            }
        }
        if description.media.is_empty() {
            return Err(Error::Description { line: lines, why: "it ends without a medium" });
        }
        Ok(description)
    }

    fn attribute(&mut self, attribute: &str) -> Result<(), &'static str> {
        let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
        let (name, value) = (name.trim(), value.trim());
        match self.media.last_mut() {
            None if name == "control" => self.control = Some(value.to_owned()),
            None => {}
            Some(media) => match name {
                "control" => media.control = Some(value.to_owned()),
                "rtpmap" => media.rtpmap(value)?,
                "fmtp" => media.fmtp(value),
                _ => {}
            },
        }
        Ok(())
    }
}

impl Media {
    fn format(&mut self, payload_type: &str) -> Option<&mut Format> {
        let payload_type: u8 = payload_type.parse().ok()?;
        self.formats.iter_mut().find(|format| format.payload_type == payload_type)
    }

    /// RFC 8866 6.6.
    fn rtpmap(&mut self, value: &str) -> Result<(), &'static str> {
        let (payload_type, map) = value.split_once(char::is_whitespace).ok_or("a=rtpmap has no encoding")?;
        // Of a payload type that is not in m= nothing is sent.
        let Some(format) = self.format(payload_type) else { return Ok(()) };
        let mut parts = map.trim().split('/').map(str::trim);
        let encoding = parts.next().filter(|name| !name.is_empty()).ok_or("a=rtpmap has no encoding")?;
        let clock_rate = parts.next().and_then(|rate| rate.parse().ok()).filter(|rate| *rate != 0);
        format.clock_rate = clock_rate.ok_or("a=rtpmap has no clock rate")?;
        format.channels = match parts.next() {
            None | Some("") => None,
            Some(channels) => Some(channels.parse().map_err(|_| "the channels of a=rtpmap are no number")?),
        };
        format.encoding = encoding.to_owned();
        Ok(())
    }

    /// RFC 8866 6.15.
    fn fmtp(&mut self, value: &str) {
        let (payload_type, parameters) = value.split_once(char::is_whitespace).unwrap_or((value, ""));
        if let Some(format) = self.format(payload_type) {
            format.fmtp = parameters.trim().to_owned();
        }
    }
}

/// RFC 8866 5.3.
fn name(value: &str) -> String {
    if value == "-" { String::new() } else { value.to_owned() }
}

/// RFC 8866 5.14.
fn media(value: &str) -> Result<Media, &'static str> {
    let mut words = value.split_whitespace();
    let kind = match words.next().ok_or("m= has no medium")? {
        "audio" => Kind::Audio,
        "video" => Kind::Video,
        other => Kind::Other(other.to_owned()),
    };
    let port = words.next().and_then(|port| port.split('/').next());
    port.and_then(|port| port.parse::<u16>().ok()).ok_or("the port of m= is no number")?;
    let protocol = words.next().ok_or("m= has no protocol")?.to_owned();
    let mut formats: Vec<Format> = Vec::new();
    if protocol.starts_with("RTP/") {
        for word in words {
            let payload_type = word.parse().ok().filter(|number| *number < PAYLOAD_TYPES);
            let payload_type = payload_type.ok_or("a payload type of m= is no number below 128")?;
            if formats.iter().all(|format| format.payload_type != payload_type) {
                formats.push(payload_types::format(payload_type));
            }
        }
        if formats.is_empty() {
            return Err("m= has no payload type");
        }
    }
    Ok(Media { kind, protocol, formats, control: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str) -> Result<Description, String> {
        Description::decode(text.as_bytes(), &Limits::default()).map_err(|error| error.to_string())
    }

    fn format(
        payload_type: u8,
        encoding: &str,
        clock_rate: u32,
        channels: Option<u16>,
        fmtp: &str,
    ) -> Format {
        let (encoding, fmtp) = (encoding.to_owned(), fmtp.to_owned());
        Format { payload_type, encoding, clock_rate, channels, fmtp }
    }

    #[test]
    fn what_ffmpeg_5_1_announces() {
        let text = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=No Name\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
            a=tool:libavformat LIBAVFORMAT_VERSION\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
            a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z/QADZGWgUH7ARAAAAMAEAAAAwMg8UKq,aM4PGSA=\r\n\
            a=control:streamid=0\r\nm=audio 0 RTP/AVP 97\r\nb=AS:69\r\na=rtpmap:97 MPEG4-GENERIC/44100/1\r\n\
            a=fmtp:97 profile-level-id=1;mode=AAC-hbr; config=120856E500\r\na=control:streamid=1\r\n";
        let sets = "packetization-mode=1; sprop-parameter-sets=Z/QADZGWgUH7ARAAAAMAEAAAAwMg8UKq,aM4PGSA=";
        let media = |kind, control: &str, format| Media {
            kind,
            protocol: "RTP/AVP".to_owned(),
            formats: vec![format],
            control: Some(control.to_owned()),
        };
        let aac = "profile-level-id=1;mode=AAC-hbr; config=120856E500";
        let expected = Description {
            name: "No Name".to_owned(),
            control: None,
            media: vec![
                media(Kind::Video, "streamid=0", format(96, "H264", 90000, None, sets)),
                media(Kind::Audio, "streamid=1", format(97, "MPEG4-GENERIC", 44100, Some(1), aac)),
            ],
        };
        assert_eq!(decode(text), Ok(expected));
    }

    #[test]
    fn what_a_camera_may_get_wrong() {
        // Bare line ends, blank lines, a name that is none, an origin with too few words, times that are no numbers, m= before
        // the rest of the session, capitals, several formats and one that is static.
        let text = "v=0\no=- 12\ns= \nt=now\na=control:rtsp://10.0.0.1/live/\n\n\
            m=audio 5000/2 RTP/AVP 8 0 96 8\na=rtpmap: 96 x\na=rtpmap:96  opus / 48000 / 2 \na=fmtp:96\na=rtpmap:97 ,\n\
            m=application 0 RTP/AVP 107\na=rtpmap:107 vnd.onvif.metadata/90000\na=recvonly\n\
            i=an explanation\nm=video 0 udp x\nz=\n";
        let text = text.replace("a=rtpmap: 96 x\n", "");
        let found = decode(&text).unwrap();
        assert_eq!((found.name.as_str(), found.control.as_deref()), ("", Some("rtsp://10.0.0.1/live/")));
        assert!(!format!("{found:?}").contains("10.0.0.1"));
        let formats: Vec<_> = found.media.iter().map(|media| media.formats.clone()).collect();
        let audio = vec![
            format(8, "PCMA", 8000, Some(1), ""),
            format(0, "PCMU", 8000, Some(1), ""),
            format(96, "opus", 48000, Some(2), ""),
        ];
        assert_eq!(formats, [audio, vec![format(107, "vnd.onvif.metadata", 90000, None, "")], vec![]]);
        assert_eq!(found.media[1].kind, Kind::Other("application".to_owned()));
    }

    #[test]
    fn nonsense_is_told_by_its_line() {
        let head = "v=0\r\ns=x\r\n";
        for (text, expected) in [
            ("", "line 0 of the description: it ends without a medium"),
            ("\r\n\r\n", "line 2 of the description: it ends without a medium"),
            ("hello\n", "line 1 of the description: it is not of the form x=value"),
            ("\u{fffd}\u{fffd}", "line 1 of the description: it is not of the form x=value"),
            ("s=x\n", "line 1 of the description: it should be v=0"),
            ("v=1\n", "line 1 of the description: it should be v=0"),
            (head, "line 2 of the description: it ends without a medium"),
            ("HEAD m", "line 3 of the description: it is not of the form x=value"),
            ("HEADm=", "line 3 of the description: m= has no medium"),
            ("HEADm=video x RTP/AVP 96", "line 3 of the description: the port of m= is no number"),
            ("HEADm=video 0", "line 3 of the description: m= has no protocol"),
            ("HEADm=video 0 RTP/AVP", "line 3 of the description: m= has no payload type"),
            (
                "HEADm=video 0 RTP/AVP 128",
                "line 3 of the description: a payload type of m= is no number below 128",
            ),
            ("HEADm=video 0 RTP/AVP 96\na=rtpmap:96", "line 4 of the description: a=rtpmap has no encoding"),
            (
                "HEADm=video 0 RTP/AVP 96\na=rtpmap:96 /1",
                "line 4 of the description: a=rtpmap has no encoding",
            ),
            (
                "HEADm=video 0 RTP/AVP 96\na=rtpmap:96 x",
                "line 4 of the description: a=rtpmap has no clock rate",
            ),
            (
                "HEADm=video 0 RTP/AVP 96\na=rtpmap:96 x/0",
                "line 4 of the description: a=rtpmap has no clock rate",
            ),
            (
                "HEADm=video 0 RTP/AVP 96\na=rtpmap:96 x/9/y",
                "line 4 of the description: the channels of a=rtpmap are no number",
            ),
        ] {
            assert_eq!(decode(&text.replace("HEAD", head)), Err(expected.to_owned()), "{text:?}");
        }
        let many = format!("v=0\n{}", "m=audio 0 RTP/AVP 0\n".repeat(17));
        assert_eq!(decode(&many), Err("media: 17 exceeds the limit of 16".to_owned()));
    }
}
