/**
 * Does this goodgateway work? `node smoke.ts PROGRAM [ARGUMENT …]` drives an installed goodgateway through what it is
 * for: a request, a killed backend, a repair, the story of it, an intact audit log, a clean end. The same for each way
 * of installing it. Says each step; ends with 1 and a reason when one fails. Everything is in one temporary folder.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { incidentCode } from '../../src/core/ids.ts';
import { readyPolicy } from '../e2e/site.ts';
import { auditRecords } from '../support/audit-records.ts';
import { freePort } from '../support/ports.ts';
import { endAll, processes, signal, type ProcessInfo } from '../support/processes.ts';
import { finish, start } from '../support/program.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

const program = process.argv.slice(2);
const folder = tempFolder({ teardown: (run) => process.once('exit', run) }, 'gg-smoke');
const [config, audit, runtime] = [join(folder, 'goodgateway.yaml'), join(folder, 'audit'), join(folder, 'runtime')];
const [port, backendPort] = [await freePort(), await freePort()];
const url = `http://127.0.0.1:${port}/`;

try {
  writeScene();
  must('it says its version', new RegExp(`^${ownVersion().replaceAll('.', '\\.')}(\\+\\S+)?$`).test(await said('--version')));
  must('it finds no mistake in a small configuration', (await said('check', '--config', config)) !== '');
  await live();
  must('the audit log is whole', (await said('audit', 'verify', '--folder', audit)).startsWith('whole'));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
} finally {
  await endAll(ours);
}

/** From its start to its end. */
async function live(): Promise<void> {
  const running = start([...program, 'run', '--config', config]);
  const hello = async (): Promise<string> => (await fetch(url, { signal: AbortSignal.timeout(60_000) })).text();
  const first = await until(async () => /^hello (\d+)$/.exec(await hello())?.[1], { timeoutMs: 30_000, everyMs: 50, what: () => `a first answer: ${running.output()}` });
  must('a request gets through, to a backend that it started', Number(first) > 0);

  signal(Number(first), 'SIGKILL');
  const second = /^hello (\d+)$/.exec(await hello())?.[1];
  must('the next request waits until the killed backend is repaired', second !== undefined && second !== first);

  const recovered = await until(() => auditRecords(audit).findLast(({ event }) => event === 'incident.recovered'), { timeoutMs: 20_000, what: () => `the repair on record: ${running.output()}` });
  const code = incidentCode(String(recovered['incident']));
  must('it tells why', /crash|start/i.test(await said('why', code, '--folder', audit)));

  signal(running.pid, 'SIGTERM');
  must('it ends when it is asked to', (await running.ended).code === 0);
  const left = ours().filter(({ command }) => !command.includes('backend.mjs'));
  must('it leaves no process behind', left.length === 0, left);
  const sockets = readdirSync(runtime).filter((name) => name.endsWith('.sock'));
  must('it leaves no socket behind', !existsSync(join(folder, 'shop.sock')) && sockets.length === 0, sockets);
}

function must(what: string, holds: boolean, instead: unknown = ''): void {
  if (!holds) throw new Error(`not so: ${what} ${JSON.stringify(instead)}`);
  process.stdout.write(`ok: ${what}\n`);
}

async function said(...args: readonly string[]): Promise<string> {
  const { code, output } = await finish([...program, ...args], { timeoutMs: 30_000 });
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${output}`);
  return output.trim();
}

/** Whatever runs for this folder: its name is in their arguments. */
function ours(): readonly ProcessInfo[] {
  return processes(({ pid, command }) => pid !== process.pid && command.includes(folder));
}

function writeScene(): void {
  mkdirSync(join(folder, 'policies.d'));
  const backend = join(folder, 'backend.mjs');
  writeFileSync(backend, `import { createServer } from 'node:http';\ncreateServer((request, response) => response.end('hello ' + process.pid)).listen(${backendPort}, '127.0.0.1');\n`);
  const service = { type: 'process', start: [process.execPath, backend], stop: { signal: 'TERM', timeout: '1s' } };
  writeFileSync(join(folder, 'policies.d', 'shop.yaml'), readyPolicy('demo.yaml', { service, 'limits.max_attempts.times': 3 }));
  const host = {
    version: 1,
    gateways: { shop: { listen: `127.0.0.1:${port}`, protocol: 'http', upstream: `127.0.0.1:${backendPort}`, service: 'shop', hold: { for: '60s', fetch_for: '60s' } } },
    // a package manager may be at work on the machine of the test, and is no part of it
    safety: { pause_when: [] },
    policies: 'policies.d/*.yaml',
    audit: { folder: audit },
    state: join(folder, 'state'),
    runtime,
  };
  writeFileSync(config, stringify(host));
}

function ownVersion(): string {
  return (JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')) as { readonly version: string }).version;
}
