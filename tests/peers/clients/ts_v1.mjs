// TypeScript SDK v1.   node ts_v1.mjs URL [TOOL ARGUMENTS]...
// PEER_LOGIN: see login.mjs.
import { ClientCredentialsProvider } from '@modelcontextprotocol/sdk/client/auth-extensions.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { connected, provider } from './login.mjs';
import { inTurn, parse, report } from './report.mjs';
import { transport as transportTo } from './transport.mjs';

const { url, calls } = parse();

await report(async () => {
  const kinds = { http: StreamableHTTPClientTransport, sse: SSEClientTransport, stdio: StdioClientTransport };
  // Of its two ways to log in only the one with a browser reads the scope in a challenge.
  const authProvider = provider(ClientCredentialsProvider, process.env.PEER_SCOPE);
  const { client, transport } = await connected(
    () => ({ client: new Client({ name: 'ts-v1', version: '1.0.0' }), transport: transportTo(url, kinds, { authProvider }) }),
    authProvider,
    (back) => back.get('code'),
  );
  const { tools } = await client.listTools();
  const results = await inTurn(calls, (params) => client.callTool(params));
  await transport.terminateSession?.();
  await client.close();
  return { protocol: transport.spoken, tools: tools.map(({ name }) => name), results };
});
