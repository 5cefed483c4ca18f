/** `goodgateway report`: whether it helped, and whether it would have been right. */
import { join } from 'node:path';
import t from 'tap';
import { buildReport } from '../../src/healer/audit/report.ts';
import { findAuditFiles, readRecords } from '../../src/healer/audit/query.ts';
import type { AuditEvent } from '../../src/healer/audit/record.ts';
import type { ActionName } from '../../src/core/decision.ts';
import { ulid } from '../../src/core/ids.ts';
import { append, openStory, StoryClock } from '../fixtures/audit/story.ts';
import { finish } from '../support/program.ts';
import { tempFolder } from '../support/temp-folder.ts';

const main = join(import.meta.dirname, '../../src/cli/main.ts');
const root = tempFolder(t);
const minute = 60_000;

interface Told {
  readonly service: string;
  readonly mode?: 'observe' | 'act';
  readonly cause: 'service.crashed' | 'service.hung';
  readonly did?: readonly (readonly [ActionName, 'helped' | 'failed' | 'did not help'])[];
  readonly would?: ActionName;
  readonly refused?: readonly ('cooldown' | 'confidence')[];
  readonly person?: true;
  readonly gaveUp?: true;
  /** How long it takes; without it never ends. */
  readonly tookMs?: number;
}

/** One incident as the healer writes it. */
function eventsOf(told: Told, atMs: number): readonly AuditEvent[] {
  const of = { incident: ulid(atMs), service: told.service, policy: { name: told.service, sha256: 'b'.repeat(64), mode: told.mode ?? 'act' } } as const;
  const deeds = (told.did ?? []).flatMap(([action, result]): AuditEvent[] => {
    const act = { ...of, action, action_id: ulid(atMs) };
    return [
      { ...act, event: 'action.intent' },
      { ...act, event: 'action.finished', outcome: { result: result === 'failed' ? 'failed' : 'done' } },
      ...(result === 'failed' ? [] : [{ ...of, event: result === 'helped' ? 'verify.passed' : 'verify.failed' } as const]),
    ];
  });
  return [
    { ...of, event: 'incident.opened' },
    { ...of, event: 'diagnosis.made', cause: told.cause, confidence: 'certain' },
    ...(told.refused ? [{ ...of, event: 'action.refused', action: 'start', gates: told.refused.map((gate) => ({ gate, verdict: 'refuse', reason: 'not now' }) as const) } as const] : []),
    ...(told.would ? [{ ...of, event: 'action.would_run', action: told.would } as const] : []),
    ...deeds,
    ...(told.person ? [{ event: 'human.acted', service: told.service, text: 'somebody restarted it' } as const] : []),
    ...(told.gaveUp ? [{ ...of, event: 'incident.gave_up' } as const] : []),
  ];
}

async function logOf(name: string, incidents: readonly (Told & { readonly afterMs: number })[]): Promise<string> {
  const folder = join(root, name);
  const clock = new StoryClock();
  const begins = clock.now;
  const log = await openStory(folder, clock);
  for (const told of incidents) {
    const openedMs = begins + told.afterMs;
    clock.now = openedMs;
    const events = eventsOf(told, openedMs);
    await append(log, clock, events);
    if (told.tookMs !== undefined) {
      clock.now = openedMs + told.tookMs;
      const { incident } = events[0]!;
      await append(log, clock, [{ event: 'incident.recovered', ...(incident === undefined ? {} : { incident }), service: told.service }]);
    }
  }
  await log.close();
  return folder;
}

const report = (folder: string, ...words: readonly string[]) => finish([process.execPath, main, 'report', '--folder', folder, '--since', '2026-11-01', ...words], { environment: { TZ: 'UTC' } });
const inProcess = async (folder: string, selection: { readonly sinceMs?: number; readonly service?: string } = {}) => {
  const found = await findAuditFiles(folder);
  if (found.kind === 'none') throw new Error(found.detail);
  return buildReport(readRecords(found.files, {}), selection);
};

const acting: readonly (Told & { readonly afterMs: number })[] = [
  { afterMs: 0, service: 'php-fpm', cause: 'service.crashed', did: [['start', 'helped']], tookMs: 10_000 },
  {
    afterMs: 5 * minute,
    service: 'php-fpm',
    cause: 'service.crashed',
    did: [
      ['start', 'failed'],
      ['start', 'helped'],
    ],
    tookMs: 40_000,
  },
  { afterMs: 60 * minute, service: 'php-fpm', cause: 'service.crashed', did: [['start', 'helped']], tookMs: 20_000 },
  {
    afterMs: 90 * minute,
    service: 'php-fpm',
    cause: 'service.hung',
    did: [
      ['reload', 'did not help'],
      ['restart', 'helped'],
    ],
    tookMs: 100_000,
  },
  { afterMs: 120 * minute, service: 'php-fpm', cause: 'service.hung', refused: ['cooldown', 'confidence'], tookMs: 30_000 },
  { afterMs: 150 * minute, service: 'php-fpm', cause: 'service.hung', refused: ['cooldown'], person: true, tookMs: 60_000 },
  { afterMs: 180 * minute, service: 'php-fpm', cause: 'service.hung', did: [['restart', 'did not help']], gaveUp: true },
];

t.test('in act mode: who healed it, what helped, how long it took, what relapsed, what refused', async (t) => {
  const folder = await logOf('acting', acting);
  const { code, output } = await report(folder);
  t.equal(code, 0);
  t.same(output.split('\n'), [
    '! php-fpm: service.crashed was healed 3 times within a day, last at 2026-11-22',
    '  04:12:25. The fault itself is still there: look for it.',
    '',
    'since 2026-11-01 00:00:00',
    '',
    'php-fpm: 7 incidents',
    '  4 healed, 1 by itself, 1 by a person, 1 not; given up 1 time',
    '  4 of 7 steps helped (57 %); 1 relapse within 10 min',
    '    done     TRIED  HELPED  RELAPSED  MEDIAN   P90',
    '  service.crashed',
    '    start    4      3       1         20 s     40 s',
    '  service.hung',
    '    reload   1      0       0         -        -',
    '    restart  2      1       0         1.7 min  1.7 min',
    '  refused by cooldown 2, confidence 1',
    '',
  ]);
  t.match(JSON.parse((await report(folder, '--json')).output), {
    since: '2026-11-01T00:00:00.000Z',
    repeated: [{ service: 'php-fpm', cause: 'service.crashed', times: 3 }],
    services: [{ service: 'php-fpm', ends: { healed: 4, by_itself: 1, person: 1, not: 1 }, relapses: 1, refusedBy: { cooldown: 2, confidence: 1 } }],
  });
});

t.test('R14 observe first: what it would have done, and how often that would have been needless', async (t) => {
  const observe = { service: 'shop', mode: 'observe', cause: 'service.hung' } as const;
  const folder = await logOf('observing', [
    { ...observe, afterMs: 0, would: 'restart', tookMs: 10_000 },
    { ...observe, afterMs: 20 * minute, would: 'restart', tookMs: 30_000 },
    { ...observe, afterMs: 40 * minute, would: 'restart', person: true, tookMs: 90_000 },
    { ...observe, afterMs: 60 * minute, would: 'restart' },
    { ...observe, afterMs: 80 * minute, cause: 'service.crashed', would: 'start', tookMs: 5000 },
    { ...observe, afterMs: 100 * minute, refused: ['cooldown'], tookMs: 2000 },
  ]);
  const { code, output } = await report(folder);
  t.equal(code, 0);
  t.same(output.split('\n').slice(2), [
    'shop: 6 incidents',
    '  0 healed, 4 by itself, 1 by a person, 1 not',
    '    would have done  TIMES  NEEDLESS  BY PERSON  WELL IN',
    '  service.crashed',
    '    start            1      1         0          5 s',
    '  service.hung',
    '    restart          4      2         1          10 s',
    '  3 of 5 actions would have been needless: it was well again by itself',
    '  1 incident healed by itself before anything would have been done',
    '  refused by cooldown 1',
    '',
  ]);
});

t.test('R28 repetition: the same cause healed three times in any day is said; twice, or over two days, is not', async (t) => {
  const healed = (afterMs: number): Told & { afterMs: number } => ({ afterMs, service: 'redis', cause: 'service.crashed', did: [['start', 'helped']], tookMs: 1000 });
  const hour = 60 * minute;
  t.match((await inProcess(await logOf('within a day', [healed(0), healed(23 * hour), healed(24 * hour - 1), healed(90 * hour)]))).repeated, [{ service: 'redis', times: 3 }]);
  t.same((await inProcess(await logOf('over two days', [healed(0), healed(23 * hour), healed(24 * hour)]))).repeated, [], 'a day is half-open, as every window');
});

t.test('only of one service, and only what was opened in the time', async (t) => {
  const folder = await logOf('several', [
    { afterMs: 0, service: 'shop', cause: 'service.crashed', tookMs: 90 * minute },
    { afterMs: 100 * minute, service: 'redis', cause: 'service.crashed' },
    { afterMs: 110 * minute, service: 'shop', cause: 'service.hung' },
  ]);
  const services = async (selection: { readonly sinceMs?: number; readonly service?: string }) => (await inProcess(folder, selection)).services.map(({ service, incidents }) => [service, incidents]);
  t.same(await services({}), [
    ['shop', 2],
    ['redis', 1],
  ]);
  t.same(await services({ service: 'redis' }), [['redis', 1]]);
  t.same(await services({ sinceMs: Date.parse('2026-11-22T03:12:05Z') + minute }), [
    ['redis', 1],
    ['shop', 1],
  ]);
});

t.test('an empty log, a quiet time, no log, a wrong time: each says so', async (t) => {
  const [empty, silent] = [await logOf('empty', []), join(root, 'silent')];
  const log = await openStory(silent, new StoryClock());
  await append(log, new StoryClock(), [{ event: 'agent.started' }]);
  await log.close();
  const [nothing, quiet, none, wrong] = await Promise.all([report(empty), report(silent), report(join(root, 'nowhere')), report(silent, '--since', 'soon')]);
  t.match(nothing, { code: 1, output: /there is no audit log in .*empty yet/ });
  t.match(quiet, { code: 0, output: /^no incident since 2026-11-01 00:00:00\n$/ });
  t.match(none, { code: 1, output: /there is no folder .*nowhere/ });
  t.match(wrong, { code: 2, output: /--since: expected a time such as/ });
});
