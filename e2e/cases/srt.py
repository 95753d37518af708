"""SRT: played and published by clients of several makes, plain and encrypted, and called for; and who is refused."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor

from harness import sources
from harness.case import case
from harness.process import until
from harness.server import PUBLISH, free_port

PASSPHRASE = '0123456789abcdef'
# None is plain.
KEY_BYTES = (None, 16, 24, 32)


def secret(key_bytes):
    return {'passphrase': PASSPHRASE, 'key_bytes': key_bytes} if key_bytes else {}


def code(key_bytes, by):
    return '%s%s' % (by, key_bytes or '')


def transmit(source, target):
    return ['srt-live-transmit', '-q', source, target]


def receiver(by, url, file, key_bytes):
    """A player that writes what it gets until it is ended"""
    if by == 'ffmpeg':
        return ['ffmpeg', '-hide_banner', '-nostdin', '-y', '-v', 'error', '-i', url, '-map', '0', '-c', 'copy', '-f', 'mpegts', file]
    if by == 'gst':
        keys = ['passphrase=' + PASSPHRASE, 'pbkeylen=%d' % key_bytes] if key_bytes else []
        return ['gst-launch-1.0', '-q', 'srtsrc', 'uri=' + url, *keys, '!', 'filesink', 'location=' + file]
    return ['sh', '-c', 'exec srt-live-transmit -q "$0" file://con > "$1"', url, file]


def publisher(c, by, server, key_bytes):
    name = code(key_bytes, by)
    structured = server.srt('#!::r=live/%s,m=publish' % name, **secret(key_bytes))
    prefixed = server.srt('publish:live/' + name, **secret(key_bytes))
    if by == 'ffmpeg':
        return [*read_lo(), structured]
    pipe = piped(read_lo())
    if by == 'gst':
        keys = 'passphrase=%s pbkeylen=%d' % (PASSPHRASE, key_bytes) if key_bytes else ''
        uri = server.srt('publish:live/' + name)
        return ['sh', '-c', pipe + "exec gst-launch-1.0 -q fdsrc do-timestamp=true ! tsparse alignment=7 ! srtsink wait-for-connection=false uri='%s' %s" % (uri, keys)]
    return ['sh', '-c', pipe + "exec srt-live-transmit -q file://con '%s'" % prefixed]


def read_lo():
    """The source in real time, as a transport stream"""
    return ['ffmpeg', '-hide_banner', '-nostdin', '-v', 'error', '-re', '-stream_loop', '-1', '-i', sources.path('lo.mp4'), '-map', '0', '-c', 'copy', '-f', 'mpegts']


def piped(words):
    return ' '.join("'%s'" % word for word in words) + ' pipe:1 | '


class Called:
    """srt-live-transmit as a listener, which our server calls"""

    def __init__(self, c, name, secret=''):
        self.c, self.name, self.port = c, name, free_port(kind=socket.SOCK_DGRAM)
        self.secret, self.process = secret, None

    def input(self):
        return {'inputs': [{'url': 'srt://127.0.0.1:%d?streamid=live/far&latency=200%s' % (self.port, self.secret)}]}

    def start(self):
        listen = 'srt://127.0.0.1:%d?mode=listener%s' % (self.port, self.secret)
        self.process = self.c.start('called-' + self.name, ['sh', '-c', piped(read_lo()) + "exec srt-live-transmit -q file://con '%s'" % listen])

    def kill(self):
        self.process.kill()


def end_whole(file):
    """Takes the last frame off, of which a part may be missing: frames are muxed one after the other"""
    with open(file, 'r+b') as capture:
        data = capture.read()
        begun = [at for at in range(0, len(data) - 187, 188) if data[at + 1] & 0x40]
        capture.truncate(begun[-1])


@case(short=6, long=60, alone=True)
def srt(c):
    """SRT: ffmpeg, srt-live-transmit and GStreamer publish and play, plain and with keys of each length, all at once: every frame, as it was sent. Listeners that are called come as well, and again when they were killed"""
    makers = ('ffmpeg', 'transmit', 'gst')
    # Each key length and each maker both ways; whoever plays is another one than who publishes.
    pairs = [(key, by, makers[(makers.index(by) + 1 + place) % 3]) for place, key in enumerate(KEY_BYTES) for by in makers]
    if not c.long:
        pairs = [pair for place, pair in enumerate(pairs) if place % 2 == 0]
    called = {'called': Called(c, 'called', '&passphrase=%s&pbkeylen=32' % PASSPHRASE), 'again': Called(c, 'again')}
    streams = {code(key, by): {**PUBLISH, 'passphrase': PASSPHRASE} if key else PUBLISH for key, by, _ in pairs}
    server = c.server(streams={**streams, **{name: one.input() for name, one in called.items()}}, srt=True).start()
    for one in called.values():
        one.start()
    for key, by, _ in pairs:
        c.start('publish-' + code(key, by), publisher(c, by, server, key))
    for name in [*streams, *called]:
        server.wait_for_media(name)
    playing = {}
    for key, by, player in [*pairs, (None, 'called', 'transmit')]:
        name = code(key, by)
        file = c.path(name + '.ts')
        url = server.srt('live/' + name) if player == 'gst' else server.srt('live/' + name, **secret(key))
        playing[name] = (c.start('play-%s-%s' % (name, player), receiver(player, url, file, key)), file, player)
    viewer, viewed = c.curl(server.ts('again'), 'again.ts')
    first = server.stream('again')['source']['since_ms']
    # Without a last word: silence alone says that it is gone.
    called['again'].kill()
    called['again'].start()
    time.sleep(c.seconds + 2)
    for process, _, _ in playing.values():
        process.stop(5)

    def is_again():
        source = server.stream('again').get('source')
        return source and source['since_ms'] != first

    until(is_again, 20, 'the listener that was killed to be called again')
    lost = {name: server.stream(name)['source']['lost'] for name in playing}
    assert not any(lost.values()), lost
    assert 'nothing comes from srt://127.0.0.1:%d?streamid=live/far&latency=200: the peer is silent; ' % called['again'].port in server.log_text()
    assert PASSPHRASE not in server.log_text()

    def look(place, name, file, player):
        if player != 'ffmpeg':
            # ffmpeg writes a transport stream of its own.
            end_whole(file)
            c.ts_check(file, '--allow-cut-start', name='ts_check-' + name)
        # To compare decodes all of it: in the short form each maker once, and what was called for.
        if c.long or place % 2 == 0:
            c.exact('lo.mp4', file, '--min-video', 20 * (c.seconds - 2), name='exact-' + name)

    with ThreadPoolExecutor() as pool:
        looked = [pool.submit(look, place, name, file, player) for place, (name, (_, file, player)) in enumerate(playing.items())]
        for one in looked:
            one.result()
    assert viewer.running(), viewer.output()
    assert viewer.stop() == -15, viewer.output()
    end_whole(viewed)
    # What was sent while nobody sent is not there.
    hole = [word for limit in ('pcr', 'psi', 'gap', 'hole') for word in ('--max-%s-ms' % limit, 30_000)]
    c.ts_check(viewed, *hole, name='ts_check-again')
    assert server.limits()['panics'] == 0, server.log_text()[-2000:]


@case(short=1)
def srt_refused(c):
    """SRT: an unknown stream, a wrong passphrase or key and a wrong mode get their codes, and the listener serves on"""
    streams = {'news': {**PUBLISH, 'stream_key': 'the-key'}, 'secret': {**PUBLISH, 'passphrase': PASSPHRASE}}
    server = c.server(streams=streams, srt=True).start()
    refused = {
        'unknown': (server.srt('live/nothing'), '1404'),
        'passphrase': (server.srt('live/secret', passphrase='another-passphrase'), '1010'),
        'plain': (server.srt('live/secret'), '1011'),
        'encrypted': (server.srt('live/news', passphrase=PASSPHRASE), '1011'),
        'both': (server.srt('#!::r=live/news,m=bidirectional'), '1405'),
        'key': (server.srt('publish:live/news?key=wrong'), '1403'),
        'no-key': (server.srt('publish:live/news'), '1401'),
    }
    for name, (url, rejection) in refused.items():
        process = c.start(name, transmit(url, 'file://con'))
        # The log has one of these a second at most, and the caller tries again and again.
        until(lambda rejection=rejection: 'SRT: %s' % rejection in server.log_text(), 20, 'a line about %s' % name)
        process.stop(2)
    assert 'the-key' not in server.log_text() and PASSPHRASE not in server.log_text()
    publish = ['ffmpeg', '-hide_banner', '-nostdin', '-v', 'error', '-re', '-i', sources.path('lo.mp4'), '-c', 'copy', '-f', 'mpegts']
    c.start('publish', [*publish, server.srt('publish:live/news?key=the-key')])
    server.wait_for_media('news')
