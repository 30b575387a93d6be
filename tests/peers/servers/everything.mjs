// npm server-everything on loopback and a port of our choice.   node everything.mjs http PORT | sse PORT | stdio
// It listens on all interfaces and has no option for the host, so `listen` is given one here; the line `listening URL`
// on stdout says where. PORT 0 takes a free one.
import net from 'node:net';

const MODES = { http: ['streamableHttp', '/mcp'], sse: ['sse', '/sse'], stdio: ['stdio', ''] };
const [mode, port = '0'] = process.argv.slice(2);
if (!(mode in MODES)) {
  console.error('usage: everything.mjs http PORT | sse PORT | stdio');
  process.exit(2);
}
const [name, path] = MODES[mode];

const { listen } = net.Server.prototype;
net.Server.prototype.listen = function (_, ...rest) {
  this.once('listening', () => console.log(`listening http://127.0.0.1:${this.address().port}${path}`));
  return listen.call(this, Number(port), '127.0.0.1', rest.find((argument) => typeof argument === 'function'));
};

// Its resources tell the time of day; a clock that stands still lets two conversations be compared byte for byte.
Date.prototype.toLocaleTimeString = () => '12:00:00 PM';

process.argv[2] = name;
process.env.PORT = port;
await import('@modelcontextprotocol/server-everything/dist/index.js');
