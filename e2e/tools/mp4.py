"""What a checker needs of fragmented MP4: what an init segment announces, and what a media segment holds.

ISO/IEC 14496-12 for the boxes, 14496-15 for avcC and hvcC, 14496-14 for esds, the AV1 and Opus bindings for theirs. Whatever
is not as those say raises Damaged. Times are in the track's timescale. Only the standard library.
"""

import struct
from collections import Counter, namedtuple

VIDEO = ('avc1', 'avc3', 'hvc1', 'hev1', 'av01')
NON_SYNC = 0x10000  # sample_is_non_sync_sample, 14496-12 8.8.3.1

# `edit`: media time of the one edit that is not empty, 0 without an edit list. `length`: bytes of a NAL unit's length.
# `config`: what a decoder needs first, as in the sample entry (avcC, hvcC, av1C, dOps, AudioSpecificConfig).
Track = namedtuple('Track', 'id timescale kind fourcc codecs width height rate channels edit length config defaults')
Sample = namedtuple('Sample', 'dts pts duration at size sync')  # `at`: where its bytes are in the segment


class Damaged(Exception):
    """Not what the specification says."""


class Fragments:
    """One track in a media segment"""

    def __init__(self, tfdt):
        self.tfdt, self.duration = tfdt, 0
        self.samples, self.sequences = [], []  # the latter: mfhd of each fragment

    @property
    def end(self):
        return self.tfdt + self.duration


def boxes(data, at=0, end=None):
    """(type, start of the content, end) of each box; they must fill the space exactly"""
    end = len(data) if end is None else end
    while at + 8 <= end:
        size, kind = struct.unpack_from('>I4s', data, at)
        header = 8
        if size == 1:
            size, header = struct.unpack_from('>Q', data, at + 8)[0], 16
        if size < header or at + size > end:
            raise Damaged('a box %r of %d bytes at %d does not fit before %d' % (kind, size, at, end))
        yield kind.decode('latin-1'), at + header, at + size
        at += size
    if at != end:
        raise Damaged('%d bytes after the last box' % (end - at))


def find(data, path, at=0, end=None):
    """(start, end) of the contents of all boxes at `path`, a list of types"""
    for kind, start, stop in boxes(data, at, end):
        if kind == path[0]:
            if len(path) == 1:
                yield start, stop
            else:
                yield from find(data, path[1:], start, stop)


def only(data, path, at=0, end=None):
    found = list(find(data, path, at, end))
    if len(found) != 1:
        raise Damaged('%d boxes %s' % (len(found), '/'.join(path)))
    return found[0]


def full(data, at):
    """(version, flags) of a full box"""
    word = struct.unpack_from('>I', data, at)[0]
    return word >> 24, word & 0xFFFFFF


# ---- init segments ----


def init(data):
    """{track id: Track} of an init segment"""
    try:
        top = [kind for kind, _, _ in boxes(data)]
        if top[:1] != ['ftyp'] or top.count('moov') != 1 or set(top) & {'moof', 'mdat'}:
            raise Damaged('an init segment of the boxes %s' % top)
        defaults = {}
        for at, _ in find(data, ['moov', 'mvex', 'trex']):
            values = struct.unpack_from('>5I', data, at + 4)
            defaults[values[0]] = values[2:]
        tracks = [track(data, start, end, defaults) for start, end in find(data, ['moov', 'trak'])]
    except (struct.error, IndexError) as error:
        raise Damaged('an init segment that ends too early: %s' % error) from None
    if not tracks:
        raise Damaged('no track')
    return {t.id: t for t in tracks}


def track(data, start, end, defaults):
    at = only(data, ['tkhd'], start, end)[0]
    number = struct.unpack_from('>I', data, at + (20 if full(data, at)[0] else 12))[0]
    if number not in defaults:
        raise Damaged('track %d has no trex' % number)
    at = only(data, ['mdia', 'mdhd'], start, end)[0]
    timescale = struct.unpack_from('>I', data, at + (20 if full(data, at)[0] else 12))[0]
    at = only(data, ['mdia', 'hdlr'], start, end)[0]
    kind = {b'vide': 'video', b'soun': 'audio'}.get(data[at + 8 : at + 12], 'other')
    at, stop = only(data, ['mdia', 'minf', 'stbl', 'stsd'], start, end)
    entries = list(boxes(data, at + 8, stop))
    if len(entries) != 1:
        raise Damaged('%d sample entries' % len(entries))
    fourcc, at, stop = entries[0]
    width = height = rate = channels = None
    if fourcc in VIDEO:
        width, height = struct.unpack_from('>HH', data, at + 24)
        codecs, length, config = video_codec(data, fourcc, at + 78, stop)
    else:
        channels, rate = struct.unpack_from('>H', data, at + 16)[0], struct.unpack_from('>I', data, at + 24)[0] >> 16
        length, (codecs, config) = 0, audio_codec(data, fourcc, at + 28, stop)
    edit = edit_list(data, start, end)
    return Track(number, timescale, kind, fourcc, codecs, width, height, rate, channels, edit, length, config, defaults[number])


def edit_list(data, start, end):
    for at, _ in find(data, ['edts', 'elst'], start, end):
        version = full(data, at)[0]
        count = struct.unpack_from('>I', data, at + 4)[0]
        step, form = (20, '>Qq') if version else (12, '>Ii')
        for number in range(count):
            media_time = struct.unpack_from(form, data, at + 8 + step * number)[1]
            if media_time >= 0:
                return media_time
    return 0


def video_codec(data, fourcc, at, end):
    """(RFC 6381 string, bytes of a NAL unit's length, configuration)"""
    for kind, start, stop in boxes(data, at, end):
        box = data[start:stop]
        if kind == 'avcC':
            return '%s.%02x%02x%02x' % (fourcc, box[1], box[2], box[3]), (box[4] & 3) + 1, box
        if kind == 'hvcC':
            return hevc(fourcc, box), (box[21] & 3) + 1, box
        if kind == 'av1C':
            depth = 8 if not box[2] & 0x40 else 12 if box[2] & 0x20 else 10
            return 'av01.%d.%02d%s.%02d' % (box[1] >> 5, box[1] & 31, 'H' if box[2] & 0x80 else 'M', depth), 0, box
    raise Damaged('%s without a configuration' % fourcc)


def hevc(fourcc, box):
    """14496-15 annex E.3"""
    space = ('', 'A', 'B', 'C')[box[1] >> 6]
    compatible = int('{:032b}'.format(struct.unpack_from('>I', box, 2)[0])[::-1], 2)
    constraints = box[6:12].rstrip(b'\0')
    parts = [fourcc, '%s%d' % (space, box[1] & 31), '%X' % compatible, '%s%d' % ('H' if box[1] & 32 else 'L', box[12])]
    return '.'.join(parts + ['%X' % byte for byte in constraints])


def audio_codec(data, fourcc, at, end):
    """(RFC 6381 string, configuration)"""
    if fourcc != 'mp4a':
        found = [data[start:stop] for kind, start, stop in boxes(data, at, end) if kind in ('dOps', 'dac3', 'dec3')]
        if len(found) != 1:
            raise Damaged('%s with %d configurations' % (fourcc, len(found)))
        return fourcc.lower(), found[0]
    start, stop = only(data, ['esds'], at, end)
    box, at = data[start:stop], 4
    # Descriptors nest: ES (3), DecoderConfig (4), DecoderSpecificInfo (5); 14496-1 7.2.6.
    for tag, skip in ((3, 3), (4, 13), (5, 0)):
        if box[at] != tag:
            raise Damaged('descriptor %d in esds, expected %d' % (box[at], tag))
        at, size = at + 1, 0
        while box[at] & 0x80:
            size, at = size << 7 | box[at] & 0x7F, at + 1
        size, at = size << 7 | box[at], at + 1 + skip
    kind = box[at] >> 3
    if kind == 31:
        kind = 32 + ((box[at] & 7) << 3 | box[at + 1] >> 5)
    return 'mp4a.40.%d' % kind, box[at : at + size]


# ---- media segments ----


def segment(data, tracks):
    """{track id: Fragments} of a media segment; each sample lies in its mdat, NAL units fill video samples"""
    try:
        return fragments(data, tracks)
    except (struct.error, IndexError) as error:
        raise Damaged('a segment that ends too early: %s' % error) from None


def fragments(data, tracks):
    found, top = {}, list(boxes(data))
    kinds = [kind for kind, _, _ in top if kind in ('moof', 'mdat')]
    if not kinds or kinds != ['moof', 'mdat'] * (len(kinds) // 2):
        raise Damaged('a segment of the boxes %s' % [kind for kind, _, _ in top])
    mdats = iter([(start, end) for kind, start, end in top if kind == 'mdat'])
    for kind, start, end in top:
        if kind != 'moof':
            continue
        at = only(data, ['mfhd'], start, end)[0]
        sequence = struct.unpack_from('>I', data, at + 4)[0]
        mdat, used = next(mdats), 0
        for at, stop in find(data, ['traf'], start, end):
            used += fragment(data, tracks, start - 8, at, stop, mdat, sequence, found)
        if used != mdat[1] - mdat[0]:
            raise Damaged('samples of %d bytes in an mdat of %d' % (used, mdat[1] - mdat[0]))
    return found


def fragment(data, tracks, moof, start, end, mdat, sequence, found):
    """Adds the samples of one traf to `found`; returns their bytes"""
    at = only(data, ['tfhd'], start, end)[0]
    flags, number = full(data, at)[1], struct.unpack_from('>I', data, at + 4)[0]
    if number not in tracks:
        raise Damaged('a fragment of track %d, which the init segment does not have' % number)
    if flags & 1 or not flags & 0x20000:
        raise Damaged('tfhd flags %06x: default-base-is-moof without a base is what CMAF has (7.5.16)' % flags)
    at += 8 + 4 * (flags >> 1 & 1)
    defaults = list(tracks[number].defaults)
    for place, bit in enumerate((8, 16, 32)):
        if flags & bit:
            defaults[place], at = struct.unpack_from('>I', data, at)[0], at + 4
    at = only(data, ['tfdt'], start, end)[0]
    tfdt = struct.unpack_from('>Q' if full(data, at)[0] else '>I', data, at + 4)[0]
    run = found.setdefault(number, Fragments(tfdt))
    if tfdt != run.end:
        raise Damaged('a fragment begins at %d, the one before ends at %d' % (tfdt, run.end))
    run.sequences.append(sequence)
    return sum(samples(data, tracks[number], moof, at, defaults, mdat, run) for at, _ in find(data, ['trun'], start, end))


def samples(data, track, moof, at, defaults, mdat, run):
    (version, flags), count = full(data, at), struct.unpack_from('>I', data, at + 4)[0]
    at, used = at + 8, 0
    if not flags & 1:
        raise Damaged('trun without a data offset')
    place, at = moof + struct.unpack_from('>i', data, at)[0], at + 4
    first_flags = None
    if flags & 4:
        first_flags, at = struct.unpack_from('>I', data, at)[0], at + 4
    for number in range(count):
        values = list(defaults)
        if number == 0 and first_flags is not None:
            values[2] = first_flags
        for index, bit in enumerate((0x100, 0x200, 0x400)):
            if flags & bit:
                values[index], at = struct.unpack_from('>I', data, at)[0], at + 4
        offset = 0
        if flags & 0x800:
            offset, at = struct.unpack_from('>i' if version else '>I', data, at)[0], at + 4
        duration, size, sample_flags = values
        if not mdat[0] <= place <= place + size <= mdat[1]:
            raise Damaged('a sample of %d bytes at %d is outside of its mdat' % (size, place))
        if track.length:
            nal_units(data, place, place + size, track.length)
        dts = run.end
        run.samples.append(Sample(dts, dts + offset - track.edit, duration, place, size, not sample_flags & NON_SYNC))
        run.duration += duration
        place, used = place + size, used + size
    return used


def nal_units(data, at, end, length):
    if at == end:
        raise Damaged('an empty sample')
    while at < end:
        size = int.from_bytes(data[at : at + length], 'big')
        if at + length > end or size == 0 or at + length + size > end:
            raise Damaged('a NAL unit of %d bytes does not fit into its sample' % size)
        at += length + size


def usual_duration(samples):
    """The duration that most samples have"""
    return Counter(s.duration for s in samples).most_common(1)[0][0]
