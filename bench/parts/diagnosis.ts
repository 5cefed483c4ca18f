/**
 * What one look at a service costs, with everything that it starts: a php-fpm at rest, on a machine whose processors are
 * all taken, and with every worker busy. In this process, as the healer does it.
 */
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { parseAddress } from '../../src/core/failure.ts';
import { systemClock } from '../../src/core/time.ts';
import * as causes from '../../src/healer/causes/registry.ts';
import { diagnose } from '../../src/healer/diagnose.ts';
import { gatherEvidence } from '../../src/healer/gather-evidence.ts';
import type { ProbeContext } from '../../src/healer/leaves.ts';
import * as probes from '../../src/healer/probes/registry.ts';
import { runCommand } from '../../src/healer/run-command.ts';
import { process as processService } from '../../src/healer/services/registry.ts';
import { fastcgi } from '../../src/upstream/fastcgi/exchange.ts';
import { encodeParams } from '../../src/upstream/fastcgi/params.ts';
import { caseFile, serviceConfig, serviceTarget } from '../../test/fixtures/healer/case-file.ts';
import { answersLate } from '../../test/support/php-scripts.ts';
import { startPhpFpm, type PhpFpm } from '../../test/support/php-fpm.ts';
import { endAll, family } from '../../test/support/processes.ts';
import { start } from '../../test/support/program.ts';
import { median, ms, table } from '../numbers.ts';
import { openScope, type Scope } from '../scope.ts';

const workers = 5;
const looks = 10;
/** What each kind of look may take. */
const deadlines = { quick: 150, all: 5000 } as const;
const cpuBudgetMs = 200;

interface Cost {
  readonly wallMs: number;
  readonly cpuMs: number;
}

export async function diagnosis(scope: Scope): Promise<string> {
  const fpm = await startPhpFpm(scope, { maxChildren: workers, scripts: { 'late.php': answersLate } });
  const rows: (readonly string[])[] = [['the very first, with the configuration test', ...cells([await lookOnce(fpm, 'all')], 'all')]];
  rows.push(...(await measure('at rest', fpm)));
  const load = openScope();
  for (let count = 0; count < 2 * cpus().length; count++) computes(load);
  rows.push(...(await measure(`${2 * cpus().length} loops on ${cpus().length} processors`, fpm)));
  await load.end();
  for (let count = 0; count < 2 * workers; count++) keepBusy(scope, fpm);
  rows.push(...(await measure(`all ${workers} workers busy, ${workers} more requests wait`, fpm)));
  return [
    `One look at a php-fpm and its diagnosis, ${looks} times each; processor time with all that it starts (budget ${cpuBudgetMs} ms):`,
    '',
    table(['', 'median', 'most', 'deadline', 'kept', 'processor', 'kept'], rows),
  ].join('\n');
}

async function measure(scene: string, fpm: PhpFpm): Promise<(readonly string[])[]> {
  const rows: (readonly string[])[] = [];
  for (const which of ['quick', 'all'] as const) {
    const costs: Cost[] = [];
    for (let count = 0; count < looks; count++) costs.push(await lookOnce(fpm, which));
    rows.push([`${which === 'all' ? 'thorough' : which}, ${scene}`, ...cells(costs, which)]);
  }
  return rows;
}

function cells(costs: readonly Cost[], which: keyof typeof deadlines): readonly string[] {
  const walls = costs.map(({ wallMs }) => wallMs);
  const cpuMs = costs.reduce((sum, cost) => sum + cost.cpuMs, 0) / costs.length;
  const most = Math.max(...walls);
  return [ms(median(walls)), ms(most), ms(deadlines[which]), yesNo(most <= deadlines[which]), ms(cpuMs), yesNo(cpuMs <= cpuBudgetMs)];
}

async function lookOnce(fpm: PhpFpm, which: keyof typeof deadlines): Promise<Cost> {
  const config = serviceConfig({ type: 'process', pidfile: fpm.pidfile, start: fpm.startArgv, config_test: fpm.configTestArgv, log: fpm.log });
  const target = serviceTarget({ config, upstreams: [fpm.address] });
  const context: ProbeContext = { target, run: runCommand, clock: systemClock, serviceType: processService, lastGoodMs: Date.now() - 60_000, dependencies: [] };
  const [beganMs, own, started] = [performance.now(), process.cpuUsage(), childrenCpuMs()];
  const evidence = await gatherEvidence(context, Object.values(probes), AbortSignal.timeout(deadlines.all), which);
  diagnose(caseFile({ target, evidence }), Object.values(causes));
  const { user, system } = process.cpuUsage(own);
  return { wallMs: performance.now() - beganMs, cpuMs: (user + system) / 1000 + childrenCpuMs() - started };
}

/** Of children that have ended, in steps of 10 ms. */
function childrenCpuMs(): number {
  const stat = readFileSync('/proc/self/stat', 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[13]) + Number(fields[14])) * 10;
}

function computes(scope: Scope): void {
  const { pid, ended } = start(['/bin/sh', '-c', 'while :; do :; done']);
  scope.teardown(async () => {
    await endAll(() => family(pid), 'SIGKILL');
    // until it has been waited for, its time may still be added to that of a look
    await ended;
  });
}

function keepBusy(scope: Scope, fpm: PhpFpm): void {
  const gone = new AbortController();
  scope.teardown(() => gone.abort());
  const params = encodeParams([
    ['REQUEST_METHOD', 'GET'],
    ['SCRIPT_FILENAME', join(fpm.docroot, 'late.php')],
    ['SCRIPT_NAME', '/late.php'],
    ['REQUEST_URI', '/late.php?ms=60000'],
    ['QUERY_STRING', 'ms=60000'],
  ]);
  const request = { method: 'GET', target: '/late.php', wire: { protocol: 'fastcgi', params, role: 1 }, body: { length: 0, open: () => Readable.from([]) }, clientGone: gone.signal } as const;
  void fastcgi.attempt(request, parseAddress(fpm.address)!, { connectTimeoutMs: 1000, responseTimeoutMs: 70_000, idleTimeoutMs: 70_000 });
}

function yesNo(kept: boolean): string {
  return kept ? 'yes' : 'NO';
}
