// TypeScript SDK v1.   node ts_v1.mjs URL [TOOL [ARGUMENTS]]
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { parse, report } from './report.mjs';

const { url, tool, args } = parse();

await report(async () => {
  const client = new Client({ name: 'ts-v1', version: '1.0.0' });
  const transport = new StreamableHTTPClientTransport(new URL(url));
  await client.connect(transport);
  const { tools } = await client.listTools();
  const result = await client.callTool({ name: tool, arguments: args });
  await transport.terminateSession();
  await client.close();
  return { protocol: transport.protocolVersion, tools: tools.map(({ name }) => name), result };
});
