//! The program `rillcast`: its command line, its configuration, its HTTP server and page, its start and its end.
//! All media work is done by the `publisher` crate.

mod api;
mod auth;
mod cli;
mod config;
mod control;
mod demo;
mod http;
mod listeners;
mod log;
mod metrics;
mod panics;
mod play_token;
mod run;
mod signals;
mod store;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
