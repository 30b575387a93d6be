// HTTP+SSE (2024-11-05) for misbehave.mjs: a GET opens the stream of a session, whose first event says where to POST.
import { randomUUID } from 'node:crypto';
import { body, listen, page, refuse } from './misbehave_listener.mjs';

// The session stands behind it; `never` names none.
const { ENDPOINT = '/a/message?session=', INITIALIZE = '202' } = process.env;

export function serveSse(respond, port) {
  const sessions = new Map();

  function open(response) {
    const id = randomUUID();
    sessions.set(id, response);
    response.on('close', () => (sessions.delete(id), console.log('a stream was closed')));
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.flushHeaders();
    if (ENDPOINT !== 'never') response.write(`event: endpoint\ndata: ${ENDPOINT}${id}\n\n`);
  }

  async function post(request, response) {
    const stream = sessions.get(new URL(request.url, 'http://localhost').searchParams.get('session'));
    const message = JSON.parse(await body(request));
    if (!stream) return refuse(response, 404, 'Session not found');
    if (message.method === 'initialize' && INITIALIZE !== '202') return page(response, Number(INITIALIZE));
    const line = (text) => stream.write(`event: message\ndata: ${text}\n\n`);
    const say = (event) => line(JSON.stringify({ jsonrpc: '2.0', ...event }));
    // The POST, or the stream, ends as the transport, not as the protocol wants it.
    const http = {
      page: (status) => page(response, status),
      reset: () => response.socket.resetAndDestroy(),
      cut: () => stream.end(),
      forget: () => sessions.clear(),
    };
    const call = { say, line, announce: say, raw: (bytes) => stream.write(bytes), headers: request.headers, http };
    const answering = respond(message, call);
    if (!response.headersSent) response.writeHead(202).end('Accepted');
    const answer = await answering;
    if (answer) line(JSON.stringify(answer));
  }

  listen(port, '/a/sse', (request, response) => (request.method === 'GET' ? open(response) : post(request, response)));
}
