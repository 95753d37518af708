//! The program as its user starts it.

mod auth;
mod codecs;
mod command_line;
mod encoder;
mod ladder;
mod life;
mod program;
mod proxies;
mod reload;
mod shortage;
