"""RTSP by hand, for requests that are wrong, or come in the wrong order (RFC 2326)."""

import socket
import time
from collections import namedtuple

Answer = namedtuple('Answer', 'status reason headers body')


class Wire:
    """One connection. Requests are numbered; answers are read one after another"""

    def __init__(self, server, timeout=10):
        self.socket = socket.create_connection((server.host, server.rtsp_port), timeout=timeout)
        self.input, self.sequence, self.session, self.url = b'', 0, None, server.rtsp()

    def send(self, data):
        self.socket.sendall(data.encode('latin-1') if isinstance(data, str) else data)
        return self

    def head(self, method, url=None, *headers, body='', numbered=True, session=None):
        """A request as text"""
        self.sequence += numbered
        lines = ['%s %s RTSP/1.0' % (method, url or self.url)]
        lines += ['CSeq: %d' % self.sequence] if numbered else []
        session = session or self.session
        lines += ['Session: ' + session] if session else []
        lines += ['Content-Length: %d' % len(body)] if body else []
        return '\r\n'.join([*lines, *headers]) + '\r\n\r\n' + body

    def ask(self, *arguments, **more):
        """The answer to a request"""
        return self.send(self.head(*arguments, **more)).answer()

    def setup(self, track=0, transport=None, url=None):
        """Sets up a track of a player, interleaved unless said otherwise, and keeps the session"""
        transport = transport or 'RTP/AVP/TCP;unicast;interleaved=%d-%d' % (2 * track, 2 * track + 1)
        answer = self.ask('SETUP', url or '%s/trackID=%d' % (self.url, track), 'Transport: ' + transport)
        if answer.status == 200:
            self.session = answer.headers['session'].split(';')[0]
        return answer

    def play(self):
        """Plays all that there is, interleaved"""
        assert self.ask('DESCRIBE').status == 200
        assert self.setup(0).status == 200 and self.setup(1).status == 200
        assert self.ask('PLAY').status == 200
        return self

    def more(self):
        data = self.socket.recv(65536)
        assert data, 'closed instead of an answer; received: %r' % self.input[-300:]
        self.input += data

    def answer(self):
        """The next answer; interleaved packets before it are dropped"""
        while True:
            if self.input[:1] == b'$':
                while len(self.input) < 4 or len(self.input) < 4 + int.from_bytes(self.input[2:4], 'big'):
                    self.more()
                self.input = self.input[4 + int.from_bytes(self.input[2:4], 'big') :]
            elif b'\r\n\r\n' in self.input:
                break
            else:
                self.more()
        head, self.input = self.input.split(b'\r\n\r\n', 1)
        first, *lines = head.decode('latin-1').split('\r\n')
        assert first.startswith('RTSP/1.0 '), 'no answer but %r' % first
        headers = {}
        for line in lines:
            name, _, value = line.partition(':')
            headers[name.strip().lower()] = value.strip()
        length = int(headers.get('content-length', 0))
        while len(self.input) < length:
            self.more()
        body, self.input = self.input[:length], self.input[length:]
        _, status, reason = first.split(' ', 2)
        return Answer(int(status), reason, headers, body.decode())

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
            self.input += data

    def close(self):
        self.socket.close()
