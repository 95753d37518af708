// The page: asks the API what runs, shows it, and plays the stream that is selected.
import { TokenNeeded, call, setToken } from '/assets/api.js';
import { Player } from '/assets/player.js';

const POLL_MS = 2000;

const $ = (id) => document.getElementById(id);

// ---- words ----

const STATES = {
  live: 'on the air',
  silent: 'source is silent',
  waiting: 'no source',
  stopped: 'stopped',
};

const plural = (count, word) => `${count} ${word}${count === 1 ? '' : 's'}`;
const rounded = (number, digits) => String(Number(number.toFixed(digits)));

function bitrate(bits) {
  if (bits >= 1e6) return `${rounded(bits / 1e6, 2)} Mbit/s`;
  return `${rounded(bits / 1e3, 0)} kbit/s`;
}

function ago(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds % 3600 / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor(seconds % 86400 / 3600)} h`;
}

const since = (at, now) => `${new Date(at).toLocaleString()} (${ago(now - at)})`;

function trackText(track) {
  const parts = [track.codec];
  if (track.codec_string) parts[0] += ` (${track.codec_string})`;
  if (track.width && track.height) parts.push(`${track.width}×${track.height}`);
  if (track.frame_rate) parts.push(`${rounded(track.frame_rate, 3)} frames/s`);
  if (track.sample_rate) parts.push(`${rounded(track.sample_rate / 1000, 3)} kHz`);
  if (track.channels) parts.push(plural(track.channels, 'channel'));
  return parts.join(', ');
}

const isLadder = (stream) => stream.renditions.length > 1;

/** What is known of a rung in a few words. */
function rungText(rung) {
  const parts = [STATES[rung.state], ...rung.tracks.map(trackText)];
  if (rung.bits_per_second) parts.push(bitrate(rung.bits_per_second));
  if (rung.source) parts.push(sourceText(rung.source));
  return parts.join(' · ');
}

function sourceText({ protocol, peer, agent }) {
  return [protocol, peer && `from ${peer}`, agent && `(${agent})`].filter(Boolean).join(' ');
}

function brief(stream) {
  const video = stream.tracks.find((track) => track.kind === 'video');
  const parts = [stream.tracks.map((track) => track.codec).join(' + ')];
  if (isLadder(stream)) {
    const live = stream.renditions.filter((rung) => rung.state === 'live').length;
    parts.push(`${live} of ${plural(stream.renditions.length, 'rendition')}`);
  }
  if (video && video.height) parts.push(`${video.height}p${video.frame_rate ? rounded(video.frame_rate, 0) : ''}`);
  if (stream.bits_per_second) parts.push(bitrate(stream.bits_per_second));
  if (stream.viewers) parts.push(plural(stream.viewers, 'viewer'));
  return parts.filter(Boolean).join(' · ');
}

/** What is known of a push besides URL, state and error. */
function pushText(push, now) {
  const parts = [push.comment, push.rendition, push.attempt > 0 && `attempt ${push.attempt}`];
  if (push.status === 'active') {
    parts.push(push.idle_since ? `no media for ${ago(now - Date.parse(push.idle_since))}` : bitrate(push.bits_per_second));
    parts.push(`since ${ago(now - Date.parse(push.connected_at))}`);
    if (push.queue_delay_ms > 1000) parts.push(`${rounded(push.queue_delay_ms / 1000, 1)} s behind`);
  }
  if (push.next_attempt_at) parts.push(`next attempt in ${ago(Date.parse(push.next_attempt_at) - now)}`);
  if (push.skipped_gops) parts.push(`${plural(push.skipped_gops, 'GOP')} skipped`);
  return parts.filter(Boolean).join(' · ');
}

/** Its last error, and what it leaves out. */
function pushTrouble(push, now) {
  const last = (push.errors || []).at(-1);
  const kind = push.reason ? `${push.reason.replaceAll('_', ' ')}: ` : '';
  const error = last && `${kind}${last.message} (${ago(now - Date.parse(last.at))} ago)`;
  return [error, ...(push.warnings || [])].filter(Boolean).join(' · ');
}

// ---- showing ----

function setText(element, text) {
  // Writing the same text again would make screen readers read it again.
  if (element.textContent !== text) element.textContent = text;
}

/** Makes the children of `list` fit `items`, keeping the elements (and the focus) of those that stay. */
function fit(list, items, key, make, update) {
  const old = new Map([...list.children].map((child) => [child.dataset.key, child]));
  items.forEach((item, index) => {
    const name = key(item);
    let child = old.get(name);
    if (!child) {
      child = make(item);
      child.dataset.key = name;
    }
    old.delete(name);
    if (list.children[index] !== child) list.insertBefore(child, list.children[index] || null);
    update(child, item);
  });
  old.forEach((child) => child.remove());
}

const fromTemplate = (id) => $(id).content.firstElementChild.cloneNode(true);

function showStreams(streams) {
  fit($('streams'), streams, (stream) => stream.code, (stream) => {
    const item = fromTemplate('stream-template');
    item.querySelector('button').addEventListener('click', () => select(stream.code));
    return item;
  }, (item, stream) => {
    item.className = stream.state;
    setText(item.querySelector('.code'), stream.code);
    setText(item.querySelector('.state'), STATES[stream.state]);
    setText(item.querySelector('.brief'), brief(stream));
    item.querySelector('button').setAttribute('aria-current', String(stream.code === selected));
  });
}

function showUrls(list, urls) {
  fit(list, urls, ([label, url]) => label + url, ([label, url]) => {
    const item = fromTemplate('url-template');
    setText(item.querySelector('.label'), label);
    setText(item.querySelector('code'), url);
    const button = item.querySelector('button');
    button.setAttribute('aria-label', `Copy ${url}`);
    button.addEventListener('click', () => copy(button, item.querySelector('code')));
    return item;
  }, () => {});
}

async function copy(button, source) {
  try {
    await navigator.clipboard.writeText(source.textContent);
    setText(button, 'Copied');
  } catch {
    getSelection().selectAllChildren(source);
    setText(button, 'Selected');
  }
  setTimeout(() => setText(button, 'Copy'), 1500);
}

function showFacts(stream, now) {
  const kinds = { video: 'Video', audio: 'Audio', data: 'Data' };
  const facts = [['State', STATES[stream.state]], ...(stream.since_ms ? [['Started', since(stream.since_ms, now)]] : [])];
  if (isLadder(stream)) {
    for (const rung of stream.renditions) facts.push([rung.name, rungText(rung)]);
  } else {
    if (stream.source) {
      facts.push(['Source', sourceText(stream.source)]);
      facts.push(['Sending since', since(stream.source.since_ms, now)]);
    }
    for (const track of stream.tracks) facts.push([kinds[track.kind], trackText(track)]);
    facts.push(['Bit rate', bitrate(stream.bits_per_second)]);
  }
  if (stream.gop_ms) facts.push(['Key frame every', `${rounded(stream.gop_ms / 1000, 2)} s`]);
  const { epochs, gaps, repaired, dropped, late } = stream.timeline;
  const mended = [[epochs - 1, 'break'], [gaps, 'gap'], [repaired, 'repaired stamp'], [dropped, 'dropped frame'], [late, 'late frame']];
  const told = mended.filter(([count]) => count > 0).map(([count, what]) => plural(count, what));
  if (told.length) facts.push(['Timestamps', told.join(', ')]);
  const lost = (packets) => (packets ? `, ${plural(packets, 'packet')} lost on the way` : '');
  facts.push(['Viewers', stream.viewers + lost(stream.viewers_lost)]);
  const flat = facts.flatMap(([name, value], index) => [['dt', name, `${index}${name}`], ['dd', value, `${index}${name}=`]]);
  fit($('facts'), flat, ([, , key]) => key, ([tag]) => document.createElement(tag), (element, [, text]) => setText(element, text));
}

function showPushes(pushes, now) {
  $('pushed').hidden = pushes.length === 0;
  fit($('pushes'), pushes, (push) => String(push.id), () => fromTemplate('push-template'), (item, push) => {
    item.className = push.status;
    setText(item.querySelector('code'), push.url);
    setText(item.querySelector('.state'), push.status);
    setText(item.querySelector('.brief'), pushText(push, now));
    setText(item.querySelector('.error'), pushTrouble(push, now));
  });
}

function showProblems(stream, now) {
  const problems = [...stream.warnings];
  if (stream.last_error) problems.push(`${stream.last_error.message} (${ago(now - stream.last_error.at_ms)} ago)`);
  $('trouble').hidden = problems.length === 0;
  fit($('problems'), problems, (text) => text, () => document.createElement('li'), setText);
}

function showStage(stream, now, { rtmp, rtsp, srt }) {
  $('stage').hidden = !stream;
  if (!stream) return;
  setText($('title'), stream.code);
  const { hls, dash, mpegts } = stream.outputs;
  const urls = [['HLS', hls], ['DASH', dash], ['HTTP MPEG-TS', mpegts]].filter(([, path]) => path)
    .map(([label, path]) => [label, new URL(path, location.href).href]);
  if (rtmp && stream.outputs.rtmp) urls.push(['RTMP', rtmp + stream.outputs.rtmp]);
  if (rtsp && stream.outputs.rtsp) urls.push(['RTSP', rtsp + stream.outputs.rtsp]);
  if (srt && stream.outputs.srt) urls.push(['SRT', srt + stream.outputs.srt]);
  showUrls($('urls'), urls);
  showFacts(stream, now);
  showPushes(stream.pushes, now);
  showProblems(stream, now);
}

// ---- playing ----

const FORMATS = { hls: 'HLS', dash: 'DASH' };
/** Of each stream that it was chosen for. */
const chosenFormats = new Map();
const player = new Player($('video'), {
  say(text, trouble) {
    $('player').className = trouble ? 'trouble' : '';
    setText($('player'), text);
  },
  again: () => show(),
  online: () => connected,
});

function play(stream) {
  const formats = Object.keys(FORMATS).filter((format) => stream && stream.outputs[format]);
  const chosen = chosenFormats.get(stream && stream.code);
  const format = formats.includes(chosen) ? chosen : formats[0];
  showOptions($('format'), formats.map((name) => [name, FORMATS[name]]), format);
  $('format-choice').hidden = formats.length < 2;
  if (!stream) player.play(null, '');
  else if (stream.state === 'stopped') player.play(null, 'This stream is stopped.');
  else if (!format) player.play(null, 'HLS and DASH are off for this stream.');
  else if (stream.state === 'waiting') player.wait(stream.outputs[format], 'Waiting for a source.');
  else player.play({ format, path: stream.outputs[format] });
}

/** A menu of [value, text]; one that is open is left as it is where nothing changed. */
function showOptions(menu, options, value) {
  fit(menu, options, ([key]) => key, ([key]) => new Option('', key), (item, [, text]) => setText(item, text));
  if (menu.value !== value) menu.value = value;
}

function showQualities() {
  const { rungs, chosen, current } = player.qualities();
  $('quality-choice').hidden = rungs.length < 2;
  if (rungs.length < 2) return;
  const height = (rung) => rung.height ? `${rung.height}p` : 'sound';
  const now = rungs.find((rung) => rung.key === current);
  const auto = now && chosen === '' ? `Auto (${height(now)})` : 'Auto';
  const best = [...rungs].sort((a, b) => b.height - a.height || b.bits - a.bits);
  showOptions($('quality'), [['', auto], ...best.map((rung) => [rung.key, `${height(rung)} · ${bitrate(rung.bits)}`])], chosen);
}

$('format').addEventListener('change', () => {
  chosenFormats.set(selected, $('format').value);
  show();
});
$('quality').addEventListener('change', () => {
  player.choose($('quality').value);
  showQualities();
});

// ---- polling ----

let selected = location.hash.slice(1);
let overview = null;
let connected = false;

function select(code) {
  selected = code;
  history.replaceState(null, '', `#${code}`);
  show();
}

function show() {
  if (!overview) return;
  const { streams, now_ms: now, rtmp, version } = overview;
  if (!streams.some((stream) => stream.code === selected)) {
    selected = (streams.find((stream) => stream.state === 'live') || streams[0] || { code: '' }).code;
  }
  const stream = streams.find(({ code }) => code === selected);
  setText($('version'), version);
  showStreams(streams);
  showStage(stream, now, overview);
  $('empty').hidden = streams.length > 0;
  $('publish').hidden = !rtmp;
  if (rtmp) showUrls($('publish-urls'), [['', `${rtmp}/live/test`]]);
  play(stream);
  showQualities();
}

async function poll() {
  try {
    overview = await call('/api/v1/streams?limit=1000');
    connected = true;
    $('token-form').hidden = true;
    $('connection').className = '';
    setText($('connection'), plural(overview.total, 'stream'));
    show();
  } catch (error) {
    connected = false;
    if (error instanceof TokenNeeded) return askForToken(error.message);
    $('connection').className = 'lost';
    setText($('connection'), `No news from Rillcast (${error.message}), asking again`);
  }
  setTimeout(poll, POLL_MS);
}

/** Nothing is asked until the user has given a token. */
function askForToken(why) {
  $('connection').className = '';
  setText($('connection'), '');
  setText($('token-why'), why);
  $('token-form').hidden = false;
  $('token').focus();
}

$('token-form').addEventListener('submit', (event) => {
  event.preventDefault();
  setToken($('token').value.trim());
  $('token').value = '';
  poll();
});

setInterval(() => {
  player.watch();
  showQualities();
}, 1000);
addEventListener('hashchange', () => select(location.hash.slice(1)));
poll();
