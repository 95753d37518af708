// Plays one stream in one video element, and starts again what fails or is stuck.

import { engines } from '/assets/engines.js';

/** A player that should play and does not move for this long is started again. */
const STUCK_MS = 10000;
const RETRY_MS = [1000, 2000, 4000, 8000];

export class Player {
  /** What is played: {format, path}. */
  #what = null;
  #hls;
  #starting = false;
  #session = null;
  /** Counts starts, so that what an ended engine still reports is not heard. */
  #run = 0;
  #failures = 0;
  #retry = null;
  /** Where the video was when it last moved since the start, and when that was. */
  #moved = { time: 0, at: 0, ever: false };
  /** The rung that the user wants, and the one that this session was told. */
  #wanted = '';
  #told = '';

  /** `page`: say(text, trouble) shows a sentence; again() asks for play() again; online() whether the server answers. */
  constructor(video, page) {
    this.video = video;
    this.page = page;
    this.hasNative = video.canPlayType('application/vnd.apple.mpegurl') !== '';
    // hls.js tells the rungs and how far behind the picture is; a browser without MSE has its own HLS alone.
    this.#hls = window.MediaSource || window.ManagedMediaSource || !this.hasNative ? 'hlsjs' : 'native';
  }

  /** Plays this from now on, or nothing and says why. Called at every poll. */
  play(what, otherwise) {
    this.#change(what);
    if (!what) return this.page.say(otherwise);
    if (!this.#session && !this.#retry && !this.#starting) this.#start();
  }

  /** As `play` where there is nothing to play yet; what plays goes on. */
  wait(what, why) {
    this.#change(what);
    if (!this.#session && !this.#retry && !this.#starting) this.page.say(why);
  }

  #change(what) {
    if ((what && what.path) === (this.#what && this.#what.path)) return;
    this.#stop();
    this.#what = what;
    this.#failures = 0;
    this.#wanted = '';
  }

  get #engine() {
    return engines[this.#what.format === 'dash' ? 'dashjs' : this.#hls];
  }

  async #start() {
    const run = ++this.#run;
    this.#starting = true;
    this.#moved = { time: this.video.currentTime, at: performance.now(), ever: false };
    this.#told = '';
    this.page.say('Connecting …');
    try {
      const url = new URL(this.#what.path, location.href).href;
      const session = await this.#engine.start(this.video, url, (reason) => this.#failed(run, reason));
      if (run !== this.#run) return session.end();
      this.#session = session;
    } catch (error) {
      this.#failed(run, error.message);
    } finally {
      if (run === this.#run) this.#starting = false;
    }
  }

  #stop() {
    this.#run++;
    this.#starting = false;
    clearTimeout(this.#retry);
    this.#retry = null;
    if (this.#session) this.#session.end();
    this.#session = null;
  }

  #failed(run, reason) {
    if (run !== this.#run) return;
    this.#stop();
    const wait = RETRY_MS[Math.min(this.#failures++, RETRY_MS.length - 1)];
    // A browser may claim HLS and still not play ours, and a program be built without hls.js: let the other engine try.
    const isHls = this.#what.format === 'hls';
    const again = this.#hls === 'hlsjs' && !window.Hls ? 1 : 3;
    if (isHls && this.hasNative && window.MediaSource && this.page.online() && this.#failures % again === 0) {
      this.#hls = this.#hls === 'native' ? 'hlsjs' : 'native';
    }
    this.page.say(`Stopped: ${reason}. Trying again in ${wait / 1000} s.`, true);
    this.#retry = setTimeout(() => {
      this.#retry = null;
      // Without a connection the next answer of the API starts it.
      if (this.page.online()) this.page.again();
    }, wait);
  }

  /** Once a second: says how it goes, and starts a player again that is stuck. */
  watch() {
    if (!this.#session) return;
    const { video, page } = this;
    const now = performance.now();
    if (video.currentTime !== this.#moved.time) {
      this.#moved = { time: video.currentTime, at: now, ever: true };
    } else if (video.paused && video.readyState > 0) {
      this.#moved.at = now;
    }
    this.#tell();
    const still = now - this.#moved.at;
    if (still > STUCK_MS) return this.#failed(this.#run, `no picture for ${STUCK_MS / 1000} s`);
    if (video.paused && video.readyState > 0) return page.say('Paused.');
    if (!this.#moved.ever || still > 1500) return page.say('Waiting for media …');
    this.#failures = 0;
    const latency = this.#session.latency ? this.#session.latency() : 0;
    const behind = latency > 0 ? `, ${latency.toFixed(1)} s behind the live edge` : '';
    page.say(`Playing with ${this.#engine.name}${behind}.`);
  }

  /** What there is to choose from, the choice, and what plays; no rungs where the player does not tell them. */
  qualities() {
    const rungs = this.#rungs();
    const chosen = rungs.some(({ key }) => key === this.#wanted) ? this.#wanted : '';
    return { rungs, chosen, current: rungs.length > 0 ? this.#session.current() : '' };
  }

  /** Plays this rung, or with '' what the player finds best. */
  choose(key) {
    this.#wanted = key;
    this.#tell();
  }

  #rungs() {
    return this.#session && this.#session.rungs ? this.#session.rungs() : [];
  }

  /** A session that has just begun does not know its rungs yet. */
  #tell() {
    if (this.#told === this.#wanted || this.#rungs().every(({ key }) => key !== this.#wanted) && this.#wanted !== '') return;
    this.#told = this.#wanted;
    this.#session.choose(this.#wanted);
  }
}
