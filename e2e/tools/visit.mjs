#!/usr/bin/env node
// Visits Rillcast's own page as a user does, watches what it plays, and prints one JSON object.
//   node visit.mjs --url http://127.0.0.1:8080/ [--engine native|hlsjs|dashjs] [--quality HEIGHT] [--seconds 15] [--shot FILE.png]
// --engine native: as a browser that has HLS of its own and no MSE; dashjs: chooses DASH in the page. --quality: chooses the rung of that
// height in the page's menu, and its pictures must have come in the end.
// Exit status: 0 when it played without a stall, 1 when not.
import { parseArgs } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { withPage } from './chromium.mjs';

const { values: o } = parseArgs({ options: {
  url: { type: 'string' }, engine: { type: 'string', default: 'hlsjs' },
  seconds: { type: 'string', default: '15' }, quality: { type: 'string' }, shot: { type: 'string' },
} });
if (!o.url) { console.error('usage: visit.mjs --url URL [--engine native|hlsjs|dashjs] [--quality HEIGHT] [--seconds N] [--shot FILE.png]'); process.exit(2); }

const out = { ok: false, why: [], said: null, facts: null, urls: null, formats: null, qualities: null, size: null, moved_s: 0, stalls: 0, frames: 0, console: [] };

/** In the page: steps of the video's clock each 100 ms, once it has begun. */
function sampler() {
  const S = window.sampled = { moved: 0, stalls: 0, still: 0, last: null };
  setInterval(() => {
    const video = document.querySelector('video');
    const time = video ? video.currentTime : 0;
    if (S.last !== null && time > S.last && S.last > 0) { S.moved += Math.min(1, time - S.last); S.still = 0; }
    else if (S.moved > 0 && ++S.still === 5) S.stalls++;
    S.last = time;
  }, 100);
}
const withoutMse = () => { delete window.MediaSource; delete window.ManagedMediaSource; };

try {
  await withPage({ width: 1200, height: 900 }, async page => {
    page.on('console', m => { if (['error', 'warning'].includes(m.type())) out.console.push(m.text().slice(0, 200)); });
    page.on('pageerror', e => out.console.push(e.message.slice(0, 200)));
    await page.addInitScript(sampler);
    if (o.engine === 'native') await page.addInitScript(withoutMse);
    await page.goto(o.url);
    if (o.engine === 'dashjs') {
      await page.selectOption('#format', 'dash', { timeout: 10000 });
      await page.evaluate(() => { window.sampled.moved = 0; window.sampled.last = null; });
    }
    await page.waitForFunction(() => window.sampled.moved > 0, null, { timeout: 15000 }).catch(() => out.why.push('no picture moved in 15 s'));
    if (o.quality) {
      const rung = page.locator('#quality option', { hasText: `${o.quality}p ·` });
      await rung.waitFor({ state: 'attached', timeout: 10000 });
      await page.selectOption('#quality', await rung.getAttribute('value'));
    }
    await sleep(Number(o.seconds) * 1000);
    Object.assign(out, await page.evaluate(() => {
      /** What a menu offers, null where it is not shown. */
      const shown = id => document.getElementById(id + '-choice').hidden ? null : [...document.getElementById(id).options].map(e => e.textContent);
      return {
        said: document.getElementById('player').textContent,
        facts: document.getElementById('facts').innerText,
        urls: [...document.querySelectorAll('#urls code')].map(e => e.textContent),
        formats: shown('format'), qualities: shown('quality'), size: document.querySelector('video').videoHeight,
        moved_s: window.sampled.moved, stalls: window.sampled.stalls,
        frames: document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames,
      };
    }));
    if (o.shot) await page.screenshot({ path: o.shot });
  });
} catch (e) { out.why.push('driver: ' + e.message.split('\n')[0]); }

const say = (bad, text) => { if (bad) out.why.push(text); };
say(out.moved_s < Number(o.seconds) * 0.9, 'the video moved ' + out.moved_s.toFixed(1) + ' s in ' + o.seconds + ' s');
say(out.stalls > 0, out.stalls + ' stalls');
say(out.frames < out.moved_s * 5, 'only ' + out.frames + ' frames');
const script = { hlsjs: 'hls.js', dashjs: 'dash.js' }[o.engine];
say(script && !(out.said || '').includes(script), `it does not play with ${script}: ${out.said}`);
say(o.quality && out.size !== Number(o.quality), `it shows ${out.size} lines instead of ${o.quality}`);
say(out.console.length > 0, 'console: ' + out.console[0]);
out.ok = out.why.length === 0;
console.log(JSON.stringify(out, null, 1));
process.exit(out.ok ? 0 : 1);
