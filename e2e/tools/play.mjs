#!/usr/bin/env node
// Plays one URL in headless Chromium or Firefox with a real web player and prints one JSON object.
//   node play.mjs --url URL --player hls|dash|shaka|mpegts|native [--browser chromium|firefox] [--seconds 20]
//                 [--switch SECONDS] [--shot FILE.png] [--min-played S] [--max-stalls N] [--max-startup MS] [--max-join MS]
//                 [--max-jumps N] [--no-audio] [--no-video] [--verbose]
// --switch: each so many seconds the player is made to take the next rung of the ladder, up to the best and down again; every
// rung that was asked for 15 s before the end or earlier must have been seen. --max-join: from the moment the player is told
// what to play, its script being there, to moving pictures.
// Exit status: 0 when it played (what counts is at the end), 1 when it did not, 2 on wrong use.
// The player's page is served from a port of its own, so the server under test is another origin and CORS is real.
import http from 'node:http';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import * as chromium from './chromium.mjs';
import * as firefox from './firefox.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const { values: o } = parseArgs({ options: {
  url: { type: 'string' }, player: { type: 'string', default: 'hls' }, seconds: { type: 'string', default: '20' },
  browser: { type: 'string', default: 'chromium' }, switch: { type: 'string' }, shot: { type: 'string' },
  'min-played': { type: 'string' }, 'max-stalls': { type: 'string', default: '0' },
  'max-startup': { type: 'string', default: '10000' }, 'max-join': { type: 'string' }, 'max-jumps': { type: 'string', default: '0' },
  'no-audio': { type: 'boolean' }, 'no-video': { type: 'boolean' }, verbose: { type: 'boolean' }
} });
const browser = { chromium, firefox }[o.browser];
if (!o.url || !browser) { console.error('usage: play.mjs --url URL --player hls|dash|shaka|mpegts|native [--seconds N]'); process.exit(2); }
const seconds = Number(o.seconds);

const types = { '.html': 'text/html', '.js': 'text/javascript' };
const library = path.join(here, '..', 'node_modules');
const server = http.createServer((req, res) => {
  const p = decodeURIComponent(new URL(req.url, 'http://x').pathname);
  if (p === '/favicon.ico') { res.writeHead(204); return res.end(); }
  let file = p === '/' ? path.join(here, 'page.html') : null;
  if (p.startsWith('/lib/')) {
    const f = path.resolve(library, p.slice('/lib/'.length));
    if (f.startsWith(library + path.sep)) file = f;
  }
  if (!file || !fs.existsSync(file)) { res.writeHead(404); return res.end(); }
  res.writeHead(200, { 'content-type': types[path.extname(file)] || 'application/octet-stream', 'cache-control': 'no-cache' });
  fs.createReadStream(file).pipe(res);
});
await new Promise(ok => server.listen(0, '127.0.0.1', ok));
const origin = 'http://127.0.0.1:' + server.address().port;

const out = { ok: false, why: [], browser: o.browser, requests: {}, http_errors: [], console: [] };

try {
  await browser.withPage({ width: 640, height: 360 }, async page => {
    page.on('console', m => { if (['error', 'warning'].includes(m.type()) && out.console.length < 40) out.console.push(m.type() + ': ' + m.text().slice(0, 240)); });
    page.on('response', r => {
      if (r.url().startsWith(origin)) return;
      const k = (path.extname(new URL(r.url()).pathname) || '(none)'); out.requests[k] = (out.requests[k] || 0) + 1;
      if (r.status() >= 400 && out.http_errors.length < 40) out.http_errors.push(r.status() + ' ' + r.url());
    });
    page.on('requestfailed', r => { const w = r.failure() && r.failure().errorText; if (w !== 'net::ERR_ABORTED' && out.http_errors.length < 40) out.http_errors.push(w + ' ' + r.url()); });
    await page.goto(origin + '/?' + new URLSearchParams({ url: o.url, player: o.player, switch: o.switch || '' }), browser.GOTO);
    const end = Date.now() + seconds * 1000;
    while (Date.now() < end) {
      await sleep(Math.min(1000, Math.max(1, end - Date.now())));
      if (o.verbose) console.error(JSON.stringify(await page.evaluate(() => { const s = snapshot(); return [s.wall_ms, s.currentTime, s.decoded_frames, s.dropped_frames, s.stalls, s.latency_s]; })));
      if (await page.evaluate(() => report.errors.length > 0 && report.startup_ms === null)) break;
    }
    Object.assign(out, await page.evaluate(() => snapshot()));
    if (o.shot) await page.screenshot({ path: o.shot });
  });
} catch (e) { out.why.push('driver: ' + e.message.split('\n')[0]); }
finally {
  server.close();
  server.closeAllConnections();
}

// What counts as played: it started in time, most of the remaining wall time was played, at least 90 % of the frames
// decoded were shown, no stall and no jump beyond what was allowed, a picture with contrast, sound decoded, no fatal error.
const left = (out.wall_ms - out.startup_ms) / 1000;
const need = Number(o['min-played'] || Math.max(1, left * 0.9 - 0.5));
const say = (bad, text) => { if (bad) out.why.push(text); };
say(out.startup_ms == null, 'never started');
if (out.startup_ms != null) {
  say(out.startup_ms > Number(o['max-startup']), 'started after ' + out.startup_ms + ' ms');
  say(o['max-join'] && out.join_ms > Number(o['max-join']), 'joined after ' + out.join_ms + ' ms');
  say(!out.ended && out.played_s < need, 'played ' + out.played_s + ' s of ' + left.toFixed(1) + ' s');
  say(out.stalls > Number(o['max-stalls']), out.stalls + ' stalls, ' + out.stall_ms + ' ms');
  say(out.jumps.length > Number(o['max-jumps']), out.jumps.length + ' jumps');
  if (!o['no-video']) say(!(out.decoded_frames > out.played_s * 5), 'only ' + out.decoded_frames + ' frames decoded');
  say(out.corrupted_frames > 0, out.corrupted_frames + ' corrupted frames');
  // Firefox counts no bytes but knows whether there is sound.
  if (!o['no-audio']) say(out.audio_bytes === undefined ? out.has_audio === false : !(out.audio_bytes > 0), 'no audio decoded');
  if (!o['no-video']) say(out.picture && out.picture.spread < 5, 'flat picture');
}
if (o.switch) {
  // By height: pixels that are not square make another width of it.
  const height = ({ size }) => size.split('x')[1];
  const seen = new Set((out.shown || []).map(height));
  const missed = (out.asked || []).filter(a => a.t < out.wall_ms - 15000 && !seen.has(height(a))).map(height);
  say(!(out.asked || []).length, 'no switch was asked for: ' + JSON.stringify(out.levels));
  say(missed.length > 0, 'never shown: ' + [...new Set(missed)].join(', ') + '; shown: ' + [...seen].join(', '));
}
say(out.errors && out.errors.length > 0, 'errors: ' + (out.errors || []).map(e => e.what).join(', '));
out.ok = out.why.length === 0;
console.log(JSON.stringify(out, null, 1));
process.exit(out.ok ? 0 : 1);
