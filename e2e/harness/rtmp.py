"""A publisher in RTMP, made by hand, so that each byte can be wrong (RTMP 1.0; FLV 10.1 for the tags)."""

import socket
import struct
import time

# Kinds of messages (RTMP 1.0 5.4, 7.1).
SET_CHUNK_SIZE, ACKNOWLEDGEMENT, AUDIO, VIDEO, COMMAND = 1, 3, 8, 9, 20
CHUNK_SIZE = 60_000
STREAM = 1  # what createStream gives to the first who asks


def amf0(value):
    """AMF0: texts, numbers, objects (dict), null"""
    if isinstance(value, str):
        return b'\x02' + text(value)
    if isinstance(value, dict):
        return b'\x03' + b''.join(text(k) + amf0(v) for k, v in value.items()) + b'\0\0\x09'
    if value is None:
        return b'\x05'
    return b'\x00' + struct.pack('>d', value)


def text(value):
    return struct.pack('>H', len(value)) + value.encode()


def header(chunk_stream, timestamp, length, kind, stream):
    """The header of a chunk that begins a message, type 0 (5.3.1.2.1)"""
    return bytes([chunk_stream]) + timestamp.to_bytes(3, 'big') + length.to_bytes(3, 'big') + bytes([kind]) + struct.pack('<I', stream)


def tags(path):
    """(kind, timestamp in ms, body) of each tag of an FLV file"""
    with open(path, 'rb') as file:
        data = file.read()
    at = 13
    while at + 11 <= len(data):
        size = int.from_bytes(data[at + 1 : at + 4], 'big')
        timestamp = data[at + 7] << 24 | int.from_bytes(data[at + 4 : at + 7], 'big')
        yield data[at], timestamp, data[at + 11 : at + 11 + size]
        at += 15 + size


class Publisher:
    """A connection to the server's RTMP port. It waits for answers only where told to."""

    def __init__(self, server, timeout=10):
        self.socket = socket.create_connection((server.host, server.rtmp_port), timeout=timeout)
        self.received = b''

    def send(self, data):
        self.socket.sendall(data)

    def handshake(self):
        """The plain one: S1 is echoed"""
        self.send(b'\x03' + bytes(8) + b'r' * 1528)
        answer = b''
        while len(answer) < 1 + 2 * 1536:
            answer += self.socket.recv(4096)
        self.send(answer[1:1537])
        return self

    def message(self, kind, body, timestamp=0, stream=0, chunk_stream=3):
        chunks = [body[at : at + CHUNK_SIZE] for at in range(0, len(body), CHUNK_SIZE)] or [b'']
        self.send(header(chunk_stream, timestamp, len(body), kind, stream) + bytes([0xC0 | chunk_stream]).join(chunks))

    def command(self, *values, stream=0):
        self.message(COMMAND, b''.join(map(amf0, values)), stream=stream)

    def connect(self, app='live'):
        """Up to the point where `publish` may follow"""
        self.message(SET_CHUNK_SIZE, struct.pack('>I', CHUNK_SIZE), chunk_stream=2)
        self.command('connect', 1, {'app': app, 'flashVer': 'by hand', 'tcUrl': 'rtmp://localhost/' + app})
        self.command('createStream', 2, None)
        return self

    def publish(self, name, app='live'):
        self.handshake().connect(app)
        self.command('publish', 3, None, name, 'live', stream=STREAM)
        self.wait_for(b'NetStream.Publish.Start')
        return self

    def tag(self, kind, timestamp, body):
        self.message(kind, body, timestamp, STREAM, chunk_stream={AUDIO: 4, VIDEO: 6}.get(kind, 5))

    def wait_for(self, said):
        """Reads until the server has said this"""
        while said not in self.received:
            data = self.socket.recv(65536)
            assert data, 'the connection was closed instead of %r; received: %r' % (said, self.received[-300:])
            self.received += data

    def closed_within(self, seconds):
        """Seconds until the server closed the connection; the case fails when it did not"""
        started = time.monotonic()
        while True:
            self.socket.settimeout(max(0.01, started + seconds - time.monotonic()))
            try:
                data = self.socket.recv(65536)
            except TimeoutError:
                raise AssertionError('the connection was still open after %.0f s' % seconds) from None
            except OSError:
                data = b''
            if not data:
                return time.monotonic() - started
            self.received += data

    def close(self):
        self.socket.close()
