// What the clients here share: arguments in, one line of JSON out.
//
//   CLIENT URL [TOOL [ARGUMENTS]]      connects, lists the tools, calls TOOL (default `echo` with a message)
//
// prints {"ok":true,"protocol":"…","tools":["…"],"result":{…}} or {"ok":false,"error":"…"} with exit status 1.

const DEADLINE_MS = Number(process.env.PEER_DEADLINE_MS ?? 60_000);

/** URL, tool and arguments of the command line. */
export function parse() {
  const [url, tool = 'echo', args = '{"message":"hello"}'] = process.argv.slice(2);
  if (!url) {
    console.error('usage: CLIENT URL [TOOL [ARGUMENTS]]');
    process.exit(2);
  }
  return { url, tool, args: JSON.parse(args) };
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
