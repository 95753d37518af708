"""Play tokens, as real players carry them."""

import json
import subprocess

from harness.case import case
from harness.server import PUBLISH

KEY = 'geheim-0123456789abcdef'  # never to be seen


def play(c, name, url):
    """ffmpeg receives a stream"""
    command = ['ffmpeg', '-hide_banner', '-nostdin', '-y', '-v', 'error', '-i', url, '-t', c.seconds, '-c', 'copy', '-f', 'null', '-']
    return c.start(name, command)


@case(short=3, long=30)
def play_tokens(c):
    """With a token ffmpeg plays HLS, DASH, MPEG-TS, RTMP, RTSP and SRT; without one it plays none of them"""
    stream = {**PUBLISH, 'play_auth': 'token', 'play_auth_keys': [KEY]}
    server = c.server(streams={'news': stream}, rtsp=True, srt=True).start()
    c.push(server, 'lo.mp4')
    command = [server.binary, 'play-token', '-c', server.config, 'news', '--expires-in', '600']
    token = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[0]
    server.wait_for_media('t/%s/news' % token)

    def urls(query, prefix, stream_id):
        return {
            'hls': server.url(prefix + '/news/index.m3u8'),
            'dash': server.url(prefix + '/news/index.mpd'),
            'ts': server.url('/news/mpegts' + query),
            'rtmp': server.rtmp('news' + query),
            'rtsp': server.rtsp('news' + query),
            'srt': server.srt('live/news' + stream_id),
        }

    good = urls('?token=' + token, '/t/' + token, '?token=' + token)
    c.all_pass({name: play(c, name, url) for name, url in good.items()}, c.seconds + 40)
    refused = {name: play(c, 'no-' + name, url) for name, url in urls('', '', '').items()}
    for name, player in refused.items():
        assert player.wait(30) != 0, '%s plays without a token' % name
    sessions = json.loads(server.get('/api/v1/sessions').body)['sessions']
    estimated = [one for one in sessions if one['protocol'] in ('hls', 'dash') and one['estimated']]
    assert not estimated, estimated
    log = server.log_text()
    assert 'refused: news: this stream is played with a token' in log, log
    for shown in (log, json.dumps(sessions), server.get('/metrics').body.decode()):
        assert token not in shown and KEY not in shown, shown
