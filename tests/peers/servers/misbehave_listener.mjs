// The listener of misbehave.mjs over HTTP, whichever transport runs on it.
import { readFileSync } from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';

const { TLS_DIR, CLIENT_CA, HTTP2 } = process.env;

/** A listener without TLS, or with the files in TLS_DIR. */
function create(handler) {
  if (!TLS_DIR) return http.createServer(handler);
  const file = (name) => readFileSync(`${TLS_DIR}/${name}`);
  const tls = { cert: file('server.pem'), key: file('server.key') };
  if (CLIENT_CA) Object.assign(tls, { ca: file('ca.pem'), requestCert: true, rejectUnauthorized: true });
  return HTTP2 ? http2.createSecureServer(tls, handler) : https.createServer(tls, handler);
}

/** Listens on loopback and says where; port 0 takes a free one. */
export function listen(port, path, handler) {
  const listener = create(handler);
  const scheme = TLS_DIR ? 'https' : 'http';
  listener.listen(port, '127.0.0.1', () => console.log(`listening ${scheme}://127.0.0.1:${listener.address().port}${path}`));
}

export async function body(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

export const refuse = (response, status, message) => {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ jsonrpc: '2.0', error: { code: -32000, message }, id: null }));
};

export const page = (response, status = 500) => {
  response.writeHead(status, { 'content-type': 'text/html' });
  response.end('<html><body>Bad Gateway</body></html>');
};
