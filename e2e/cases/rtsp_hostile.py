"""RTSP from peers that mean harm, or might as well: each gets the right status, and nobody else notices."""

import random
import socket
import struct
import time

from harness import rtsp
from harness.bystander import Bystander
from harness.case import case
from harness.process import until
from harness.server import PUBLISH

SDP = 'v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:streamid=0\r\n'
NONSENSE = {
    'nothing': '',
    'text': 'this is no description at all',
    'noise': bytes(n * 37 % 251 for n in range(3000)).decode('latin-1'),
    'no media': SDP[: SDP.index('m=')],
    'no such codec': SDP.replace('H264', 'NOPE'),
    'clock rate of zero': SDP.replace('90000', '0'),
    'clock rate without an end': SDP.replace('90000', '9' * 400),
    'a payload type too many': SDP.replace(' 96\r', ' 4096\r'),
    'ten thousand media': SDP + 'm=audio 0 RTP/AVP 0\r\n' * 3000,
}
PLAYS = 'RTP/AVP/TCP;unicast;interleaved='


def refusals(wire, name, tries):
    """Each of {what: (arguments of `ask`, statuses)}"""
    for what, (arguments, more, expected) in tries.items():
        answer = wire.ask(*arguments, **more)
        assert answer.status in expected, '%s, %s: %d %s' % (name, what, answer.status, answer.reason)
        assert answer.headers.get('cseq') == str(wire.sequence) or 400 in expected, (what, answer.headers)


@case(short=1)
def rtsp_requests(c):
    """Requests that are wrong, unknown or out of order get the status that RFC 2326 has for them, and the session goes on"""
    by = Bystander(c, rtsp=True)
    server = by.server
    url = server.rtsp()
    wire = rtsp.Wire(server)
    options = wire.ask('OPTIONS')
    assert options.status == 200 and 'DESCRIBE' in options.headers['public'], options
    refusals(
        wire,
        'before SETUP',
        {
            'PLAY': (('PLAY',), {}, (454, 455)),
            'PAUSE': (('PAUSE',), {}, (454, 455)),
            'RECORD': (('RECORD',), {}, (454, 455)),
            'unknown method': (('MAKE_COFFEE',), {}, (405, 501)),
            'unknown stream': (('DESCRIBE', server.rtsp('nothing')), {}, (404,)),
            'another media type': (('DESCRIBE', url, 'Accept: application/x-rtsp-mh'), {}, (406,)),
            'an option nobody has': (('DESCRIBE', url, 'Require: com.example.magic'), {}, (551,)),
            'unknown track': (('SETUP', url + '/trackID=99', 'Transport: %s0-1' % PLAYS), {}, (404,)),
            'no track': (('SETUP', url + '/trackID=x', 'Transport: %s0-1' % PLAYS), {}, (400, 404, 459)),
            'no transport': (('SETUP', url + '/trackID=0'), {}, (400, 461)),
            'multicast': (('SETUP', url + '/trackID=0', 'Transport: RTP/AVP;multicast'), {}, (461,)),
            'another profile': (('SETUP', url + '/trackID=0', 'Transport: RAW/RAW/UDP;unicast;client_port=5000-5001'), {}, (461,)),
            'no session of ours': (('PLAY', url), {'session': 'deadbeef'}, (454,)),
        },
    )
    # SETUP before DESCRIBE is allowed; a second track gets other channels than those that are taken.
    assert wire.setup(0).status == 200
    again = wire.setup(1, PLAYS + '0-1')
    assert again.status == 200 and again.headers['transport'].endswith('interleaved=2-3'), again
    refusals(wire, 'set up', {'one track alone': (('PLAY', url + '/trackID=0'), {}, (200, 460)), 'a session of another': (('PLAY', url), {'session': 'x'}, (454,))})
    assert wire.ask('PLAY').status == 200
    assert wire.ask('GET_PARAMETER').status == 200
    assert wire.ask('PAUSE').status == 200 and wire.ask('PLAY').status == 200
    assert wire.ask('TEARDOWN').status == 200

    # CSeq missing or no number; a version that is none.
    for request, expected in (
        ('OPTIONS * RTSP/1.0\r\n\r\n', (400,)),
        ('OPTIONS * RTSP/1.0\r\nCSeq: x\r\n\r\n', (400,)),
        ('OPTIONS * RTSP/2.0\r\nCSeq: 1\r\n\r\n', (505,)),
        ('OPTIONS\r\n\r\n', (400,)),
    ):
        wire = rtsp.Wire(server).send(request)
        assert wire.answer().status in expected, request
    # Whoever speaks HTTP reads no other answer.
    wire = rtsp.Wire(server).send('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    wire.closed_within(5)
    assert wire.input.startswith(b'HTTP/1.0 501 '), wire.input
    by.unharmed()


@case(short=1)
def rtsp_pieces(c):
    """A session whose requests come byte by byte, all at once, or with binary data between plays as any other"""
    by = Bystander(c, rtsp=True)
    wire = rtsp.Wire(by.server)
    text = wire.head('OPTIONS') + wire.head('DESCRIBE', None, 'Accept: application/sdp')
    for byte in text.encode():
        wire.send(bytes([byte]))
        time.sleep(0.001)
    assert [wire.answer().status for _ in 'ab'] == [200, 200]
    # Two requests in one piece, behind packets of RTCP that mean nothing.
    wire.send(b'$\x01\x00\x08\x80\xc9\x00\x01\0\0\0\1'.ljust(12, b'\0') + wire.head('OPTIONS').encode() + wire.head('OPTIONS').encode())
    assert [wire.answer().status for _ in 'ab'] == [200, 200]
    assert wire.setup(0).status == 200 and wire.setup(1).status == 200
    assert wire.ask('PLAY').status == 200
    assert wire.ask('GET_PARAMETER').status == 200
    by.unharmed()


@case(short=1)
def rtsp_sizes(c):
    """Heads and bodies without an end are cut off at their limits, before they take memory"""
    by = Bystander(c, rtsp=True)
    server = by.server
    endless = {
        'a header of 10 MB': 'OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nX: ' + 'x' * (10 << 20),
        'a line of 10 MB': 'OPTIONS ' + 'x' * (10 << 20),
        'headers without an end': 'OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n' + 'X: y\r\n' * (1 << 20),
        'a body of 4 GB': 'ANNOUNCE %s RTSP/1.0\r\nCSeq: 1\r\nContent-Type: application/sdp\r\nContent-Length: 4294967295\r\n\r\n' % server.rtsp(),
        'a body below zero': 'ANNOUNCE %s RTSP/1.0\r\nCSeq: 1\r\nContent-Length: -1\r\n\r\n' % server.rtsp(),
        'noise': bytes(n * 7 % 251 for n in range(1 << 16)).decode('latin-1'),
    }
    for name, data in endless.items():
        wire = rtsp.Wire(server)
        try:
            wire.send(data)
        except OSError:
            pass  # closed while it was still sent
        took = wire.closed_within(15)
        assert took < 14, '%s was listened to for %.1f s' % (name, took)
        assert not wire.input or wire.input.startswith(b'RTSP/1.0 4'), (name, wire.input[:200])
    by.unharmed()


@case(short=1)
def rtsp_announcements(c):
    """Descriptions of nonsense are refused with a status, and the stream is free for the next publisher"""
    by = Bystander(c, others=['other'], rtsp=True)
    server = by.server
    url = server.rtsp('other')
    for name, sdp in NONSENSE.items():
        wire = rtsp.Wire(server)
        answer = wire.ask('ANNOUNCE', url, 'Content-Type: application/sdp', body=sdp)
        assert answer.status in (400, 403, 406, 413, 415, 453, 461), '%s: %d %s' % (name, answer.status, answer.reason)
        wire.close()
    for name, headers in {'no type': [], 'another type': ['Content-Type: text/html']}.items():
        answer = rtsp.Wire(server).ask('ANNOUNCE', url, *headers, body=SDP)
        assert answer.status in (400, 415) or (name == 'no type' and answer.status == 200), (name, answer)
    # Announced and never sent, and RECORD before SETUP.
    wire = rtsp.Wire(server)
    assert wire.ask('ANNOUNCE', url, 'Content-Type: application/sdp', body=SDP).status == 200
    assert wire.ask('RECORD', url).status in (454, 455)
    wire.close()
    publisher = c.push_to(url, 'lo.mp4')
    server.wait_for_media('other')
    # While it sends, a second one is refused.
    second = rtsp.Wire(server)
    answer = second.ask('ANNOUNCE', url, 'Content-Type: application/sdp', body=SDP)
    if answer.status == 200:
        answer = second.ask('SETUP', url + '/streamid=0', 'Transport: %s0-1;mode=record' % PLAYS)
    assert answer.status >= 400, answer
    assert publisher.running(), publisher.output()
    by.unharmed()


@case(short=4)
def rtsp_media_noise(c):
    """A publisher whose RTP is noise ends or sends nothing, without a panic; with real media behind it, those are taken"""
    by = Bystander(c, others=['other'], rtsp=True)
    url, dice = by.server.rtsp('other'), random.Random(5)
    wire = rtsp.Wire(by.server)
    assert wire.ask('ANNOUNCE', url, 'Content-Type: application/sdp', body=SDP).status == 200
    answer = wire.ask('SETUP', url + '/streamid=0', 'Transport: %s0-1;mode=record' % PLAYS)
    assert answer.status == 200, answer
    wire.session = answer.headers['session'].split(';')[0]
    assert wire.ask('RECORD', url).status == 200
    try:
        for number in range(4000):
            size = dice.choice([0, 1, 11, 12, 13, 40, 1400])
            packet = bytearray(dice.randbytes(size))
            if size >= 12 and dice.random() < 0.8:
                # A good header before bad media.
                packet[:12] = struct.pack('>BBHII', 0x80, 96 | dice.choice([0, 0x80]), number & 0xFFFF, number * 3600, 1)
            wire.send(b'$' + bytes([dice.choice([0, 0, 0, 1, 2, 77])]) + struct.pack('>H', len(packet)) + packet)
    except OSError:
        pass  # it was thrown out, which is as good
    wire.close()
    time.sleep(1)
    c.push_to(url, 'lo.mp4')
    by.server.wait_for_media('other')
    c.match('lo.mp4', c.capture(by.server.ts('other'), c.seconds, 'other.ts'), '--own-dts', name='match-other')
    by.unharmed()


@case(short=6)
def rtsp_strangers(c):
    """Datagrams of strangers to every port, RTP, false reports and goodbyes, change nothing for publishers and players over UDP"""
    by = Bystander(c, others=['other'], rtsp=True)
    server = by.server
    publisher = c.push_to(server.rtsp('other'), 'lo.mp4', rtsp='udp')
    server.wait_for_media('other')
    watching = c.start('rtsp_watch', c.rtsp_watch_command(server.rtsp(), c.seconds, 'udp', 'lo.mp4'))
    viewer, file = c.curl(server.ts('other'), 'other.ts')
    first, last = (int(port) for port in server.rtsp_settings['udp_ports'].split('-'))
    goodbye = struct.pack('>BBHI', 0x81, 203, 1, 1)
    report = struct.pack('>BBHIIIIII', 0x80, 200, 6, 1, 1, 2, 3, 4, 5)
    picture = struct.pack('>BBHII', 0x80, 0x80 | 96, 7, 8, 9) + b'\x65' + bytes(500)
    ends = time.monotonic() + c.seconds
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        while time.monotonic() < ends:
            for port in range(first, last + 1):
                for data in (goodbye, report + goodbye, picture, b'', b'\xff' * 1500):
                    try:
                        stranger.sendto(data, ('127.0.0.1', port))
                    except ConnectionError:
                        pass  # nobody listens there
            time.sleep(0.1)
    c.all_pass({'rtsp_watch': watching})
    assert publisher.running() and viewer.running(), publisher.output() + viewer.output()
    viewer.stop()
    c.match('lo.mp4', file, '--own-dts', name='match-other')
    by.unharmed()


@case(short=1)
def rtsp_never_reads(c):
    """Clients that ask and never read an answer, or play and never read media, cost bounded memory and are sent away"""
    by = Bystander(c, settings={'fan_out': {'slow_viewer_timeout_sec': 5}}, rtsp=True)
    askers = [rtsp.Wire(by.server) for _ in range(5)]
    for wire in askers:
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.socket.settimeout(2)
        try:
            for _ in range(20_000):
                wire.send(wire.head('DESCRIBE', None, 'Accept: application/sdp'))
        except OSError:
            pass  # it is not read any more, or closed
    players = [rtsp.Wire(by.server).play() for _ in range(5)]
    until(lambda: by.server.refused('slow_viewer_timeout_sec') >= 5, 40, 'the players to be sent away', 0.5)
    for wire in players:
        wire.closed_within(10)
    by.unharmed()


@case(short=1)
def rtsp_flood(c):
    """Connections that say nothing are closed when their time is over, and there is room again for who means it"""
    limits = {'publishers_in_handshake': 30, 'handshake_timeout_sec': 4}
    by = Bystander(c, others=['other'], settings={'limits': limits}, rtsp=True)
    started = time.monotonic()
    silent = [rtsp.Wire(by.server) for _ in range(300)]
    half = [rtsp.Wire(by.server).send('OPTIONS rtsp://') for _ in range(20)]
    for wire in [*silent, *half]:
        wire.closed_within(15)
    assert time.monotonic() - started >= 3, 'all closed after %.1f s already' % (time.monotonic() - started)
    c.push_to(by.server.rtsp('other'), 'lo.mp4')
    by.server.wait_for_media('other')
    assert rtsp.Wire(by.server).play()
    by.unharmed()


@case(short=0, long=1)
def rtsp_session_timeout(c):
    """RTP over UDP ends with its connection; in the long form also when its client gives no sign of life for its time"""
    server = c.server(rtsp=True).start()
    c.push(server, 'lo.mp4')
    server.wait_for_media()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media:
        media.bind(('127.0.0.1', 0))
        media.settimeout(3)
        port = media.getsockname()[1]

        def played():
            wire = rtsp.Wire(server)
            answer = wire.setup(0, 'RTP/AVP;unicast;client_port=%d-%d' % (port, port + 1))
            assert answer.status == 200 and 'timeout=' in answer.headers['session'], answer
            assert wire.ask('PLAY').status == 200
            assert media.recv(2048)
            return wire, int(answer.headers['session'].split('timeout=')[1].split(';')[0])

        def silent_within(seconds, what):
            ends = time.monotonic() + seconds
            try:
                while media.recv(2048):
                    assert time.monotonic() < ends, 'media still come %d s after %s' % (seconds, what)
            except TimeoutError:
                return

        wire, timeout = played()
        wire.close()
        silent_within(10, 'the connection was closed')
        if c.long:
            wire, timeout = played()
            silent_within(timeout * 3 // 2, 'the last sign of life')
