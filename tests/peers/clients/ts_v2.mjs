// TypeScript SDK v2.   node ts_v2.mjs URL [TOOL ARGUMENTS]...
// PEER_ERA: legacy (the SDK's default), auto (probes for MCP 2026-07-28 first) or a revision. PEER_LOGIN: see login.mjs.
import { Client, ClientCredentialsProvider, SSEClientTransport, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { connected, provider } from './login.mjs';
import { inTurn, parse, report } from './report.mjs';
import { transport as transportTo } from './transport.mjs';

const { url, calls } = parse();
const era = process.env.PEER_ERA ?? 'legacy';

await report(async () => {
  const mode = /^\d/.test(era) ? { pin: era } : era;
  const kinds = { http: StreamableHTTPClientTransport, sse: SSEClientTransport, stdio: StdioClientTransport };
  const authProvider = provider(ClientCredentialsProvider);
  const { client, transport } = await connected(
    () => ({
      client: new Client({ name: 'ts-v2', version: '1.0.0' }, { versionNegotiation: { mode } }),
      transport: transportTo(url, kinds, { authProvider }),
    }),
    authProvider,
    (back) => back,
  );
  const { tools } = await client.listTools();
  const results = await inTurn(calls, (params) => client.callTool(params));
  await client.close();
  return { protocol: client.getNegotiatedProtocolVersion() ?? transport.spoken, tools: tools.map(({ name }) => name), results };
});
