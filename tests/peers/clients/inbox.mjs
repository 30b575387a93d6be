// Notifications as they come in, and waiting for one of them.
import * as mcp from '@modelcontextprotocol/sdk/types.js';

const DEADLINE_MS = 10_000;

export class Inbox {
  #messages = [];
  #waiting = [];

  constructor(client) {
    const keep = (kind) => ({ params }) => this.#deliver({ kind, ...params });
    client.setNotificationHandler(mcp.LoggingMessageNotificationSchema, keep('log'));
    client.setNotificationHandler(mcp.ResourceUpdatedNotificationSchema, keep('update'));
  }

  #deliver(message) {
    this.#messages.push(message);
    for (const retry of this.#waiting.splice(0)) retry();
  }

  /** Takes the first message that fits, waiting for it if need be. */
  async #take(fits, what) {
    const deadline = setTimeout(() => this.#deliver({ kind: 'deadline' }), DEADLINE_MS);
    try {
      for (;;) {
        const found = this.#messages.findIndex(fits);
        if (found >= 0) return this.#messages.splice(found, 1)[0];
        if (this.#messages.at(-1)?.kind === 'deadline') throw new Error(`no ${what} within ${DEADLINE_MS} ms`);
        await new Promise((resolve) => this.#waiting.push(resolve));
      }
    } finally {
      clearTimeout(deadline);
    }
  }

  log(fits) {
    return this.#take((message) => message.kind === 'log' && fits(message), 'log message');
  }

  update() {
    return this.#take(({ kind }) => kind === 'update', 'resource update');
  }
}
