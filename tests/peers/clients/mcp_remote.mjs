// mcp-remote, the bridge desktop clients use: a stdio server that speaks to URL, driven here with the TypeScript SDK v1.
//   node mcp_remote.mjs URL [TOOL ARGUMENTS]...
// It logs in by itself when it is told to, with the machine's browser, which is browser.mjs here.
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { inTurn, parse, report } from './report.mjs';

const { url, calls } = parse();
const bridge = fileURLToPath(new URL('../node_modules/mcp-remote/dist/proxy.js', import.meta.url));
// It remembers servers between runs; each of ours starts with an empty memory.
const memory = mkdtempSync(join(tmpdir(), 'mcp-remote-'));
process.on('exit', () => rmSync(memory, { recursive: true, force: true }));
const browser = fileURLToPath(new URL('browser.mjs', import.meta.url));
for (const name of ['xdg-open', 'x-www-browser']) symlinkSync(browser, join(memory, name));
// The browser's own interpreter has to be found, too.
const PATH = [memory, dirname(process.execPath), process.env.PATH].join(delimiter);

await report(async () => {
  const client = new Client({ name: 'mcp-remote', version: '1.0.0' });
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [bridge, url, '--allow-http', '--transport', url.endsWith('/sse') ? 'sse-only' : 'http-only'],
    env: { ...process.env, PATH, MCP_REMOTE_CONFIG_DIR: memory },
    stderr: process.env.PEER_DEBUG ? 'inherit' : 'ignore',
  });
  let protocol;
  transport.setProtocolVersion = (version) => (protocol = version);
  await client.connect(transport);
  const { tools } = await client.listTools();
  const results = await inTurn(calls, (params) => client.callTool(params));
  await client.close();
  return { protocol, tools: tools.map(({ name }) => name), results };
});
