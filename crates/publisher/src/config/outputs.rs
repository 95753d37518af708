//! The outputs that viewers connect to.

use std::fmt;

use super::Protocols;
use crate::session::{Protocol, Role, Session};

/// An output of a stream that viewers connect to, and that has a switch in [`Protocols`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Output {
    /// HLS.
    Hls,
    /// DASH.
    Dash,
    /// RTSP, with and without TLS.
    Rtsp,
    /// RTMP, with and without TLS.
    Rtmp,
    /// SRT.
    Srt,
    /// HTTP MPEG-TS.
    MpegTs,
}

impl Output {
    /// Each of them, in the order of [`Protocols`].
    pub const ALL: [Self; 6] = [Self::Hls, Self::Dash, Self::Rtsp, Self::Rtmp, Self::Srt, Self::MpegTs];

    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hls => "hls",
            Self::Dash => "dash",
            Self::Rtsp => "rtsp",
            Self::Rtmp => "rtmp",
            Self::Srt => "srt",
            Self::MpegTs => "mpegts",
        }
    }

    /// Whether the session is that of a viewer of it.
    pub(crate) fn serves(self, session: &Session) -> bool {
        let output = match session.protocol {
            Protocol::Rtmp | Protocol::Rtmps => Self::Rtmp,
            Protocol::Rtsp | Protocol::Rtsps => Self::Rtsp,
            Protocol::Srt => Self::Srt,
            Protocol::MpegTs => Self::MpegTs,
            Protocol::Hls => Self::Hls,
            Protocol::Dash => Self::Dash,
            Protocol::File | Protocol::Udp | Protocol::Rtp => return false,
        };
        session.role == Role::Viewer && output == self
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hls => "HLS",
            Self::Dash => "DASH",
            Self::Rtsp => "RTSP",
            Self::Rtmp => "RTMP",
            Self::Srt => "SRT",
            Self::MpegTs => "MPEG-TS",
        })
    }
}

impl Protocols {
    /// Whether an output is on.
    pub fn has(&self, output: Output) -> bool {
        match output {
            Output::Hls => self.hls,
            Output::Dash => self.dash,
            Output::Rtsp => self.rtsp,
            Output::Rtmp => self.rtmp,
            Output::Srt => self.srt,
            Output::MpegTs => self.mpegts,
        }
    }

    /// Switches an output on or off.
    pub fn set(&mut self, output: Output, on: bool) {
        let switch = match output {
            Output::Hls => &mut self.hls,
            Output::Dash => &mut self.dash,
            Output::Rtsp => &mut self.rtsp,
            Output::Rtmp => &mut self.rtmp,
            Output::Srt => &mut self.srt,
            Output::MpegTs => &mut self.mpegts,
        };
        *switch = on;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_output_has_a_switch_of_its_own() {
        for output in Output::ALL {
            let mut protocols = Protocols::NONE;
            protocols.set(output, true);
            let on: Vec<Output> = Output::ALL.into_iter().filter(|&other| protocols.has(other)).collect();
            assert_eq!(on, [output]);
            protocols.set(output, false);
            assert_eq!(protocols, Protocols::NONE);
        }
    }
}
