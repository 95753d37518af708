// Headless Firefox with an empty profile, that plays without a gesture and asks nothing of the world by itself.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import puppeteer from 'puppeteer-core';

const PREFERENCES = {
  'media.autoplay.default': 0, 'media.autoplay.blocking_policy': 0, 'media.volume_scale': '0.0', 'network.proxy.type': 0,
  'network.captive-portal-service.enabled': false, 'network.connectivity-service.enabled': false, 'app.update.auto': false,
  'browser.safebrowsing.malware.enabled': false, 'toolkit.telemetry.enabled': false, 'media.gmp-manager.updateEnabled': false,
};

/** How page.goto waits; nothing earlier is offered. */
export const GOTO = { waitUntil: 'domcontentloaded' };

/** Calls use(page) and cleans up, whatever happens. */
export async function withPage(viewport, use, executablePath = process.env.FIREFOX || '/usr/bin/firefox-esr') {
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'play-'));
  let browser;
  try {
    browser = await puppeteer.launch({
      browser: 'firefox', executablePath, headless: true, userDataDir: profile, defaultViewport: viewport, extraPrefsFirefox: PREFERENCES,
    });
    return await use(await browser.newPage());
  } finally {
    if (browser) await browser.close().catch(() => {});
    fs.rmSync(profile, { recursive: true, force: true });
  }
}
