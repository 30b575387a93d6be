// Runs the official conformance suite against a server.
//
//   node run.mjs URL [--revision 2025-11-25] [--scenario NAME]
//
// One line per scenario, then one line of JSON: {"ok":true,"scored":30,"passed":30,"scenarios":{NAME:{scored,failures}}}.
// Exit status 0: every scored scenario ran and none of its checks failed.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const DEADLINE_MS = 180_000;
const suite = fileURLToPath(new URL('../node_modules/@modelcontextprotocol/conformance', import.meta.url));

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { revision: { type: 'string', default: '2025-11-25' }, scenario: { type: 'string' } },
});
const [url] = positionals;
if (!url) {
  console.error('usage: run.mjs URL [--revision REVISION] [--scenario NAME]');
  process.exit(2);
}

/** The scenarios that count at a revision: the list under `server:` in its requirements. */
function scoredScenarios(revision) {
  const yaml = readFileSync(join(suite, 'requirements', `${revision}.yaml`), 'utf8');
  const section = /^server:\n((?: {2}- .*\n|\s*#.*\n|\n)*)/m.exec(yaml)[1];
  return [...section.matchAll(/^ {2}- (\S+)/gm)].map(([, name]) => name);
}

/** Runs the suite; its own report goes to a folder, what it prints comes back. */
function run(results) {
  const selection = options.scenario
    ? ['--scenario', options.scenario, '--spec-version', options.revision]
    : ['--requirements', options.revision];
  const preload = fileURLToPath(new URL('./node20.mjs', import.meta.url));
  const args = ['--import', preload, join(suite, 'dist/index.js'), 'server', '--url', url, ...selection, '-o', results];
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: DEADLINE_MS });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    child.on('close', (status, signal) => resolve({ status: signal ?? status, output }));
  });
}

/** `server-NAME-TIME/checks.json` per scenario. */
function collect(results) {
  const scenarios = new Map();
  for (const folder of readdirSync(results)) {
    const name = /^server-(.*)-\d{4}-\d\d-\d\dT/.exec(folder)?.[1];
    if (!name) continue;
    const checks = JSON.parse(readFileSync(join(results, folder, 'checks.json'), 'utf8'));
    const failures = checks
      .filter(({ status }) => status === 'FAILURE')
      .map(({ id, errorMessage, description }) => `${id}: ${errorMessage ?? description}`);
    scenarios.set(name, { checks: checks.length, failures });
  }
  return scenarios;
}

const results = mkdtempSync(join(tmpdir(), 'conformance-'));
try {
  const { status, output } = await run(results);
  const scenarios = collect(results);
  const scored = options.scenario ? [options.scenario] : scoredScenarios(options.revision);
  for (const name of scored) if (!scenarios.has(name)) scenarios.set(name, { checks: 0, failures: ['did not run'] });
  for (const [name, scenario] of [...scenarios].sort()) {
    scenario.scored = scored.includes(name);
    const { checks, failures } = scenario;
    console.log(`${failures.length ? 'FAIL' : 'pass'}  ${name} (${checks} checks${scenario.scored ? '' : ', not scored'})`);
    for (const failure of failures) console.log(`      ${failure}`);
  }
  const passed = scored.filter((name) => scenarios.get(name).failures.length === 0).length;
  const ok = status === 0 && passed === scored.length;
  if (!ok && passed === scored.length) console.log(`the suite ended with ${status}:\n${output.slice(-2000)}`);
  console.log(JSON.stringify({ ok, scored: scored.length, passed, scenarios: Object.fromEntries(scenarios) }));
  process.exitCode = ok ? 0 : 1;
} finally {
  rmSync(results, { recursive: true, force: true });
}
