// The command line of the MCP Inspector.   node inspector.mjs URL [TOOL ARGUMENTS]...
// PEER_ERA: legacy (default), auto or modern. PEER_LOGIN: code; see login.mjs.
// It runs once to list and once for each call, as a person would, and logs in once.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { browse } from './browser.mjs';
import { inTurn, parse, report } from './report.mjs';

const { url, calls } = parse();
const launcher = fileURLToPath(
  new URL('../node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js', import.meta.url),
);
// It keeps settings and credentials under HOME.
const home = mkdtempSync(join(tmpdir(), 'inspector-'));
process.on('exit', () => rmSync(home, { recursive: true, force: true }));

/** A port that nobody listens on: the Inspector has to be told one. */
async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const login = process.env.PEER_LOGIN
  ? ['--callback-url', `http://127.0.0.1:${await freePort()}/callback`]
  : [];

/** Goes where the Inspector asks a person without a terminal to go; what else it says is for the error. */
async function obey(lines, said) {
  for await (const line of createInterface({ input: lines })) {
    said.push(line);
    const [, page] = /^Please navigate to: (\S+)/.exec(line) ?? [];
    if (page) browse(page).catch((error) => said.push(String(error)));
  }
}

async function inspect(...request) {
  const kind = url.endsWith('/sse') ? 'sse' : 'http';
  const era = process.env.PEER_ERA ?? 'legacy';
  const command = [launcher, '--cli', url, '--transport', kind, '--protocol-era', era, ...login, ...request];
  const env = { ...process.env, HOME: home, MCP_INSPECTOR_SECRET_STORE: 'file', MCP_AUTO_OPEN_ENABLED: 'true' };
  const child = spawn(process.execPath, command, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const said = [];
  const [stdout, [code]] = await Promise.all([text(child.stdout), once(child, 'close'), obey(child.stderr, said)]);
  if (code !== 0) throw new Error(`the Inspector ended with ${code}: ${stdout} ${said.join('\n')}`);
  return JSON.parse(stdout);
}

await report(async () => {
  const { tools } = await inspect('--method', 'tools/list');
  const call = (params) =>
    inspect('--method', 'tools/call', '--tool-name', params.name, '--tool-args-json', JSON.stringify(params.arguments));
  const results = await inTurn(calls, call);
  return { protocol: null, tools: tools.map(({ name }) => name), results };
});
