"""The program's own life: start, addresses, files, end."""

import os
import signal
import socket
import time

from harness import http
from harness.case import case
from harness.process import Process, until
from harness.server import PUBLISH


@case(short=1)
def drain(c):
    """SIGTERM ends a busy server within 5 s and with status 0, viewers see a proper end; a second SIGTERM ends it at once"""
    for signals in (1, 2):
        server = c.server().start()
        c.push(server, 'lo.mp4')
        server.wait_for_media()
        viewer, file = c.curl(server.ts(), 'viewer%d.ts' % signals)
        until(lambda: os.path.exists(file) and os.path.getsize(file) > 200_000, 15, 'the viewer to receive')
        process, started = server.process, time.monotonic()
        for _ in range(signals):
            process.signal(signal.SIGTERM)
            time.sleep(0.05)
        status = process.wait(6)
        took = time.monotonic() - started
        assert status is not None, 'it still ran after 6 s'
        assert took < (5 if signals == 1 else 1), 'it took %.1f s' % took
        if signals == 1:
            assert status == 0, 'exit status %s' % status
            assert viewer.wait(3) == 0, 'curl: %s' % viewer.output()
            c.ts_check(file, name='ts_check-drain')


@case(short=1)
def busy_port(c):
    """A port that is taken is an error that names it, for HTTP and for RTMP"""
    for which in ('http_port', 'rtmp_port'):
        server = c.server()
        port = getattr(server, which)
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(('127.0.0.1', port))
            taken.listen()
            process = Process([c.binary, 'run', '-c', server.config], server.log)
            status = process.wait(10)
            process.kill()
        assert status not in (0, None), 'exit status %s with port %d taken' % (status, port)
        assert str(port) in process.output().split('\n', 1)[1], process.output()


@case(short=6)
def ipv6(c):
    """Ingest and play over IPv6 loopback; without a host both families are served"""
    server = c.server(host='::1').start()
    c.push(server, 'lo.mp4')
    server.wait_for_media()
    received = c.capture(server.ts(), c.seconds)
    c.ts_check(received)
    c.match('lo.mp4', received)

    both = c.server(settings={'http': {'listen': ':%d' % server.http_port}})
    server.stop()
    both.http_port = server.http_port
    both.start()
    for host in ('127.0.0.1', '[::1]'):
        assert http.request('http://%s:%d/healthz' % (host, both.http_port)).status == 200, host


@case(short=8)
def files(c):
    """With hls.dir set the same bytes lie on disk, whole at any time; a folder that is not ours is refused"""
    folder = c.path('hls')
    settings = {'publisher': {'hls': {'dir': folder}}}
    server = c.server(settings=settings).start()
    c.push(server, 'lo.mp4')
    media, text = server.wait_for_media(segments=3)
    names = {os.path.basename(uri) for uri in http.uris(text)}
    on_disk = {file: os.path.join(at, file) for at, _, files in os.walk(folder) for file in files}
    assert names <= set(on_disk), (names, sorted(on_disk))
    for name in names:
        with open(on_disk[name], 'rb') as file:
            assert file.read() == server.get('/%s/%s' % (os.path.dirname(media).strip('/'), name)).body, name
    assert server.stop() == 0

    foreign = c.path('foreign')
    os.makedirs(foreign)
    with open(os.path.join(foreign, 'photo.jpg'), 'w') as file:
        file.write('not ours')
    refused = c.server(settings={'publisher': {'hls': {'dir': foreign}}})
    process = Process([c.binary, 'run', '-c', refused.config], refused.log)
    status = process.wait(10)
    process.kill()
    assert status not in (0, None) and foreign in process.output().split('\n', 1)[1], process.output()
    assert os.path.exists(os.path.join(foreign, 'photo.jpg')), 'it removed a file that is not its own'


@case(short=1, alone=True)
def many_streams(c):
    """Twenty streams at once, each with its own media"""
    codes = ['s%02d' % n for n in range(20)]
    server = c.server(streams={code: PUBLISH for code in codes}).start()
    for code in codes:
        c.push(server, 'lo.mp4', code)
    for code in codes:
        server.wait_for_media(code)
    for code in codes[::5]:
        received = c.capture(server.ts(code), 5, code + '.ts')
        c.match('lo.mp4', received, name='match-' + code)
