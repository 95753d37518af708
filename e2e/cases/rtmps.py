"""RTMP over TLS on our own listener: what is published and played there is as on the plain one, frame by frame, tick by tick."""

import json

from harness.case import case
from harness.process import until
from harness.server import PUBLISH
from harness.tls import Tls

SOURCE = 'lo.mp4'
KEY = 'geheim'  # never to be seen
FFMPEG = ['ffmpeg', '-hide_banner', '-nostdin', '-y', '-v', 'error']


def play(c, name, url):
    """ffmpeg receives a stream"""
    return c.start(name, [*FFMPEG, '-i', url, '-t', c.seconds, '-c', 'copy', c.path(name + '.ts')])


def play_by_gstreamer(c, name, url):
    """GStreamer receives it; it knows no authority but the system's"""
    source = ['rtmp2src', 'location=' + url, 'tls-validation-flags=0']
    record = ['gst-launch-1.0', '-q', *source, '!', 'filesink', 'location=' + c.path(name + '.flv')]
    return c.start(name, record)


@case(short=5, long=300)
def rtmps(c):
    """RTMPS: ffmpeg publishes; ffmpeg and GStreamer play, through a change of the certificate; and so does a push of our own arrive,
    which verifies it: each frame is as it was pushed"""
    tls = Tls(c)
    streams = {'news': {**PUBLISH, 'stream_key': KEY}, 'copy': {**PUBLISH, 'stream_key': KEY}}
    server = c.server(streams=streams, tls=tls.files).start()
    key = '?key=' + KEY
    c.push_to(server.rtmps('news' + key), SOURCE)
    push = {'url': server.rtmps('copy' + key), 'ca_file': tls.ca}
    pusher = c.server(streams={'news': {**PUBLISH, 'push': [push]}}).start()
    c.push(pusher, SOURCE)

    def pushes():
        return json.loads(pusher.get('/api/v1/streams/news/runtime').body)['pushes']

    until(lambda: pushes()[0]['status'] == 'active', 20, 'an active push: %s' % pushes(), 0.2)
    gstreamer = play_by_gstreamer(c, 'gstreamer', server.rtmps())
    playing = {'ffmpeg': play(c, 'ffmpeg', server.rtmps()), 'pushed': play(c, 'pushed', server.rtmps('copy'))}
    until(lambda: server.log_text().count('viewer opened') >= 3, 20, 'three players')
    tls.renew()
    server.wait_for_log('new TLS certificate taken over')
    c.all_pass(playing, c.seconds + 30)
    assert gstreamer.running(), gstreamer.output()
    gstreamer.stop()
    status, said = c.run('remux', [*FFMPEG, '-i', c.path('gstreamer.flv'), '-c', 'copy', c.path('gstreamer.ts')], 60)
    assert status == 0, said
    for name in ('ffmpeg', 'pushed', 'gstreamer'):
        c.match(SOURCE, c.path(name + '.ts'), name='match-' + name)
    # Who comes now gets the new certificate, by either version of TLS.
    for version in ('-tls1_2', '-tls1_3'):
        connect = ['openssl', 's_client', '-connect', '127.0.0.1:%d' % server.rtmps_port, '-servername', 'localhost']
        status, said = c.run('s_client' + version, [*connect, version, '-CAfile', tls.ca, '-verify_return_error', '-showcerts'], 20)
        shown = said[said.index('-----BEGIN CERT') : said.index('-----END CERT')]
        with open(tls.files[0]) as file:
            assert status == 0 and shown.strip() in file.read(), said
    push = pushes()[0]
    assert push['status'] == 'active' and push['attempt'] == 1 and push['skipped_gops'] == 0, push
    log = server.log_text()
    assert 'protocol=rtmps' in log and KEY not in log + pusher.log_text() and 'PRIVATE' not in log, log
