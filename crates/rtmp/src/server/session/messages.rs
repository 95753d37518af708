//! Messages by their type: media to events, control messages to their effect.

use std::time::Duration;

use bytes::Buf;

use super::super::Event;
use super::{Session, State};
use crate::Error;
use crate::flv::{Tag, TagKind};
use crate::message::{self, Command, Control, Message, UserControl, kind};

impl Session {
    /// One message, of whatever type.
    pub(super) fn message(&mut self, now: Duration, message: Message) -> Result<(), Error> {
        match message.kind {
            kind::AUDIO => self.tag(TagKind::Audio, message),
            kind::VIDEO => self.tag(TagKind::Video, message),
            kind::DATA_AMF0 | kind::DATA_AMF3 => self.data(&message),
            kind::AGGREGATE => message::aggregate(&message)?.into_iter().try_for_each(|tag| self.media(tag)),
            kind::COMMAND_AMF0 | kind::COMMAND_AMF3 => {
                let command = Command::decode(&message, self.limits.amf)?;
                self.command(now, message.stream, &command)
            }
            _ => {
                if let Some(control) = Control::decode(&message)? {
                    self.control(now, control);
                }
                Ok(())
            }
        }
    }

    fn control(&mut self, now: Duration, control: Control) {
        match control {
            Control::WindowAckSize(size) if size > 0 => self.window = size,
            Control::Acknowledgement(count) => self.stats.peer_acknowledged = count,
            Control::UserControl(UserControl::PingRequest(time)) => {
                self.send_control(Control::UserControl(UserControl::PingResponse(time)));
            }
            Control::UserControl(UserControl::PingResponse(time)) if self.pinged == Some(time) => {
                self.pinged = None;
                self.stats.round_trip = Some((now.as_millis() as u32).wrapping_sub(time));
            }
            _ => {}
        }
    }

    /// A data message: metadata as a publisher wraps it, unwrapped to what an FLV file has.
    fn data(&mut self, message: &Message) -> Result<(), Error> {
        const SET: &[u8] = b"\x02\x00\x0d@setDataFrame";
        const CLEAR: &[u8] = b"\x02\x00\x0f@clearDataFrame";
        let mut body = message::amf0_body(message);
        if body.starts_with(SET) {
            body.advance(SET.len());
        }
        // Before `publish` it is about nothing, and harmless.
        let early = matches!(self.state, State::Opened | State::Connected { lingering: false });
        if early || body.starts_with(CLEAR) {
            return Ok(());
        }
        self.media(Tag { kind: TagKind::Script, timestamp_ms: message.timestamp_ms, body })
    }

    fn tag(&mut self, kind: TagKind, message: Message) -> Result<(), Error> {
        self.media(Tag { kind, timestamp_ms: message.timestamp_ms, body: message.body })
    }

    fn media(&mut self, tag: Tag) -> Result<(), Error> {
        match self.state {
            // On whichever message stream: some encoders send on another than they publish on.
            State::Publishing { .. } => {
                self.stats.tags += 1;
                self.events.push_back(Event::Tag(tag));
            }
            State::Connected { lingering: true } | State::Playing { .. } => self.stats.dropped_tags += 1,
            _ => return Err(Error::Order { what: "media", when: "before publish" }),
        }
        Ok(())
    }

    /// 5.4.3: at most once for all that came at a time.
    pub(super) fn acknowledge(&mut self) {
        let received = self.stats.bytes_received;
        if self.is_connected() && received - self.acknowledged >= self.window.into() {
            self.acknowledged = received;
            self.send_control(Control::Acknowledgement(received as u32));
        }
    }
}
