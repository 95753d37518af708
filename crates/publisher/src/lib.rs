//! The publisher service: takes streams in and delivers them to all outputs.
//!
//! [`Service`] is the contract: `start` and `stop` streams, answer viewers, tell the state. Sockets, files, the
//! clock and the runtime are here and in `server`; below are pure crates. `ingest/<p>` brings a protocol's media
//! to the hub, `output/<p>` takes it from a carrier to the peers.

mod back_off;
mod body;
mod change;
mod clock;
mod code;
pub mod config;
mod error;
pub mod events;
mod health;
mod ingest;
mod inputs;
mod limits;
mod line;
pub mod listener;
mod measures;
mod media_listener;
mod output;
mod play_token;
mod proxy;
mod push;
mod refusals;
mod resolve;
mod restart;
mod rtsp;
mod rung;
mod segments;
mod service;
pub mod session;
mod srt;
mod status;
mod stream;
mod tls;
mod wire;

pub use self::srt::SrtListener;
pub use body::{Body, Part};
pub use change::{Action, Change, Plan};
pub use code::{Address, Code, CodeError};
pub use error::Error;
pub use limits::{Admission, LimitStatus, Refusal};
pub use measures::{SegmentTotals, SessionTotals, StreamMeasures};
pub use media_listener::MediaListener;
pub use output::answer::{forbidden, not_found};
pub use output::mpegts::Live;
pub use output::rtmp::{PlayInfo, Playback};
pub use play_token::{Grant, PlayDenied};
pub use proxy::Arrival;
pub use push::{ErrorEntry, PushChanges, PushSnapshot, PushStatus, Reason, RuntimeStatus};
pub use service::Service;
pub use status::{RenditionStatus, SourceStatus, StreamStatus};
