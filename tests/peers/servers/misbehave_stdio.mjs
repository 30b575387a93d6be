// stdio for misbehave.mjs: one message a line, unless a tool writes something else.
import { createInterface } from 'node:readline';

export function serveStdio(respond) {
  const raw = (bytes) => process.stdout.write(bytes);
  const line = (text) => raw(`${text}\n`);
  const say = (message) => line(JSON.stringify({ jsonrpc: '2.0', ...message }));
  createInterface({ input: process.stdin })
    .on('line', async (received) => {
      const message = JSON.parse(received);
      const response = await respond(message, { say, line, raw, announce: say });
      if (response) say(response);
    })
    .on('close', () => process.exit(0));
}
