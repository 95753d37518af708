//! The command line.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use serde::Serialize;

use crate::progress::{self, Progress};
use crate::reference::{memory, serve, udp};
use crate::usage::{Usage, Watch, Watched, Window};
use crate::{fetch, net, play, publish, sink, table};

const EXAMPLES: &str = "\
Examples:
  rillcast-bench rtmp-publish rtmp://127.0.0.1/live/x --file film.flv --secs 60 &
  rillcast-bench http-pull http://127.0.0.1:8080/x/mpegts -n 1000 --pid $(pidof rillcast) --core 0
  rillcast-bench hls http://127.0.0.1:8080/x/index.m3u8 -n 1000 --json
  rillcast-bench http-get http://127.0.0.1:8080/x/1.ts http://127.0.0.1:8080/x/2.ts -n 16

Pin the server to one core (taskset -c 0) and this tool to another (--pin 1). Only servers on this machine
are loaded. docs/benchmarks.md says how to read the results.";

#[derive(Parser, Debug)]
#[command(
    name = "rillcast-bench",
    version,
    about = "Many cheap clients against a live-streaming server on this machine, and what they cost it.",
    after_help = EXAMPLES,
    disable_help_subcommand = true
)]
struct Arguments {
    /// Print the result as one line of JSON
    #[arg(long, global = true, help_heading = "Of all commands")]
    json: bool,
    /// Say on standard error what is going on, also when that is no terminal
    #[arg(long, global = true, help_heading = "Of all commands")]
    progress: bool,
    /// Run on this core only
    #[arg(long, global = true, value_name = "CORE", help_heading = "Of all commands")]
    pin: Option<usize>,
    /// End when the process that started this one ends
    #[arg(long, global = true, hide = true)]
    end_with_parent: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Players of an endless HTTP stream: TS, FLV
    HttpPull(play::Options),
    /// Players over RTMP
    RtmpPlay(play::Options),
    /// Players over RTSP, with RTP in the same connection or over UDP
    RtspPlay {
        #[command(flatten)]
        options: play::Options,
        /// Take RTP by UDP, and count what is lost
        #[arg(long)]
        udp: bool,
    },
    /// Players over SRT; the URL ends with ?streamid=ID
    SrtPlay(play::Options),
    /// Players of HLS: poll the playlist, take each new segment
    Hls(fetch::HlsOptions),
    /// GET loops without a pause: what a server of files can do
    HttpGet(fetch::GetOptions),
    /// Publish one FLV file over and over in real time, with the clock in its pictures
    RtmpPublish(publish::Options),
    /// Be published to: let everybody publish and drop what comes
    RtmpSink(sink::Options),
    /// Several servers in turn, over and over: medians, spreads and ratios as Markdown or JSON
    Table(table::Options),
    /// Only watch a process: what it costs when nobody comes
    Idle {
        /// Seconds that are measured
        #[arg(long, value_name = "SECONDS", default_value_t = 10)]
        secs: u64,
        #[command(flatten)]
        watched: Watched,
    },
    /// The cheapest fan-out there can be, for http-pull; says where it listens
    RefServe(serve::Options),
    /// What one thread can send over UDP
    RefUdp(udp::Options),
    /// How fast one core copies memory
    RefMemcpy,
}

/// What `idle` reports.
#[derive(Serialize)]
struct Idle {
    mode: &'static str,
    secs: u64,
    #[serde(flatten)]
    usage: Usage,
}

impl Display for Idle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} s{}", self.mode, self.secs, self.usage)
    }
}

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress::warn(format_args!("rillcast-bench: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.end_with_parent {
        table::end_with_parent()?;
    }
    if let Some(core) = arguments.pin {
        net::pin(core)?;
    }
    let progress = Progress::new(arguments.progress);
    let json = arguments.json;
    let player = |kind, options: &play::Options| {
        let watch = Watch::start(&options.watched)?;
        print(&play::run(kind, options, watch, &progress)?, json)
    };
    match &arguments.command {
        Command::HttpPull(options) => player(play::Kind::HttpPull, options),
        Command::RtmpPlay(options) => player(play::Kind::RtmpPlay, options),
        Command::RtspPlay { options, udp: false } => player(play::Kind::RtspPlay, options),
        Command::RtspPlay { options, udp: true } => player(play::Kind::RtspPlayUdp, options),
        Command::SrtPlay(options) => player(play::Kind::SrtPlay, options),
        Command::Hls(options) => {
            print(&fetch::hls(options, Watch::start(&options.watched)?, &progress)?, json)
        }
        Command::HttpGet(options) => {
            print(&fetch::get(options, Watch::start(&options.watched)?, &progress)?, json)
        }
        Command::RtmpPublish(options) => {
            print(&publish::run(options, Watch::start(&options.watched)?, &progress)?, json)
        }
        Command::RtmpSink(options) => {
            print(&sink::run(options, Watch::start(&options.watched)?, &progress)?, json)
        }
        Command::Table(options) => table::run(options, json, &progress),
        Command::Idle { secs, watched } => print(&idle(*secs, watched)?, json),
        Command::RefServe(options) => serve::run(options, io::stdout()),
        Command::RefUdp(options) => print(&udp::run(options)?, json),
        Command::RefMemcpy => print(&memory::run(Duration::from_secs(1)), json),
    }
}

fn idle(secs: u64, watched: &Watched) -> anyhow::Result<Idle> {
    let window = Window { start: Instant::now(), secs: secs.max(1) };
    let usage = Watch::start(watched)?.measure(window)?.usage(1, 0.0);
    Ok(Idle { mode: "idle", secs: window.secs, usage })
}

fn print(report: &(impl Serialize + Display), json: bool) -> anyhow::Result<()> {
    let mut out = io::stdout();
    if json {
        writeln!(out, "{}", serde_json::to_string(report)?)?;
    } else {
        writeln!(out, "{report}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn commands_are_read() {
        let parsed = |line: &str| Arguments::try_parse_from(line.split(' '));
        let pull = parsed("rillcast-bench http-pull http://127.0.0.1:1/x -n 10 --pid 1,2 --json").unwrap();
        assert!(pull.json);
        let Command::HttpPull(options) = pull.command else { panic!("{pull:?}") };
        assert_eq!((options.load.n, &options.watched.pid[..]), (10, &[1, 2][..]));
        assert!(parsed("rillcast-bench http-pull http://192.0.2.1/x").is_err(), "another machine");
        assert!(parsed("rillcast-bench http-get").is_err(), "nothing to get");
        assert!(parsed("rillcast-bench rtmp-publish rtmp://127.0.0.1/live/x").is_err(), "no file");
        assert!(parsed("rillcast-bench rtmp-sink rtmp://127.0.0.1:1936/live/x -n 20").is_ok());
        let udp = parsed("rillcast-bench rtsp-play rtsp://127.0.0.1:8554/live/x --udp -n 300").unwrap();
        assert!(matches!(udp.command, Command::RtspPlay { udp: true, .. }));
        assert!(parsed("rillcast-bench ref-serve --listen 0.0.0.0:80").is_err(), "open to all");
    }
}
