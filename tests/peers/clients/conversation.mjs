// Everything a client can do with server-everything, in one conversation of the TypeScript SDK v1.
//
//   node conversation.mjs URL [--prefix PREFIX] [--steps a,b,…] [--skip a,b,…] [--no-resume]
//
// prints {"ok":true,"protocol":"…","transcript":[[STEP,VALUE],…]}. The transcript holds nothing that differs between two
// runs (ids are masked, times are not recorded), so two of them can be compared as they are: direct and through the
// gateway. PREFIX stands before every tool and prompt name.
//
// This SDK takes a stream up again, a second later, whose response was an error, and server-everything then repeats what
// it has said since then on all streams: whatever call runs at that moment gets its progress and its questions twice.
// --no-resume is for conversations with that server itself.
import { parseArgs } from 'node:util';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import * as mcp from '@modelcontextprotocol/sdk/types.js';
import { Inbox } from './inbox.mjs';
import { report } from './report.mjs';
import { transport as transportTo } from './transport.mjs';

const REQUEST = { timeout: 20_000 };
const CAPABILITIES = { sampling: {}, elicitation: { form: {}, url: {} }, roots: { listChanged: true } };
const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    prefix: { type: 'string', default: '' },
    steps: { type: 'string' },
    skip: { type: 'string', default: '' },
    'no-resume': { type: 'boolean' },
  },
});
const [url] = positionals;

const client = new Client({ name: 'conversation', version: '1.0.0' }, { capabilities: CAPABILITIES });
const kinds = { http: StreamableHTTPClientTransport, sse: SSEClientTransport, stdio: StdioClientTransport };
const never = { maxRetries: 0, initialReconnectionDelay: 0, maxReconnectionDelay: 0, reconnectionDelayGrowFactor: 1 };
const transport = transportTo(url, kinds, options['no-resume'] ? { reconnectionOptions: never } : {});
const inbox = new Inbox(client);
const named = (name) => `${options.prefix}${name}`;
const call = (name, args = {}, more = {}) => client.callTool({ name: named(name), arguments: args }, undefined, { ...REQUEST, ...more });
/** A result or an error, where the protocol leaves open which of them a mistake gets. */
const either = (work) => work.then((result) => ({ result }), ({ code, message, data }) => ({ error: { code, message, data } }));

/** What the server asks of the client, in the order it asked. */
const asked = [];
const roots = [{ uri: 'file:///srv/one', name: 'one' }];
client.setRequestHandler(mcp.CreateMessageRequestSchema, ({ params }) => {
  asked.push(['sampling/createMessage', params]);
  return { role: 'assistant', model: 'a-model', stopReason: 'endTurn', content: { type: 'text', text: 'sampled' } };
});
client.setRequestHandler(mcp.ElicitRequestSchema, ({ params }) => {
  asked.push(['elicitation/create', params]);
  return params.mode === 'url' ? { action: 'accept' } : { action: 'accept', content: { name: 'Ada', integer: 7 } };
});
client.setRequestHandler(mcp.ListRootsRequestSchema, () => ({ roots }));

/** Calls a tool that asks something, and tells both what it asked and what it made of the answer. */
async function asking(name, args) {
  const result = await call(name, args);
  return { asked: asked.splice(0), result };
}

async function all(method, key) {
  const items = [];
  for (let cursor; ; ) {
    const page = await client[method](cursor === undefined ? {} : { cursor }, REQUEST);
    items.push(...page[key]);
    if ((cursor = page.nextCursor) === undefined) return items;
  }
}

const complete = (ref, name, value, context) => client.complete({ ref, argument: { name, value }, context }, REQUEST);
const prompt = (name) => ({ type: 'ref/prompt', name: named(name) });

const STEPS = {
  server: async () => [client.getServerVersion(), client.getServerCapabilities(), client.getInstructions()],
  ping: () => client.ping(REQUEST),
  tools: () => all('listTools', 'tools'),
  prompts: () => all('listPrompts', 'prompts'),
  resources: () => all('listResources', 'resources'),
  templates: () => all('listResourceTemplates', 'resourceTemplates'),

  echo: () => call('echo', { message: 'Grüße, 世界 \u0000 "quoted" \\' }),
  sum: () => call('get-sum', { a: 2, b: 40.5 }),
  structured: () => call('get-structured-content', { location: 'New York' }),
  image: () => call('get-tiny-image'),
  annotated: () => call('get-annotated-message', { messageType: 'success', includeImage: true }),
  links: () => call('get-resource-links', { count: 3 }),
  reference: () => call('get-resource-reference', { resourceType: 'Text', resourceId: 1 }),
  wrongArguments: () => either(call('get-sum', { a: 'two' })),
  unknownTool: () => either(call('no-such-tool')),

  simplePrompt: () => client.getPrompt({ name: named('simple-prompt') }, REQUEST),
  argumentPrompt: () => client.getPrompt({ name: named('args-prompt'), arguments: { city: 'Bern', state: 'BE' } }, REQUEST),
  resourcePrompt: () =>
    client.getPrompt({ name: named('resource-prompt'), arguments: { resourceType: 'Text', resourceId: '1' } }, REQUEST),
  unknownPrompt: () => either(client.getPrompt({ name: named('no-such-prompt') }, REQUEST)),

  document: () => client.readResource({ uri: 'demo://resource/static/document/features.md' }, REQUEST),
  textTemplate: () => client.readResource({ uri: 'demo://resource/dynamic/text/7' }, REQUEST),
  blobTemplate: () => client.readResource({ uri: 'demo://resource/dynamic/blob/7' }, REQUEST),
  unknownResource: () => either(client.readResource({ uri: 'demo://resource/dynamic/text/none' }, REQUEST)),

  completePrompt: () => complete(prompt('completable-prompt'), 'department', 'E'),
  completeInContext: () => complete(prompt('completable-prompt'), 'name', '', { arguments: { department: 'Sales' } }),
  completeTemplate: () => complete({ type: 'ref/resource', uri: 'demo://resource/dynamic/text/{resourceId}' }, 'resourceId', '5'),

  sampling: () => asking('trigger-sampling-request', { prompt: 'a question', maxTokens: 10 }),
  elicitation: () => asking('trigger-elicitation-request'),
  urlElicitation: () =>
    asking('trigger-url-elicitation', { url: 'https://example.com/consent', message: 'open it', elicitationId: 'one' }),
  urlElicitationError: () => either(call('trigger-url-elicitation', { url: 'https://example.com/consent', errorPath: true })),

  async progress() {
    const seen = [];
    const onprogress = ({ progress, total }) => seen.push([progress, total]);
    const result = await call('trigger-long-running-operation', { duration: 0.2, steps: 4 }, { onprogress });
    return { seen, result };
  },
  async cancellation() {
    const abort = new AbortController();
    const onprogress = () => abort.abort('enough');
    const options = { signal: abort.signal, onprogress };
    const { error } = await either(call('trigger-long-running-operation', { duration: 2, steps: 100 }, options));
    return { error, afterwards: await call('echo', { message: 'still here' }) };
  },

  // What follows arrives on the client's GET stream.
  async roots() {
    const before = await call('get-roots-list');
    roots.push({ uri: 'file:///srv/two', name: 'two' });
    await client.sendRootsListChanged();
    const log = await inbox.log(({ data }) => data.startsWith('Roots updated: 2'));
    return { before, log, after: await call('get-roots-list') };
  },
  async logging() {
    await client.setLoggingLevel('debug', REQUEST);
    await call('toggle-simulated-logging');
    const { level } = await inbox.log(({ data }) => / SessionId /.test(data) || /[ -]level.message/.test(data));
    await call('toggle-simulated-logging');
    return { received: typeof level };
  },
  async subscription() {
    const uri = 'demo://resource/dynamic/text/3';
    await client.subscribeResource({ uri }, REQUEST);
    const subscribed = await inbox.log(({ data }) => data.startsWith('Received Subscribe'));
    await call('toggle-subscriber-updates');
    const updated = await inbox.update();
    await client.unsubscribeResource({ uri }, REQUEST);
    const unsubscribed = await inbox.log(({ data }) => data.startsWith('Received Unsubscribe'));
    await call('toggle-subscriber-updates');
    return { subscribed, updated, unsubscribed };
  },
};

const masked = (value) => JSON.parse(JSON.stringify(value ?? null).replace(UUID, 'UUID'));

await report(async () => {
  const skipped = options.skip.split(',');
  const steps = (options.steps?.split(',') ?? Object.keys(STEPS)).filter((step) => !skipped.includes(step));
  const transcript = [];
  await client.connect(transport, REQUEST);
  for (const step of steps) {
    try {
      transcript.push([step, masked(await STEPS[step]())]);
    } catch (error) {
      throw new Error(`step ${step}: ${error.message}`, { cause: error });
    }
  }
  await transport.terminateSession?.();
  await client.close();
  return { protocol: transport.spoken, transcript };
});
