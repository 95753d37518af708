//! More connections than the system lets the program open.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::program::{Running, limited};

/// Open files that the program is started with: enough to start and for some connections.
const FILES: usize = 40;
/// More connections than that.
const CONNECTIONS: usize = 2 * FILES;

fn many(server: &Running) -> Vec<TcpStream> {
    (0..CONNECTIONS).map(|_| server.connect()).collect()
}

#[test]
fn the_limit_of_open_files_is_raised() {
    let server = Running::start(&mut limited(&format!("-S -n {FILES}"), &["run"]));
    let mut connections = many(&server);
    for connection in &mut connections {
        connection.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("sent");
    }
    // Each is answered while all the others are open.
    for connection in &mut connections {
        let mut start = [0; 15];
        connection.read_exact(&mut start).expect("answered");
        assert_eq!(&start, b"HTTP/1.1 200 OK");
    }
}

#[test]
fn a_shortage_of_files_is_logged_and_outlived() {
    let mut server = Running::start(&mut limited(&format!("-n {FILES}"), &["run"]));
    let connections = many(&server);
    server.wait_for_log("cannot accept connections now, trying again");
    drop(connections);
    assert!(server.get("/healthz").ends_with("ok\n"));
    server.signal("-TERM");
    assert_eq!(server.child.wait().expect("ended").code(), Some(0));
}
