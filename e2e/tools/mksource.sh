#!/usr/bin/env bash
# Makes the test sources once; everything after that is pushed with -c copy and costs next to no CPU.
#   mksource.sh OUTDIR [SECONDS]      SECONDS a multiple of 8, default 64
# Only such a length loops without a step: 8 s are 200 pictures at 25/s, 4 GOPs and exactly 375 AAC frames at 48 kHz.
# Loop the .mp4 files; looping a .ts file loses the first GOP of each round in ffmpeg.
# src720.mp4  1280x720@25 H.264 High 2.5 Mbit/s, 2 B-frames, closed 2 s GOP, AAC-LC 48 kHz stereo, burned-in timecode and
#             frame number and a rising tone (no two pictures and no two AAC frames are equal), a beep on each second
# lo.mp4      640x360 600 kbit/s         vfr.mp4  uneven frame times        noaudio.mp4, novideo.mp4   one track only
# Needs: ffmpeg fontconfig fonts-dejavu-core
set -euo pipefail
out=${1:?usage: mksource.sh OUTDIR [SECONDS]}; t=${2:-64}
[ $((t % 8)) = 0 ] || { echo 'mksource.sh: SECONDS must be a multiple of 8' >&2; exit 2; }
mkdir -p "$out"; cd "$out"
font=$(fc-match -f '%{file}' 'DejaVu Sans Mono')
ff() { nice -n 5 ffmpeg -hide_banner -nostdin -y -v error "$@"; }
gop=(-bf 2 -g 50 -keyint_min 50 -sc_threshold 0 -x264-params open-gop=0:b-adapt=0)
text="drawtext=fontfile=$font:box=1:boxcolor=black"
tone='0.15*sin(2*PI*(220*t+3*t*t))+0.5*lt(mod(t,1),0.05)*sin(2*PI*880*t)'

ff -f lavfi -i testsrc2=size=1280x720:rate=25 -f lavfi -i "aevalsrc='$tone':s=48000" -t "$t" \
   -vf "$text:timecode='00\:00\:00\:00':rate=25:fontsize=64:fontcolor=white:x=(w-tw)/2:y=h-120,$text:text='%{n}':fontsize=48:fontcolor=yellow:x=20:y=20,format=yuv420p" \
   -c:v libx264 -preset veryfast -profile:v high -level 3.1 -b:v 2500k -maxrate 2750k -bufsize 2500k "${gop[@]}" \
   -c:a aac -b:a 128k -ac 2 -frames:a $((t * 375 / 8)) -movflags +faststart src720.mp4
ff -i src720.mp4 -vf scale=640:360 -c:a copy -c:v libx264 -preset veryfast -profile:v main -b:v 600k -maxrate 660k -bufsize 600k "${gop[@]}" lo.mp4
ff -i lo.mp4 -vf "select='not(eq(mod(n\,7)\,3))'" -vsync vfr -c:v libx264 -preset veryfast -g 50 -c:a copy vfr.mp4
ff -i lo.mp4 -map 0:v -c copy noaudio.mp4
ff -i lo.mp4 -map 0:a -c copy novideo.mp4
