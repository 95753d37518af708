// What plays a stream in a browser. The two scripts that are not the browser's own are asked for when they are needed; a program
// built without them does not have them.
//
// An engine's start(video, url, failed) gives a session: end(), and where it can tell: latency() in seconds behind the live
// edge, rungs() as [{key, height, bits}], current() and choose(key), '' for the player's own choice. `failed(reason)` asks for
// a new start.

const scripts = new Map();

function load(name) {
  if (!scripts.has(name)) {
    scripts.set(name, new Promise((done, failed) => {
      const script = document.createElement('script');
      script.src = `/assets/${name}`;
      script.onload = done;
      script.onerror = () => {
        script.remove();
        scripts.delete(name);
        failed(new Error(`${name} could not be loaded. Build Rillcast after scripts/build-web to have it, or play one of ` +
          'the addresses below elsewhere'));
      };
      document.head.append(script);
    }));
  }
  return scripts.get(name);
}

/** A refusal to start by itself leaves the controls to the user. */
const begin = (video) => video.play().catch(() => {});

const native = {
  name: 'the HLS of this browser',
  async start(video, url, failed) {
    const onError = () => failed(video.error && video.error.message || 'the video cannot be loaded');
    video.addEventListener('error', onError);
    video.src = url;
    begin(video);
    return {
      end() {
        video.removeEventListener('error', onError);
        video.removeAttribute('src');
        video.load();
      },
    };
  },
};

const hlsjs = {
  name: 'hls.js',
  async start(video, url, failed) {
    await load('hls.js');
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
    begin(video);
    return {
      end: () => hls.destroy(),
      latency: () => hls.latency,
      rungs: () => hls.levels.map((level, index) => ({ key: String(index), height: level.height || 0, bits: level.bitrate })),
      current: () => String(hls.currentLevel),
      choose: (key) => { hls.nextLevel = key === '' ? -1 : Number(key); },
    };
  },
};

const dashjs = {
  name: 'dash.js',
  async start(video, url, failed) {
    await load('dash.js');
    const { MediaPlayer, Debug } = window.dashjs;
    if (!window.MediaSource && !window.ManagedMediaSource) throw new Error('this browser cannot play DASH');
    const dash = MediaPlayer().create();
    dash.updateSettings({ debug: { logLevel: Debug.LOG_LEVEL_NONE } });
    const failure = ({ error }) => {
      // Without the server's clock it goes by its own.
      if (error && error.code !== MediaPlayer.errors.TIME_SYNC_FAILED_ERROR_CODE) failed(error.message || `error ${error.code}`);
    };
    dash.on(MediaPlayer.events.ERROR, failure);
    dash.on(MediaPlayer.events.PLAYBACK_ERROR, failure);
    let rungs = [];
    // To be asked once for each Period: each time, dash.js makes them anew.
    dash.on(MediaPlayer.events.STREAM_ACTIVATED, () => {
      rungs = (dash.getRepresentationsByType('video') || [])
        .map(({ id, height, bandwidth }) => ({ key: id, height: height || 0, bits: bandwidth }));
    });
    // It begins to play by itself. It must not be told to before it listens: it reads the manifest again only after it has
    // seen the video begin.
    dash.initialize(video, url, true);
    const adapt = (video) => dash.updateSettings({ streaming: { abr: { autoSwitchBitrate: { video } } } });
    return {
      end: () => dash.destroy(),
      latency: () => dash.getCurrentLiveLatency(),
      rungs: () => rungs,
      current: () => (dash.getCurrentRepresentationForType('video') || {}).id,
      choose(key) {
        adapt(key === '');
        if (key !== '') dash.setRepresentationForTypeById('video', key);
      },
    };
  },
};

export const engines = { native, hlsjs, dashjs };
