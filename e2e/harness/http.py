"""Plain HTTP requests whose answer is looked at in full: status, headers, body, nothing followed or undone."""

import http.client
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


def uris(playlist):
    """The URIs in a playlist's text"""
    return [line for line in playlist.splitlines() if line and not line.startswith('#')]
