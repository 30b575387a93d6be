// An MCP server that offers what it is told to.   node offer.mjs stdio TOOLS
//
// TOOLS is the JSON array of its tools. Each call is answered with the line that it came in, whether the tool is listed
// or not, but for these two:
//   forget NAME   takes a tool off the list and says that the list has changed
//   pid           says which process this is
// It has one prompt, `cleanup`. With RECORD, its environment and all that it is told go to that file.
import { appendFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

let tools = JSON.parse(process.argv[3]);

const record = (text) => process.env.RECORD && appendFileSync(process.env.RECORD, `${text}\n`);
record(JSON.stringify(process.env));

const text = (value) => ({ content: [{ type: 'text', text: String(value) }] });
const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);

const call = (line, { name, arguments: given }) => {
  if (name === 'pid') return text(process.pid);
  if (name !== 'forget') return text(line);
  tools = tools.filter((tool) => tool.name !== given.name);
  send({ method: 'notifications/tools/list_changed' });
  return text('forgotten');
};

const METHODS = {
  initialize: (_, { protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: { listChanged: true }, prompts: {} },
    serverInfo: { name: 'offer', version: '1' },
  }),
  ping: () => ({}),
  'tools/list': () => ({ tools }),
  'tools/call': call,
  'prompts/list': () => ({ prompts: [{ name: 'cleanup' }] }),
  'prompts/get': (_, { name }) => ({ messages: [{ role: 'user', content: { type: 'text', text: name } }] }),
};

createInterface({ input: process.stdin }).on('line', (line) => {
  record(line);
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) return;
  const answer = METHODS[method];
  if (answer) send({ id, result: answer(line, params ?? {}) });
  else send({ id, error: { code: -32601, message: `no ${method}` } });
}).on('close', () => process.exit(0));
