"""SRT through a network that loses packets: what is not delivered, beside libsrt on the same kind of way."""

import json

from harness import sources
from harness.case import case
from harness.process import until
from harness.server import PUBLISH, free_port

# A round trip of 50 ms, of which the latency is four times as much.
NETWORK = {'loss': 0.05, 'delay_ms': 25, 'jitter_ms': 5}
LATENCY_MS = 200
# By chance one of two alike has a few more: so many packets are not looked at.
CHANCE = 4


def read_source():
    read = ['ffmpeg', '-hide_banner', '-nostdin', '-v', 'error', '-re', '-stream_loop', '-1', '-i', sources.path('lo.mp4'), '-map', '0', '-c', 'copy', '-f', 'mpegts']
    return ' '.join("'%s'" % word for word in read) + ' pipe:1'


def sender(c, name, url):
    """libsrt, fed in real time"""
    return c.start(name, ['sh', '-c', "%s | exec srt-live-transmit -q file://con '%s'" % (read_source(), url)])


def receiver(c, name, port, stream_id='live/news'):
    """libsrt, which counts in a file"""
    url = 'srt://127.0.0.1:%d?streamid=%s&latency=%d' % (port, stream_id, LATENCY_MS)
    count = ['-s:50', '-pf:json', '-fullstats', '-statsout:' + c.path(name + '.json')]
    return c.start(name, ['sh', '-c', 'exec srt-live-transmit -q "$@" > "$0"', c.path(name + '.ts'), *count, url, 'file://con'])


def counted(c, name):
    """What the receiver has counted: (delivered, dropped); none before it has counted anything"""
    try:
        with open(c.path(name + '.json')) as file:
            lines = [line.strip().rstrip(',') for line in file if line.strip().rstrip(',').endswith('}')]
        received = json.loads(lines[-1])['recv']
    except (OSError, IndexError, ValueError):
        return None
    return received['packetsUnique'], received['packetsDropped']


@case(short=10, long=60)
def srt_bad_network(c):
    """SRT, 5 % loss and 25 ms each way with jitter, latency of four round trips: no more is lost than between two of libsrt"""
    settings = {'latency_ms': LATENCY_MS}
    server = c.server(streams={'news': PUBLISH, 'lossy': PUBLISH}, srt=settings).start()
    c.push(server, 'lo.mp4')
    server.wait_for_media('news')
    inwards, outwards = (c.relay('udp', server.srt_port, 'relay-' + way, seed=seed, **NETWORK) for seed, way in ((21, 'in'), (22, 'out')))
    port = free_port()
    between = c.relay('udp', port, 'relay-libsrt', seed=23, **NETWORK)
    sender(c, 'publish', 'srt://127.0.0.1:%d?streamid=publish:live/lossy&latency=%d' % (inwards.port, LATENCY_MS))
    sender(c, 'libsrt', 'srt://127.0.0.1:%d?mode=listener&latency=%d' % (port, LATENCY_MS))
    players = {name: receiver(c, name, relay.port) for name, relay in (('play', outwards), ('play-libsrt', between))}
    server.wait_for_media('lossy')
    enough = 60 * c.seconds
    until(lambda: all((counted(c, name) or (0, 0))[0] >= enough for name in players), 4 * c.seconds + 20, 'players to have %d packets' % enough)
    lost = server.stream('lossy')['source']['lost']
    assert all(player.running() for player in players.values()), 'a player has ended'
    undelivered = {'publish': lost, **{name: counted(c, name)[1] for name in players}}
    with open(c.path('undelivered.json'), 'w') as file:
        json.dump(undelivered, file)
    for name in ('play', 'publish'):
        assert undelivered[name] <= undelivered['play-libsrt'] + CHANCE, undelivered
    for relay in (inwards, outwards, between):
        did = relay.stop()
        assert did['there']['lost'] + did['back']['lost'] > 10, did
