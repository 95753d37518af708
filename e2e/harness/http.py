"""Plain HTTP requests whose answer is looked at in full: status, headers, body, nothing followed or undone."""

import http.client
import socket
import time
import urllib.parse
from collections import namedtuple

Answer = namedtuple('Answer', 'status headers body')


def request(url, method='GET', headers=None, timeout=15):
    """One request; header names come back in lower case"""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    try:
        connection.request(method, parts.path + ('?' + parts.query if parts.query else ''), headers=headers or {})
        answer = connection.getresponse()
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    finally:
        connection.close()


class Wire:
    """One connection, for requests as bytes. What comes back is read answer by answer, and one after another."""

    def __init__(self, server, timeout=10):
        self.socket = socket.create_connection((server.host, server.http_port), timeout=timeout)
        self.file = self.socket.makefile('rb')

    def send(self, data):
        self.socket.sendall(data.encode('latin-1') if isinstance(data, str) else data)
        return self

    def get(self, target, *headers, method='GET', version='1.1', body=''):
        lines = ['%s %s HTTP/%s' % (method, target, version), 'Host: localhost', *headers]
        return self.send('\r\n'.join(lines) + '\r\n\r\n' + body)

    def head(self):
        """(version, status, headers) of the next answer"""
        line = self.file.readline().decode('latin-1')
        assert line.startswith('HTTP/1.'), 'no answer but %r' % line
        headers = {}
        while (header := self.file.readline().decode('latin-1').rstrip('\r\n')) != '':
            name, value = header.split(':', 1)
            headers[name.lower()] = value.strip()
        return line[5:8], int(line.split()[1]), headers

    def answer(self, method='GET'):
        """The next answer, whose length must be known"""
        _, status, headers = self.head()
        if method == 'HEAD' or status in (100, 204, 304):
            return Answer(status, headers, b'')
        return Answer(status, headers, self.file.read(int(headers['content-length'])))

    def rest(self, seconds):
        """(what comes until the server closes the connection, or in so many seconds; whether it was closed)"""
        end, data = time.monotonic() + seconds, b''
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                more = self.file.read1(65536)
            except TimeoutError:
                break
            except OSError:
                return data, True
            if not more:
                return data, True
            data += more
        return data, False

    def close(self):
        self.file.close()
        self.socket.close()


def uris(playlist):
    """The URIs in a playlist's text"""
    return [line for line in playlist.splitlines() if line and not line.startswith('#')]
