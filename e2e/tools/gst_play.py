#!/usr/bin/python3
"""Play a URL with GStreamer, decode everything, and print what happened as one JSON object.

    gst_play.py URL [--seconds 15] [--demux old|new|any] [--latency MS] [--rtsp tcp|udp] [--min-frames N]
                [--leading N] [--lossy]

Works for http(s) HLS, DASH and MPEG-TS, rtmp, rtsp, srt and files: whatever uridecodebin3 has a source for.
--demux chooses between the two independent HLS/DASH implementations GStreamer ships: old = hlsdemux/dashdemux (bad),
new = hlsdemux2/dashdemux2 (good).
--leading N: for a stream that is joined at the recovery point of an open GOP (H.264 D.2.8). Up to N pictures that come after
it in decode order precede it in display order; they lean on what was never received, and a decoder flags or drops them. So
the first N pictures shown may be flagged as corrupted, in one piece from the very first; after one good picture none may.
They are counted as `leading`.
--lossy: behind a network that loses packets. Pictures may be corrupted and timestamps may have gaps; errors are errors.  Exit status 0: it played; 1: it did not.
Needs: gstreamer1.0-plugins-{base,good,bad,ugly} gstreamer1.0-libav python3-gi gir1.2-gst-plugins-base-1.0
"""

import argparse, json, os, sys, time

ap = argparse.ArgumentParser()
ap.add_argument('url')
ap.add_argument('--seconds', type=float, default=15)
ap.add_argument('--demux', choices=['old', 'new', 'any'], default='any')
ap.add_argument('--latency', type=int)
ap.add_argument('--rtsp', choices=['tcp', 'udp'])
ap.add_argument('--min-frames', type=int, default=0)
ap.add_argument('--start-timeout', type=float, default=20)
ap.add_argument('--realtime', action='store_true')
ap.add_argument('--max-gap', type=float, default=0.5, help='seconds between two timestamps of a stream that count as a gap')
ap.add_argument('--max-back', type=float, default=0.005, help='seconds a decoded timestamp may step back (rounding)')
ap.add_argument('--leading', type=int, default=0, help='pictures at the very start that may be flagged as corrupted')
ap.add_argument('--lossy', action='store_true')
ap.add_argument('--no-audio', action='store_true')
ap.add_argument('--no-video', action='store_true')
a = ap.parse_args()

rank = {
    'old': 'hlsdemux:MAX,dashdemux:MAX,hlsdemux2:NONE,dashdemux2:NONE',
    'new': 'hlsdemux2:MAX,dashdemux2:MAX,hlsdemux:NONE,dashdemux:NONE',
}.get(a.demux)
extra = 'rtmp2src:512,rtmpsrc:NONE'
os.environ['GST_PLUGIN_FEATURE_RANK'] = ','.join(filter(None, [rank, extra, os.environ.get('GST_PLUGIN_FEATURE_RANK')]))
import gi

gi.require_version('Gst', '1.0')
from gi.repository import Gst, GLib

Gst.init(None)

R = dict(url=a.url, ok=False, why=[], start_s=None, streams={}, errors=[], warnings=[], elements=[])
t0 = time.monotonic()
pipe = Gst.Pipeline()
# The old demuxers do not work below uridecodebin3, the new ones do not work below anything else.
src = Gst.ElementFactory.make('uridecodebin' if a.demux == 'old' else 'uridecodebin3')
src.set_property('uri', a.url)
pipe.add(src)
loop = GLib.MainLoop()


def probe(pad, info, s):
    b = info.get_buffer()
    if not b:
        return Gst.PadProbeReturn.OK
    s['n'] += 1
    s['bytes'] += b.get_size()
    if b.has_flags(Gst.BufferFlags.CORRUPTED):
        # All before this one were flagged too, and there were few enough of them.
        at_the_start = s['kind'] == 'video' and s['leading'] == s['n'] - 1 < a.leading
        s['leading' if at_the_start else 'corrupted'] += 1
    if b.has_flags(Gst.BufferFlags.DISCONT):
        s['discont'] += 1
    if R['start_s'] is None:
        R['start_s'] = round(time.monotonic() - t0, 3)
    if b.pts != Gst.CLOCK_TIME_NONE:
        p = b.pts / 1e9
        if s['first'] is None:
            s['first'] = p
        if s['last'] is not None:
            d = p - s['last']
            if d < -a.max_back and len(s['gaps']) < 20:
                s['gaps'].append(['back', round(s['last'], 3), round(p, 3)])
                s['back'] += 1
            elif d > a.max_gap and len(s['gaps']) < 20:
                s['gaps'].append(['gap', round(s['last'], 3), round(p, 3)])
        s['last'] = p
    return Gst.PadProbeReturn.OK


def on_pad(_, pad):
    caps = pad.get_current_caps() or pad.query_caps(None)
    st = caps.get_structure(0) if caps and caps.get_size() else None
    name = st.get_name() if st else '?'
    s = dict(kind=name.split('/')[0], n=0, bytes=0, first=None, last=None, gaps=[], back=0, corrupted=0, leading=0, discont=0)
    if st:
        for k in ('width', 'height', 'rate', 'channels'):
            if st.has_field(k):
                try:
                    s[k] = st.get_value(k)
                except TypeError:  # a list: not decided yet
                    pass
    R['streams'][pad.get_name()] = s
    q = Gst.ElementFactory.make('queue')
    sink = Gst.ElementFactory.make('fakesink')
    sink.set_property('sync', a.realtime)
    for e in (q, sink):
        pipe.add(e)
        e.sync_state_with_parent()
    q.link(sink)
    pad.link(q.get_static_pad('sink'))
    sink.get_static_pad('sink').add_probe(Gst.PadProbeType.BUFFER, probe, s)


def on_element(_b, _sub, e):
    f = e.get_factory()
    if f:
        n = f.get_name()
        if n not in R['elements'] and n not in (
            'queue',
            'fakesink',
            'capsfilter',
            'identity',
            'tee',
            'typefind',
            'multiqueue',
            'input-selector',
            'queue2',
            'downloadbuffer',
        ):
            R['elements'].append(n)
        if n == 'rtspsrc':
            if a.rtsp:
                e.set_property('protocols', 4 if a.rtsp == 'tcp' else 1)
            if a.latency is not None:
                e.set_property('latency', a.latency)


src.connect('pad-added', on_pad)
src.connect('deep-element-added', on_element)


def on_msg(_, m):
    if m.type == Gst.MessageType.ERROR:
        e, d = m.parse_error()
        R['errors'].append('%s: %s' % (m.src.get_name(), e.message) + ' | ' + (d or '').split('\n')[-1][:160])
        loop.quit()
    elif m.type == Gst.MessageType.WARNING:
        e, d = m.parse_warning()
        if len(R['warnings']) < 20:
            R['warnings'].append('%s: %s' % (m.src.get_name(), e.message))
    elif m.type == Gst.MessageType.EOS:
        R['eos'] = True
        loop.quit()


bus = pipe.get_bus()
bus.add_signal_watch()
bus.connect('message', on_msg)


def tick():
    n = time.monotonic() - t0
    if R['start_s'] is None and n > a.start_timeout:
        R['errors'].append('nothing decoded in %.0f s' % n)
        loop.quit()
    if R['start_s'] is not None and n - R['start_s'] > a.seconds:
        loop.quit()
    return True


GLib.timeout_add(100, tick)
pipe.set_state(Gst.State.PLAYING)
loop.run()
R['wall_s'] = round(time.monotonic() - t0, 2)

kinds = {}
for s in R['streams'].values():
    s['media_s'] = round((s['last'] or 0) - (s['first'] or 0), 2)
    kinds.setdefault(s['kind'], []).append(s)
R['why'] += R['errors']
for kind, want in (('video', not a.no_video), ('audio', not a.no_audio)):
    if not want:
        continue
    ss = [s for s in kinds.get(kind, []) if s['n'] > 0]
    if not ss:
        R['why'].append('no %s decoded' % kind)
        continue
    for s in ss:
        if a.lossy:
            continue
        if s['back'] or s['gaps']:
            R['why'].append('%s timestamps: %s' % (kind, s['gaps'][:5]))
        if s['corrupted']:
            R['why'].append('%d corrupted %s buffers' % (s['corrupted'], kind))
    if kind == 'video' and sum(s['n'] for s in ss) < a.min_frames:
        R['why'].append('only %d frames' % sum(s['n'] for s in ss))
R['ok'] = not R['why']
print(json.dumps(R, indent=1), flush=True)
# Without taking the pipeline down: hlsdemux2 of GStreamer 1.22.0 aborts there now and then, and nothing is left to judge.
os._exit(0 if R['ok'] else 1)
