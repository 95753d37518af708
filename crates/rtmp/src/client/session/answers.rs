//! What servers answer, and what they say unasked (RTMP 1.0 7.2).

use std::time::Duration;

use super::super::refusal::{class, information, said};
use super::super::{Class, Event, Refusal};
use super::{CONNECTION, Session, State, transaction};
use crate::amf0::Value;
use crate::chunk::PUBLISH_SIZE;
use crate::flv::mux::Caps;
use crate::message::Command;
use crate::server::{code, fourccs};

impl Session {
    pub(super) fn command(&mut self, now: Duration, command: &Command) {
        match command.name.as_str() {
            "_result" => self.result(now, command),
            "_error" => self.error(command),
            "onStatus" => self.status(command),
            // FMS measures the line, and waits for the answers.
            "_onbwcheck" => {
                self.call(CONNECTION, "_result", command.transaction, vec![Value::Null, 0.0.into()]);
            }
            // `onBWDone`, `onFCPublish` and what there may be else.
            _ => {}
        }
    }

    fn result(&mut self, now: Duration, command: &Command) {
        match self.state {
            State::Connecting if command.transaction == transaction::CONNECT => self.connected(now, command),
            State::Creating if command.transaction == transaction::CREATE_STREAM => {
                match command.number(0) {
                    // A cast saturates, and what is no number of a stream would not be answered.
                    Some(stream) => self.publish(now, stream as u32),
                    None => self.refuse(Class::Rejected, command),
                }
            }
            _ => {}
        }
    }

    /// `connect` was answered; some say that it failed in a `_result`.
    fn connected(&mut self, now: Duration, command: &Command) {
        let (code, _) = said(command);
        if !matches!(code, code::CONNECT_SUCCESS | "") {
            return self.not_connected(command);
        }
        let names: Vec<String> = command.values.iter().flat_map(fourccs).collect();
        self.caps = Caps::of(names.iter().map(String::as_str));
        self.encoder.set_chunk_size(PUBLISH_SIZE, &mut self.send);
        // Of Flash Media Live Encoder: end what another connection of ours may have left, and announce the stream.
        for (name, transaction) in
            [("releaseStream", transaction::RELEASE_STREAM), ("FCPublish", transaction::FC_PUBLISH)]
        {
            let stream: Value = self.target.url().name().into();
            self.call(CONNECTION, name, transaction, vec![Value::Null, stream]);
        }
        self.call(CONNECTION, "createStream", transaction::CREATE_STREAM, vec![Value::Null]);
        self.wait(now, State::Creating);
    }

    fn publish(&mut self, now: Duration, stream: u32) {
        let name: Value = self.target.url().name().into();
        self.call(stream, "publish", transaction::PUBLISH, vec![Value::Null, name, "live".into()]);
        self.wait(now, State::Requesting { stream });
    }

    fn error(&mut self, command: &Command) {
        match (&self.state, command.transaction) {
            (State::Connecting, transaction::CONNECT) => self.not_connected(command),
            (State::Creating, transaction::CREATE_STREAM) => self.refuse(Class::Rejected, command),
            (State::Requesting { .. }, transaction::PUBLISH) => self.refuse(Class::Rejected, command),
            // Many servers do not know the calls of Flash Media Live Encoder.
            _ => {}
        }
    }

    /// `connect` was refused: for want of a proof of who we are, or to send us elsewhere, or for good.
    fn not_connected(&mut self, command: &Command) {
        let (_, description) = said(command);
        match self.target.judge(description, &self.nonce) {
            Some(Ok(target)) => return self.leave(Event::Again(target)),
            Some(Err(why)) => {
                let refusal = Refusal {
                    description: why.to_owned(),
                    ..Refusal::new(Class::Credentials, command, self.target.url())
                };
                return self.leave(Event::Refused(refusal));
            }
            None => {}
        }
        // Flash Media Server and those after it: `ex` has the code 302 and an address.
        let redirect = information(command).and_then(|info| info.get("ex")?.get("redirect")?.as_str());
        match redirect.map(|redirect| self.target.redirect(redirect)) {
            Some(Some(target)) => self.leave(Event::Redirect(target)),
            _ => self.refuse(Class::Rejected, command),
        }
    }

    fn status(&mut self, command: &Command) {
        let (code, _) = said(command);
        let info = information(command);
        let text = |name| info.and_then(|info| info.get(name)).and_then(Value::as_str);
        let level = text("level").unwrap_or_default();
        match (code, &self.state) {
            (code::PUBLISH_START, &State::Requesting { stream }) => {
                self.state = State::Publishing { stream };
                self.deadline = None;
                self.events.push_back(Event::Published { caps: self.caps });
            }
            (code::RECONNECT_REQUEST, _) => {
                let (_, tc_url) = self.target.names();
                let target = self.target.redirect(text("tcUrl").unwrap_or(&tc_url));
                if matches!(self.state, State::Publishing { .. }) {
                    self.events.extend(target.map(Event::Redirect));
                } else if let Some(target) = target {
                    self.leave(Event::Redirect(target));
                }
            }
            // About what was before, of which `releaseStream` may have been the end.
            (code::UNPUBLISH_SUCCESS, State::Creating | State::Requesting { .. }) => {}
            (_, State::Connecting) if class(code, level).is_some() => self.not_connected(command),
            _ => {
                if class(code, level).is_some() {
                    self.refuse(Class::Rejected, command);
                }
            }
        }
    }

    /// The class is that of the code, where that has one.
    fn refusal(&self, or: Class, command: &Command) -> Refusal {
        let (code, _) = said(command);
        Refusal::new(class(code, "").unwrap_or(or), command, self.target.url())
    }

    fn refuse(&mut self, or: Class, command: &Command) {
        let refusal = self.refusal(or, command);
        self.leave(Event::Refused(refusal));
    }

    fn leave(&mut self, event: Event) {
        self.events.push_back(event);
        self.end();
    }
}
