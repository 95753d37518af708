//! Whole sessions and whole files, as real programs send them.

// Clippy lets tests unwrap, but not what they share.
#![allow(clippy::unwrap_used)]

mod client;
mod files;
mod hostile;
mod mux;
mod play;
mod publish;
mod recordings;
mod session;
