//! A stream that is played: its beginning, what its player may ask for, its end (RTMP 1.0 7.2.2).
//!
//! Media do not pass through here. They are chunks made once for all ([`chunk::Shared`](crate::chunk::Shared)), which
//! whoever writes the socket puts between what the session has to say: that may go wherever a message has ended.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::super::Event;
use super::super::status::{code, on_status};
use super::{Session, State, Wanted, chunk_stream};
use crate::Error;
use crate::amf0::Value;
use crate::chunk::{LARGE_SIZE, Route};
use crate::flv::TagKind;
use crate::message::{Command, Control, Message, UserControl, kind};

impl Session {
    /// Lets the pending request to play succeed: what there is to be sent now goes before the first of the media, which
    /// [`Session::playing`] tells how to send.
    ///
    /// Fails if none is pending, and as [`Session::handle_bytes`] does for what came since the request.
    pub fn accept_play(&mut self, now: Duration) -> Result<(), Error> {
        let stream = self.take_pending(Wanted::Play, "accept_play")?;
        self.timer = None;
        self.state = State::Playing { stream };
        self.encoder.set_chunk_size(LARGE_SIZE, &mut self.send);
        self.send_control(Control::UserControl(UserControl::StreamBegin(stream)));
        self.send_command(stream, &on_status("status", code::PLAY_RESET, "Playing and resetting."));
        self.send_command(stream, &on_status("status", code::PLAY_START, "Playing."));
        // Flash Player lets scripts see sound and pictures only then, and some players wait for it.
        let mut body = BytesMut::new();
        Value::from("|RtmpSampleAccess").encode(&mut body);
        for access in [true, true] {
            Value::Boolean(access).encode(&mut body);
        }
        self.send_data(stream, body.freeze());
        self.resume(now)
    }

    /// Refuses the pending request to play, as [`Session::reject_publish`] does.
    pub fn reject_play(&mut self, now: Duration, code: &str, description: &str) -> Result<(), Error> {
        let stream = self.take_pending(Wanted::Play, "reject_play")?;
        self.reject(now, stream, code, description)
    }

    /// Where the media of the accepted stream belong; none before [`Session::accept_play`] and after
    /// [`Event::Stopped`].
    pub fn playing(&self) -> Option<Route> {
        match self.state {
            State::Playing { stream } => Some(Route { stream, chunk_size: LARGE_SIZE }),
            _ => None,
        }
    }

    /// Asks the player for a sign of life, which [`Stats::round_trip`](super::Stats::round_trip) then tells of. Nothing
    /// if the session is closed or has not come so far.
    pub fn ping(&mut self, now: Duration) {
        if self.is_connected() {
            // Milliseconds, wrapping at 32 bits.
            let time = now.as_millis() as u32;
            self.pinged = Some(time);
            self.send_control(Control::UserControl(UserControl::PingRequest(time)));
        }
    }

    /// What a player says on the stream that it plays. What does not belong to that is passed over.
    pub(super) fn player_command(&mut self, stream: u32, command: &Command) {
        if !matches!(self.state, State::Playing { stream: current } if current == stream) {
            return;
        }
        let flag = command.flag(0);
        match command.name.as_str() {
            "pause" | "pauseRaw" => {
                // 7.2.2.8; without a flag it toggles, and we do not know what of, so it pauses.
                let (code, event) = match flag {
                    Some(false) => (code::UNPAUSE_NOTIFY, Event::Resume),
                    _ => (code::PAUSE_NOTIFY, Event::Pause),
                };
                self.send_command(stream, &on_status("status", code, "As asked."));
                self.events.push_back(event);
            }
            "receiveAudio" | "receiveVideo" => {
                let kind = if command.name == "receiveAudio" { TagKind::Audio } else { TagKind::Video };
                let wanted = flag.unwrap_or(true);
                if wanted {
                    // 7.2.2.4 and 7.2.2.5.
                    self.send_command(stream, &on_status("status", code::SEEK_NOTIFY, "Live."));
                    self.send_command(stream, &on_status("status", code::PLAY_START, "Playing."));
                }
                self.events.push_back(Event::Receive { kind, wanted });
            }
            "seek" => {
                let why = "The stream is live.";
                self.send_command(stream, &on_status("error", code::SEEK_FAILED, why));
            }
            _ => {}
        }
    }

    /// Ends the playing if it is on that message stream. `deleted`: there is no stream left to say anything on.
    pub(super) fn stop(&mut self, now: Duration, stream: u32, deleted: bool) {
        if !matches!(self.state, State::Playing { stream: current } if current == stream) {
            return;
        }
        if !deleted {
            self.send_command(stream, &on_status("status", code::PLAY_STOP, "Stopped."));
        }
        self.state = State::Connected { lingering: true };
        self.await_request(now);
        self.events.push_back(Event::Stopped);
    }

    /// The stream that is played ends from our side.
    pub(super) fn say_stopped(&mut self, stream: u32, description: &str) {
        self.send_control(Control::UserControl(UserControl::StreamEof(stream)));
        self.send_command(stream, &on_status("status", code::PLAY_STOP, description));
    }

    fn send_data(&mut self, stream: u32, body: Bytes) {
        let message = Message { kind: kind::DATA_AMF0, timestamp_ms: 0, stream, body };
        self.encoder.encode(chunk_stream::STATUS, &message, &mut self.send);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_messages_have_the_type_of_script_tags() {
        assert_eq!(kind::DATA_AMF0, TagKind::Script.tag_type());
        assert_eq!((kind::AUDIO, kind::VIDEO), (TagKind::Audio.tag_type(), TagKind::Video.tag_type()));
        assert_eq!(TagKind::from_type(kind::DATA_AMF0), Some(TagKind::Script));
    }
}
