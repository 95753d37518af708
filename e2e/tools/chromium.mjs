// Headless Chromium with an empty profile, that talks to this machine only and may play without a gesture.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';

const ARGUMENTS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage', '--mute-audio',
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost, EXCLUDE ::1',
  '--autoplay-policy=no-user-gesture-required',
];

/** How page.goto waits, so that the page's own clock starts with the page. */
export const GOTO = { waitUntil: 'commit' };

/** Calls use(page) and cleans up, whatever happens. */
export async function withPage(viewport, use, executablePath = process.env.CHROMIUM || '/usr/bin/chromium') {
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'play-'));
  let context;
  try {
    context = await chromium.launchPersistentContext(profile, { executablePath, headless: true, viewport, chromiumSandbox: false, args: ARGUMENTS });
    return await use(context.pages()[0] || await context.newPage());
  } finally {
    if (context) await context.close().catch(() => {});
    fs.rmSync(profile, { recursive: true, force: true });
  }
}
