// A server of the TypeScript SDK v2: MCP 2026-07-28, and older clients without sessions.   node ts_v2.mjs http PORT | stdio
// PORT 0 takes a free one; the line `listening URL` on stdout says which.
// ISSUER: an authorization server. Only its tokens for this server get in.
import { createMcpExpressApp } from '@modelcontextprotocol/express';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { McpServer, createMcpHandler } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import * as z from 'zod';
import { guard } from './guard.mjs';

const text = (value) => ({ content: [{ type: 'text', text: String(value) }] });

function build() {
  const server = new McpServer({ name: 'ts-v2', version: '1.0.0' });
  server.registerTool('echo', { description: 'Says it again', inputSchema: z.object({ message: z.string() }) }, ({ message }) =>
    text(`ts-v2: ${message}`),
  );
  server.registerTool('add', { description: 'Adds two numbers', inputSchema: z.object({ a: z.number(), b: z.number() }) }, ({ a, b }) =>
    text(a + b),
  );
  return server;
}

const [mode, port = '0'] = process.argv.slice(2);
if (mode === 'stdio') {
  serveStdio(build);
} else if (mode === 'http') {
  const app = createMcpExpressApp({ host: '127.0.0.1' });
  const handler = toNodeHandler(createMcpHandler(build));
  const listener = app.listen(Number(port), '127.0.0.1', async () => {
    const url = new URL(`http://127.0.0.1:${listener.address().port}/mcp`);
    const { metadata, check } = process.env.ISSUER ? await guard(process.env.ISSUER, url) : {};
    if (metadata) app.use(metadata);
    app.all('/mcp', ...(check ? [check] : []), (request, response) => handler(request, response, request.body));
    console.log(`listening ${url}`);
  });
} else {
  console.error('usage: ts_v2.mjs http PORT | stdio');
  process.exit(2);
}
