use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use rillcast_testkit::relay::{Impairment, Kind, Network, Relay};

use super::{receive, udp};

/// One end of a control connection.
struct Control {
    socket: TcpStream,
    lines: BufReader<TcpStream>,
}

impl Control {
    fn new(socket: TcpStream) -> Self {
        socket.set_read_timeout(Some(super::PATIENCE)).unwrap();
        Self { lines: BufReader::new(socket.try_clone().unwrap()), socket }
    }

    fn send(&mut self, text: &str) {
        self.socket.write_all(text.as_bytes()).unwrap();
    }

    /// A head without its empty line.
    fn head(&mut self) -> String {
        let mut text = String::new();
        loop {
            let mut line = String::new();
            self.lines.read_line(&mut line).unwrap();
            if line.trim().is_empty() {
                return text;
            }
            text += &line;
        }
    }
}

/// The two ports behind a name.
fn ports(head: &str, name: &str) -> [u16; 2] {
    let (_, behind) = head.split_once(&format!("{name}=")).unwrap();
    let text: String = behind.chars().take_while(|c| c.is_ascii_digit() || *c == '-').collect();
    let (first, second) = text.split_once('-').unwrap();
    [first.parse().unwrap(), second.parse().unwrap()]
}

fn own_ports(sockets: &[UdpSocket; 2]) -> String {
    let [first, second] = sockets.each_ref().map(|socket| socket.local_addr().unwrap().port());
    format!("{first}-{second}")
}

struct World {
    relay: Relay,
    client: Control,
    server: Control,
    client_media: [UdpSocket; 2],
    server_media: [UdpSocket; 2],
    /// The ports that each was told of the other.
    told_client: [u16; 2],
    told_server: [u16; 2],
}

/// A client that has set one track up.
fn set_up(network: Network) -> World {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let relay = Relay::before(listener.local_addr().unwrap(), Kind::Rtsp, network).unwrap();
    let mut client = Control::new(TcpStream::connect(relay.address()).unwrap());
    let mut server = Control::new(listener.accept().unwrap().0);
    let (client_media, server_media) = ([udp(), udp()], [udp(), udp()]);
    let (client_ports, server_ports) = (own_ports(&client_media), own_ports(&server_media));

    let setup = |sequence: u8| {
        format!(
            "SETUP rtsp://x/a/trackID=0 RTSP/1.0\r\nCSeq: {sequence}\r\nTransport: RTP/AVP;unicast;client_port={client_ports}\r\n\r\n"
        )
    };
    client.send(&setup(1));
    let refused = server.head();
    server.send("RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\n\r\n");
    assert!(client.head().contains("401"));
    client.send(&setup(2));
    let head = server.head();
    let told_server = ports(&head, "client_port");
    assert_ne!(told_server, ports(&setup(0), "client_port"));
    assert_ne!(ports(&refused, "client_port"), ports(&setup(0), "client_port"));
    let [first, second] = told_server;
    server.send(&format!(
        "RTSP/1.0 200 OK\r\nCSeq: 2\r\nSession: 1\r\nTransport: RTP/AVP;unicast;client_port={first}-{second};server_port={server_ports}\r\n\r\n"
    ));
    let head = client.head();
    assert!(head.contains(&format!("client_port={client_ports};")), "{head}");
    let told_client = ports(&head, "server_port");
    World { relay, client, server, client_media, server_media, told_client, told_server }
}

#[test]
fn media_takes_the_way_through_the_relay_in_both_directions() {
    let world = set_up(Network::default());
    let World { relay, client_media, server_media, told_client, told_server, .. } = &world;
    for (at, name) in [b"rtp", b"rtc"].iter().enumerate() {
        server_media[at].send_to(*name, ("127.0.0.1", told_server[at])).unwrap();
        let (packet, from) = receive(&client_media[at]);
        assert_eq!((&packet[..], from.port()), (&name[..], told_client[at]), "as the client was told");
        client_media[at].send_to(b"report", from).unwrap();
        let (packet, from) = receive(&server_media[at]);
        assert_eq!((&packet[..], from.port()), (&b"report"[..], told_server[at]), "as the server was told");
    }
    assert!(told_client[0].is_multiple_of(2) && told_client[1] == told_client[0] + 1, "{told_client:?}");
    let counters = relay.counters()[0];
    assert_eq!((counters.clients, counters.there.packets, counters.back.packets), (1, 2, 2));
}

#[test]
fn media_is_lost_and_the_connection_is_not() {
    let bad = Impairment { loss: 0.5, delay: Duration::from_millis(1), ..Impairment::default() };
    let mut world = set_up(Network::both(1, bad));
    for number in 0..100 {
        world.server_media[0].send_to(&[number], ("127.0.0.1", world.told_server[0])).unwrap();
    }
    for sequence in 3..50 {
        world.client.send(&format!(
            "GET_PARAMETER x RTSP/1.0\r\nCSeq: {sequence}\r\nContent-Length: 4\r\n\r\n\r\n\r\n"
        ));
        assert!(world.server.head().contains(&format!("CSeq: {sequence}\r\n")));
        world.server.send(&format!("RTSP/1.0 200 OK\r\nCSeq: {sequence}\r\n\r\n"));
        // The body of the request.
        assert_eq!((world.server.head().len(), world.server.head().len()), (0, 0));
        assert!(world.client.head().contains("200 OK"));
    }
    let lost = world.relay.counters()[0].back.lost;
    assert!((30..70).contains(&lost), "{lost}");
    let received: Vec<u8> = (lost..100).map(|_| receive(&world.client_media[0]).0[0]).collect();
    assert!(received.windows(2).all(|pair| pair[0] < pair[1]), "{received:?}");
}
