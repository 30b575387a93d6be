// An authorization server for tests: npm `oidc-provider`, which logs everybody in by itself.   node main.mjs
//
// It prints `listening ISSUER` and `control URL`. Control takes POSTs of JSON, and works whatever has become of the
// issuer:
//   /rotate {drop}                            a new key signs from now on; `drop` takes the old ones out of the JWKS
//   /retire                                   takes the old keys out, and goes on with the one that signs
//   /lifetime {seconds}                       of access tokens made from now on
//   /format {name}                            of access tokens made from now on: jwt or opaque
//   /fail {how}                               busy: every answer is 503 · gone: nobody listens · mute: no answer at all
//   /heal                                     all is well again, on the same port
//   /login {user, client, scope, resource}    the whole authorization code flow; answers as the token endpoint does
//   /refresh {client, token, resource}        the same with a refresh token
//   /requests                                 how many requests each path of the issuer has had
// Environment: ALG is RS256 (default), ES256 or EdDSA; LIFETIME is the seconds of an access token (300).
import { createServer } from 'node:http';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { logIn, refresh } from './flow.mjs';
import { Issuer } from './issuer.mjs';

const requests = {};
let health = 'well';
let issuer;

function serve(request, response) {
  const { pathname } = new URL(request.url, 'http://issuer');
  requests[pathname] = (requests[pathname] ?? 0) + 1;
  if (health === 'mute') return;
  if (health === 'busy') response.writeHead(503, { 'retry-after': '1' }).end();
  else issuer.handle(request, response);
}

const front = createServer(serve);
const back = createServer(control);
// While a browser logs in, a client's connection is idle for longer than Node's five seconds, and closing it crosses the
// client's next request.
for (const server of [front, back]) server.keepAliveTimeout = 120_000;

async function listen(server, port) {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server.address().port;
}

const port = await listen(front, 0);
const url = `http://127.0.0.1:${port}`;
issuer = await Issuer.create(url, process.env.ALG ?? 'RS256', Number(process.env.LIFETIME ?? 300));

const COMMANDS = {
  '/rotate': ({ drop }) => issuer.rotate(drop),
  '/retire': () => issuer.retire(),
  '/lifetime': ({ seconds }) => void (issuer.lifetime = seconds),
  '/format': ({ name }) => void (issuer.format = name),
  '/fail': async ({ how }) => {
    health = how;
    if (how !== 'gone') return;
    front.close();
    front.closeAllConnections();
  },
  '/heal': async () => {
    // Those who were kept waiting try again.
    front.closeAllConnections();
    if (!front.listening) await listen(front, port);
    health = 'well';
  },
  '/login': (wanted) => logIn(url, wanted),
  '/refresh': (wanted) => refresh(url, wanted),
  '/requests': () => requests,
};

async function control(request, response) {
  try {
    const answer = await COMMANDS[request.url](JSON.parse((await text(request)) || '{}'));
    response.end(JSON.stringify(answer ?? {}));
  } catch (error) {
    response.writeHead(500).end(JSON.stringify({ error: String(error?.stack ?? error) }));
  }
}

console.log(`control http://127.0.0.1:${await listen(back, 0)}`);
console.log(`listening ${url}`);
