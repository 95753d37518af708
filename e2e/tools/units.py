"""Access units of a file as (key, PTS, DTS, hash) per track, so that what a client received can be compared with what was
pushed, whatever the container did to the bytes around it.

The hash of a video unit covers its NAL units without access unit delimiters, parameter sets and filler, for those are the
container's: MP4 keeps parameter sets apart, a transport stream repeats them. The hash of an audio unit covers the raw
AAC frame without its ADTS header. Times are milliseconds. Only the standard library.
"""

import hashlib
import struct
from collections import namedtuple

Unit = namedtuple('Unit', 'key pts dts hash')
Track = namedtuple('Track', 'kind units duration')  # duration in ms where the container tells it, else None

# NAL unit types that belong to the container, and those that open a sequence (IDR; IRAP).
FRAMING = {'h264': {7, 8, 9, 12}, 'h265': {32, 33, 34, 35, 38}}
OPENING = {'h264': {5}, 'h265': set(range(16, 22))}
ADTS_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
PTS_WRAP = 1 << 33


class Damaged(Exception):
    """The file is not what its container's specification says."""


def nal_type(kind, nal):
    return nal[0] & 31 if kind == 'h264' else nal[0] >> 1 & 63


def recovery_point(nal):
    """Whether an H.264 SEI unit holds a recovery point message (H.264 D.1.8): a broadcast encoder's key frame"""
    at = 1
    while at + 2 < len(nal):
        number = size = 0
        while at < len(nal) and nal[at] == 255:
            number, at = number + 255, at + 1
        number, at = number + (nal[at] if at < len(nal) else 0), at + 1
        while at < len(nal) and nal[at] == 255:
            size, at = size + 255, at + 1
        size, at = size + (nal[at] if at < len(nal) else 0), at + 1
        if number == 6:
            return True
        at += size
    return False


def video_hash(kind, nals):
    digest, key = hashlib.md5(), False
    for nal in nals:
        if not nal:
            continue
        number = nal_type(kind, nal)
        key = key or number in OPENING[kind] or (kind == 'h264' and number == 6 and recovery_point(nal))
        if number not in FRAMING[kind]:
            digest.update(len(nal).to_bytes(4, 'big'))
            digest.update(nal)
    return key, digest.hexdigest()


def annex_b(data):
    """NAL units of a byte stream; they never end with a zero byte, so trailing zeros are stuffing (H.264 B.1.1)"""
    return [nal.rstrip(b'\0') for nal in data.split(b'\0\0\1')[1:]]


def length_prefixed(data, size):
    at = 0
    while at + size <= len(data):
        end = at + size + int.from_bytes(data[at : at + size], 'big')
        if end > len(data):
            raise Damaged('a NAL unit of %d bytes runs past its sample' % (end - at - size))
        yield data[at + size : end]
        at = end


# ---- MPEG-TS -------------------------------------------------------------------------------------------------------


class TransportStream:
    """A demultiplexer that trusts its input as far as ts_check.py has judged it."""

    KINDS = {0x1B: 'h264', 0x24: 'h265', 0x0F: 'aac'}

    def __init__(self):
        self.pmt_pid, self.kinds, self.pending, self.units, self.last = None, {}, {}, {}, {}

    def read(self, path):
        with open(path, 'rb') as file:
            while chunk := file.read(188 * 4096):
                for at in range(0, len(chunk) - 187, 188):
                    self.packet(chunk, at)
        # The last PES packet of each PID may be cut off by the end of the capture: it is left out.
        return {kind: Track(kind, self.units.get(pid, []), None) for pid, kind in self.kinds.items()}

    def packet(self, chunk, at):
        if chunk[at] != 0x47:
            raise Damaged('no sync byte')
        pid = (chunk[at + 1] & 31) << 8 | chunk[at + 2]
        control = chunk[at + 3] >> 4 & 3
        start = at + 4 + (1 + chunk[at + 4] if control & 2 else 0)
        if not control & 1:
            return
        unit_start, payload = chunk[at + 1] & 0x40, chunk[start : at + 188]
        if pid == 0 and unit_start:
            section = payload[1 + payload[0] :]
            self.pmt_pid = (section[10] & 31) << 8 | section[11]
        elif pid == self.pmt_pid and unit_start:
            self.program(payload[1 + payload[0] :])
        elif pid in self.kinds:
            if unit_start:
                self.finish(pid)
                self.pending[pid] = bytearray(payload)
            elif pid in self.pending:
                self.pending[pid] += payload

    def program(self, section):
        end = 3 + ((section[1] & 15) << 8 | section[2]) - 4
        at = 12 + ((section[10] & 15) << 8 | section[11])
        while at + 5 <= min(end, len(section)):
            kind = self.KINDS.get(section[at])
            if kind:
                self.kinds[(section[at + 1] & 31) << 8 | section[at + 2]] = kind
            at += 5 + ((section[at + 3] & 15) << 8 | section[at + 4])

    def finish(self, pid):
        pes = bytes(self.pending.pop(pid, b''))
        if not pes:
            return
        kind, flags, payload = self.kinds[pid], pes[7] >> 6, pes[9 + pes[8] :]
        pts = self.unroll(pid, stamp(pes[9:14]))
        dts = pts - ((stamp(pes[9:14]) - stamp(pes[14:19])) % PTS_WRAP) if flags == 3 else pts
        units = self.units.setdefault(pid, [])
        if kind == 'aac':
            for frame, offset in adts(payload):
                time = (pts + offset) / 90
                units.append(Unit(True, time, time, hashlib.md5(frame).hexdigest()))
        else:
            key, digest = video_hash(kind, annex_b(payload))
            units.append(Unit(key, pts / 90, dts / 90, digest))

    def unroll(self, pid, value):
        last = self.last.get(pid, value)
        step = (value - last + PTS_WRAP // 2) % PTS_WRAP - PTS_WRAP // 2
        self.last[pid] = last + step
        return last + step


def stamp(b):
    return (b[0] >> 1 & 7) << 30 | b[1] << 22 | (b[2] >> 1) << 15 | b[3] << 7 | b[4] >> 1


def adts(payload):
    """(raw frame, its offset in 90 kHz ticks) of each frame"""
    at, ticks = 0, 0.0
    while at < len(payload):
        if at + 7 > len(payload) or payload[at] != 0xFF or payload[at + 1] & 0xF6 != 0xF0:
            raise Damaged('no ADTS header at byte %d of a PES payload' % at)
        length = (payload[at + 3] & 3) << 11 | payload[at + 4] << 3 | payload[at + 5] >> 5
        header = 7 if payload[at + 1] & 1 else 9
        if length < header or at + length > len(payload):
            raise Damaged('ADTS frame of %d bytes does not fit' % length)
        yield payload[at + header : at + length], ticks
        ticks += 1024 * 90000 / ADTS_RATES[payload[at + 2] >> 2 & 15]
        at += length


# ---- MP4 -----------------------------------------------------------------------------------------------------------


class Mp4:
    """An MP4 file without fragments, with the edit lists that ffmpeg and other muxers write."""

    KINDS = {b'avc1': 'h264', b'avc3': 'h264', b'hvc1': 'h265', b'hev1': 'h265', b'mp4a': 'aac'}

    def read(self, path):
        with open(path, 'rb') as file:
            self.data = file.read()
        moov = self.first((0, len(self.data)), b'moov')
        start, _ = self.first(moov, b'mvhd')
        self.movie_scale = self.u32(start + (20 if self.data[start] else 12))
        tracks = {}
        for trak in self.all(moov, b'trak'):
            track = self.track(trak)
            if track and track.kind not in tracks:
                tracks[track.kind] = track
        return tracks

    def track(self, trak):
        mdia = self.first(trak, b'mdia')
        start, _ = self.first(mdia, b'mdhd')
        scale = self.u32(start + (20 if self.data[start] else 12))
        stbl = self.first(self.first(mdia, b'minf'), b'stbl')
        entry, begin, _ = next(self.boxes((self.first(stbl, b'stsd')[0] + 8, self.first(stbl, b'stsd')[1])))
        kind = self.KINDS.get(entry)
        if not kind:
            return None
        sizes = self.sizes(stbl)
        offsets = self.offsets(stbl, sizes)
        dts, total = self.decode_times(stbl)
        composition = self.composition(stbl, len(sizes))
        shift = self.edit(trak, scale)
        units = []
        for offset, size, time, later in zip(offsets, sizes, dts, composition):
            sample = self.data[offset : offset + size]
            if kind == 'aac':
                key, digest = True, hashlib.md5(sample).hexdigest()
            else:
                key, digest = video_hash(kind, length_prefixed(sample, 4))
            units.append(Unit(key, (time + later) * 1000 / scale + shift, time * 1000 / scale + shift, digest))
        return Track(kind, units, total * 1000 / scale)

    def boxes(self, span):
        at, end = span
        while at + 8 <= end:
            size, name, header = self.u32(at), self.data[at + 4 : at + 8], 8
            if size == 1:
                size, header = struct.unpack_from('>Q', self.data, at + 8)[0], 16
            if size < header or at + size > end:
                raise Damaged('box %r of %d bytes at %d' % (name, size, at))
            yield name, at + header, at + size
            at += size

    def all(self, span, name):
        return [(start, end) for found, start, end in self.boxes(span) if found == name]

    def first(self, span, name):
        found = self.all(span, name)
        if not found:
            raise Damaged('no %r box' % name)
        return found[0]

    def u32(self, at):
        return struct.unpack_from('>I', self.data, at)[0]

    def table(self, stbl, name, fields):
        start, _ = self.first(stbl, name)
        return struct.iter_unpack('>' + fields, self.data[start + 8 : start + 8 + self.u32(start + 4) * struct.calcsize('>' + fields)])

    def sizes(self, stbl):
        start, _ = self.first(stbl, b'stsz')
        same, count = self.u32(start + 4), self.u32(start + 8)
        return [same] * count if same else list(struct.unpack_from('>%dI' % count, self.data, start + 12))

    def offsets(self, stbl, sizes):
        wide = not self.all(stbl, b'stco')
        chunks = [offset for (offset,) in self.table(stbl, b'co64' if wide else b'stco', 'Q' if wide else 'I')]
        runs = list(self.table(stbl, b'stsc', 'III'))
        out, sample = [], 0
        for number, at in enumerate(chunks, 1):
            per_chunk = [count for first, count, _ in runs if first <= number][-1]
            for size in sizes[sample : sample + per_chunk]:
                out.append(at)
                at += size
            sample += per_chunk
        return out

    def decode_times(self, stbl):
        out, now = [], 0
        for count, step in self.table(stbl, b'stts', 'II'):
            for _ in range(count):
                out.append(now)
                now += step
        return out, now

    def composition(self, stbl, count):
        if not self.all(stbl, b'ctts'):
            return [0] * count
        return [later for times, later in self.table(stbl, b'ctts', 'Ii') for _ in range(times)]

    def edit(self, trak, scale):
        """What the edit list adds to each time, in ms"""
        for edts in self.all(trak, b'edts'):
            start, _ = self.first(edts, b'elst')
            wide, shift = self.data[start], 0.0
            for at in range(start + 8, start + 8 + self.u32(start + 4) * (20 if wide else 12), 20 if wide else 12):
                length, begin = struct.unpack_from('>Qq' if wide else '>Ii', self.data, at)
                if begin >= 0:
                    return shift - begin * 1000 / scale
                shift += length * 1000 / self.movie_scale
        return 0.0


# ---- FLV -----------------------------------------------------------------------------------------------------------


class Flv:
    """FLV 10.1 with H.264 and AAC, and Enhanced RTMP with H.265 and Opus; times are whole milliseconds."""

    CODED, CODED_X = 1, 3

    def read(self, path):
        with open(path, 'rb') as file:
            data = file.read()
        found, at = {}, 13
        while at + 11 <= len(data):
            size = int.from_bytes(data[at + 1 : at + 4], 'big')
            time = data[at + 7] << 24 | int.from_bytes(data[at + 4 : at + 7], 'big')
            body = data[at + 11 : at + 11 + size]
            unit = self.picture(time, body) if data[at] == 9 else self.sound(time, body) if data[at] == 8 else None
            if unit:
                found.setdefault(unit[0], []).append(unit[1])
            at += 15 + size
        return {kind: Track(kind, units, lasting(units)) for kind, units in found.items()}

    def picture(self, time, body):
        if body[0] & 0x80:
            packet, kind, data = body[0] & 15, {b'hvc1': 'h265', b'avc1': 'h264'}.get(body[1:5]), body[5:]
            later = int.from_bytes(data[:3], 'big', signed=True) if packet == self.CODED else 0
            data = data[3:] if packet == self.CODED else data
            coded = packet in (self.CODED, self.CODED_X)
        else:
            kind, coded, data = {7: 'h264'}.get(body[0] & 15), body[1] == 1, body[5:]
            later = int.from_bytes(body[2:5], 'big', signed=True)
        if not kind or not coded:
            return None
        key, digest = video_hash(kind, length_prefixed(data, 4))
        return kind, Unit(key, time + later, time, digest)

    def sound(self, time, body):
        kind, coded, data = 'aac', body[0] >> 4 == 10 and body[1] == 1, body[2:]
        if body[0] >> 4 == 9:
            kind, coded, data = {b'Opus': 'opus', b'mp4a': 'aac'}.get(body[1:5]), body[0] & 15 == self.CODED, body[5:]
        return (kind, Unit(True, time, time, hashlib.md5(data).hexdigest())) if kind and coded else None


def lasting(units):
    """How long a track with even frames is, in whole milliseconds: its last frame is as long as all others"""
    return round((units[-1].dts - units[0].dts) * len(units) / max(1, len(units) - 1))


def read(path):
    """{kind: Track} of an .mp4, .flv or .ts file"""
    return {'mp4': Mp4, 'flv': Flv}.get(path.rpartition('.')[2], TransportStream)().read(path)
