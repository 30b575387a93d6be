// An MCP server that does what servers should not.   node misbehave.mjs stdio | http PORT | sse PORT
//
// Its tools misbehave in ways any transport has; those of HTTP do nothing over stdio and the other way round. Written
// without an SDK, because an SDK would not let it. Over HTTP the environment chooses habits of real servers:
//   LOST_SESSION=400|404   the status for a session it does not know (TypeScript SDK v1 servers say 400)
//   GET_STREAM=405|open    whether it has a GET stream
//   TLS_DIR=DIR            speaks TLS with DIR/server.pem and server.key
//   CLIENT_CA=1            and wants a certificate of DIR/ca.pem;   HTTP2=1 and speaks HTTP/2 only
//   PRIMING=1              begins each stream with an event of an id and empty data
// and over HTTP+SSE (`sse`):
//   ENDPOINT=URL|never     what the stream names as its endpoint, with the session's id behind it
//   INITIALIZE=STATUS      the status of the POST of `initialize`
import { spawn } from 'node:child_process';
import { serveHttp } from './misbehave_http.mjs';
import { serveSse } from './misbehave_sse.mjs';
import { serveStdio } from './misbehave_stdio.mjs';

const text = (value) => ({ content: [{ type: 'text', text: String(value) }] });
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const extra = [];
const heard = [];
let step = () => {};

/**
 * On the stream of the call `say` writes a message, `line` any text framed like one, `raw` bytes as they are; `announce`
 * writes a notification that belongs to no call.
 */
const TOOLS = {
  echo: ({ message }) => text(message),
  pid: () => text(process.pid),
  cwd: () => text(process.cwd()),
  environment: () => text(JSON.stringify(process.env)),
  headers: (_, { headers }) => text(JSON.stringify(headers ?? {})),
  slow: async ({ ms }) => (await sleep(ms), text('done')),
  // Says how far it is, and takes each step when `go` says so.
  steps: async ({ count }, { token, say }) => {
    for (let progress = 1; progress <= count; progress++) {
      if (token !== undefined) say({ method: 'notifications/progress', params: { progressToken: token, progress, total: count } });
      await new Promise((resolve) => (step = resolve));
    }
    return text('arrived');
  },
  go: () => (step(), text('gone')),
  hang: () => (console.error('hanging'), new Promise(() => {})),
  die: () => process.exit(1),
  crash_later: ({ ms }) => (setTimeout(() => process.exit(1), ms), text('soon')),
  garbage: (_, { line }) => {
    for (const junk of ['this is not JSON', '{"jsonrpc":"2.0"}', '[]', '"a"', '{"half":', '{"jsonrpc":"2.0","id":{},"result":{}}']) line(junk);
    return text('after garbage');
  },
  half_answer: async (_, { id, raw }) => (raw(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"resu`), await sleep(100), process.exit(1)),
  huge: ({ bytes }) => text('x'.repeat(bytes)),
  unknown_id: (_, { say }) => (say({ id: 'never-sent', result: {} }), text('after an unknown id')),
  twice: (_, { id, say }) => (say({ id, result: text('first') }), text('second')),
  flood: ({ count }, { token, say }) => {
    for (let progress = 1; progress <= count; progress++) {
      if (token !== undefined) say({ method: 'notifications/progress', params: { progressToken: token, progress, total: count } });
      say({ method: 'notifications/message', params: { level: 'info', data: `message ${progress}` } });
    }
    return text('flooded');
  },
  stderr: ({ bytes }) => (process.stderr.write(`${'e'.repeat(bytes)}\n`), text('wrote to stderr')),
  grow: (_, { announce }) => {
    extra.push(`extra_${extra.length + 1}`);
    announce({ method: 'notifications/tools/list_changed' });
    return text(extra.at(-1));
  },
  update: ({ uri }, { announce }) => (announce({ method: 'notifications/resources/updated', params: { uri } }), text('updated')),
  heard: () => text(JSON.stringify(heard)),
  ask: async (_, { say }) => {
    const id = `question-${heard.length}-${Math.random()}`;
    say({ id, method: 'sampling/createMessage', params: { messages: [], maxTokens: 1 } });
    for (;;) {
      const answer = heard.find((message) => message.id === id);
      if (answer) return text(JSON.stringify(answer.result ?? answer.error));
      await sleep(10);
    }
  },
  // Asks, hears how far the client is, and gives the question up.
  withdraw: async (_, { say }) => {
    const id = `question-${heard.length}-${Math.random()}`;
    say({ id, method: 'sampling/createMessage', params: { messages: [], maxTokens: 1, _meta: { progressToken: 'mine' } } });
    for (;;) {
      const report = heard.find(({ method, params }) => method === 'notifications/progress' && params.progressToken === 'mine');
      if (report) {
        heard.splice(heard.indexOf(report), 1);
        say({ method: 'notifications/cancelled', params: { requestId: id, reason: 'enough' } });
        return text(`heard ${report.params.progress}`);
      }
      await sleep(10);
    }
  },
  grandchild: () => text(spawn('sleep', ['300'], { stdio: 'ignore' }).pid),
  // Of HTTP: `http` holds the response of the call.
  html: ({ status }, { http }) => void http?.page(status),
  reset: (_, { http }) => void http?.reset(),
  cut: (_, { http }) => void http?.cut(),
  forget: (_, { http }) => (http?.forget(), text('all sessions are forgotten')),
};

const schema = { type: 'object' };

/** Answers a message; `call` carries id, progress token, say, raw and what the transport adds. */
async function answer({ id, method, params }, call) {
  switch (method) {
    case 'initialize':
      return {
        protocolVersion: '2025-11-25',
        capabilities: { tools: { listChanged: true }, resources: { subscribe: true }, logging: {} },
        serverInfo: { name: 'misbehave', version: '1' },
      };
    case 'resources/list':
      return { resources: ['memo://a', 'memo://b'].map((uri) => ({ uri, name: uri })) };
    case 'resources/templates/list':
      return { resourceTemplates: [] };
    case 'ping':
    case 'logging/setLevel':
    case 'resources/subscribe':
    case 'resources/unsubscribe':
      return {};
    case 'tools/list':
      return { tools: [...Object.keys(TOOLS), ...extra].map((name) => ({ name, description: name, inputSchema: schema })) };
    case 'tools/call': {
      const tool = TOOLS[params.name] ?? (extra.includes(params.name) ? () => text(params.name) : undefined);
      if (tool) return tool(params.arguments ?? {}, { id, token: params._meta?.progressToken, ...call });
      throw { code: -32602, message: `Unknown tool: ${params.name}` };
    }
    default:
      throw { code: -32601, message: 'Method not found' };
  }
}

/** The response to a request, or undefined if the tool has answered in its own way; other messages are remembered. */
async function respond(request, call) {
  if (request.id === undefined || request.method === undefined) return void heard.push(request);
  try {
    const result = await answer(request, call);
    return result && { jsonrpc: '2.0', id: request.id, result };
  } catch (error) {
    return { jsonrpc: '2.0', id: request.id, error };
  }
}

const [mode, port = '0'] = process.argv.slice(2);
if (mode === 'stdio') serveStdio(respond);
else if (mode === 'http') serveHttp(respond, Number(port));
else if (mode === 'sse') serveSse(respond, Number(port));
else {
  console.error('usage: misbehave.mjs stdio | http PORT | sse PORT');
  process.exit(2);
}
