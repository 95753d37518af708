"""HTTP as a CDN wants it."""

import gzip
import os
import re
import time

from harness import http
from harness.case import case

ORIGIN = {'Origin': 'http://page.example'}


def seconds_to_cache(answer):
    found = re.search(r'max-age=(\d+)', answer.headers.get('cache-control', ''))
    return int(found[1]) if found else 0


@case(short=1)
def http_playlists(c):
    """Playlists: type, length, ETag and 304, HEAD, gzip, short caching, CORS"""
    server = c.server().start()
    c.push(server, 'lo.mp4')
    media, _ = server.wait_for_media(segments=2)
    for path in ('/news/index.m3u8', media):
        plain = server.get(path, headers=ORIGIN)
        assert plain.status == 200, plain
        assert plain.headers['content-type'].startswith('application/vnd.apple.mpegurl'), plain.headers
        assert int(plain.headers['content-length']) == len(plain.body), plain.headers
        assert plain.headers['access-control-allow-origin'] in ('*', ORIGIN['Origin']), plain.headers
        assert seconds_to_cache(plain) <= 2 and 'immutable' not in plain.headers['cache-control'], plain.headers
        assert 'accept-encoding' in plain.headers.get('vary', '').lower(), plain.headers

        packed = server.get(path, headers={'Accept-Encoding': 'gzip'})
        assert packed.headers.get('content-encoding') == 'gzip', packed.headers
        assert gzip.decompress(packed.body).startswith(b'#EXTM3U')
        refused = server.get(path, headers={'Accept-Encoding': 'gzip;q=0'})
        assert 'content-encoding' not in refused.headers, 'gzip although the client refuses it'

        def unchanged():
            fresh = server.get(path)
            again = server.get(path, headers={'If-None-Match': fresh.headers['etag']})
            return again.status == 304 and not again.body and again.headers.get('etag') == fresh.headers['etag']

        # The playlist may change between two requests; twice in a row within milliseconds it does not.
        assert unchanged() or unchanged(), 'no 304 for the ETag just received'
        stale = server.get(path, headers={'If-None-Match': '"something-else"'})
        assert stale.status == 200 and stale.body, stale

        head = server.get(path, method='HEAD')
        assert head.status == 200 and not head.body and int(head.headers['content-length']) > 0, head


@case(short=1)
def http_segments(c):
    """Segments: identical bytes for all, long caching, ETag and 304, HEAD, Range with 206 and 416"""
    server = c.server().start()
    c.push(server, 'lo.mp4')
    media, text = server.wait_for_media(segments=2)
    url = '/%s/%s' % (os.path.dirname(media).strip('/'), http.uris(text)[-1])
    whole = server.get(url, headers=ORIGIN)
    size = len(whole.body)
    assert whole.status == 200 and size % 188 == 0 and whole.body[0] == 0x47, (whole.status, size)
    assert whole.headers['content-type'] == 'video/mp2t', whole.headers
    assert int(whole.headers['content-length']) == size and whole.headers['accept-ranges'] == 'bytes', whole.headers
    assert seconds_to_cache(whole) >= 60 and whole.headers['access-control-allow-origin'], whole.headers
    time.sleep(0.5)
    assert server.get(url).body == whole.body, 'the same segment has other bytes the second time'

    assert server.get(url, headers={'If-None-Match': whole.headers['etag']}).status == 304
    head = server.get(url, method='HEAD')
    assert head.status == 200 and not head.body and int(head.headers['content-length']) == size, head

    ranges = {
        'bytes=0-187': (0, 187),
        'bytes=188-': (188, size - 1),
        'bytes=-376': (size - 376, size - 1),
        'bytes=0-%d' % (9 * size): (0, size - 1),
    }
    for asked, (first, last) in ranges.items():
        part = server.get(url, headers={'Range': asked})
        assert part.status == 206, (asked, part.status)
        assert part.headers['content-range'] == 'bytes %d-%d/%d' % (first, last, size), (asked, part.headers)
        assert part.body == whole.body[first : last + 1], asked
    beyond = server.get(url, headers={'Range': 'bytes=%d-' % size, **ORIGIN})
    assert beyond.status == 416 and beyond.headers['content-range'] == 'bytes */%d' % size, beyond
    assert beyond.headers['access-control-allow-origin'], '416 without CORS'
    for nonsense in ('bytes=5-2', 'lines=1-2', 'bytes=x-'):
        assert server.get(url, headers={'Range': nonsense}).status == 200, nonsense
    other = server.get(url, headers={'Range': 'bytes=0-9', 'If-Range': '"another"'})
    assert other.status == 200 and other.body == whole.body, 'If-Range with another ETag must give the whole'


@case(short=1)
def http_errors(c):
    """Errors carry CORS headers, unknown things are 404, other methods 405, and a path cannot leave its stream"""
    server = c.server().start()
    paths = ['/nobody/index.m3u8', '/nobody/mpegts', '/news/no-such-segment.ts', '/no/such/thing', '/news/../../etc/passwd']
    paths += ['/news/%2e%2e/%2e%2e/etc/passwd', '/a%20b/mpegts', '/live/mpegts', '/' + 'x' * 129 + '/mpegts']
    for path in paths:
        answer = server.get(path, headers=ORIGIN)
        assert answer.status in (400, 404), (path, answer.status)
        assert answer.headers.get('access-control-allow-origin') in ('*', ORIGIN['Origin']), (path, answer.headers)
    for path in ('/news/index.m3u8', '/news/mpegts'):
        answer = server.get(path, method='POST', headers=ORIGIN)
        assert answer.status == 405 and 'GET' in answer.headers['allow'], answer
    preflight = server.get('/news/index.m3u8', method='OPTIONS', headers={**ORIGIN, 'Access-Control-Request-Method': 'GET'})
    assert preflight.status in (200, 204) and preflight.headers.get('access-control-allow-origin'), preflight
    assert server.get('/healthz').status == 200


@case(short=1)
def http_waits_for_media(c):
    """A player that comes before the media waits a while, then gets 404; one that waits when media comes is served"""
    server = c.server(
        streams={'news': {'inputs': [{'url': 'publish://'}]}, 'off': {'inputs': [{'url': 'publish://'}], 'protocols': {'mpegts': False}}}
    ).start()
    for path in ('/news/index.m3u8', '/news/mpegts'):
        started = time.monotonic()
        answer = server.get(path, headers=ORIGIN)
        took = time.monotonic() - started
        assert answer.status == 404 and answer.headers.get('access-control-allow-origin'), (path, answer)
        assert 4 < took < 8, '%s answered after %.1f s' % (path, took)
    c.push(server, 'lo.mp4')
    received = c.capture(server.ts(), 10)
    c.ts_check(received)
    c.match('lo.mp4', received)
    c.push(server, 'lo.mp4', 'off')
    server.wait_for_media('off')
    assert server.get('/off/mpegts').status == 404, 'HTTP-TS although it is switched off'
