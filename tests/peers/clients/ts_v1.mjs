// TypeScript SDK v1.   node ts_v1.mjs URL [TOOL ARGUMENTS]...
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { inTurn, parse, report } from './report.mjs';
import { transport as transportTo } from './transport.mjs';

const { url, calls } = parse();

await report(async () => {
  const client = new Client({ name: 'ts-v1', version: '1.0.0' });
  const kinds = { http: StreamableHTTPClientTransport, sse: SSEClientTransport, stdio: StdioClientTransport };
  const transport = transportTo(url, kinds);
  await client.connect(transport);
  const { tools } = await client.listTools();
  const results = await inTurn(calls, (params) => client.callTool(params));
  await transport.terminateSession?.();
  await client.close();
  return { protocol: transport.spoken, tools: tools.map(({ name }) => name), results };
});
