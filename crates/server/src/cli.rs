//! The command line.

use std::io::{self, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use publisher::Address;

use crate::auth::{self, Role};
use crate::config::{self, Config, Listen};
use crate::{demo, log, play_token, run};

const EXAMPLES: &str = "\
Examples:
  rillcast demo                        play a bundled clip on every output
  rillcast run                         take any stream from an encoder on this machine
  rillcast run -c rillcast.yaml        run what the file says
  rillcast check -c rillcast.yaml      say what the file would run, or what is wrong with it
  rillcast token --name ops            make a token for the API";

const ENVIRONMENT: &str = "\
Environment:
  RILLCAST_<PATH>        overrides a setting of the file: RILLCAST_HTTP_LISTEN=:8081 for http.listen,
                         RILLCAST_LISTENERS_RTMP_PORT=1936 for listeners.rtmp.port
  RILLCAST_LOG           what is logged: error, warn, info (default), debug, trace, also by part of the
                         program, as warn,rillcast_rtmp=debug
  RILLCAST_LOG_FORMAT    text (default) or json";

/// What users want to read below the options.
fn more_help() -> String {
    format!("{EXAMPLES}\n\n{ENVIRONMENT}")
}

#[derive(Parser, Debug)]
#[command(
    name = "rillcast",
    version,
    about = "Publishes live streams: takes them in once and delivers them as HLS, DASH and HTTP MPEG-TS.",
    after_help = more_help(),
    disable_help_subcommand = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Play a bundled clip as the stream "demo"; nothing to set up
    ///
    /// Prints every URL to play. Encoders on this machine may publish streams of their own beside it.
    #[command(after_help = ENVIRONMENT)]
    Demo {
        /// Where HTTP listens: ":8080" (all addresses), "127.0.0.1:8080", "localhost:8080"
        #[arg(long, value_name = "ADDRESS", value_parser = listen_address)]
        listen: Option<Listen>,
    },
    /// Publish streams until SIGTERM or Ctrl-C; a second one stops at once
    ///
    /// Without a file every encoder on this machine may publish any stream:
    /// ffmpeg -re -i FILE -c copy -f flv rtmp://localhost/live/test
    ///
    /// SIGHUP has the file read again: streams start, stop and change, everybody else goes on. A file that is
    /// wrong changes nothing, and what needs a restart is named in the log.
    #[command(after_help = ENVIRONMENT)]
    Run {
        /// Configuration file (YAML)
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Make a token for the API: print it once, and the line for the configuration file
    ///
    /// The file has its hash alone, so that nobody can read the token from it.
    Token {
        /// Who is to have it, for people
        #[arg(long, default_value = "admin")]
        name: String,
        /// admin may change things, viewer may look
        #[arg(long, default_value = "admin", value_parser = role)]
        role: Role,
    },
    /// Make a token with which a stream can be played, and say where it goes
    ///
    /// It is made with the newest key that the file has for the stream (play_auth_keys), which the running program must have too.
    PlayToken {
        /// Configuration file (YAML)
        #[arg(short, long, value_name = "FILE")]
        config: PathBuf,
        /// The stream's code, or CODE@RENDITION for one rendition alone
        #[arg(value_parser = address)]
        stream: Address,
        /// Seconds until it ends
        #[arg(long, value_name = "SECONDS", default_value = "86400")]
        expires_in: u64,
        /// The IP address of who plays; anywhere where it is left out
        #[arg(long, value_name = "ADDRESS")]
        client: Option<IpAddr>,
    },
    /// Check a configuration file: say what it would run, or everything that is wrong with it
    ///
    /// The environment counts as for `run`. Exit status 0 when the file can be run, 1 when not.
    #[command(after_help = ENVIRONMENT)]
    Check {
        /// Configuration file (YAML)
        #[arg(short, long, value_name = "FILE")]
        config: PathBuf,
    },
}

fn address(text: &str) -> Result<Address, publisher::CodeError> {
    text.parse()
}

fn role(text: &str) -> Result<Role, &'static str> {
    Role::parse(text).ok_or("allowed: admin, viewer")
}

fn listen_address(text: &str) -> Result<Listen, String> {
    text.parse().map_err(|()| format!("allowed: {}", config::LISTEN_ALLOWED))
}

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Demo { listen } => serve(None, |config| demo::configure(config, listen), demo::greet),
        Command::Run { config } => serve(config, Ok, |_| Ok(())),
        Command::Token { name, role } => token(&name, role),
        Command::PlayToken { config, stream, expires_in, client } => {
            play_token(&config, &stream, client, Duration::from_secs(expires_in))
        }
        Command::Check { config } => check(&config),
    };
    outcome.unwrap_or_else(|error| {
        // Nobody is left to tell when standard error is closed.
        let _ = writeln!(io::stderr(), "rillcast: {}", told(&error));
        ExitCode::FAILURE
    })
}

/// An error with its causes on one line; faults of a configuration on lines of their own, so that each begins
/// with its place.
fn told(error: &anyhow::Error) -> String {
    match error.downcast_ref::<config::Faults>() {
        Some(faults) => format!("the configuration cannot be used\n{faults}"),
        None => format!("{error:#}"),
    }
}

fn serve(
    file: Option<PathBuf>,
    adjust: impl FnOnce(Config) -> anyhow::Result<Config>,
    ready: run::Ready,
) -> anyhow::Result<ExitCode> {
    log::start()?;
    let base = config::Base::read(file.as_deref(), std::env::vars_os())?;
    let config = adjust(base.under(&serde_json::Value::Null)?)?;
    run::until_stopped(base, config, file, ready)
}

fn token(name: &str, role: Role) -> anyhow::Result<ExitCode> {
    let (token, hash) = auth::token::make()?;
    write!(
        io::stdout(),
        "The token, which is shown this once:

  {token}

For the configuration file, under api.tokens:

  - {{ name: {name:?}, role: {}, hash: \"{hash}\" }}
",
        role.name()
    )?;
    Ok(ExitCode::SUCCESS)
}

fn play_token(
    path: &Path,
    address: &Address,
    client: Option<IpAddr>,
    lasts: Duration,
) -> anyhow::Result<ExitCode> {
    let base = config::Base::read(Some(path), std::env::vars_os())?;
    let text = play_token::make(&base.under(&serde_json::Value::Null)?, address, client, lasts)?;
    io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn check(path: &Path) -> anyhow::Result<ExitCode> {
    let base = config::Base::read(Some(path), std::env::vars_os())?;
    let config = base.under(&serde_json::Value::Null)?;
    write!(io::stdout(), "{} is valid. It would run:\n\n{config}", path.display())?;
    Ok(ExitCode::SUCCESS)
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
        let parsed =
            |line: &str| Arguments::try_parse_from(line.split(' ')).map(|arguments| arguments.command);
        assert!(matches!(parsed("rillcast demo"), Ok(Command::Demo { listen: None })));
        assert!(matches!(parsed("rillcast demo --listen [::1]:1"), Ok(Command::Demo { listen: Some(_) })));
        assert!(matches!(parsed("rillcast run -c a.yaml"), Ok(Command::Run { config: Some(_) })));
        let error = parsed("rillcast demo --listen 8080").expect_err("no address").to_string();
        assert!(error.contains("'8080'") && error.contains("\":8080\" (all addresses)"), "{error}");
        assert!(parsed("rillcast check").is_err(), "a check needs a file");
    }
}
