#!/usr/bin/env python3
"""Did a client receive each frame with the bytes, the PTS and the DTS that were pushed?

    match.py SOURCE.mp4 RECEIVED.ts [--loop] [--breaks N] [--tolerance-ms 1] [--min-video N] [--min-audio N] [--own-dts]

The received access units must be one contiguous run of the source's (with --loop, of the source repeated), nothing missing,
nothing twice, from a key frame on. In a run every PTS and every DTS differs from the source's by one constant, the same for
sound and picture, to within the tolerance. --breaks N: the source was interrupted N times; then there are N + 1 runs, and
each is held to the same rules. --own-dts: the DTS differ by a constant of their own, for what has passed RTP, which has
none. Tracks that the source does not have must not be there. Prints JSON; exit status 0: it matches.
"""

import argparse
import json
import statistics
import sys

import units

VIDEO = ('h264', 'h265')


class Matcher:
    def __init__(self, source, loop, period):
        self.units, self.loop, self.period = source.units, loop, period
        self.places = {}
        for index, unit in enumerate(self.units):
            self.places.setdefault(unit.hash, []).append(index)

    def index(self, number):
        """Where the unit `number` is in the source, and how much later it comes there"""
        if not self.loop:
            return (number, 0.0) if number < len(self.units) else (None, 0.0)
        return number % len(self.units), number // len(self.units) * self.period

    def locate(self, received, at):
        """The place of received[at] in the source; where equal units stand there, those that follow decide"""
        places, ahead = self.places.get(received[at].hash, []), 1
        while len(places) > 1 and at + ahead < len(received):
            later = [p for p in places if self.follows(p + ahead, received[at + ahead])]
            if not later:
                break
            places, ahead = later, ahead + 1
        return places[0] if places else None

    def follows(self, number, unit):
        index, _ = self.index(number)
        return index is not None and self.units[index].hash == unit.hash

    def runs(self, received):
        """Runs as lists of (number in the source, received unit), and what was wrong between them"""
        runs, faults, number = [], [], None
        for at, unit in enumerate(received):
            if number is not None and self.follows(number + 1, unit):
                number += 1
                runs[-1].append((number, unit))
                continue
            place = self.locate(received, at)
            if place is None:
                faults.append('unit %d (PTS %.1f ms) is not in the source' % (at, unit.pts))
                number = None
                continue
            if runs:
                was = self.index(runs[-1][-1][0])[0]
                faults.append('unit %d (PTS %.1f ms): source unit %d follows %d' % (at, unit.pts, place, was))
            number = place
            runs.append([(number, unit)])
        return runs, faults

    def offsets(self, run):
        """How much later each unit was received than the source has it: by PTS, by DTS, in ms"""
        pts, dts = [], []
        for number, unit in run:
            index, later = self.index(number)
            pts.append(unit.pts - self.units[index].pts - later)
            if unit.dts is not None:
                dts.append(unit.dts - self.units[index].dts - later)
        return pts, dts


def judge_track(kind, matcher, received, breaks, tolerance, why, own_dts=False):
    runs, faults = matcher.runs(received)
    if len(runs) != breaks + 1 or len(faults) != breaks:
        why.append('%s: %d runs instead of %d: %s' % (kind, len(runs), breaks + 1, '; '.join(faults[:4])))
    report = dict(received=len(received), runs=[])
    for run in runs:
        pts, dts = matcher.offsets(run)
        middle = statistics.median(pts)
        middle_dts = statistics.median(dts) if dts and own_dts else middle
        worst = max([abs(x - middle) for x in pts] + [abs(x - middle_dts) for x in dts])
        first = matcher.units[matcher.index(run[0][0])[0]]
        if worst > tolerance:
            why.append('%s: a time is %.3f ms off the run\'s offset' % (kind, worst))
        if kind in VIDEO and not first.key:
            why.append('%s: a run begins with source unit %d, which is no key frame' % (kind, run[0][0]))
        report['runs'].append(dict(units=len(run), first=run[0][0], offset_ms=round(middle, 3), worst_ms=round(worst, 3)))
    return report


def compare(source, received, loop=False, breaks=0, tolerance=1.0, minimum=None, own_dts=False):
    why, tracks = [], {}
    period = max((track.duration for track in source.values()), default=0)  # what ffmpeg's -stream_loop takes
    for kind, track in received.items():
        if kind not in source:
            why.append('%s: not in the source' % kind)
    for kind, track in source.items():
        got = received.get(kind)
        least = (minimum or {}).get('video' if kind in VIDEO else 'audio', 25)
        if not got or len(got.units) < least:
            why.append('%s: %d units received, at least %d wanted' % (kind, len(got.units) if got else 0, least))
        if got and got.units:
            tracks[kind] = judge_track(kind, Matcher(track, loop, period), got.units, breaks, tolerance, why, own_dts)
    if len(tracks) == 2 and not why:
        (a, one), (b, other) = tracks.items()
        for x, y in zip(one['runs'], other['runs']):
            apart = x['offset_ms'] - y['offset_ms']
            if loop:  # the two tracks may have been joined in different rounds
                apart = (apart + period / 2) % period - period / 2
            x['apart_ms'] = round(apart, 3)
            if abs(apart) > tolerance:
                why.append('%s is %+.3f ms from %s' % (a, apart, b))
    return dict(ok=not why, why=why, tracks=tracks)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('source')
    parser.add_argument('received')
    parser.add_argument('--loop', action='store_true')
    parser.add_argument('--breaks', type=int, default=0)
    parser.add_argument('--tolerance-ms', type=float, default=1.0)
    parser.add_argument('--min-video', type=int, default=25)
    parser.add_argument('--min-audio', type=int, default=25)
    parser.add_argument('--own-dts', action='store_true')
    o = parser.parse_args()
    try:
        source, received = units.read(o.source), units.read(o.received)
        minimum = dict(video=o.min_video, audio=o.min_audio)
        report = compare(source, received, o.loop, o.breaks, o.tolerance_ms, minimum, o.own_dts)
    except units.Damaged as error:
        report = dict(ok=False, why=[str(error)])
    print(json.dumps(report, indent=1))
    return 0 if report['ok'] else 1


if __name__ == '__main__':
    sys.exit(main())
