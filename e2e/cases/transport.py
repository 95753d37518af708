"""Transport streams as they come: by UDP and RTP, and out of files."""

import socket
import struct
import subprocess

from harness import sources
from harness.case import case
from harness.process import until
from harness.server import free_port

SOURCE = 'lo.mp4'


def send(c, name, url, form='mpegts'):
    """ffmpeg sends a file once, in real time"""
    command = ['ffmpeg', '-hide_banner', '-nostdin', '-v', 'error', '-re', '-i', sources.path(SOURCE), '-c', 'copy', '-f', form, url]
    return c.start('send-' + name, command)


def capture_all(c, server, codes):
    """HTTP-TS of several streams at once: {code: file}"""
    files = {code: c.path(code + '.ts') for code in codes}
    command = lambda code: ['curl', '-sS', '-N', '--fail', '-m', c.seconds, '-o', files[code], server.ts(code)]
    running = {code: c.start('curl-' + code, command(code)) for code in codes}
    for code, process in running.items():
        assert process.wait(c.seconds + 10) == 28, '%s: %s' % (code, process.output())
    return files


@case(short=10, long=50)
def udp_in(c):
    """A transport stream by UDP, unicast and multicast, and by RTP comes out frame by frame; what a network loses is shown, and
    what leaves is legal; a port that is taken is told and taken once it is free; silence ends nothing"""
    ports = [free_port(kind=socket.SOCK_DGRAM) for _ in range(5)]
    uni, multi, rtp, lossy, taken = ports
    inputs = {
        'uni': 'udp://127.0.0.1:%d' % uni,
        'multi': 'udp://239.255.77.1:%d?interface=lo' % multi,
        'rtp': 'rtp://127.0.0.1:%d' % rtp,
        'lossy': 'udp://@:%d?buffer=65536' % lossy,
        'taken': 'udp://127.0.0.1:%d' % taken,
    }
    other = socket.socket(type=socket.SOCK_DGRAM)
    other.bind(('127.0.0.1', taken))
    server = c.server({code: {'inputs': [{'url': url}]} for code, url in inputs.items()}).start()
    until(lambda: any('cannot listen on' in said for said in server.stream('taken')['warnings']), 10, 'a port that is taken')
    other.close()
    relay = c.relay('udp', lossy, loss=0.02)
    senders = {
        'uni': send(c, 'uni', 'udp://127.0.0.1:%d?pkt_size=1316' % uni),
        'multi': send(c, 'multi', 'udp://239.255.77.1:%d?pkt_size=1316&localaddr=127.0.0.1' % multi),
        'rtp': send(c, 'rtp', 'rtp://127.0.0.1:%d' % rtp, 'rtp_mpegts'),
        'lossy': send(c, 'lossy', 'udp://127.0.0.1:%d?pkt_size=1316' % relay.port),
    }
    for code in senders:
        server.wait_for_media(code)
    until(lambda: not any('cannot' in said for said in server.stream('taken')['warnings']), 15, 'the port, which is free')
    watch = {'hls': c.start('hls_watch', [*c.script('hls_watch.py'), server.hls('rtp'), '--seconds', c.seconds, '--capture', c.path('hls.ts')])}
    files = capture_all(c, server, senders)
    c.all_pass(watch)
    for code in ('uni', 'multi', 'rtp'):
        c.ts_check(files[code], name='ts_check-' + code)
        c.match(SOURCE, files[code], name='match-' + code)
        c.exact(SOURCE, files[code], name='exact-' + code)
        seen = server.stream(code)
        assert (seen['source']['lost'], seen['last_error'], seen['warnings']) == (0, None, []), (code, seen)
        assert seen['source']['protocol'] == ('rtp' if code == 'rtp' else 'udp'), seen['source']
    c.match(SOURCE, c.path('hls.ts'), name='match-hls')
    seen = server.stream('lossy')
    assert seen['source']['lost'] > 0 and 'PID' in seen['last_error']['message'], seen
    c.ts_check(files['lossy'], '--max-hole-ms', 1000, '--max-gap-ms', 1000, name='ts_check-lossy')
    for sender in senders.values():
        sender.stop()
    for code in senders:
        silent = until(lambda: [said for said in server.stream(code)['warnings'] if said.startswith('nothing comes')], 15, 'silence of ' + code)
        assert silent == ['nothing comes from ' + inputs[code]] and server.stream(code)['source'], silent


# ---- a file ----


def crc32(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    return crc


def packets(data):
    return [data[at : at + 188] for at in range(0, len(data) - 187, 188)]


def pid(packet):
    return (packet[1] & 0x1F) << 8 | packet[2]


def payload(packet):
    return packet[5 + packet[4] :] if packet[3] & 0x20 else packet[4:]


def pts(packet):
    """PTS of the PES packet that begins here, or None"""
    data = payload(packet) if packet[1] & 0x40 and packet[3] & 0x10 else b''
    if data[:3] != b'\0\0\1' or len(data) < 14 or not data[7] & 0x80:
        return None
    return (data[9] & 0x0E) << 29 | data[10] << 22 | (data[11] & 0xFE) << 14 | data[12] << 7 | data[13] >> 1


def with_crc(section):
    return section + struct.pack('>I', crc32(section))


def as_packet(pid, counter, section):
    head = bytes([0x47, 0x40 | pid >> 8, pid & 0xFF, 0x10 | counter & 15, 0])
    return (head + section).ljust(188, b'\xff')


def splice_insert(time):
    """SCTE 35 9.7.3, out of the network at that PTS"""
    command = struct.pack('>IBB', 1, 0x7F, 0xCF) + (0xFE << 32 | time).to_bytes(5, 'big') + bytes([0, 1, 0, 0])
    # protocol_version, pts_adjustment, cw_index; tier and splice_command_length; splice_command_type
    head = bytes(6) + b'\xff' + (0xFFF << 12 | len(command)).to_bytes(3, 'big') + b'\x05'
    body = head + command + bytes(2)
    return with_crc(bytes([0xFC, 0x30, len(body) + 4]) + body)


def splice_time(section):
    adjustment = int.from_bytes(section[4:9], 'big') & (1 << 33) - 1
    return (adjustment + (int.from_bytes(section[20:25], 'big') & (1 << 33) - 1)) % (1 << 33)


def maps(data):
    """{PID: (stream_type, …) of each map's streams} as {map PID: {stream PID: type}}"""
    found = {}
    for packet in packets(data):
        section = payload(packet)[1:]
        if packet[1] & 0x40 and section[:1] == b'\x02':
            end = 3 + ((section[1] & 15) << 8 | section[2]) - 4
            at, streams = 12 + ((section[10] & 15) << 8 | section[11]), {}
            while at < end:
                streams[(section[at + 1] & 31) << 8 | section[at + 2]] = section[at]
                at += 5 + ((section[at + 3] & 15) << 8 | section[at + 4])
            found[pid(packet)] = streams
    return found


SPLICES = 0x1F0
BEFORE_MS = 2000  # A splice is announced so long before


def with_splices(data, program):
    """The stream with a track of SCTE-35 in the program whose map is on that PID: each key picture of it, one in two seconds, is announced"""
    video = next(stream for stream, kind in maps(data)[program].items() if kind == 0x1B)
    out, counter, announced = [], 0, 0
    for packet in packets(data):
        if pid(packet) == program and packet[1] & 0x40:
            section = payload(packet)[1:]
            length = (section[1] & 15) << 8 | section[2]
            body = bytes([2]) + struct.pack('>H', 0xB000 | length + 5) + section[3 : 3 + length - 4]
            body += bytes([0x86, 0xE0 | SPLICES >> 8, SPLICES & 0xFF, 0xF0, 0])
            packet = packet[:4] + (b'\0' + with_crc(body)).ljust(184, b'\xff')
        time = pts(packet) if pid(packet) == video else None
        if time is not None and time >= announced:
            out.append(as_packet(SPLICES, counter, splice_insert((time + BEFORE_MS * 90) % (1 << 33))))
            counter, announced = counter + 1, time + 2 * 90000
        out.append(packet)
    return b''.join(out)


@case(short=18, long=60)
def ts_file(c):
    """The program of a file that is asked for comes out, goes on at the end of the file, and its splices stay at their pictures"""
    made = c.path('two.ts')
    streams = ['-map', '0:v', '-map', '0:a', '-map', '1:v', '-map', '1:a', '-c', 'copy']
    numbers = ['-program', 'program_num=5:st=0:st=1', '-program', 'program_num=6:st=2:st=3']
    numbers += ['-frames:v', '400', '-frames:a', '750']
    inputs = [option for name in ('lo.mp4', 'gop10.mp4') for option in ('-i', sources.path(name))]
    subprocess.run([*sources.FFMPEG, *inputs, *streams, *numbers, '-f', 'mpegts', made], check=True)
    data = open(made, 'rb').read()
    first = min(maps(data))
    with open(made, 'wb') as file:
        file.write(with_splices(data, first))
    url = 'file://%s?loop=true&program=' % made
    server = c.server({'first': {'inputs': [{'url': url + '5'}]}, 'second': {'inputs': [{'url': url + '6'}]}, 'none': {'inputs': [{'url': url + '7'}]}}).start()
    for code in ('first', 'second'):
        server.wait_for_media(code)
    files = capture_all(c, server, ('first', 'second'))
    # Of the sound of the first program whole frames are missing at the end of the file, and no part of one.
    c.ts_check(files['first'], '--max-gap-ms', 600, '--max-hole-ms', 200)
    for code in files:
        seen = server.stream(code)
        said = [warning for warning in seen['warnings'] if 'SCTE-35 cannot be carried in fMP4' not in warning]
        assert seen['timeline']['epochs'] == 1 and not said, seen
    assert server.stream('none')['last_error']['message'].endswith('the source has no program 7; it has 5, 6')

    assert sorted(next(iter(maps(open(files['second'], 'rb').read()).values())).values()) == [0x0F, 0x1B]
    received = open(files['first'], 'rb').read()
    tracks = next(iter(maps(received).values()))
    splices = [at for at, kind in tracks.items() if kind == 0x86]
    video = next(at for at, kind in tracks.items() if kind == 0x1B)
    assert len(splices) == 1, tracks
    shown = {time for time in (pts(packet) for packet in packets(received) if pid(packet) == video) if time is not None}
    told = [splice_time(payload(packet)[1:]) for packet in packets(received) if pid(packet) == splices[0]]
    within = [time for time in told if min(shown) <= time <= max(shown)]
    assert len(within) >= c.seconds // 2 - 3, (told, min(shown), max(shown))
    missed = [time for time in within if min(abs(time - at) for at in shown) > 1]
    assert not missed, 'splices where no picture is: %s' % missed
