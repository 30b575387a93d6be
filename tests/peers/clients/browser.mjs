#!/usr/bin/env node
// A browser with cookies and without a screen, for logins where nobody has to click.   browser.mjs URL [--until PREFIX]
//
// It follows redirects to the page at the end of them, which is the client's own callback, or to an address that begins
// with PREFIX, where it does not go. It prints where it got to.
import { realpathSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const MOST_REDIRECTS = 12;
const PATIENCE_MS = 5_000;

/** A person would come later than a client that does not listen yet. */
async function visit(at, options) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await fetch(at, options);
    } catch (error) {
      if (error.cause?.code !== 'ECONNREFUSED' || Date.now() > deadline) throw error;
      await setTimeout(50);
    }
  }
}

/** Follows redirects from `url` up to one for which `isEnd` holds, and returns it, or to a page, and returns its address. */
export async function browse(url, isEnd = () => false) {
  const jar = new Map();
  let at = new URL(url);
  for (let step = 0; step < MOST_REDIRECTS; step++) {
    const cookie = [...(jar.get(at.host) ?? new Map())].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await visit(at, { redirect: 'manual', headers: cookie ? { cookie } : {} });
    const kept = jar.get(at.host) ?? new Map();
    jar.set(at.host, kept);
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      kept.set(name, value);
    }
    const next = response.headers.get('location');
    if (!next) {
      if (!response.ok) throw new Error(`${at}: ${response.status}: ${(await response.text()).slice(0, 500)}`);
      return at;
    }
    at = new URL(next, at);
    if (isEnd(at)) return at;
  }
  throw new Error(`more than ${MOST_REDIRECTS} redirects from ${url}`);
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const [, , url, , prefix] = process.argv;
  console.log((await browse(url, (at) => prefix && at.href.startsWith(prefix))).href);
}
