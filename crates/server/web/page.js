// The page: asks the API what runs, shows it, and plays the stream that is selected.
'use strict';

const POLL_MS = 2000;
/** A player that should play and does not move for this long is started again. */
const STUCK_MS = 10000;
const RETRY_MS = [1000, 2000, 4000, 8000];

const $ = (id) => document.getElementById(id);
const video = $('video');

// ---- words ----

const STATES = {
  live: 'on the air',
  silent: 'source is silent',
  waiting: 'no source',
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
  const facts = [['State', STATES[stream.state]], ['Started', since(stream.since_ms, now)]];
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
  facts.push(['Viewers', String(stream.viewers)]);
  const flat = facts.flatMap(([name, value], index) => [['dt', name, `${index}${name}`], ['dd', value, `${index}${name}=`]]);
  fit($('facts'), flat, ([, , key]) => key, ([tag]) => document.createElement(tag), (element, [, text]) => setText(element, text));
}

function showProblems(stream, now) {
  const problems = [...stream.warnings];
  if (stream.last_error) problems.push(`${stream.last_error.message} (${ago(now - stream.last_error.at_ms)} ago)`);
  $('trouble').hidden = problems.length === 0;
  fit($('problems'), problems, (text) => text, () => document.createElement('li'), setText);
}

function showStage(stream, now) {
  $('stage').hidden = !stream;
  if (!stream) return;
  setText($('title'), stream.code);
  const url = (path) => new URL(path, location.href).href;
  showUrls($('urls'), [['HLS', stream.outputs.hls], ['HTTP MPEG-TS', stream.outputs.mpegts]]
    .filter(([, path]) => path).map(([label, path]) => [label, url(path)]));
  showFacts(stream, now);
  showProblems(stream, now);
}

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
  showStage(stream, now);
  $('empty').hidden = streams.length > 0;
  $('publish').hidden = !rtmp;
  if (rtmp) showUrls($('publish-urls'), [['', `${rtmp}/live/test`]]);
  player.play(stream);
}

async function poll() {
  try {
    const answer = await fetch('/api/v1/streams', { cache: 'no-store' });
    if (!answer.ok) throw new Error((await answer.text()).trim() || `answer ${answer.status}`);
    overview = await answer.json();
    connected = true;
    $('connection').className = '';
    setText($('connection'), plural(overview.streams.length, 'stream'));
    show();
  } catch (error) {
    connected = false;
    $('connection').className = 'lost';
    setText($('connection'), `No news from Rillcast (${error.message}), asking again`);
  }
  setTimeout(poll, POLL_MS);
}

// ---- playing ----

/** Each engine: start(url, failed) -> a function that ends it; `failed(reason)` asks for a new start. */
const engines = {
  native: {
    name: 'the HLS of this browser',
    async start(url, failed) {
      const onError = () => failed(video.error && video.error.message || 'the video cannot be loaded');
      video.addEventListener('error', onError);
      video.src = url;
      return () => {
        video.removeEventListener('error', onError);
        video.removeAttribute('src');
        video.load();
      };
    },
  },
  hlsjs: {
    name: 'hls.js',
    async start(url, failed) {
      await loadHlsJs();
      const { Hls } = window;
      if (!Hls.isSupported()) throw new Error('this browser plays neither HLS nor what hls.js needs');
      const hls = new Hls({ liveDurationInfinity: true });
      let mediaRecoveries = 0;
      hls.on(Hls.Events.ERROR, (_, data) => {
        if (!data.fatal) return;
        if (data.type === Hls.ErrorTypes.MEDIA_ERROR && mediaRecoveries++ < 2) hls.recoverMediaError();
        else failed(data.details);
      });
      hls.loadSource(url);
      hls.attachMedia(video);
      this.latency = () => hls.latency;
      return () => hls.destroy();
    },
  },
};

let hlsJs = null;

/** The script is asked for when it is needed; a program built without it does not have it. */
function loadHlsJs() {
  hlsJs ||= new Promise((done, failed) => {
    const script = document.createElement('script');
    script.src = '/assets/hls.js';
    script.onload = done;
    script.onerror = () => {
      script.remove();
      hlsJs = null;
      failed(new Error('this browser has no HLS of its own and hls.js could not be loaded. ' +
        'Build Rillcast after scripts/build-web to have it, or play one of the addresses below elsewhere'));
    };
    document.head.append(script);
  });
  return hlsJs;
}

const hasNative = video.canPlayType('application/vnd.apple.mpegurl') !== '';

const player = {
  code: null,
  engine: hasNative ? 'native' : 'hlsjs',
  starting: false,
  end: null,
  /** Counts starts, so that what an ended engine still reports is not heard. */
  run: 0,
  failures: 0,
  retry: null,
  /** Where the video was when it last moved since the start, and when that was. */
  moved: { time: 0, at: 0, ever: false },

  /** Plays this stream; called at every poll. */
  play(stream) {
    const code = stream && stream.outputs.hls ? stream.code : null;
    if (code !== this.code) {
      this.stop();
      this.code = code;
      this.failures = 0;
    }
    if (!code) return this.say(stream ? 'HLS is off for this stream.' : '');
    if (this.end || this.retry || this.starting) return;
    if (stream.state === 'waiting') return this.say('Waiting for a source.');
    this.start(stream.outputs.hls);
  },

  async start(path) {
    const run = ++this.run;
    const engine = engines[this.engine];
    this.starting = true;
    this.moved = { time: video.currentTime, at: performance.now(), ever: false };
    this.say('Connecting …');
    try {
      const end = await engine.start(new URL(path, location.href).href, (reason) => this.failed(run, reason));
      if (run !== this.run) return end();
      this.end = end;
      // A refusal to start by itself leaves the controls to the user.
      video.play().catch(() => {});
    } catch (error) {
      this.failed(run, error.message);
    } finally {
      if (run === this.run) this.starting = false;
    }
  },

  stop() {
    this.run++;
    this.starting = false;
    clearTimeout(this.retry);
    this.retry = null;
    if (this.end) this.end();
    this.end = null;
  },

  failed(run, reason) {
    if (run !== this.run) return;
    this.stop();
    const wait = RETRY_MS[Math.min(this.failures++, RETRY_MS.length - 1)];
    // A browser may claim HLS and still not play ours: then let the other engine try.
    if (hasNative && window.MediaSource && connected && this.failures % 3 === 0) {
      this.engine = this.engine === 'native' ? 'hlsjs' : 'native';
    }
    this.say(`Stopped: ${reason}. Trying again in ${wait / 1000} s.`, true);
    this.retry = setTimeout(() => {
      this.retry = null;
      // Without a connection the next answer of the API starts it.
      if (connected) show();
    }, wait);
  },

  /** Once a second: says how it goes, and starts a player again that is stuck. */
  watch() {
    if (!this.end) return;
    const now = performance.now();
    if (video.currentTime !== this.moved.time) {
      this.moved = { time: video.currentTime, at: now, ever: true };
    } else if (video.paused && video.readyState > 0) {
      this.moved.at = now;
    }
    const still = now - this.moved.at;
    if (still > STUCK_MS) return this.failed(this.run, `no picture for ${STUCK_MS / 1000} s`);
    if (video.paused && video.readyState > 0) return this.say('Paused.');
    if (!this.moved.ever || still > 1500) return this.say('Waiting for media …');
    this.failures = 0;
    const engine = engines[this.engine];
    const latency = engine.latency ? engine.latency() : 0;
    this.say(`Playing with ${engine.name}${latency > 0 ? `, ${rounded(latency, 1)} s behind the live edge` : ''}.`);
  },

  say(text, trouble = false) {
    $('player').className = trouble ? 'trouble' : '';
    setText($('player'), text);
  },
};

setInterval(() => player.watch(), 1000);
addEventListener('hashchange', () => select(location.hash.slice(1)));
poll();
