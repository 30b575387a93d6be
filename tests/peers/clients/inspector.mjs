// The command line of the MCP Inspector.   node inspector.mjs URL [TOOL ARGUMENTS]...
// PEER_ERA: legacy (default), auto or modern. It runs once to list and once for each call, as a person would.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { inTurn, parse, report } from './report.mjs';

const { url, calls } = parse();
const launcher = fileURLToPath(
  new URL('../node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js', import.meta.url),
);
// It keeps settings and credentials under HOME.
const home = mkdtempSync(join(tmpdir(), 'inspector-'));
process.on('exit', () => rmSync(home, { recursive: true, force: true }));

async function inspect(...request) {
  const kind = url.endsWith('/sse') ? 'sse' : 'http';
  const era = process.env.PEER_ERA ?? 'legacy';
  const command = [launcher, '--cli', url, '--transport', kind, '--protocol-era', era, ...request];
  const env = { ...process.env, HOME: home, MCP_INSPECTOR_SECRET_STORE: 'file' };
  const { stdout } = await promisify(execFile)(process.execPath, command, { env, maxBuffer: 64 << 20 });
  return JSON.parse(stdout);
}

await report(async () => {
  const { tools } = await inspect('--method', 'tools/list');
  const call = (params) =>
    inspect('--method', 'tools/call', '--tool-name', params.name, '--tool-args-json', JSON.stringify(params.arguments));
  const results = await inTurn(calls, call);
  return { protocol: null, tools: tools.map(({ name }) => name), results };
});
