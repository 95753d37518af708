"""RTP packets to access units, as units.py has them: H.264 (RFC 6184), H.265 (RFC 7798), AAC (RFC 3640), Opus (RFC 7587).

Takes the packets of one track in order; a unit from which a packet is missing is left out. Only the standard library.
"""

import hashlib

import units


class Pictures:
    """NAL units of one timestamp"""

    def __init__(self, kind):
        self.kind, self.nals, self.timestamp, self.part, self.damaged = kind, [], None, None, False
        # What a packet is by its NAL unit type: aggregation, fragment; the bytes of its header.
        self.aggregation, self.fragment, self.header = (24, 28, 1) if kind == 'h264' else (48, 49, 2)

    def push(self, packet, lost):
        """(timestamp, NAL units) of the unit that this packet ends"""
        if lost or (self.timestamp is not None and packet.timestamp != self.timestamp):
            # The end of the one before did not come, or it had no marker.
            self.nals, self.part, self.damaged = [], None, bool(lost)
        self.timestamp = packet.timestamp
        self.take(packet.payload)
        if not packet.marker:
            return None
        unit = None if self.damaged or self.part is not None or not self.nals else (self.timestamp, self.nals)
        self.nals, self.part, self.damaged, self.timestamp = [], None, False, None
        return unit

    def take(self, payload):
        number = units.nal_type(self.kind, payload)
        if number == self.aggregation:
            at = self.header
            while at + 2 <= len(payload):
                size = payload[at] << 8 | payload[at + 1]
                self.nals.append(payload[at + 2 : at + 2 + size])
                at += 2 + size
            self.damaged |= at != len(payload)
        elif number == self.fragment:
            flags, at = payload[self.header], self.header + 1
            if flags & 0x80:
                first = bytes([payload[0] & 0xE0 | flags & 31]) if self.kind == 'h264' else bytes([payload[0] & 0x81 | (flags & 63) << 1, payload[1]])
                self.damaged |= self.part is not None
                self.part = bytearray(first)
            if self.part is None:
                self.damaged = True
                return
            self.part += payload[at:]
            if flags & 0x40:
                self.nals.append(bytes(self.part))
                self.part = None
        else:
            self.nals.append(payload)

    def units(self, packet, lost):
        found = self.push(packet, lost)
        if found:
            key, digest = units.video_hash(self.kind, found[1])
            yield found[0], key, digest


class Aac:
    """AAC-hbr without interleaving: 13 bits of size, 3 of index"""

    def __init__(self):
        self.part, self.size = None, 0

    def units(self, packet, lost):
        data = packet.payload
        headers = (data[0] << 8 | data[1]) // 16
        at = 2 + 2 * headers
        if lost:
            self.part = None
        for number in range(headers):
            size = (data[2 + 2 * number] << 8 | data[3 + 2 * number]) >> 3
            if headers == 1 and size > len(data) - at:
                # A fragment (RFC 3640 3.2.3.2).
                self.part = (self.part or b'') + data[at:]
                if len(self.part) == size and packet.marker:
                    yield packet.timestamp, True, hashlib.md5(self.part).hexdigest()
                    self.part = None
                return
            yield packet.timestamp + 1024 * number & 0xFFFFFFFF, True, hashlib.md5(data[at : at + size]).hexdigest()
            at += size
        if at != len(data):
            raise units.Damaged('%d bytes of AAC where the headers say %d' % (len(data), at))


class Whole:
    """A packet is a unit"""

    def units(self, packet, _lost):
        yield packet.timestamp, True, hashlib.md5(packet.payload).hexdigest()


def of(track):
    """(kind as units.py has it, depacketizer); None for what is not known here"""
    known = {'H264': 'h264', 'H265': 'h265'}
    if track.encoding in known:
        return known[track.encoding], Pictures(known[track.encoding])
    if track.encoding == 'MPEG4-GENERIC':
        return 'aac', Aac()
    return ('opus', Whole()) if track.encoding == 'OPUS' else None
