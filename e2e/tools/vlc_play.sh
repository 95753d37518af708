#!/bin/bash
# Play a URL with VLC, without a screen, and judge by VLC's own counters:  vlc_play.sh URL [SECONDS]
# VLC refuses to run as root: when this runs as root, VLC runs as nobody, with a home folder that is removed again.
# Exit status 0: it showed at least 15 pictures and decoded 20 audio blocks a second of the time, nothing corrupted, no
# discontinuity, and lost no more than 5 % of the pictures. Needs: vlc-bin vlc-plugin-base vlc-plugin-access-extra.
url=${1:?usage: vlc_play.sh URL [SECONDS]}; secs=${2:-12}; log=$(mktemp); chmod 666 "$log"
home=$(mktemp -d); chmod 777 "$home"
as=(env HOME="$home"); [ "$(id -u)" = 0 ] && as=(runuser -u nobody -- env HOME="$home")
out=$( { sleep "$secs"; echo stats; sleep 0.7; echo quit; sleep 0.3; } |
    timeout $((secs + 15)) "${as[@]}" vlc -I oldrc --rc-fake-tty --no-video-title-show --no-dbus --vout=dummy --aout=dummy -v --network-caching=1000 "$url" 2>"$log" )
python3 -c '
import json, re, sys
secs, url, log, out = float(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
g = lambda k: int((re.search(k + r"\s*:\s*(\d+)", out) or [0, 0])[1])
r = dict(url=url, seconds=secs, video_decoded=g("video decoded"), displayed=g("frames displayed"), lost=g("frames lost"), audio_decoded=g("audio decoded"),
         audio_lost=g("buffers lost"), corrupted=g("demux corrupted"), discontinuities=g("discontinuities"))
said = [re.sub(r"\[[0-9a-f@ x]*\]\s*", "", l.strip()) for l in open(log, errors="replace") if re.search(r"error|cannot|fail|late|corrupt|invalid", l, re.I) and not re.search(r"dbus|xcb|pulse|alsa|lua|globalhotkeys|interface module|decoder_gl|vdpau|vaapi|va_", l, re.I)]
c = {}
for l in said: c[l[:120]] = c.get(l[:120], 0) + 1
r["said"] = sorted(c.items(), key=lambda x: -x[1])[:8]
why = []
if r["displayed"] < 15 * (secs - 4): why.append("displayed %d pictures" % r["displayed"])
if r["audio_decoded"] < 20 * (secs - 4): why.append("audio decoded %d" % r["audio_decoded"])
if r["corrupted"] or r["discontinuities"]: why.append("corrupted %d, discontinuities %d" % (r["corrupted"], r["discontinuities"]))
if r["lost"] > 0.05 * max(1, r["displayed"]): why.append("lost %d" % r["lost"])
r["ok"] = not why; r["why"] = why
print(json.dumps(r, indent=1)); sys.exit(0 if r["ok"] else 1)' "$secs" "$url" "$log" "$out"; rc=$?
rm -rf "$log" "$home"; exit $rc
