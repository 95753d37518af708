//! The commands that peers send (RTMP 1.0 7.2, and what Flash Media Live Encoder added to them).

use std::time::Duration;

use super::super::status::{self, call, code, information, on_status, result};
use super::super::{Connect, Event, Request, Timer};
use super::{CHUNK_SIZE, CONNECTION, Session, State, WINDOW, Wanted};
use crate::amf0::Value;
use crate::message::{Command, Control, PeerBandwidth, UserControl};
use crate::{Error, Limits};

impl Session {
    /// A command that came on the message stream `stream`.
    pub(super) fn command(&mut self, now: Duration, stream: u32, command: &Command) -> Result<(), Error> {
        if matches!(self.state, State::Opened) {
            return self.opened(command);
        }
        let transaction = command.transaction;
        match command.name.as_str() {
            "createStream" => self.create_stream(transaction)?,
            "publish" => self.request(now, Wanted::Publish, stream, command),
            "play" => self.request(now, Wanted::Play, stream, command),
            "releaseStream" | "_checkbw" | "FCSubscribe" => self.reply(transaction, Value::Undefined),
            "getStreamLength" => self.reply(transaction, 0.0.into()),
            "FCPublish" => self.flash_call("onFCPublish", code::PUBLISH_START, command),
            "FCUnpublish" => {
                self.unpublish(now, None);
                self.flash_call("onFCUnpublish", code::UNPUBLISH_SUCCESS, command);
            }
            "closeStream" => {
                self.unpublish(now, Some(stream));
                self.stop(now, stream, false);
            }
            "deleteStream" => self.delete_stream(now, command),
            "receiveAudio" | "receiveVideo" | "pause" | "pauseRaw" | "seek" => {
                self.player_command(stream, command);
            }
            // Answers to what we did not ask, and a switch to another rendition, which a player has to do without.
            "_result" | "_error" | "onStatus" | "play2" => {}
            _ => self.unknown(command),
        }
        Ok(())
    }

    /// Before `connect` nothing else makes sense.
    fn opened(&mut self, command: &Command) -> Result<(), Error> {
        if command.name != "connect" {
            return Err(Error::Order { what: "a command", when: "before connect" });
        }
        let connect = Connect::decode(command);
        self.send_control(Control::WindowAckSize(WINDOW));
        self.send_control(Control::SetPeerBandwidth(WINDOW, PeerBandwidth::Dynamic));
        self.encoder.set_chunk_size(CHUNK_SIZE, &mut self.send);
        self.send_control(Control::UserControl(UserControl::StreamBegin(CONNECTION)));
        self.send_command(CONNECTION, &connect.accept(command.transaction));
        self.state = State::Connected { lingering: false };
        self.connect = connect.clone();
        self.events.push_back(Event::Connect(connect));
        Ok(())
    }

    /// The least number that is free: encoders expect 1, and some send to it whatever they are told.
    fn create_stream(&mut self, transaction: f64) -> Result<(), Error> {
        let Limits { message_streams: limit, .. } = self.limits;
        if self.streams.len() >= limit {
            let value = self.streams.len() as u64 + 1;
            return Err(Error::Limit { what: "message streams", value, limit: limit as u64 });
        }
        let free = (1..).find(|id| !self.streams.contains(id)).unwrap_or(1);
        self.streams.insert(free);
        self.reply(transaction, f64::from(free).into());
        Ok(())
    }

    fn request(&mut self, now: Duration, what: Wanted, stream: u32, command: &Command) {
        if !matches!(self.state, State::Connected { .. }) {
            let code = if what == Wanted::Publish { code::PUBLISH_BAD_NAME } else { code::PLAY_FAILED };
            let description = "This connection is already in use for a stream.";
            return self.send_command(stream, &on_status("error", code, description));
        }
        let request = Request::new(&self.connect, command.text(0));
        self.events.push_back(match what {
            Wanted::Publish => Event::Publish(request),
            Wanted::Play => Event::Play(request),
        });
        self.state = State::Pending { what, stream };
        self.timer = Some((Timer::Verdict, now.saturating_add(self.limits.verdict)));
    }

    fn delete_stream(&mut self, now: Duration, command: &Command) {
        // A cast saturates, so what is no number of ours deletes nothing.
        let stream = command.number(0).unwrap_or_default() as u32;
        self.streams.remove(&stream);
        self.unpublish(now, Some(stream));
        self.stop(now, stream, true);
    }

    /// Ends the publication if it is on that message stream; without one, whichever it is on.
    fn unpublish(&mut self, now: Duration, stream: Option<u32>) {
        if let State::Publishing { stream: current } = self.state
            && stream.is_none_or(|stream| stream == current)
        {
            self.send_command(current, &on_status("status", code::UNPUBLISH_SUCCESS, "Unpublished."));
            self.state = State::Connected { lingering: true };
            self.await_request(now);
            self.events.push_back(Event::Unpublish);
        }
    }

    /// `FCPublish` and `FCUnpublish`: Flash Media Live Encoder waits for a call of its own, others for the reply.
    fn flash_call(&mut self, name: &str, code: &str, command: &Command) {
        let info = information("status", code, command.text(0));
        self.send_command(CONNECTION, &call(name, vec![Value::Null, info]));
        self.reply(command.transaction, Value::Undefined);
    }

    fn unknown(&mut self, command: &Command) {
        if command.transaction != 0.0 {
            let description = "The server does not know this call.";
            self.send_command(
                CONNECTION,
                &status::error(command.transaction, code::CALL_FAILED, description),
            );
        }
    }

    fn reply(&mut self, transaction: f64, value: Value) {
        if transaction != 0.0 {
            self.send_command(CONNECTION, &result(transaction, vec![Value::Null, value]));
        }
    }
}
