//! The program as its users run it.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// A child that ends with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn program(line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rillcast-bench"));
    command.args(line.split_whitespace()).stdin(Stdio::null());
    command
}

/// The reference, and where it listens.
fn reference() -> (Running, String) {
    let mut child = program("ref-serve --tick 20 --secs 60").stdout(Stdio::piped()).spawn().unwrap();
    let out = child.stdout.take().unwrap();
    let running = Running(child);
    let mut url = String::new();
    BufReader::new(out).read_line(&mut url).unwrap();
    (running, url.trim().to_owned())
}

/// Runs to the end; what it printed, as JSON.
fn json(line: &str) -> serde_json::Value {
    let output = program(line).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn players_of_the_reference_get_bytes() {
    let (server, url) = reference();
    let report = json(&format!(
        "http-pull {url} -n 5 --rate 1000 --warmup 0.5 --secs 2 --probes 1 --pid {} --json",
        server.0.id()
    ));
    assert_eq!((&report["mode"], &report["n"]), (&"http-pull".into(), &5.into()));
    assert!(report["bytes"].as_u64() > Some(0), "{report}");
    assert!(report["got_media"].as_u64() > Some(0), "{report}");
    assert!(report["rss_end_mb"].as_f64() > Some(0.0), "{report}");
}

#[test]
fn a_table_of_the_reference_beside_itself_has_both_rows() {
    let (server, url) = reference();
    let pid = server.0.id();
    let outcome = json(&format!(
        "table --server mine,pid={pid},http-ts={url} --reference 20 --runs 1 --secs 1 -n 5 --warmup 0.5 --pause 0 --json"
    ));
    let rows = outcome["tables"][0]["rows"].as_array().unwrap();
    let names: Vec<_> = rows.iter().map(|row| row["server"].as_str().unwrap()).collect();
    assert_eq!(names, ["mine", "reference, 20 ms"]);
    assert!(rows.iter().all(|row| row["runs"][0]["bytes"].as_u64() > Some(0)), "{outcome}");
}

#[test]
fn other_machines_are_refused() {
    let output = program("http-get http://192.0.2.1/").output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("not on this machine"));
}
