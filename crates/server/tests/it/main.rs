//! The program as its user starts it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

/// The program without the variables of whoever runs the tests, on ports that the system chooses.
fn rillcast(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rillcast"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("RILLCAST_")) {
        command.env_remove(name);
    }
    command
        .args(arguments)
        .env("RILLCAST_HTTP_LISTEN", "127.0.0.1:0")
        .env("RILLCAST_LISTENERS_RTMP_PORT", "0");
    command
}

fn output(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

/// A file of this test alone.
fn file(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).expect("written");
    path
}

/// A running demo; killed at the end of a test that failed.
struct Demo {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// Host and port of its page.
    authority: String,
}

impl Demo {
    fn start() -> Self {
        let mut command = rillcast(&["demo"]);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let authority = loop {
            let mut line = String::new();
            assert_ne!(stdout.read_line(&mut line).expect("readable"), 0, "it ended before it told its URLs");
            if let Some(url) = line.trim().strip_prefix("Page") {
                break url.trim().trim_start_matches("http://").trim_end_matches('/').to_owned();
            }
        };
        Self { child, stdout, authority }
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(name).arg(self.child.id().to_string()).status();
        assert!(status.expect("kill is there").success());
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.authority).expect("it listens");
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.authority);
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        answer
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It has ended already where the test went well.
        let _ = self.child.kill();
    }
}

#[test]
fn a_check_says_what_would_run() {
    let path = file("good.yaml", "streams: {news: {stream_key: geheim}}\n");
    let (status, stdout, stderr) = output(rillcast(&["check", "-c"]).arg(&path));
    assert_eq!((status, stderr.as_str()), (Some(0), ""));
    let expected = format!(
        "{} is valid. It would run:

HTTP      127.0.0.1:0
RTMP      :0
HLS       2 s segments, a window of 12, in memory
stream    news: from a publisher, with a stream key, as HLS, HTTP MPEG-TS
",
        path.display()
    );
    assert_eq!(stdout, expected);
}

#[test]
fn a_bad_file_fails_check_and_run_with_every_fault_on_a_line() {
    let path = file("bad.yaml", "http: {lisen: ':1'}\nstreams:\n  news: {takeover: 1}\n");
    for command in ["check", "run"] {
        let (status, stdout, stderr) = output(rillcast(&[command, "-c"]).arg(&path));
        assert_eq!((status, stdout.as_str()), (Some(1), ""));
        let path = path.display();
        let expected = format!(
            "rillcast: the configuration cannot be used
{path}:1:8: http.lisen: unknown key; did you mean listen? allowed: listen
{path}:3:20: streams.news.takeover: 1 is not allowed; allowed: true, false
"
        );
        assert_eq!(stderr, expected);
    }
}

#[test]
fn a_bad_variable_is_named() {
    for (name, value, expected) in [
        ("RILLCAST_HTTP_PORT", "1", "RILLCAST_HTTP_PORT: unknown variable"),
        (
            "RILLCAST_PUBLISHER_HLS_LIVE_WINDOW",
            "1",
            "publisher.hls.live_window: 1 is not allowed; allowed: a whole number from 3",
        ),
        ("RILLCAST_LOG", "loud", "RILLCAST_LOG: \"loud\" is not allowed; allowed: off, error"),
        ("RILLCAST_LOG_FORMAT", "xml", "RILLCAST_LOG_FORMAT: \"xml\" is not allowed; allowed: text, json"),
    ] {
        let (status, _, stderr) = output(rillcast(&["run"]).env(name, value));
        assert!(status == Some(1) && stderr.contains(expected), "{name}: {stderr}");
    }
}

#[test]
fn a_busy_port_is_named_with_its_setting_and_nothing_runs() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound");
    let (status, stdout, stderr) = output(&mut rillcast(&["demo", "--listen", &address.to_string()]));
    assert_eq!((status, stdout.as_str()), (Some(1), ""));
    assert!(stderr.contains(&format!("rillcast: http.listen {address}: address in use")), "{stderr}");

    let mut command = rillcast(&["run"]);
    command.env("RILLCAST_LISTENERS_RTMP_LISTEN_HOST", "127.0.0.1");
    let (status, _, stderr) = output(command.env("RILLCAST_LISTENERS_RTMP_PORT", address.port().to_string()));
    assert_eq!(status, Some(1));
    assert!(stderr.contains(&address.to_string()) && stderr.contains("listeners.rtmp"), "{stderr}");
}

#[test]
fn help_and_version_are_told() {
    let (status, stdout, _) = output(&mut rillcast(&["--help"]));
    assert!(
        status == Some(0)
            && stdout.contains("rillcast check -c rillcast.yaml")
            && stdout.contains("RILLCAST_LOG")
    );
    assert_eq!(
        output(&mut rillcast(&["--version"])).1,
        concat!("rillcast ", env!("CARGO_PKG_VERSION"), "\n")
    );
    assert_eq!(output(&mut rillcast(&[])).0, Some(2), "a command is needed");
}

#[test]
fn the_demo_tells_its_urls_serves_its_page_and_ends_at_a_signal() {
    let mut demo = Demo::start();
    let page = demo.get("/");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.contains("<title>Rillcast</title>"), "{page}");
    let api = demo.get("/api/v1/streams");
    assert!(api.contains("\"code\":\"demo\"") && api.contains("\"hls\":\"/demo/index.m3u8\""), "{api}");
    demo.signal("-TERM");
    assert_eq!(demo.child.wait().expect("ended").code(), Some(0));
    let mut rest = String::new();
    demo.stdout.read_to_string(&mut rest).expect("readable");
    for part in ["/demo/index.m3u8\n", "ffplay http://", "vlc http://", "rtmp://localhost:"] {
        assert!(rest.contains(part), "{part} in {rest}");
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut demo = Demo::start();
    let mut log = BufReader::new(demo.child.stderr.take().expect("piped")).lines();
    // A request that never comes to its end holds up the drain.
    let mut stream = TcpStream::connect(&demo.authority).expect("it listens");
    stream.write_all(b"GET / HTTP/1.1\r\nHo").expect("sent");
    let answered = demo.get("/healthz");
    assert!(answered.ends_with("ok\n"), "the first connection was accepted before this one: {answered}");
    demo.signal("-TERM");
    let mut until =
        |text: &str| log.by_ref().map_while(Result::ok).find(|line| line.contains(text)).expect(text);
    until("stopping; once more to stop at once");
    demo.signal("-INT");
    until("stopped at once");
    assert_eq!(demo.child.wait().expect("ended").code(), Some(130));
}
