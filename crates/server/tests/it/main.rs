//! The program as its user starts it.

mod api;
mod auth;
mod client;
mod codecs;
mod command_line;
mod encoder;
mod ladder;
mod life;
mod metrics;
mod play_auth;
mod program;
mod proxies;
mod reload;
mod settings;
mod shortage;
mod store;
