// The transport that an endpoint asks for, of whichever SDK brings the classes.
//
//   ["COMMAND","ARGUMENT",…]   a child process over stdio
//   http://…/sse               HTTP+SSE
//   any other URL              Streamable HTTP

/** A transport to `endpoint` that remembers as `spoken` which revision was agreed on. `options` are for HTTP. */
export function transport(endpoint, { http, sse, stdio }, options) {
  const made = make(endpoint, { http, sse, stdio }, options);
  const set = made.setProtocolVersion?.bind(made);
  made.setProtocolVersion = (version) => {
    made.spoken = version;
    set?.(version);
  };
  return made;
}

function make(endpoint, { http, sse, stdio }, options) {
  if (endpoint.startsWith('[')) {
    const [command, ...args] = JSON.parse(endpoint);
    const stderr = process.env.PEER_DEBUG ? 'inherit' : 'ignore';
    return new stdio({ command, args, env: { ...process.env }, stderr });
  }
  const url = new URL(endpoint);
  return url.pathname.endsWith('/sse') ? new sse(url, options) : new http(url, options);
}
