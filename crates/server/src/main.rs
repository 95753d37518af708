//! The program `rillcast`: its command line, its configuration, its HTTP server and page, its start and its end.
//! All media work is done by the `publisher` crate.

mod cli;
mod config;
mod demo;
mod http;
mod log;
mod panics;
mod run;
mod signals;

use std::process::ExitCode;

/// Frames are allocated in one thread and freed in another, all the time: what is made for that costs half as much.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main()
}
