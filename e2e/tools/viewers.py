#!/usr/bin/env python3
"""Many viewers of one endless HTTP answer, some of them slow; what each received is held against a control viewer's bytes.

    viewers.py URL --out FOLDER [--count 295] [--slow 3 --rate BYTES] [--stalled 2] [--seconds 30]

The control viewer comes first and keeps all it receives (control.ts). `count` viewers read as fast as they can: what each
received must be one run of the control's bytes, from some TS packet on, without a byte missing, up to where the control was
5 s before the end; none may be closed by the server. `slow` viewers read `rate` bytes a second, `stalled` ones nothing at
all, until the end of the time; then they take what is still there, for 5 s. Whatever these received is in slow<N>.ts and
stalled<N>.ts, for others to judge; `closed` says whether the server had ended them. HTTP/1.0, so that the answer is the
media and nothing else. Prints JSON; exit status 0: the fast viewers lost nothing. Only the standard library.
"""

import argparse
import hashlib
import json
import os
import socket
import sys
import time
import urllib.parse

HEAD_BYTES = 188 * 32  # by which a viewer's start is found in the control's bytes
SLOW_BUFFER = 16 << 10  # of a slow viewer's socket, so that it is the server that has to wait, and not the system to store
TICK = 0.05
AGO = 5.0


class Viewer:
    def __init__(self, parts, buffer=None):
        self.socket = socket.socket(socket.AF_INET6 if ':' in parts.hostname else socket.AF_INET)
        if buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(30)
        self.socket.connect((parts.hostname, parts.port))
        self.socket.sendall(b'GET %s HTTP/1.0\r\n\r\n' % parts.path.encode())
        self.head, self.closed, self.bytes = b'', False, 0
        while b'\r\n\r\n' not in self.head:
            data = self.socket.recv(1024)
            if not data:
                raise SystemExit('closed before the answer: %r' % self.head)
            self.head += data
        answer, first = self.head.split(b'\r\n\r\n', 1)
        if b' 200 ' not in answer.split(b'\r\n')[0] + b' ' or b'transfer-encoding' in answer.lower():
            raise SystemExit('answer: %r' % answer)
        self.socket.setblocking(False)
        self.take(first)

    def read(self, buffer, most):
        """What is there, up to so many bytes"""
        while most > 0 and not self.closed:
            try:
                size = self.socket.recv_into(buffer, min(most, len(buffer)))
            except BlockingIOError:
                return
            except ConnectionError:
                size = 0
            if size == 0:
                self.closed = True
            else:
                self.take(buffer[:size])
                most -= size


class Kept(Viewer):
    """All that it received is kept"""

    def __init__(self, *arguments):
        self.data = bytearray()
        super().__init__(*arguments)

    def take(self, data):
        self.data += data
        self.bytes += len(data)

    def save(self, path):
        with open(path, 'wb') as file:
            file.write(self.data)


class Digested(Viewer):
    """The start is kept, and a digest of all"""

    def __init__(self, *arguments):
        self.start, self.digest = b'', hashlib.blake2b()
        super().__init__(*arguments)

    def take(self, data):
        if len(self.start) < HEAD_BYTES:
            self.start += bytes(data[: HEAD_BYTES - len(self.start)])
        self.digest.update(data)
        self.bytes += len(data)


def judge(viewer, control, least):
    """What a fast viewer lost, if it lost anything"""
    if viewer.closed:
        return 'closed after %d bytes' % viewer.bytes
    at = control.find(viewer.start)
    if len(viewer.start) < HEAD_BYTES or at < 0 or at % 188:
        return 'its first bytes are not the control\'s (%d bytes received, found at %d)' % (viewer.bytes, at)
    end = at + viewer.bytes
    if end > len(control) or hashlib.blake2b(memoryview(control)[at:end]).digest() != viewer.digest.digest():
        return 'other bytes than the control, from %d to %d' % (at, end)
    if end < least:
        return 'only up to byte %d, where the control was at %d %.0f s before' % (end, least, AGO)
    return None


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('url')
    parser.add_argument('--out', required=True)
    parser.add_argument('--count', type=int, default=295)
    parser.add_argument('--slow', type=int, default=0)
    parser.add_argument('--rate', type=int, default=10_000)
    parser.add_argument('--stalled', type=int, default=0)
    parser.add_argument('--seconds', type=float, default=30)
    o = parser.parse_args()
    parts = urllib.parse.urlsplit(o.url)
    os.makedirs(o.out, exist_ok=True)
    buffer = memoryview(bytearray(256 << 10))

    control = Kept(parts)
    slow = [Kept(parts, SLOW_BUFFER) for _ in range(o.slow)]
    stalled = [Kept(parts, SLOW_BUFFER) for _ in range(o.stalled)]
    fast, past, pause = [], [], 0.0
    started = before = time.monotonic()
    allowance = 0.0
    while (now := time.monotonic()) - started < o.seconds:
        # They come a few at a time: each one takes a while to be answered.
        fast += [Digested(parts) for _ in range(min(4, o.count - len(fast)))]
        for viewer in [control, *fast]:
            viewer.read(buffer, 1 << 30)
        allowance += o.rate * (now - before)
        if allowance >= 1024:
            for viewer in slow:
                viewer.read(buffer, int(allowance))
            allowance -= int(allowance)
        pause, before = max(pause, now - before), now
        past.append((now, control.bytes))
        time.sleep(max(0.0, TICK - (time.monotonic() - now)))
    ended = time.monotonic()
    least = max([size for at, size in past if at <= ended - AGO], default=0)
    # All that the fast ones have is in the control's bytes a moment later.
    for _ in range(40):
        control.read(buffer, 1 << 30)
        for viewer in [*slow, *stalled]:
            viewer.read(buffer, 1 << 30)
        time.sleep(AGO / 40)

    faults = [fault for fault in (judge(viewer, control.data, least) for viewer in fast) if fault]
    if len(fast) < o.count:
        faults.append('only %d viewers came in time' % len(fast))
    if control.closed:
        faults.append('the control viewer was closed')
    control.save(os.path.join(o.out, 'control.ts'))
    report = dict(ok=not faults, why=faults[:5], faults=len(faults), control_bytes=control.bytes, longest_pause_s=round(pause, 2))
    for name, viewers in (('slow', slow), ('stalled', stalled)):
        report[name] = [dict(bytes=viewer.bytes, closed=viewer.closed) for viewer in viewers]
        for number, viewer in enumerate(viewers):
            viewer.save(os.path.join(o.out, '%s%d.ts' % (name, number)))
    print(json.dumps(report, indent=1))
    return 0 if not faults else 1


if __name__ == '__main__':
    sys.exit(main())
