// Streamable HTTP for misbehave.mjs: sessions, SSE answers with event ids, and the faults HTTP makes possible.
import { randomUUID } from 'node:crypto';
import { body, listen, page, refuse } from './misbehave_listener.mjs';

const { LOST_SESSION = '404', GET_STREAM = 'open', PRIMING } = process.env;

/** An SSE response whose head is sent with the first event, so that a tool can still choose another one. */
class Stream {
  #started = false;

  constructor(response, session) {
    Object.assign(this, { response, session });
  }

  start(priming = PRIMING) {
    if (this.#started) return;
    this.#started = true;
    this.response.writeHead(200, { 'content-type': 'text/event-stream', 'mcp-session-id': this.session.id });
    this.response.flushHeaders();
    if (priming) this.event('');
  }

  event(data) {
    this.start();
    this.write(this.session.events.push(data), data);
  }

  write(id, data) {
    this.response.write(`id: ${id}\ndata: ${data}\n\n`);
  }
}

export function serveHttp(respond, port) {
  const sessions = new Map();

  function open() {
    const session = { id: randomUUID(), events: [], get: undefined };
    sessions.set(session.id, session);
    return session;
  }

  /** The call ends as the transport, not as the protocol wants it. */
  const faults = ({ response, session }, id) => ({
    page: (status) => page(response, status),
    reset: () => response.socket.resetAndDestroy(),
    // The answer waits for whoever comes back with Last-Event-ID.
    cut: () => {
      const stream = new Stream(response, session);
      stream.event('');
      response.end();
      const result = { content: [{ type: 'text', text: 'fetched later' }] };
      session.events.push(JSON.stringify({ jsonrpc: '2.0', id, result }));
    },
    forget: () => sessions.clear(),
  });

  async function post(request, response, known) {
    const message = JSON.parse(await body(request));
    const session = known ?? (message.method === 'initialize' ? open() : undefined);
    if (!session) return refuse(response, 400, 'Bad Request: Server not initialized');
    if (message.id === undefined || message.method === undefined) {
      await respond(message);
      return response.writeHead(202).end();
    }
    const stream = new Stream(response, session);
    const line = (text) => stream.event(text);
    const say = (event) => line(JSON.stringify({ jsonrpc: '2.0', ...event }));
    const raw = (bytes) => (stream.start(), response.write(bytes));
    const announce = (event) => (session.get ?? stream).event(JSON.stringify({ jsonrpc: '2.0', ...event }));
    const call = { say, line, raw, announce, headers: request.headers, http: faults(stream, message.id) };
    const answer = await respond(message, call);
    if (answer) stream.event(JSON.stringify(answer));
    if (!response.writableEnded) response.end();
  }

  function get(request, response, session) {
    if (GET_STREAM === '405') return refuse(response, 405, 'Method not allowed');
    const last = request.headers['last-event-id'];
    const stream = new Stream(response, session);
    if (last === undefined) {
      session.get = stream;
      return stream.start();
    }
    stream.start(false);
    for (let id = Number(last) + 1; id <= session.events.length; id++) stream.write(id, session.events[id - 1]);
    response.end();
  }

  listen(port, '/mcp', async (request, response) => {
    const id = request.headers['mcp-session-id'];
    const session = sessions.get(id);
    if (!session && (id !== undefined || request.method !== 'POST')) return refuse(response, Number(LOST_SESSION), 'Bad Request: No valid session ID provided');
    if (request.method === 'POST') return post(request, response, session);
    if (request.method === 'GET') return get(request, response, session);
    sessions.delete(session.id);
    console.log(`deleted ${session.id}`);
    response.writeHead(200).end();
  });
}
