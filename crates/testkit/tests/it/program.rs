use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{receive, udp};

/// Cargo builds examples beside the tests, and says nowhere where.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().parent().unwrap().join("examples/relay")
}

#[test]
fn the_program_says_where_it_listens_and_what_it_did() {
    let target = udp();
    let route = format!("0={}", target.local_addr().unwrap());
    let mut child = Command::new(program())
        .args(["--udp", &route, "--tcp", "0=9", "--loss", "1", "--only", "back", "--seed", "5"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut line = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    let listening = line();
    let port = u16::try_from(listening["udp"][0].as_u64().unwrap()).unwrap();
    assert!(listening["tcp"][0].as_u64() > Some(0) && listening["rtsp"].as_array().unwrap().is_empty());

    let client = udp();
    client.send_to(b"there", ("127.0.0.1", port)).unwrap();
    let (packet, from) = receive(&target);
    assert_eq!(packet, b"there");
    target.send_to(b"lost", from).unwrap();
    // Behind it in the same line, so that it was looked at by then.
    client.send_to(b"again", ("127.0.0.1", port)).unwrap();
    assert_eq!(receive(&target).0, b"again");
    drop(child.stdin.take());
    let report = line();
    assert!(child.wait().unwrap().success());
    assert_eq!(report["seed"], 5);
    let route = &report["routes"][0];
    assert_eq!((&route["kind"], &route["port"], &route["clients"]), (&"udp".into(), &port.into(), &1.into()));
    assert_eq!(route["there"]["sent"], 2);
    assert_eq!((&route["back"]["lost"], &route["back"]["sent"]), (&1.into(), &0.into()));
}
