// The published suite imports `fs.globSync`, which Node has since version 22; only its `tier-check` command calls it. On
// an older Node this preload lends it a stand-in, so that the other commands load.
import * as fs from 'node:fs';
import { register } from 'node:module';

const STAND_IN = `
  export * from 'node:fs';
  export { default } from 'node:fs';
  export const globSync = () => { throw new Error('fs.globSync needs Node 22'); };
`;
const HOOKS = `
  const standIn = 'data:text/javascript,' + ${JSON.stringify(encodeURIComponent(STAND_IN))};
  export const resolve = (specifier, context, next) =>
    specifier === 'fs' && context.parentURL?.includes('/@modelcontextprotocol/conformance/')
      ? { url: standIn, shortCircuit: true }
      : next(specifier, context);
`;

if (!('globSync' in fs)) register(`data:text/javascript,${encodeURIComponent(HOOKS)}`);
