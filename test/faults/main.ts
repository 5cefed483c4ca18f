/**
 * `npm run faults`: builds real stacks, breaks each in its way, and prints what goodgateway made of it. Exit status 1 when
 * an expectation is not met. The whole lab is written to docs/fault-lab.md.
 *
 *   --only NAME,NAME    these faults, or those whose names begin so; nothing is written
 *   --list              what there is, and what is expected of it
 *   --quick             the few of `npm test`; nothing is written
 *   --jobs 4            so many at a time. Default: 2
 *   --json              the rows as JSON, for tests
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openScope, type Scope } from '../../bench/scope.ts';
import { judge } from './expectations.ts';
import { rowOf, type Row } from './judge.ts';
import { faults, quick, type ListedFault } from './list.ts';
import { cannotHaveNamespaces, isInside, runInside, whenAbandoned } from './own-namespace.ts';
import { pageOf, tableOf } from './page.ts';
import { play } from './play.ts';
import { scenes } from './registry.ts';
import { whyNotHere } from './stacks/needs.ts';

const page = join(import.meta.dirname, '../../docs/fault-lab.md');
/** One that takes longer is given up: something hangs that nobody foresaw. */
const faultLimitMs = 150_000;

const { values } = parseArgs({
  options: { only: { type: 'string' }, list: { type: 'boolean' }, quick: { type: 'boolean', default: false }, jobs: { type: 'string', default: '2' }, json: { type: 'boolean' } },
});
const wanted = values.only?.split(',');
const chosen = faults.filter(({ name }) => (values.quick ? quick.includes(name) : (wanted?.some((one) => name.startsWith(one)) ?? true)));
if (chosen.length === 0) fail(2, `expected --only to be the beginning of a fault's name, got ${values.only}; --list shows them`);
if (values.list) {
  for (const { name, expected } of chosen) process.stdout.write(`${name.padEnd(26)} ${scenes[name] ? '' : '(no scene yet) '}${expected.fault}: ${expected.causes.join(' or ')}\n`);
  process.exit(0);
}
if (cannotHaveNamespaces) fail(2, cannotHaveNamespaces);
if (!isInside) process.exit(await runInside());

const open = new Set<Scope>();
const giveUp = (): void => void Promise.all([...open].map((scope) => scope.end())).then(() => process.exit(130));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, giveUp);
whenAbandoned(giveUp);

const rows = new Map<string, Row>();
const failed: string[] = [];
const skipped: { readonly fault: ListedFault; readonly why: string }[] = [];
const startedAt = performance.now();
const queue = [...chosen];
await Promise.all(Array.from({ length: Number(values.jobs) }, playNext));

const ordered = chosen.flatMap(({ name }) => rows.get(name) ?? []);
const judgement = judge(ordered);
const tookS = Math.round((performance.now() - startedAt) / 1000);
process.stdout.write(values.json ? `${JSON.stringify({ rows: ordered, failed, skipped, judgement })}\n` : `${tableOf(ordered)}\n`);
const problems = [...failed, ...judgement.broken];
process.stderr.write(`${judgement.text} It took ${tookS} s.\n${problems.map((problem) => `WRONG ${problem}\n`).join('')}`);
if (!wanted && !values.quick) writeFileSync(page, pageOf({ rows: ordered, skipped, judgement, problems, tookS }));
process.exit(problems.length === 0 ? 0 : 1);

async function playNext(): Promise<void> {
  for (let fault = queue.shift(); fault !== undefined; fault = queue.shift()) await playOne(fault);
}

async function playOne(fault: ListedFault): Promise<void> {
  const { name, family, expected } = fault;
  const begin = scenes[name];
  const why = begin ? whyNotHere(expected.stack) : 'no scene of it was written yet';
  if (!begin || why) {
    skipped.push({ fault, why: why || '' });
    return;
  }
  const scope = openScope();
  open.add(scope);
  const tooLong = AbortSignal.timeout(faultLimitMs);
  const givenUp = new Promise<never>((_resolve, reject) => tooLong.addEventListener('abort', () => reject(new Error(`took longer than ${faultLimitMs / 1000} s`))));
  try {
    const row = rowOf(name, family, { expected, played: await Promise.race([play(scope, expected, begin), givenUp]) });
    rows.set(name, row);
    process.stderr.write(`${name}: ${row.verdict}${row.problems.length > 0 ? `; ${row.problems.join('; ')}` : ''}\n`);
  } catch (error) {
    failed.push(`${name} could not be played: ${(error instanceof Error ? error.message : String(error)).slice(0, 1500)}`);
    process.stderr.write(`${failed.at(-1)}\n`);
  } finally {
    await scope.end();
    open.delete(scope);
  }
}

function fail(code: number, message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(code);
}
