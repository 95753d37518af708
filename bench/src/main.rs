//! Many cheap clients against a live-streaming server on this machine, and what they cost it.
//!
//! A mode opens its clients, waits until all is steady, and measures for some seconds: what the clients got, and what
//! the server's processes used meanwhile ([`usage`]). [`table`] does so for several servers in turn. How to read the
//! results, and what they cannot say, is in `docs/benchmarks.md`.

mod cli;
mod fetch;
mod http;
mod load;
mod net;
mod play;
mod progress;
mod publish;
mod reference;
mod rtmp_client;
mod sink;
mod stamp;
mod stats;
mod table;
mod target;
mod usage;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
