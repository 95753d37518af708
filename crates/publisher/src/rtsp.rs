//! RTSP: one port for who plays and who publishes, plain or over TLS, media over the connection or over UDP.

mod connection;
mod pairs;
mod play;
pub(crate) mod ports;
mod publish;
pub(crate) mod send;

pub(crate) use connection::Connection;
pub(crate) use pairs::PlayPairs;
