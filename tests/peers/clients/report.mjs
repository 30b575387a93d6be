// What the clients here share: arguments in, one line of JSON out.
//
//   CLIENT URL [TOOL ARGUMENTS]...     connects, lists the tools, calls each TOOL (default `echo` with a message)
//
// prints {"ok":true,"protocol":"…","tools":["…"],"results":[{…}]} or {"ok":false,"error":"…"} with exit status 1.

const DEADLINE_MS = Number(process.env.PEER_DEADLINE_MS ?? 60_000);

/** The URL and the calls of the command line. */
export function parse() {
  const [url, ...rest] = process.argv.slice(2);
  if (!url || rest.length % 2) {
    console.error('usage: CLIENT URL [TOOL ARGUMENTS]...');
    process.exit(2);
  }
  if (!rest.length) rest.push('echo', '{"message":"hello"}');
  const calls = [];
  for (let at = 0; at < rest.length; at += 2) calls.push({ name: rest[at], arguments: JSON.parse(rest[at + 1]) });
  return { url, calls };
}

/** The results of all calls, made one after the other. */
export async function inTurn(calls, call) {
  const results = [];
  for (const params of calls) results.push(await call(params));
  return results;
}

function finish(report) {
  process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(report.ok ? 0 : 1));
}

/** Runs `work`, prints what it returns and ends the process: SDKs keep timers and sockets that would hold it open. */
export async function report(work) {
  const deadline = setTimeout(() => finish({ ok: false, error: `not done after ${DEADLINE_MS} ms` }), DEADLINE_MS);
  try {
    finish({ ok: true, ...(await work()) });
  } catch (error) {
    finish({ ok: false, error: String(error?.stack ?? error), code: error?.code });
  } finally {
    clearTimeout(deadline);
  }
}
