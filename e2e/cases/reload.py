"""The configuration is read again while encoders send and viewers watch."""

import os
import signal

from harness import http
from harness.case import case
from harness.process import until
from harness.server import PUBLISH, free_port, is_open

from .push import all_active, plain

PACKET = 188
ALIKE = 1_000_000  # bytes of HTTP-TS that two viewers are compared over at least
APPLIED = 'configuration applied'


def ladder(*rungs):
    return {'news': {'renditions': [dict(zip(('name', 'bitrate_kbps'), rung, strict=False)) for rung in rungs]}}


def reload(server, streams, *words):
    """Has other streams read; the summary in the log must hold these words"""
    before = server.log_text().count(APPLIED)
    server.write_config(streams)
    server.process.signal(signal.SIGHUP)
    until(lambda: server.log_text().count(APPLIED) > before, 10, 'the log to say that the configuration was applied')
    summary = next(line for line in reversed(server.log_text().splitlines()) if APPLIED in line)
    for word in words:
        assert word in summary, 'no %s in: %s' % (word, summary)


def text(server, name):
    answer = server.get('/news/' + name)
    return answer.body.decode() if answer.status == 200 else ''


def bandwidths(playlist):
    """{playlist of the variant: its BANDWIDTH}"""
    lines = playlist.splitlines()
    pairs = ((line, lines[n + 1]) for n, line in enumerate(lines) if line.startswith('#EXT-X-STREAM-INF:'))
    return {uri: int(info.split('BANDWIDTH=')[1].split(',')[0]) for info, uri in pairs}


def names(server, rung):
    return http.uris(text(server, rung + '.m3u8'))


@case(short=8, long=60)
def reload_ladder(c):
    """SIGHUP adds a rung and then changes a bit rate: HTTP-TS viewers lose no byte, HLS and DASH show it, no restart for a rate"""
    server = c.server(streams=ladder(['a'], ['b'])).start()
    for rung in 'ab':
        c.push(server, 'lo.flv', 'news@' + rung)
    until(lambda: len(bandwidths(text(server, 'index.m3u8'))) == 2, 20, 'two variants', 0.2)
    first = names(server, 'a')
    viewers = [c.curl(server.ts('news@a'), name) for name in ('viewer.ts', 'control.ts')]

    def sizes():
        return [os.path.getsize(file) if os.path.exists(file) else 0 for _, file in viewers]

    until(lambda: min(sizes()) > 200_000, 15, 'both viewers to receive')

    reload(server, ladder(['a'], ['b'], ['c']), 'hls_dash_restarted=1', 'failed=0')
    at_restart = sizes()
    c.push(server, 'lo.flv', 'news@c')
    three = {'a.m3u8', 'b.m3u8', 'c.m3u8'}
    until(lambda: set(bandwidths(text(server, 'index.m3u8'))) == three, 20, 'three variants', 0.2)
    until(lambda: all('<Representation id="%s" ' % rung in text(server, 'index.mpd') for rung in 'abc'), 20, 'three representations', 0.2)
    again = names(server, 'a')
    assert not set(first) & set(again), 'a name came twice: %s' % (set(first) & set(again))

    before = {rung: names(server, rung) for rung in 'abc'}
    rate = max(bandwidths(text(server, 'index.m3u8')).values()) * 2 // 1000
    reload(server, ladder(['a'], ['b', rate], ['c']), 'announced=1', 'hls_dash_restarted=0', 'failed=0')
    now = bandwidths(text(server, 'index.m3u8'))
    assert now['b.m3u8'] == rate * 1000, '%d kbit/s are not told at once: %s' % (rate, now)
    assert '<Representation id="b" bandwidth="%d"' % (rate * 1000) in text(server, 'index.mpd'), text(server, 'index.mpd')

    # Segments come on under the names of the same run, and the rate is told in every later playlist.
    def gone_on(rung):
        later = names(server, rung)
        assert set(later) & set(before[rung]), 'HLS of %s began anew: %s %s' % (rung, before[rung], later)
        return len(set(later) - set(before[rung])) >= 2

    until(lambda: all(map(gone_on, 'abc')), 20, 'two more segments of each rung', 0.2)
    run = {name.split('-')[1] for rung in 'abc' for name in names(server, rung)}
    assert len(run) == 1, 'segments of several runs: %s' % run
    assert bandwidths(text(server, 'index.m3u8'))['b.m3u8'] == rate * 1000, 'the rate was forgotten'
    report = c.hls_watch(server.hls(), c.seconds)
    assert len(report['variants']) == 3, report['variants']
    c.python('dash_watch', 'dash_watch.py', server.url('/news/index.mpd'), '--seconds', c.seconds, seconds=c.seconds + 60)

    for process, _ in viewers:
        assert process.running(), 'an HTTP-TS viewer was thrown out'
        process.stop()
    alike(viewers, at_restart)
    for _, file in viewers:
        name = os.path.basename(file)
        c.ts_check(file, '--allow-cut-start', name='ts_check-' + name)
        c.match('lo.mp4', file, name='match-' + name)


def alike(viewers, at_restart):
    """Both files hold the same bytes from where the later one begins, across the restart"""
    files = []
    for _, file in viewers:
        with open(file, 'rb') as data:
            files.append(data.read())
    # What a viewer gets first of all may be its own; 1000 packets on all have the same.
    head = [file[1000 * PACKET : 1100 * PACKET] for file in files]
    starts = [(files[0].find(head[1]), 1000 * PACKET), (1000 * PACKET, files[1].find(head[0]))]
    start = next((pair for pair in starts if min(pair) >= 0), None)
    assert start, 'the viewers have nothing in common'
    both = list(zip(start, at_restart, strict=True))
    assert all(begin < restart for begin, restart in both), 'compared from and restarted at %s' % both
    length = min(len(file) - begin for file, begin in zip(files, start, strict=True))
    assert length >= ALIKE, 'only %d bytes to compare' % length
    parts = [file[begin : begin + length] for file, begin in zip(files, start, strict=True)]
    assert parts[0] == parts[1], 'the viewers got different bytes'


@case(short=16, long=90)
def reload_outputs(c):
    """SIGHUP switches outputs, changes a push and the stream key, and moves the listener of RTSP: whom that does not name loses no frame and no byte"""
    peer = c.server(streams=dict.fromkeys('abc', PUBLISH)).start()
    server = c.server(rtsp=True)

    def news(pushes='ab', **more):
        return {'news': {**PUBLISH, 'push': [plain(peer.rtmp_port, code) for code in pushes], **more}}

    def off(*names):
        return {'protocols': dict.fromkeys(names, False)}

    server.write_config(news())
    server.start()
    c.push(server, 'lo.mp4')
    pushes = {push['id'] for push in all_active(server, 2)}
    server.wait_for_media()
    viewers = [c.curl(server.ts(), name) for name in ('viewer.ts', 'control.ts')]
    of_peer = c.curl_when_there(peer.ts('a'), 'peer.ts')
    rtsp = c.start('rtsp', c.rtsp_watch_command(server.rtsp(), c.seconds, 'tcp', 'lo.mp4'))
    pull = ['ffmpeg', '-hide_banner', '-nostdin', '-y', '-v', 'error', '-i', server.rtmp(), '-c', 'copy']
    rtmp = c.start('rtmp', [*pull, c.path('rtmp.ts')])

    def sizes():
        return [os.path.getsize(file) if os.path.exists(file) else 0 for _, file in viewers]

    def all_receive():
        return min(sizes()) > 200_000 and os.path.exists(c.path('rtmp.ts')) and os.path.getsize(c.path('rtmp.ts')) > 100_000

    until(all_receive, 15, 'the viewers to receive')
    # The viewers of HLS and DASH that this case was itself are ended with their outputs.
    first = sizes()
    reload(server, news(**off('rtmp')), 'outputs_stopped=1', 'viewers_ended=1', 'publishers_ended=0', 'failed=0')
    assert rtmp.wait(5) is not None, 'the player of RTMP goes on though that is off'
    status, said = c.run('rtmp-off', [*pull, '-t', 1, c.path('rtmp-off.ts')], 15)
    assert status != 0, 'RTMP is off, and is played: ' + said
    reload(server, news('ac', **off('hls')), 'outputs_started=1', 'outputs_stopped=1', 'pushes_started=1', 'pushes_stopped=1', 'failed=0')
    assert server.get('/news/index.m3u8').status == 404
    until(lambda: text(server, 'index.mpd'), 10, 'DASH, which is on', 0.2)
    after = {push['id'] for push in all_active(server, 2)}
    assert len(after & pushes) == 1, 'one push stays: %s %s' % (pushes, after)
    c.run('rtmp-on', [*pull, '-t', 1, c.path('rtmp-on.ts')], 15)
    assert os.path.getsize(c.path('rtmp-on.ts')), 'RTMP is on again, and is not played'
    moved_from, server.rtsp_port = server.rtsp_port, free_port()
    reload(server, news('ac', stream_key='geheim'), 'listeners_moved=1', 'outputs_started=1', 'viewers_ended=0', 'publishers_ended=0', 'failed=0')
    assert is_open(server.rtsp_port) and not is_open(moved_from), 'the listener of RTSP has not moved'
    server.wait_for_media()
    c.all_pass({'rtsp': rtsp}, c.seconds + 30)
    until(lambda: min(now - before for now, before in zip(sizes(), first, strict=True)) > ALIKE, 60, 'enough to compare')
    for process, _ in [*viewers, of_peer]:
        assert process.running(), 'a viewer of HTTP-TS was thrown out'
        process.stop()
    alike(viewers, [size + PACKET for size in first])
    c.match('lo.mp4', viewers[0][1])
    c.match('lo.mp4', of_peer[1], name='match-peer')
    log = server.log_text()
    assert 'publisher closed' not in log and 'geheim' not in log, 'the publisher was sent away, or the key is in the log'
