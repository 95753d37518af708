#!/usr/bin/env python3
"""Many RTSP sessions over TCP, some of which stop reading; what each of the others received is without a hole.

    rtsp_viewers.py URL [--count 297] [--stalled 3] [--seconds 30]

`count` sessions read all that comes: none may be closed, miss a sequence number on any channel, see a timestamp of sound go
back, or be without media for 2 s. `stalled` ones read for 2 s and then nothing until the end of the time; then they take
what is still there. `closed` says whether the server had ended them. That was right so long as what they were sent is whole packets up to
where they were cut off. Prints JSON; exit status 0: the others lost nothing. Only the standard library.
"""

import argparse
import json
import sys
import time

import rtsp_client

SMALL_BUFFER = 16 << 10  # so that it is the server that has to wait, and not the system to store
TICK = 0.05
BEFORE_STALL = 2.0
AFTER = 5.0
SILENCE = 2.0


class Viewer:
    def __init__(self, url, buffer=None):
        self.session = rtsp_client.Session(url, timeout=30, buffer=buffer)
        self.session.describe()
        for number in range(len(self.session.tracks)):
            self.session.setup(number)
        self.sound = {channel for channel, (number, rtcp) in self.session.channels.items() if not rtcp and self.session.tracks[number].kind == 'audio'}
        self.media = {channel for channel, (_, rtcp) in self.session.channels.items() if not rtcp}
        self.next, self.times, self.packets, self.holes, self.fault, self.closed = {}, {}, 0, 0, None, False
        self.session.play()
        for channel, packet, _ in self.session.early:
            self.take(channel, packet)
        self.rest = bytes(self.session.input)
        self.session.socket.setblocking(False)
        self.begun = self.last = time.monotonic()
        self.longest = 0.0

    def read(self, buffer):
        """All that is there"""
        while not self.closed:
            try:
                size = self.session.socket.recv_into(buffer)
            except BlockingIOError:
                return
            except ConnectionError:
                size = 0
            if not size:
                self.closed = True
                return
            now = time.monotonic()
            self.longest, self.last = max(self.longest, now - self.last), now
            self.parse(self.rest + bytes(buffer[:size]))

    def parse(self, data):
        at, end = 0, len(data)
        while at + 4 <= end and not self.fault:
            if data[at] != 0x24:
                self.fault = 'byte %d of %r is no packet' % (at, data[at : at + 20])
                break
            behind = at + 4 + (data[at + 2] << 8 | data[at + 3])
            if behind > end:
                break
            self.take(data[at + 1], data[at + 4 : behind])
            at = behind
        self.rest = data[at:]

    def take(self, channel, packet):
        if channel not in self.media:
            return
        number = packet[2] << 8 | packet[3]
        self.holes += number != self.next.get(channel, number)
        self.next[channel] = number + 1 & 0xFFFF
        self.packets += 1
        if channel in self.sound:
            now = int.from_bytes(packet[4:8], 'big')
            if now - self.times.get(channel, now) & 0x80000000:
                self.fault = 'sound goes back from %d to %d' % (self.times[channel], now)
            self.times[channel] = now

    def judge(self, ended):
        silence = max(self.longest, ended - self.last)
        if self.fault:
            return self.fault
        if self.closed:
            return 'closed after %d packets' % self.packets
        if self.holes or not self.packets:
            return '%d holes in %d packets' % (self.holes, self.packets)
        return 'nothing came for %.1f s' % silence if silence > SILENCE else None


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('url')
    parser.add_argument('--count', type=int, default=297)
    parser.add_argument('--stalled', type=int, default=3)
    parser.add_argument('--seconds', type=float, default=30)
    o = parser.parse_args()
    buffer = memoryview(bytearray(256 << 10))
    stalled = [Viewer(o.url, SMALL_BUFFER) for _ in range(o.stalled)]
    viewers, pause, started = [], 0.0, time.monotonic()
    before = started
    while (now := time.monotonic()) - started < o.seconds:
        # They come a few at a time: each one takes a while to be answered.
        viewers += [Viewer(o.url) for _ in range(min(4, o.count - len(viewers)))]
        for viewer in viewers + ([] if now > started + BEFORE_STALL else stalled):
            viewer.read(buffer)
        pause, before = max(pause, now - before), now
        time.sleep(max(0.0, TICK - (time.monotonic() - now)))
    ended = time.monotonic()
    faults = [fault for fault in (viewer.judge(ended) for viewer in viewers) if fault]
    if len(viewers) < o.count:
        faults.append('only %d viewers came in time' % len(viewers))
    while time.monotonic() < ended + AFTER:
        for viewer in stalled:
            viewer.read(buffer)
        time.sleep(TICK)
    faults += ['stalled: %s' % viewer.fault for viewer in stalled if viewer.fault]
    report = dict(ok=not faults, why=faults[:5], faults=len(faults), packets=sum(viewer.packets for viewer in viewers), longest_pause_s=round(pause, 2))
    report['stalled'] = [dict(packets=viewer.packets, holes=viewer.holes, closed=viewer.closed) for viewer in stalled]
    print(json.dumps(report, indent=1))
    return 0 if not faults else 1


if __name__ == '__main__':
    sys.exit(main())
