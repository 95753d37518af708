//! Settings are changed while the program runs.

use std::net::TcpStream;

use serde_json::json;

use crate::client::{call, give, send};
use crate::program::{Running, file, path, rillcast, run};

fn place(url: &str) -> &str {
    url.split("://").nth(1).expect("a host")
}

#[test]
fn listeners_move_are_kept_and_can_be_taken_back() {
    let data = path("settings-data");
    let _ = std::fs::remove_dir_all(&data);
    let text = format!("data_dir: '{}'\nlisteners: {{srt: {{enabled: false}}}}\n", data.display());
    let config = file("settings.yaml", &text);
    let server = Running::start(&mut run(&config));
    let before = server.status()["rtsp"].as_str().expect("it listens").to_owned();
    let patch = json!({"listeners": {"rtsp": {"listen_host": "127.0.0.2"}, "rtmp": {"enabled": false}}});
    let planned = give(&server, "PATCH", "/v1/config?dry_run=true", &patch).body;
    let names: Vec<_> = planned["actions"]
        .as_array()
        .expect("a plan")
        .iter()
        .filter_map(|action| action["what"].as_str())
        .collect();
    assert_eq!(names, ["rtmp", "rtsp"], "{planned}");
    assert_eq!(planned["actions"][0]["description"], "RTMP from :0 to off");
    assert!(TcpStream::connect(place(&before)).is_ok(), "nothing was done");

    let first = call(&server, "GET", "/v1/config").header("etag");
    let done = send(
        &server,
        "PATCH",
        "/v1/config",
        &format!("Content-Type: application/merge-patch+json\r\nIf-Match: {first}\r\n"),
        &patch.to_string(),
    );
    assert_eq!(
        (done.status, &done.body["actions"], &done.body["kept"]),
        (200, &planned["actions"], &"disk".into())
    );
    send(
        &server,
        "PATCH",
        "/v1/config",
        &format!("Content-Type: application/json\r\nIf-Match: {first}\r\n"),
        "{}",
    )
    .problem(412, "changed-meanwhile");
    let moved = |server: &Running| {
        let status = server.status();
        let url = status["rtsp"].as_str().expect("it listens").to_owned();
        assert!(url.starts_with("rtsp://127.0.0.2:") && status["rtmp"].is_null(), "{status}");
        TcpStream::connect(place(&url)).expect("it listens there");
    };
    moved(&server);
    let settings = call(&server, "GET", "/v1/config").body;
    assert_eq!(settings["changed"], json!(["listeners.rtmp.enabled", "listeners.rtsp.listen_host"]));
    assert_eq!(settings["config"]["listeners"]["rtsp"]["listen_host"], "127.0.0.2");
    // All of it sent back changes nothing that runs.
    let same = give(&server, "PATCH", "/v1/config?dry_run=true", &settings["config"]);
    assert_eq!((same.status, &same.body["actions"]), (200, &json!([])), "{}", same.body);
    let mut server = server;
    server.signal("-HUP");
    assert!(
        server.wait_for_log("configuration applied").contains("listeners_moved=0"),
        "what was changed here lies over the file"
    );
    drop(server);

    let server = Running::start(&mut run(&config));
    moved(&server);
    let back = give(&server, "PATCH", "/v1/config", &json!({"listeners": null}));
    assert_eq!(back.status, 200, "{}", back.body);
    let settings = call(&server, "GET", "/v1/config").body;
    assert_eq!(
        (&settings["changed"], &settings["config"]["listeners"]["rtmp"]["enabled"]),
        (&json!([]), &true.into())
    );
    assert!(TcpStream::connect(place(server.status()["rtmp"].as_str().expect("it listens"))).is_ok());
}

#[test]
fn what_cannot_be_changed_here_is_named_and_a_port_that_is_taken_changes_nothing() {
    let config =
        file("settings-unfit.yaml", "listeners: {srt: {enabled: false, passphrase: geheim geheim}}\n");
    let server = Running::start(&mut run(&config));
    for (patch, pointer, told) in [
        (json!({"fan_out": {"workers": 2}}), "/fan_out/workers", "start the program anew"),
        (json!({"http": {"listen": [":1"]}}), "/http/listen", "set it in the file"),
        (json!({"api": {"loopback_without_token": true}}), "/api/loopback_without_token", "SIGHUP"),
        (json!({"streams": {"a": {}}}), "/streams", "/api/v1/streams"),
        (json!({"listeners": {"rtmp": {"port": 70_000}}}), "/listeners/rtmp/port", "from 0 to 65535"),
        (json!({"listeners": {"rtmp": {"prot": 1}}}), "/listeners/rtmp/prot", "did you mean port?"),
        (json!({"publisher": {"x": null}}), "/publisher/x", "unknown key"),
        (json!([]), "", "an object of settings"),
    ] {
        let answer = give(&server, "PATCH", "/v1/config", &patch);
        answer.problem(422, "invalid");
        assert_eq!(answer.places("pointer"), [pointer], "{}", answer.body);
        assert!(
            answer.body["errors"][0]["detail"].as_str().expect("a sentence").contains(told),
            "{}",
            answer.body
        );
    }
    let before = server.status();
    let taken = std::net::TcpListener::bind("0.0.0.0:0").expect("a free port");
    let port = taken.local_addr().expect("bound").port();
    let patch = json!({"listeners": {"rtmp": {"listen_host": "127.0.0.2"}, "rtsp": {"listen_host": "0.0.0.0", "port": port}}});
    let told = give(&server, "PATCH", "/v1/config", &patch).problem(409, "conflict");
    assert!(told.contains(&port.to_string()) && told.contains("listeners.rtsp"), "{told}");
    let after = server.status();
    assert!(after["rtmp"].as_str().expect("it listens").starts_with("rtmp://localhost:"), "{before} {after}");
    assert_eq!(after["rtsp"], before["rtsp"]);
    let settings = call(&server, "GET", "/v1/config").body;
    assert_eq!(
        (&settings["changed"], &settings["config"]["listeners"]["srt"]["passphrase"]),
        (&json!([]), &"***".into())
    );
    assert!(!settings.to_string().contains("geheim"));
}

#[test]
fn the_defaults_are_those_of_the_program() {
    let server = Running::start(&mut rillcast(&["run"]));
    let defaults = call(&server, "GET", "/v1/config/defaults").body;
    assert_eq!(
        (&defaults["listeners"]["rtmp"]["port"], &defaults["http"]["listen"]),
        (&1935.into(), &json!([":8080"]))
    );
    let settings = call(&server, "GET", "/v1/config").body;
    assert_eq!(settings["config"]["publisher"], defaults["publisher"]);
    assert_eq!(settings["waiting_for_restart"], json!([]));
}
