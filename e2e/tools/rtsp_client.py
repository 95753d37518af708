"""A client of RTSP 1.0 (RFC 2326) made by hand, and what it takes to look at RTP and RTCP (RFC 3550).

Knows nothing of codecs. Only the standard library.
"""

import base64
import re
import socket
import struct
import time
import urllib.parse
from collections import namedtuple

Answer = namedtuple('Answer', 'status reason headers body')
Packet = namedtuple('Packet', 'marker type sequence timestamp ssrc payload')
Report = namedtuple('Report', 'ssrc wall timestamp packets octets')  # a sender report; wall: Unix time in seconds

UNIX_IN_NTP = 2_208_988_800  # seconds from 1900 to 1970
SENDER_REPORT, RECEIVER_REPORT, DESCRIPTION, BYE = 200, 201, 202, 203


class Refused(Exception):
    """The server said something else than 200."""


class Track:
    """One media description of an SDP (RFC 8866 5.14)"""

    def __init__(self, media):
        self.kind, _, _, *types = media.split()
        self.type, self.lines, self.control = int(types[0]), [], ''
        self.encoding, self.rate, self.channels, self.fmtp = '', 0, 1, {}

    def attribute(self, line):
        self.lines.append(line)
        name, _, value = line.partition(':')
        if name == 'control':
            self.control = value
        elif name == 'rtpmap' and int(value.split()[0]) == self.type:
            encoding, rate, *channels = value.split()[1].split('/')
            self.encoding, self.rate, self.channels = encoding.upper(), int(rate), int(channels[0]) if channels else 1
        elif name == 'fmtp' and int(value.split()[0]) == self.type:
            parts = (part.strip().partition('=') for part in value.split(' ', 1)[1].split(';') if part.strip())
            self.fmtp = {key.strip().lower(): text.strip() for key, _, text in parts}


def tracks_of(sdp):
    tracks = []
    for line in sdp.splitlines():
        if line.startswith('m='):
            tracks.append(Track(line[2:]))
        elif line.startswith('a=') and tracks:
            tracks[-1].attribute(line[2:])
    return tracks


class Session:
    """One connection. Over UDP it has two sockets for each track"""

    def __init__(self, url, transport='tcp', timeout=10, buffer=None):
        self.url, self.transport, self.parts = url, transport, urllib.parse.urlsplit(url)
        family = socket.AF_INET6 if ':' in self.parts.hostname else socket.AF_INET
        self.socket = socket.socket(family)
        if buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(timeout)
        self.socket.connect((self.parts.hostname, self.parts.port or 554))
        self.sequence, self.session, self.base, self.input, self.early = 0, None, url, bytearray(), []
        self.tracks, self.channels, self.udp, self.closed, self.said = [], {}, [], False, []

    def send(self, method, url=None, *headers, body=''):
        self.sequence += 1
        lines = ['%s %s RTSP/1.0' % (method, url or self.url), 'CSeq: %d' % self.sequence, 'User-Agent: by hand', *headers]
        if self.session:
            lines.append('Session: ' + self.session)
        if body:
            lines.append('Content-Length: %d' % len(body))
        self.socket.sendall(('\r\n'.join(lines) + '\r\n\r\n' + body).encode())

    def request(self, method, url=None, *headers, body='', expect=200):
        """The answer, which must have that status"""
        self.send(method, url, *headers, body=body)
        answer = self.answer()
        if expect and answer.status != expect:
            raise Refused('%s: %d %s' % (method, answer.status, answer.reason))
        return answer

    def answer(self):
        """The next answer; packets before it are kept"""
        while True:
            found = self.next()
            if isinstance(found, Answer):
                return found
            if found:
                self.early.append((*found, time.time()))
            elif not self.receive():
                raise Refused('closed instead of an answer')

    def receive(self):
        data = self.socket.recv(1 << 18)
        self.closed = not data
        self.input += data
        return bool(data)

    def next(self):
        """What is complete: an answer, or (channel, packet)"""
        if self.input[:1] == b'$':
            if len(self.input) < 4 or len(self.input) < 4 + (self.input[2] << 8 | self.input[3]):
                return None
            end = 4 + (self.input[2] << 8 | self.input[3])
            channel, packet = self.input[1], bytes(self.input[4:end])
            del self.input[:end]
            return channel, packet
        end = self.input.find(b'\r\n\r\n')
        if end < 0:
            return None
        first, *lines = self.input[:end].decode('latin-1').split('\r\n')
        headers = {}
        for line in lines:
            name, _, value = line.partition(':')
            headers[name.strip().lower()] = value.strip()
        length = int(headers.get('content-length', 0))
        if len(self.input) < end + 4 + length:
            return None
        body = bytes(self.input[end + 4 : end + 4 + length])
        del self.input[: end + 4 + length]
        if not first.startswith('RTSP/1.0 '):
            raise Refused('not an answer: %r' % first[:100])
        answer = Answer(int(first.split()[1]), first.split(' ', 2)[-1], headers, body)
        if headers.get('cseq') != str(self.sequence):
            raise Refused('CSeq %s instead of %d' % (headers.get('cseq'), self.sequence))
        return answer

    # ---- a player ----

    def describe(self):
        answer = self.request('DESCRIBE', None, 'Accept: application/sdp')
        self.base = answer.headers.get('content-base', self.url)
        self.tracks = tracks_of(answer.body.decode())
        return answer

    def track_url(self, track):
        if track.control.startswith('rtsp://'):
            return track.control
        return self.base + ('' if self.base.endswith('/') else '/') + track.control

    def setup(self, number, mode=''):
        """Sets a track up; the `Transport` that was agreed on as a dict"""
        if self.transport == 'udp':
            sockets = udp_pair(self.socket.getsockname()[0], self.socket.family)
            self.udp.append(sockets)
            wanted = 'RTP/AVP;unicast;client_port=%d-%d' % tuple(one.getsockname()[1] for one in sockets)
        else:
            wanted = 'RTP/AVP/TCP;unicast;interleaved=%d-%d' % (2 * number, 2 * number + 1)
        answer = self.request('SETUP', self.track_url(self.tracks[number]), 'Transport: ' + wanted + mode)
        self.session = answer.headers['session'].split(';')[0]
        agreed = {}
        for part in answer.headers['transport'].split(';'):
            name, _, value = part.partition('=')
            agreed[name.strip().lower()] = value
        if self.transport == 'udp':
            ports = [int(port) for port in agreed['server_port'].split('-')]
            for one, port in zip(self.udp[-1], ports):
                one.connect((agreed.get('source', self.parts.hostname), port))
                one.setblocking(False)
        else:
            rtp, rtcp = (int(channel) for channel in agreed['interleaved'].split('-'))
            self.channels.update({rtp: (number, False), rtcp: (number, True)})
        return agreed

    def play(self):
        """{track URL: (seq, rtptime)} of RTP-Info (RFC 2326 12.33)"""
        answer = self.request('PLAY', None, 'Range: npt=0.000-')
        info = {}
        for part in re.split(r',(?=\s*url=)', answer.headers.get('rtp-info', '')):
            values = dict(value.strip().partition('=')[::2] for value in part.split(';') if '=' in value)
            if 'url' in values:
                info[values['url']] = tuple(int(values[name]) if name in values else None for name in ('seq', 'rtptime'))
        return info

    def packets(self, timeout):
        """(track, whether RTCP, packet, Unix time of arrival) of all that comes within so many seconds"""
        end = time.monotonic() + timeout
        early, self.early = self.early, []
        for channel, packet, at in early:
            if channel in self.channels:
                yield (*self.channels[channel], packet, at)
        while time.monotonic() < end and not self.closed:
            heard = list(self.hear())
            yield from heard
            if not heard:
                time.sleep(0.002)

    def hear(self):
        self.socket.setblocking(False)
        try:
            self.receive()
        except BlockingIOError:
            pass
        except ConnectionError:
            self.closed = True
        finally:
            self.socket.settimeout(10)
        now = time.time()
        while found := self.next():
            if isinstance(found, Answer):
                self.said.append(found)
            elif found[0] in self.channels:
                yield (*self.channels[found[0]], found[1], now)
        for number, pair in enumerate(self.udp):
            for is_rtcp, one in enumerate(pair):
                while True:
                    try:
                        packet = one.recv(65536)
                    except (BlockingIOError, ConnectionError):
                        break
                    yield number, bool(is_rtcp), packet, time.time()

    def rtcp(self, number, packet):
        """Sends a report of that track"""
        if self.transport == 'udp':
            self.udp[number][1].send(packet)
        else:
            channel = next(channel for channel, which in self.channels.items() if which == (number, True))
            self.socket.sendall(b'$' + bytes([channel]) + struct.pack('>H', len(packet)) + packet)

    def close(self):
        self.socket.close()
        for pair in self.udp:
            for one in pair:
                one.close()


def udp_pair(host, family=socket.AF_INET):
    """Sockets at an even port and the next"""
    for _ in range(200):
        first, second = socket.socket(family, socket.SOCK_DGRAM), socket.socket(family, socket.SOCK_DGRAM)
        first.bind((host, 0))
        port = first.getsockname()[1]
        try:
            assert port % 2 == 0
            second.bind((host, port + 1))
        except (AssertionError, OSError):
            first.close()
            second.close()
            continue
        for one in (first, second):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        return first, second
    raise OSError('no two neighbouring ports are free')


# ---- RTP and RTCP ----


def rtp(data):
    """None where it is none (RFC 3550 5.1)"""
    if len(data) < 12 or data[0] >> 6 != 2:
        return None
    first, second, sequence, timestamp, ssrc = struct.unpack_from('>BBHII', data)
    at, end = 12 + 4 * (first & 15), len(data)
    if first & 0x10:
        at += 4 + 4 * struct.unpack_from('>H', data, at + 2)[0]
    if first & 0x20:
        end -= data[-1]
    return Packet(bool(second & 0x80), second & 0x7F, sequence, timestamp, ssrc, data[at:end])


def rtcp(data):
    """(type, body without the first 4 bytes, count) of each part of a compound packet (6.1)"""
    at = 0
    while at + 4 <= len(data):
        first, kind, words = struct.unpack_from('>BBH', data, at)
        if first >> 6 != 2:
            raise ValueError('RTCP of version %d' % (first >> 6))
        yield kind, data[at + 4 : at + 4 + 4 * words], first & 31
        at += 4 + 4 * words
    if at != len(data):
        raise ValueError('RTCP of %d bytes says it has %d' % (len(data), at))


def sender_report(body):
    ssrc, seconds, fraction, timestamp, packets, octets = struct.unpack_from('>IIIIII', body)
    return Report(ssrc, seconds - UNIX_IN_NTP + fraction / 2**32, timestamp, packets, octets)


def receiver_report(own, ssrc, fraction, lost, highest, last_report, delay):
    """RR with one block, and SDES with a CNAME (6.4.2, 6.5)"""
    block = struct.pack('>IIIIII', ssrc, fraction << 24 | lost & 0xFFFFFF, highest, 0, last_report, delay)
    name = b'\x01\x07by hand\0\0\0'
    return (
        struct.pack('>BBHI', 0x81, RECEIVER_REPORT, 7, own)
        + block
        + struct.pack('>BBHI', 0x81, DESCRIPTION, 1 + len(name) // 4, own)
        + name
    )


class Sequence:
    """What came of a stream, by sequence numbers (A.1, A.3)"""

    def __init__(self):
        self.first = self.highest = None
        self.received = self.late = self.reported = self.reported_received = 0
        self.seen = set()

    def take(self, number):
        """The unrolled number; None: it came twice"""
        if self.highest is None:
            self.first = self.highest = 0x10000 + number
        step = (number - self.highest + 0x8000 & 0xFFFF) - 0x8000
        whole = self.highest + step
        if whole in self.seen:
            return None
        self.seen.add(whole)
        self.received += 1
        self.late += step < 0
        self.highest = max(self.highest, whole)
        return whole

    def expected(self):
        return 0 if self.highest is None else self.highest - self.first + 1

    def lost(self):
        return self.expected() - self.received

    def fraction(self):
        """Lost since it was asked last, in 256ths"""
        expected, received = self.expected() - self.reported, self.received - self.reported_received
        self.reported, self.reported_received = self.expected(), self.received
        return max(0, min(255, (expected - received) * 256 // expected)) if expected > 0 else 0


def parameter_sets(text):
    return [base64.b64decode(part) for part in text.split(',') if part]
