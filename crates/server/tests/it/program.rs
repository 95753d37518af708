//! The program under test: how it is started, asked and ended.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Lines, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

/// The program without the variables of whoever runs the tests, on ports that the system chooses.
pub(crate) fn rillcast(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rillcast"));
    command.args(arguments);
    alone(command)
}

/// The same, started by a shell that limits its open files: `-n 40` for good, `-S -n 40` unless it asks for more.
pub(crate) fn limited(limit: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit {limit} && exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_rillcast")]);
    command.args(arguments);
    alone(command)
}

fn alone(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("RILLCAST_")) {
        command.env_remove(name);
    }
    command.env("RILLCAST_HTTP_LISTEN", "127.0.0.1:0");
    for name in ["RTMP", "RTSP", "SRT"] {
        command.env(format!("RILLCAST_LISTENERS_{name}_PORT"), "0");
    }
    command
}

/// Exit status, standard output and standard error of a program that ends by itself.
pub(crate) fn output(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

/// A path for one test alone.
pub(crate) fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// A file of one test alone.
pub(crate) fn file(name: &str, text: &str) -> PathBuf {
    let path = path(name);
    std::fs::write(&path, text).expect("written");
    path
}

/// A running program; killed at the end of a test that failed.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) stdout: BufReader<ChildStdout>,
    log: Lines<BufReader<ChildStderr>>,
    /// Host and port of HTTP.
    pub(crate) authority: String,
}

impl Running {
    /// Starts it and waits until HTTP listens.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let log = BufReader::new(child.stderr.take().expect("piped")).lines();
        let mut program = Self { child, stdout, log, authority: String::new() };
        let line = program.wait_for_log("HTTP listens");
        line.rsplit_once("address=").expect("an address").1.clone_into(&mut program.authority);
        program
    }

    /// The next line of the log that holds a text.
    pub(crate) fn wait_for_log(&mut self, text: &str) -> String {
        let line = self.log.by_ref().map_while(Result::ok).find(|line| line.contains(text));
        line.unwrap_or_else(|| panic!("it ended and never said {text:?}"))
    }

    /// The lines of the log up to the next one that holds a text, with that.
    pub(crate) fn log_until(&mut self, text: &str) -> Vec<String> {
        let mut lines = Vec::new();
        while !lines.last().is_some_and(|line: &String| line.contains(text)) {
            let line =
                self.log.next().unwrap_or_else(|| panic!("it ended and never said {text:?}: {lines:#?}"));
            lines.push(line.expect("UTF-8"));
        }
        lines
    }

    /// What the page knows.
    pub(crate) fn status(&self) -> serde_json::Value {
        serde_json::from_slice(&self.get_bytes("/api/v1/streams").1).expect("JSON")
    }

    /// The codes of its streams, sorted.
    pub(crate) fn codes(&self) -> Vec<String> {
        let status = self.status();
        let streams = status["streams"].as_array().expect("a list").iter();
        streams.map(|stream| stream["code"].as_str().expect("a code").to_owned()).collect()
    }

    /// Asks again until there is an answer.
    pub(crate) fn poll<T>(&self, probe: impl Fn(&Self) -> Option<T>) -> T {
        for _ in 0..600 {
            if let Some(found) = probe(self) {
                return found;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("not within a minute")
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(name).arg(self.child.id().to_string()).status();
        assert!(status.expect("kill is there").success());
    }

    pub(crate) fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.authority).expect("it listens")
    }

    /// Head and body of the answer to a GET.
    pub(crate) fn get_bytes(&self, path: &str) -> (String, Vec<u8>) {
        self.ask("GET", path, "")
    }

    /// Head and body of the answer to a request without a body; `headers` are whole lines.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &str) -> (String, Vec<u8>) {
        let mut stream = self.connect();
        let host =
            if headers.contains("Host:") { String::new() } else { format!("Host: {}\r\n", self.authority) };
        let request = format!("{method} {path} HTTP/1.1\r\n{host}{headers}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("answered");
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head") + 4;
        let body = answer.split_off(end);
        (String::from_utf8(answer).expect("UTF-8"), body)
    }

    /// The whole answer to a GET as text.
    pub(crate) fn get(&self, path: &str) -> String {
        let (head, body) = self.get_bytes(path);
        head + std::str::from_utf8(&body).expect("UTF-8")
    }

    /// The same, asked again until it is there; the server waits for the media, so that this need not.
    pub(crate) fn get_when_there(&self, path: &str) -> String {
        let mut answers = (0..12).map(|_| self.get(path));
        answers.find(|answer| answer.starts_with("HTTP/1.1 200 OK\r\n")).expect("media within a minute")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `rillcast run -c` with a file.
pub(crate) fn run(config: impl AsRef<OsStr>) -> Command {
    let mut command = rillcast(&["run", "-c"]);
    command.arg(config);
    command
}
