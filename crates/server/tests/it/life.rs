//! Start and end: what is taken already, signals.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use crate::program::{Running, file, output, path, rillcast, run};

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
fn a_second_program_leaves_the_directory_of_the_first_alone() {
    let folder = path("shared-hls");
    let config = file(
        "shared.yaml",
        &format!("publisher: {{hls: {{dir: '{}'}}}}\nstreams: {{news: }}\n", folder.display()),
    );
    let first = Running::start(&mut run(&config));
    // As it would lie there: a program that claims the directory removes it.
    let segment = folder.join("news/track_1-x-1.ts");
    std::fs::write(&segment, "media").expect("the stream has its folder");

    let (status, _, stderr) = output(run(&config).env("RILLCAST_HTTP_LISTEN", &first.authority));
    assert_eq!(status, Some(1));
    assert!(stderr.contains(&format!("http.listen {}: address in use", first.authority)), "{stderr}");
    let (status, _, stderr) = output(&mut run(&config));
    assert_eq!(status, Some(1));
    let expected = format!("publisher.hls.dir {}: is used by another rillcast", folder.display());
    assert!(stderr.contains(&expected), "{stderr}");
    assert_eq!(std::fs::read(&segment).expect("still there"), b"media");
}

#[test]
fn the_demo_tells_its_urls_serves_its_page_and_ends_at_a_signal() {
    let mut demo = Running::start(&mut rillcast(&["demo"]));
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
    let mut demo = Running::start(&mut rillcast(&["demo"]));
    // A request that never comes to its end holds up the drain.
    let mut stream = demo.connect();
    stream.write_all(b"GET / HTTP/1.1\r\nHo").expect("sent");
    let answered = demo.get("/healthz");
    assert!(answered.ends_with("ok\n"), "the first connection was accepted before this one: {answered}");
    demo.signal("-TERM");
    demo.wait_for_log("stopping; once more to stop at once");
    demo.signal("-INT");
    demo.wait_for_log("stopped at once");
    assert_eq!(demo.child.wait().expect("ended").code(), Some(130));
}
