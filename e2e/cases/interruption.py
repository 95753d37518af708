"""Outputs outlive inputs: encoders die and come back, and so does the server, and players go on."""

import time

from harness import http
from harness.case import case
from harness.process import until


@case(short=4, long=15, alone=True)
def encoder_restarts(c):
    """The encoder is killed and comes back three times: no viewer is thrown out, marks and counters are right"""
    # A short window, and time for every break to leave it.
    server = c.server(settings={'publisher': {'hls': {'live_window': 6}}}).start()
    encoder = c.push(server)
    server.wait_for_media(segments=3)
    total = 3 * (c.seconds + 2) + 20
    answer, received = c.curl(server.ts())
    segments = c.path('segments.ts')
    watch = [*c.script('hls_watch.py'), server.hls(), '--seconds', total, '--outages', '--capture', segments]
    watch = c.start('hls_watch', watch)
    limits = ['--max-stalls', '3', '--max-jumps', '3', '--min-played', str(total - 12)]
    player = c.start('hls.js', c.play_command(server.hls(), total, options=limits))
    decoder = ['ffmpeg', '-hide_banner', '-nostdin', '-v', 'fatal', '-i', server.ts(), '-t', total - 6, '-f', 'null', '-']
    decoder = c.start('ffmpeg', decoder)
    for _ in range(3):
        time.sleep(c.seconds)
        encoder.kill()
        time.sleep(1.5)
        encoder = c.push(server)
    for name, process in (('hls_watch', watch), ('hls.js', player), ('ffmpeg', decoder)):
        assert process.wait(total + 30) == 0, '%s: %s' % (name, process.output()[-1500:])
    assert answer.running(), 'the HTTP-TS viewer was thrown out'
    answer.stop()
    c.ts_check(received)
    c.match('src720.mp4', received, '--breaks', '3', name='match-ts')
    c.match('src720.mp4', segments, '--breaks', '3', name='match-hls')
    seen = c.report(watch)['variants'][0]
    assert seen['discontinuities'] == 3, '%d discontinuities in HLS instead of 3' % seen['discontinuities']
    assert seen['outages'] == 0 and seen['jumps'] == 0, seen
    left, (first, last) = seen['discontinuities_left'], seen['discontinuity_sequence']
    # The first segment of a run is marked as well; whether it left before the watch began does not matter.
    assert left >= 3, 'only %d discontinuities left the window' % left
    assert last - first == left, 'EXT-X-DISCONTINUITY-SEQUENCE rose by %d when %d left' % (last - first, left)


@case(short=25, long=80, alone=True)
def server_restart(c):
    """rillcast itself is restarted while hls.js plays: it goes on, numbers and times do not go back, no name is used twice"""
    server = c.server().start()
    encoder = c.push(server)
    server.wait_for_media(segments=3)
    first, _ = c.fetch_segments(server, name='first.ts')
    watch = c.start('hls_watch', [*c.script('hls_watch.py'), server.hls(), '--seconds', c.seconds, '--outages'])
    limits = ['--max-stalls', '2', '--max-jumps', '3', '--min-played', str(c.seconds - 12)]
    player = c.start('hls.js', c.play_command(server.hls(), c.seconds, options=limits))
    # The long form goes past one window, so that numbers have risen.
    time.sleep(45 if c.long else 6)
    before, before_file = c.fetch_segments(server, name='before.ts')
    assert server.stop() == 0, 'it did not end properly'
    until(lambda: not encoder.running(), 10, 'the encoder to notice')
    server.start()
    c.push(server)
    for name, process in (('hls_watch', watch), ('hls.js', player)):
        assert process.wait(c.seconds + 30) == 0, '%s: %s' % (name, process.output()[-1500:])
    seen = c.report(watch)['variants'][0]
    assert seen['jumps'] == 1, 'the media sequence number skipped ahead %d times instead of once' % seen['jumps']
    after, after_file = c.fetch_segments(server, name='after.ts')
    names = [set(http.uris(text)) for text in (first, before, after)]
    assert not (names[0] | names[1]) & names[2], 'a segment name came twice: %s' % names
    end = number(before, 'MEDIA-SEQUENCE') + len(http.uris(before))
    assert number(after, 'MEDIA-SEQUENCE') >= end, 'EXT-X-MEDIA-SEQUENCE went back:\n%s\n%s' % (before, after)
    # Each run counts from the 5-minute steps at its start, so that it never begins below the run before. Within one step it
    # may use numbers again; that does no harm because timestamps go on, whatever the numbers.
    started = [number(text, 'DISCONTINUITY-SEQUENCE') for text in (first, after)]
    assert started[1] >= started[0], 'EXT-X-DISCONTINUITY-SEQUENCE began at %d and then at %d' % tuple(started)
    times = [c.ts_check(file, name='ts_check-' + name) for name, file in (('before', before_file), ('after', after_file))]
    for old, new in zip(times[0]['streams'], times[1]['streams'], strict=True):
        # As a player reckons, modulo 2^33.
        ahead = (new['first_dts'] - old['last_dts']) % 2**33
        assert 0 < ahead < 2**32, '%s: %d comes after %d' % (new['kind'], new['first_dts'], old['last_dts'])


def number(playlist, tag):
    """The value of a tag that holds one number"""
    return int(playlist.split('#EXT-X-%s:' % tag)[1].split()[0])
