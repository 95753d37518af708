//! Writing.

use std::fmt::Write;

use super::{Description, Format, Kind, Media};

impl Description {
    /// The text for [`Session::accept_describe`](crate::server::Session::accept_describe). `id` tells this description from
    /// others, such as the time at which the stream began (RFC 8866 5.2).
    ///
    /// Where the media are sent from and to is left open, for SETUP says it, and they begin at the present (RFC 2326 C.1.5).
    pub fn render(&self, id: u64) -> String {
        let name = if self.name.is_empty() { "-" } else { &self.name };
        let mut out = String::new();
        line(&mut out, "v=0");
        line(&mut out, &format!("o=- {id} {id} IN IP4 0.0.0.0"));
        line(&mut out, &format!("s={name}"));
        line(&mut out, "c=IN IP4 0.0.0.0");
        line(&mut out, "t=0 0");
        line(&mut out, &format!("a=control:{}", self.control.as_deref().unwrap_or("*")));
        line(&mut out, "a=range:npt=now-");
        self.media.iter().for_each(|media| media.render(&mut out));
        out
    }
}

impl Media {
    fn render(&self, out: &mut String) {
        let kind = match &self.kind {
            Kind::Audio => "audio",
            Kind::Video => "video",
            Kind::Other(name) => name,
        };
        let mut head = format!("m={kind} 0 {}", self.protocol);
        for format in &self.formats {
            // A string takes everything.
            let _ = write!(head, " {}", format.payload_type);
        }
        line(out, &head);
        self.formats.iter().for_each(|format| format.render(out));
        if let Some(control) = &self.control {
            line(out, &format!("a=control:{control}"));
        }
    }
}

impl Format {
    fn render(&self, out: &mut String) {
        let Self { payload_type, encoding, clock_rate, channels, fmtp } = self;
        if !encoding.is_empty() {
            let channels = channels.map(|channels| format!("/{channels}")).unwrap_or_default();
            line(out, &format!("a=rtpmap:{payload_type} {encoding}/{clock_rate}{channels}"));
        }
        if !fmtp.is_empty() {
            line(out, &format!("a=fmtp:{payload_type} {fmtp}"));
        }
    }
}

/// A name may come from a publisher: it must not begin a line of ours.
fn line(out: &mut String, text: &str) {
    out.extend(text.chars().map(|char| if char.is_control() { ' ' } else { char }));
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

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
    fn a_stream_with_pictures_and_sound() {
        let h264 = format(96, "H264", 90000, None, "packetization-mode=1;sprop-parameter-sets=Zw==,aA==");
        let opus = format(97, "opus", 48000, Some(2), "");
        let media = vec![Media::playing(Kind::Video, 0, h264), Media::playing(Kind::Audio, 1, opus)];
        let mut description = Description { name: "news\r\na=x".to_owned(), control: None, media };
        let expected = "v=0\r\no=- 17 17 IN IP4 0.0.0.0\r\ns=news  a=x\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n\
            a=range:npt=now-\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
            a=fmtp:96 packetization-mode=1;sprop-parameter-sets=Zw==,aA==\r\na=control:trackID=0\r\n\
            m=audio 0 RTP/AVP 97\r\na=rtpmap:97 opus/48000/2\r\na=control:trackID=1\r\n";
        assert_eq!(description.render(17), expected);
        description.name = "news  a=x".to_owned();
        description.control = Some("*".to_owned());
        assert_eq!(Description::decode(expected.as_bytes(), &Limits::default()), Ok(description));
    }
}
