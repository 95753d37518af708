"""Peers that mean harm, or might as well: each gets a clear answer and a line in the log, and nobody else notices."""

import struct
import time

from harness import http, rtmp, sources
from harness.bystander import Bystander
from harness.case import case
from harness.process import until

BETWEEN = 1.2  # refusals are logged once a second at most


def ended(server, publisher, said, seconds=5):
    """The server closes the connection and logs why"""
    publisher.closed_within(seconds)
    server.wait_for_log(said)
    time.sleep(BETWEEN)


@case(short=1)
def rtmp_garbage(c):
    """What is no RTMP handshake is refused with a log line, whatever it is"""
    by = Bystander(c, settings={'limits': {'handshake_timeout_sec': 2}})
    # Another version is answered with ours (RTMP 1.0 5.2.2), so what is none of text waits for the rest of its handshake.
    not_rtmp = {
        'HTTP': b'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n',
        'TLS': bytes.fromhex('16030100a5010000a10303') + b'h' * 160,
        'zeros': bytes(500),
        'encrypted RTMP': b'\x06' + b'e' * 1536,
    }
    for name, data in not_rtmp.items():
        seen = by.server.log_text().count('refused: protocol error')
        publisher = rtmp.Publisher(by.server)
        publisher.send(data)
        publisher.closed_within(5)
        until(lambda: by.server.log_text().count('refused: protocol error') > seen, 5, 'a log line for ' + name)  # noqa: B023
        time.sleep(BETWEEN)
    # A right handshake, and then noise.
    publisher = rtmp.Publisher(by.server).handshake()
    publisher.send(bytes(n * 7 % 251 for n in range(8192)))
    ended(by.server, publisher, 'refused: protocol error: at byte')
    by.unharmed()


@case(short=1)
def rtmp_sizes(c):
    """Chunks of 2 GB, long messages and many of them at once are refused by their limits, before they take memory"""
    limits = {'rtmp_message_bytes': 4 << 20, 'rtmp_pending_bytes': 6 << 20, 'rtmp_chunk_streams': 16}
    by = Bystander(c, settings={'limits': limits})
    server = by.server

    def publisher():
        made = rtmp.Publisher(server).handshake()
        made.message(rtmp.SET_CHUNK_SIZE, struct.pack('>I', 0x7FFFFFFF), chunk_stream=2)
        return made

    # As long as a header can say; a command; 3 MB begun on several chunk streams; more chunk streams than allowed.
    video = publisher()
    video.send(rtmp.header(6, 0, 0xFFFFFF, rtmp.VIDEO, 1) + bytes(100_000))
    ended(server, video, '16777215 exceeds the limit of 4194304')
    command = publisher()
    command.send(rtmp.header(3, 0, 0xFFFFFF, rtmp.COMMAND, 0) + bytes(100_000))
    ended(server, command, '16777215 exceeds the limit of 262144')
    several = publisher()
    # The first chunk of each is all of it, or it could not go on to the next.
    several.message(rtmp.SET_CHUNK_SIZE, struct.pack('>I', 100), chunk_stream=2)
    for chunk_stream in range(4, 10):
        several.send(rtmp.header(chunk_stream, 0, 3 << 20, rtmp.VIDEO, 1) + bytes(100))
    ended(server, several, 'exceeds the limit of 6291456')
    many = publisher()
    for chunk_stream in range(3, 40):
        many.send(rtmp.header(chunk_stream, 0, 4, rtmp.ACKNOWLEDGEMENT, 0) + bytes(4))
    ended(server, many, 'exceeds the limit of 16')
    refused = {name: server.refused(name) for name in ('rtmp_message_bytes', 'amf_bytes', 'rtmp_pending_bytes', 'rtmp_chunk_streams')}
    assert set(refused.values()) == {1}, refused
    by.unharmed()


@case(short=1)
def rtmp_amf(c):
    """AMF 10,000 levels deep, without an end, or with lengths that are not there is refused"""
    by = Bystander(c)
    deep = rtmp.amf0('connect') + rtmp.amf0(1) + b'\x03\0\x01a' * 10_000
    wide = rtmp.amf0('connect') + rtmp.amf0(1) + b'\x05' * 200_000
    short = rtmp.amf0('connect') + rtmp.amf0(1) + b'\x0a\xff\xff\xff\xff' + b'\x05' * 100
    for body, limit in ((deep, 'amf_depth'), (wide, 'amf_values'), (short, None)):
        seen = by.server.log_text().count('refused: protocol error')
        before = by.server.limits()
        publisher = rtmp.Publisher(by.server).handshake()
        publisher.message(rtmp.SET_CHUNK_SIZE, struct.pack('>I', rtmp.CHUNK_SIZE), chunk_stream=2)
        publisher.message(rtmp.COMMAND, body)
        publisher.closed_within(5)
        until(lambda: by.server.log_text().count('refused: protocol error') > seen, 5, 'a log line for %s' % limit)  # noqa: B023
        if limit:
            assert by.server.refused(limit) == before[limit]['refused'] + 1, (limit, by.server.limits())
        time.sleep(BETWEEN)
    by.unharmed()


@case(short=1)
def rtmp_stall(c):
    """A publisher that stalls in the middle of a message is dropped, and its stream is free for the next"""
    by = Bystander(c, others=['other'])
    stalls = rtmp.Publisher(by.server).publish('other')
    sent = list(rtmp.tags(sources.path('lo.flv')))[:40]
    for kind, timestamp, body in sent:
        stalls.tag(kind, timestamp, body)
    stalls.send(rtmp.header(6, sent[-1][1] + 40, 50_000, rtmp.VIDEO, rtmp.STREAM) + bytes(1000))
    took = stalls.closed_within(15)
    assert 3 < took, 'it was closed after %.1f s already' % took
    by.server.wait_for_log('no media for')
    # Bytes that are no media do not keep it either.
    drips = rtmp.Publisher(by.server).publish('other')
    drips.send(rtmp.header(6, 0, 50_000, rtmp.VIDEO, rtmp.STREAM))
    drips.socket.settimeout(1)
    started = time.monotonic()
    while time.monotonic() - started < 15:
        try:
            drips.send(b'\0')
            if not drips.socket.recv(4096):
                break
        except TimeoutError:
            continue
        except OSError:
            break
    assert 3 < time.monotonic() - started < 15, 'a byte a second kept it for %.0f s' % (time.monotonic() - started)
    c.push(by.server, 'lo.mp4', 'other')
    by.server.wait_for_media('other')
    by.unharmed()


@case(short=1)
def rtmp_configuration(c):
    """A codec configuration that is cut is refused with a log line, and the next one, whole, is taken"""
    by = Bystander(c, others=['other'])
    sent = list(rtmp.tags(sources.path('lo.flv')))
    whole = next(body for kind, _, body in sent if kind == rtmp.VIDEO and body[1] == 0)
    cut = rtmp.Publisher(by.server).publish('other')
    # AVCDecoderConfigurationRecord (ISO/IEC 14496-15 5.3.3.1) with a length that runs past its end, and none at all.
    for size in (len(whole) - 3, 14, 6, 5):
        cut.tag(rtmp.VIDEO, 0, whole[:size])
    by.server.wait_for_log('avcC')
    started = time.monotonic()
    for kind, timestamp, body in sent:
        if timestamp > 6000:
            break
        time.sleep(max(0, started + timestamp / 1000 - time.monotonic()))
        cut.tag(kind, timestamp, body)
    text, file = c.fetch_segments(by.server, 'other')
    c.ts_check(file, name='ts_check-other')
    c.match('lo.mp4', file, name='match-other')
    cut.close()
    by.unharmed()


@case(short=8)
def rtmp_backwards(c):
    """Timestamps that run backwards, jump and stand still come out in order, and no viewer is thrown out"""
    by = Bystander(c, others=['other'])
    publisher = rtmp.Publisher(by.server).publish('other')
    sent = list(rtmp.tags(sources.path('lo.flv')))
    viewer, file, started = None, None, time.monotonic()
    for kind, timestamp, body in sent:
        now = time.monotonic() - started
        if now > c.seconds + 6:
            break
        time.sleep(max(0, timestamp / 1000 - now))
        phase = timestamp // 1000 % 8
        # Forward for two seconds; back; by hours; random; standing still; forward again.
        wrong = {2: 100_000 - timestamp, 3: timestamp + 20_000_000, 4: timestamp * 7919 % 100_000, 5: 12_345}.get(phase, timestamp)
        configuration = body[1:2] == b'\0' and (kind == rtmp.VIDEO or body[0] >> 4 == 10)
        publisher.tag(kind, 0 if configuration else max(0, wrong) % (1 << 24), body)
        if viewer is None and now > 1:
            viewer, file = c.curl_when_there(by.server.ts('other'), 'other.ts')
    assert viewer.running(), 'its viewer was thrown out: ' + viewer.output()
    viewer.stop()
    c.ts_check(file, '--max-gap-ms', '5000', name='ts_check-other')
    publisher.close()
    by.unharmed()


@case(short=1)
def rtmp_flood(c):
    """Connections that say nothing leave room for nobody but themselves, and only until the handshake must be over"""
    limits = {'publishers_in_handshake': 30, 'handshake_timeout_sec': 4}
    by = Bystander(c, others=['other'], settings={'limits': limits})
    server = by.server
    started = time.monotonic()
    silent = [rtmp.Publisher(server) for _ in range(300)]
    until(lambda: server.refused('publishers_in_handshake') == 270, 10, 'all above the limit to be turned away')
    for publisher in silent[30:]:
        publisher.closed_within(2)
    server.wait_for_log('publishers_in_handshake')
    # The rest goes when its time is over, and then there is room for who means it.
    for publisher in silent[:30]:
        publisher.closed_within(10)
    assert time.monotonic() - started >= 4, 'closed after %.1f s already' % (time.monotonic() - started)
    until(lambda: server.refused('handshake_timeout_sec') == 30, 5, 'the silent ones to be counted')
    assert server.limits()['publishers_in_handshake']['now'] == 0, server.limits()
    c.push(server, 'lo.mp4', 'other')
    server.wait_for_media('other')
    by.unharmed()


# ---- HTTP ----

# Where a target leads: 400 and 404 are for what means nothing here, the others as they stand.
NOWHERE = (400, 404)
TARGETS = {
    '/../etc/passwd': NOWHERE,
    '/news/../../../../etc/passwd': NOWHERE,
    '/%2e%2e/%2e%2e/etc/passwd': NOWHERE,
    '/news/..%2f..%2f..%2fetc%2fpasswd': NOWHERE,
    '/news/%2e%2e%2f%2e%2e%2frillcast.yaml': NOWHERE,
    '/news/....//....//etc/passwd': NOWHERE,
    '/news\\..\\..\\rillcast.yaml': NOWHERE,
    '//etc/passwd': NOWHERE,
    '//localhost//etc/passwd': NOWHERE,
    '/news//index.m3u8': NOWHERE,
    '/news/./index.m3u8': NOWHERE,
    '/news/index.m3u8%00.ts': NOWHERE,
    '/news/%00': NOWHERE,
    '/news/index.m3u8\0': NOWHERE,
    '/news/\x7f.ts': NOWHERE,
    '/news/\xe9.ts': NOWHERE,
    '/news/index.m3u8 /x': NOWHERE,
    '/news/../api/v1/streams': NOWHERE,
    '/%61pi/v1/streams': NOWHERE,
    '/news/%': NOWHERE,
    '/' + 'x' * 8000 + '/mpegts': NOWHERE,
    '/' + 'x/' * 3000 + 'index.m3u8': NOWHERE,
    '/news/' + '%2e' * 2000 + '.ts': NOWHERE,
    '/' + 'x' * 20_000: (414, 431),
    'news/index.m3u8': NOWHERE,
    '*': NOWHERE,
    'file:///etc/passwd': NOWHERE,
    'http://localhost/../etc/passwd': NOWHERE,
    # RFC 9112 3.2.2: the absolute form is the same request. The API is not for other hosts, whoever they say they are.
    'http://localhost/news/index.m3u8': (200,),
    'http://elsewhere.example/api/v1/streams': (403,),
    '/news/index.m3u8?../../etc/passwd': (200,),
    '/news/index.m3u8#x': NOWHERE + (200,),
}


@case(short=1)
def http_paths(c):
    """Path tricks lead nowhere: above, beside, encoded, absolute, with NUL, very long"""
    by = Bystander(c)
    for target, expected in TARGETS.items():
        wire = http.Wire(by.server)
        answer = wire.get(target).answer()
        assert answer.status in expected, '%r: %d %r' % (target[:80], answer.status, answer.body[:100])
        assert b'root:' not in answer.body and b'listeners' not in answer.body, '%r leads out' % target[:80]
        wire.close()
    by.unharmed()


@case(short=1)
def http_slowloris(c):
    """A head that comes byte by byte is closed when its time is over, and so is silence; a head too large is 431"""
    settings = {'limits': {'handshake_timeout_sec': 3, 'request_head_bytes': 4096}}
    by = Bystander(c, settings=settings)
    server = by.server

    def drip(wire, data):
        """Sends a byte every quarter of a second; the seconds until the server had enough"""
        started = time.monotonic()
        wire.socket.settimeout(0.25)
        for byte in data:
            try:
                wire.socket.send(bytes([byte]))
                wire.received = wire.socket.recv(4096)
                break
            except TimeoutError:
                continue
            except OSError:
                break
        return time.monotonic() - started

    request = b'GET /news/index.m3u8 HTTP/1.1\r\nHost: localhost\r\nX: ' + b'x' * 200
    fresh = drip(http.Wire(server), request)
    assert 2.5 < fresh < 6, 'the first head had %.1f s' % fresh
    for before in ('/news/index.m3u8', '/healthz'):
        # A connection that was good once has no more time for its next request, on either way through the server.
        wire = http.Wire(server)
        assert wire.get(before).answer().status == 200
        again = drip(wire, request)
        assert 2.5 < again < 6, 'a head after %s had %.1f s' % (before, again)
    silent = http.Wire(server)
    started = time.monotonic()
    _, closed = silent.rest(8)
    assert closed and 2.5 < time.monotonic() - started < 6, 'silence lasted %.1f s' % (time.monotonic() - started)
    assert server.refused('handshake_timeout_sec') >= 3, server.limits()
    server.wait_for_log('handshake_timeout_sec')

    # Too large: one line, many lines, and what never ends.
    time.sleep(BETWEEN)
    for lines in (['X: ' + 'x' * 5000], ['X-%d: y' % n for n in range(600)]):
        answer = http.Wire(server).get('/news/index.m3u8', *lines).answer()
        assert answer.status == 431 and answer.body, answer
    endless = http.Wire(server)
    for _ in range(1000):
        try:
            endless.send('X' * 1000)
        except OSError:
            break
    _, closed = endless.rest(5)
    assert closed, 'it goes on reading a head that never ends'
    assert server.refused('request_head_bytes') >= 3, server.limits()
    server.wait_for_log('request_head_bytes')
    by.unharmed()


SMUGGLED = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n'
# Bodies that hide a request, with the headers that say how long they are.
BODIES = {
    'a body': (['Content-Length: %d' % len(SMUGGLED)], SMUGGLED),
    'chunks': (['Transfer-Encoding: chunked'], '%x\r\n%s\r\n0\r\n\r\n' % (len(SMUGGLED), SMUGGLED)),
    'expected': (['Content-Length: %d' % len(SMUGGLED), 'Expect: 100-continue'], SMUGGLED),
}
# What has no length that all would agree on: to be refused, and nothing behind it to be read.
UNCLEAR = {
    'both': ['Content-Length: 4', 'Transfer-Encoding: chunked'],
    'two lengths': ['Content-Length: %d' % len(SMUGGLED), 'Content-Length: 4'],
    'a list of lengths': ['Content-Length: 4, %d' % len(SMUGGLED)],
    'no number': ['Content-Length: +%d' % len(SMUGGLED)],
    'below zero': ['Content-Length: -1'],
    'hexadecimal': ['Content-Length: 0x2b'],
    'huge': ['Content-Length: 99999999999999999999999'],
    'a space': ['Content-Length : %d' % len(SMUGGLED)],
    'unknown coding': ['Transfer-Encoding: xchunked'],
    'coding twice': ['Transfer-Encoding: chunked, chunked'],
    'coding in two lines': ['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'],
    'folded': ['X: y', ' Content-Length: %d' % len(SMUGGLED)],
}


@case(short=1)
def http_smuggling(c):
    """The body of a GET is never taken for a request, whatever says how long it is"""
    by = Bystander(c)
    # Each way through the server: a playlist, a segment that is not there, the API.
    for path in ('/news/index.m3u8', '/news/nothing.ts', '/api/v1/streams'):
        for name, (lines, body) in BODIES.items():
            wire = http.Wire(by.server).get(path, *lines, body=body)
            # Whoever reads on after this answer must find the next request, or nothing.
            wire.get('/the-next/index.m3u8', 'Connection: close')
            data, closed = wire.rest(8)
            answers = data.count(b'HTTP/1.1 ') - data.count(b'HTTP/1.1 100 ')
            assert b'\r\n\r\nok\n' not in data, '%s, %s: the body was answered: %r' % (path, name, data[-400:])
            assert closed and 1 <= answers <= 2, (path, name, data[-400:])
        for name, lines in UNCLEAR.items():
            wire = http.Wire(by.server).get(path, *lines, body=SMUGGLED)
            data, closed = wire.rest(2)
            assert b'\r\n\r\nok\n' not in data, '%s, %s: the body was answered: %r' % (path, name, data[-400:])
            assert data.count(b'HTTP/1.1 ') <= 1, (path, name, data[-400:])
            assert closed or not data.startswith(b'HTTP/1.1 200'), '%s, %s: taken for a good request: %r' % (path, name, data[:200])
    by.unharmed()
