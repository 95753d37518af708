"""An MPD as plain values, and what of ISO/IEC 23009-1 can be said about it alone: elements, their order and attributes (as the
schema has them, for what a live MPD of ours or of the usual muxers uses), profiles and timelines. Only the standard library.
"""

import re
import urllib.parse
import xml.etree.ElementTree as ET
from collections import namedtuple
from datetime import datetime, timezone

NS = '{urn:mpeg:dash:schema:mpd:2011}'
Segment = namedtuple('Segment', 't d n')  # time, duration, number; in units of the template's timescale

BASE_CHILDREN = 'FramePacking AudioChannelConfiguration ContentProtection OutputProtection EssentialProperty SupplementalProperty '
BASE_CHILDREN += 'InbandEventStream Switching RandomAccess GroupLabel Label ProducerReferenceTime ContentPopularityRate Resync '
BASE_ATTRIBUTES = 'profiles width height sar frameRate audioSamplingRate mimeType segmentProfiles codecs containerProfiles '
BASE_ATTRIBUTES += 'maximumSAPPeriod startWithSAP maxPlayoutRate codingDependency scanType selectionPriority tag '
TIMES = 'availabilityStartTime availabilityEndTime publishTime '
DURATIONS = 'mediaPresentationDuration minimumUpdatePeriod minBufferTime timeShiftBufferDepth suggestedPresentationDelay '
DURATIONS += 'maxSegmentDuration maxSubsegmentDuration start duration '

# Element: children in their order, attributes, those of them that are required.
SCHEMA = {
    'MPD': (
        'ProgramInformation BaseURL Location PatchLocation ServiceDescription InitializationSet InitializationGroup '
        'InitializationPresentation ContentProtection Period Metrics EssentialProperty SupplementalProperty UTCTiming '
        'LeapSecondInformation',
        'id profiles type mediaPresentationDuration minimumUpdatePeriod minBufferTime timeShiftBufferDepth '
        'suggestedPresentationDelay maxSegmentDuration maxSubsegmentDuration ' + TIMES,
        'profiles minBufferTime',
    ),
    'Period': (
        'BaseURL SegmentBase SegmentList SegmentTemplate AssetIdentifier EventStream ServiceDescription ContentProtection '
        'AdaptationSet Subset SupplementalProperty EmptyAdaptationSet GroupLabel Preselection',
        'id start duration bitstreamSwitching',
        '',
    ),
    'AdaptationSet': (
        BASE_CHILDREN + 'Accessibility Role Rating Viewpoint ContentComponent BaseURL SegmentBase SegmentList SegmentTemplate Representation',
        BASE_ATTRIBUTES + 'id group lang contentType par minBandwidth maxBandwidth minWidth maxWidth minHeight maxHeight '
        'minFrameRate maxFrameRate segmentAlignment subsegmentAlignment subsegmentStartsWithSAP bitstreamSwitching '
        'initializationSetRef initializationPrincipal',
        '',
    ),
    'Representation': (
        BASE_CHILDREN + 'BaseURL ExtendedBandwidth SubRepresentation SegmentBase SegmentList SegmentTemplate',
        BASE_ATTRIBUTES + 'id bandwidth qualityRanking dependencyId associationId associationType mediaStreamStructureId',
        'id bandwidth',
    ),
    'SegmentTemplate': (
        'Initialization RepresentationIndex FailoverContent SegmentTimeline BitstreamSwitching',
        'timescale eptDelta pdDelta presentationTimeOffset presentationDuration timeShiftBufferDepth indexRange indexRangeExact '
        'availabilityTimeOffset availabilityTimeComplete duration startNumber endNumber media index initialization bitstreamSwitching',
        '',
    ),
    'SegmentTimeline': ('S', '', ''),
    'S': ('', 't n d r k', 'd'),
}
# What stands in an attribute, whatever its element.
FORMS = {
    **dict.fromkeys(TIMES.split(), r'-?\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?'),
    **dict.fromkeys(DURATIONS.split(), r'P(?!$)(\d+D)?(T(?!$)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?'),
    **dict.fromkeys('width height bandwidth timescale presentationTimeOffset startNumber t d n'.split(), r'\d+'),
    **dict.fromkeys('startWithSAP subsegmentStartsWithSAP'.split(), '[0-6]'),
    **dict.fromkeys('frameRate minFrameRate maxFrameRate'.split(), r'\d+(/[1-9]\d*)?'),
    **dict.fromkeys('segmentAlignment bitstreamSwitching'.split(), 'true|false|0|1'),
    **dict.fromkeys('sar par'.split(), r'\d+:\d+'),
    'type': 'static|dynamic',
    'r': r'-?\d+',
}


def seconds(duration):
    """An xs:duration without years and months; None without one"""
    match = re.fullmatch(r'P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?', duration or '')
    return match and sum(float(part or 0) * unit for part, unit in zip(match.groups(), (86400, 3600, 60, 1), strict=True))


def unix(time):
    """An xs:dateTime, UTC when it names no zone; None without one"""
    if not time:
        return None
    told = datetime.fromisoformat(time.replace('Z', '+00:00'))
    return (told if told.tzinfo else told.replace(tzinfo=timezone.utc)).timestamp()


class Representation:
    """What is said of it, by itself or by its AdaptationSet"""

    def __init__(self, element, parents, period, base):
        chain = [element, *parents]  # the AdaptationSet, the Period, the MPD
        self.id = element.get('id')
        self.name = '%s/%s' % (period.id, self.id)
        self.values = {**chain[1].attrib, **element.attrib}
        self.bandwidth = int(element.get('bandwidth') or 0)
        self.base = base
        for one in reversed(chain):
            url = one.find(NS + 'BaseURL')
            if url is not None and url.text:
                self.base = urllib.parse.urljoin(self.base, url.text.strip())
        # A template may be said in parts, from the Period down (5.3.9.1).
        templates = [one.find(NS + 'SegmentTemplate') for one in reversed(chain[:3])]
        self.template, self.timeline = {}, None
        for template in templates:
            if template is not None:
                self.template.update(template.attrib)
                line = template.find(NS + 'SegmentTimeline')
                self.timeline = line if line is not None else self.timeline
        self.timescale = int(self.template.get('timescale', 1))
        self.offset = int(self.template.get('presentationTimeOffset', 0))
        self.kind = (self.values.get('contentType') or self.values.get('mimeType', '')).split('/')[0]

    def url(self, what, segment=None):
        """Of `initialization` or `media` (5.3.9.4.4)"""
        known = {'RepresentationID': self.id, 'Bandwidth': str(self.bandwidth)}
        if segment:
            known.update(Time=str(segment.t), Number=str(segment.n))

        def fill(match):
            return known[match[1]].zfill(int(match[3] or 0)) if match[1] else '$'

        return urllib.parse.urljoin(self.base, re.sub(r'\$(\w*)(%0(\d+)d)?\$', fill, self.template.get(what, '')))

    def segments(self, fault):
        """Those that the timeline lists; `fault(text)` hears of gaps and overlaps"""
        found, number, end = [], int(self.template.get('startNumber', 1)), None
        for item in [] if self.timeline is None else self.timeline.findall(NS + 'S'):
            t, d, again = item.get('t'), int(item.get('d')), int(item.get('r', 0))
            if end is not None and t is not None and int(t) != end:
                fault('%+.3f ms between two segments, at t=%s' % ((int(t) - end) / self.timescale * 1e3, t))
            end = int(t) if t is not None else end or 0
            if again < 0:
                fault('an open repeat')
            for _ in range(again + 1):
                found.append(Segment(end, d, number))
                end, number = end + d, number + 1
        return found


class Period:
    def __init__(self, element, manifest, number, url):
        self.id, self.start = element.get('id', '#%d' % number), seconds(element.get('start'))
        self.named, self.duration = 'id' in element.attrib, seconds(element.get('duration'))
        # AdaptationSets: (attributes, [Representation])
        self.sets = []
        for one in element.findall(NS + 'AdaptationSet'):
            inside = [Representation(r, [one, element, manifest], self, url) for r in one.findall(NS + 'Representation')]
            self.sets.append((one.attrib, inside))


class Mpd:
    """A manifest; ValueError where it is no XML or no MPD at all"""

    def __init__(self, text, url):
        try:
            root = ET.fromstring(text)
        except ET.ParseError as error:
            raise ValueError('no XML: %s' % error) from None
        if root.tag != NS + 'MPD':
            raise ValueError('the root element is %s' % root.tag)
        self.root, self.values = root, root.attrib
        self.dynamic = root.get('type') == 'dynamic'
        self.start, self.published = unix(root.get('availabilityStartTime')), unix(root.get('publishTime'))
        self.periods = [Period(one, root, n, url) for n, one in enumerate(root.findall(NS + 'Period'))]
        self.clocks = [(one.get('schemeIdUri'), one.get('value')) for one in root.findall(NS + 'UTCTiming')]

    def seconds(self, name):
        return seconds(self.values.get(name))


def schema_faults(element):
    """Sentences about what the schema forbids, in the element and below"""
    name = element.tag.removeprefix(NS)
    children, attributes, required = (text.split() for text in SCHEMA[name])
    for attribute in required:
        if attribute not in element.attrib:
            yield '%s without @%s' % (name, attribute)
    for attribute, value in element.attrib.items():
        if attribute not in attributes and not attribute.startswith('{'):
            yield '%s has no attribute %s' % (name, attribute)
        elif attribute in FORMS and not re.fullmatch(FORMS[attribute], value):
            yield '%s@%s is %r' % (name, attribute, value)
    last = 0
    for child in element:
        kind = child.tag.removeprefix(NS)
        if kind.startswith('{'):
            continue
        if kind not in children:
            yield '%s has no child %s' % (name, kind)
            continue
        if children.index(kind) < last:
            yield '%s stands behind %s in %s' % (kind, children[last], name)
        last = max(last, children.index(kind))
        if kind in SCHEMA:
            yield from schema_faults(child)
        elif kind in ('UTCTiming', 'Role', 'AudioChannelConfiguration', 'SupplementalProperty', 'EssentialProperty') and 'schemeIdUri' not in child.attrib:
            yield '%s without @schemeIdUri' % kind


def rule_faults(mpd):
    """Sentences about what the text forbids, of one manifest by itself"""
    if mpd.dynamic:
        for name in ('availabilityStartTime', 'publishTime', 'minimumUpdatePeriod', 'timeShiftBufferDepth'):
            if name not in mpd.values:
                yield 'dynamic without @%s' % name
    names = [period.id for period in mpd.periods]
    if len(set(names)) != len(names) or mpd.dynamic and not all(period.named for period in mpd.periods):
        yield 'Periods need ids of their own: %s' % names
    starts = [period.start for period in mpd.periods]
    if None in starts or starts != sorted(starts):
        yield 'Periods start at %s' % starts
    longest = mpd.seconds('maxSegmentDuration')
    for period in mpd.periods:
        ids = [one.id for _, inside in period.sets for one in inside]
        if not ids or len(set(ids)) != len(ids):
            yield 'Period %s has the Representations %s' % (period.id, ids)
        for one in (one for _, inside in period.sets for one in inside):
            yield from representation_faults(one, longest)


def representation_faults(one, longest):
    wanted = ['mimeType', 'codecs', *{'video': ['width', 'height'], 'audio': ['audioSamplingRate']}.get(one.kind, [])]
    for name in wanted:
        if name not in one.values:
            yield '%s without @%s' % (one.name, name)
    if one.bandwidth == 0:
        yield '%s has no bandwidth' % one.name
    if one.timeline is None:
        return
    for item in one.timeline.findall(NS + 'S'):
        if longest and int(item.get('d')) / one.timescale > longest + 1e-6:
            yield '%s: S@d %.3f s is over maxSegmentDuration %.3f s' % (one.name, int(item.get('d')) / one.timescale, longest)
