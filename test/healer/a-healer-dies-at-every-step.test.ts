import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { listAuditFiles } from '../../src/healer/audit/files.ts';
import { verifyAuditFolder } from '../../src/healer/audit/verify-audit-folder.ts';
import { processInfo, signal } from '../support/processes.ts';
import { start, type Running } from '../support/program.ts';
import { isRoot } from '../support/skip.ts';
import { smallService, type SmallService } from '../support/small-service.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

const program = join(import.meta.dirname, '../fixtures/healer/dies-at.ts');

interface Lives {
  readonly small: SmallService;
  /** Begins the next life, and waits until it looks after the service; one that is to die while it starts is not waited for. */
  live(atStart?: number): Promise<Running>;
  isAlive(): boolean;
  /** Everything that the life that has ended printed, also what it printed as it died. */
  lastWords(): Promise<string>;
  end(): Promise<void>;
}

/** So many lives begin here that compiling would be most of the work. */
const compiled = tempFolder(t, 'gg-compiled');

const patience = { timeoutMs: 15_000, everyMs: 20 };

async function scene(t: Test): Promise<Lives> {
  const small = await smallService(t);
  let running: Running | undefined;
  const isAlive = (): boolean => running !== undefined && processInfo(running.pid) !== undefined;
  const end = async (): Promise<void> => {
    if (running) signal(running.pid, 'SIGKILL');
    await until(() => !isAlive(), { ...patience, what: 'the end of a life' });
  };
  t.teardown(end);
  const live = async (atStart?: number): Promise<Running> => {
    const before = count(small, 'agent.started');
    running = start([process.execPath, '--disable-warning=ExperimentalWarning', program, small.config, ...(atStart === undefined ? [] : [String(atStart)])], {
      environment: { NODE_COMPILE_CACHE: compiled },
    });
    if (atStart === undefined) await until(() => count(small, 'agent.started') > before, { ...patience, what: () => `the next life: ${running?.output()}` });
    return running;
  };
  return { small, live, isAlive, lastWords: async () => (await running?.ended)?.output ?? '', end };
}

const count = (small: SmallService, event: string): number => small.audit().filter((record) => record.event === event).length;

/** Everything that is on record as begun is on record as ended, and nothing is remembered as open. */
async function atPeace(small: SmallService, what: () => string): Promise<void> {
  const open = (): boolean => {
    const [begun, ended] = [new Set<unknown>(), new Set<unknown>()];
    for (const { event, incident } of small.audit()) {
      if (event === 'incident.opened') begun.add(incident);
      if (event === 'incident.recovered' || event === 'incident.closed') ended.add(incident);
    }
    return begun.size > ended.size || small.state().incidents.length > 0;
  };
  await until(() => small.isRunning() && !open(), {
    ...patience,
    what: () =>
      `peace ${what()}: ${JSON.stringify(
        small
          .audit()
          .slice(-6)
          .map(({ event, text }) => [event, text]),
      )}`,
  });
}

/** One incident; at this step of it the healer dies, and the next life goes on. The step; `undefined` when it came through. */
async function dieAt(t: Test, armed: string, { small, live, isAlive, lastWords }: Lives): Promise<string | undefined> {
  const before = numbers(small);
  writeFileSync(join(small.folder, 'armed'), armed);
  await small.crash();
  const isOver = (): boolean => count(small, 'incident.recovered') > before.recoveries && small.state().incidents.length === 0;
  await until(() => !isAlive() || isOver(), { ...patience, what: 'death, or recovery' });
  if (isAlive()) return undefined;
  const words = await lastWords();
  const step = words.trim().split('\n').at(-1) ?? '';
  const isBeforeTheAct = words.includes('action.intent') && !words.includes('after command');
  await live();
  await atPeace(small, () => `after death at ${step}`);
  const after = numbers(small);
  const intents = after.intents - before.intents;
  // an act that may not have begun is verified all the same, and only when that fails another one follows
  t.equal(intents, isBeforeTheAct ? 2 : 1, `${step}: as many intents as are needed`);
  t.equal(after.starts - before.starts, 1, `${step}: one start`);
  t.equal(after.attempts - before.attempts, intents, `${step}: every intent is counted, and once`);
  t.equal(after.intents, after.outcomes, `${step}: no intent is without an outcome`);
  return step.replace(/^\d+ /, '');
}

/** Each chain takes every second step, so that both processors have something to do. */
async function dieAtEachStep(t: Test, first: number): Promise<readonly string[]> {
  const lives = await scene(t);
  const died: string[] = [];
  await lives.live();
  for (let n = first; ; n += 2) {
    const step = await dieAt(t, String(n), lives);
    if (step === undefined) return died;
    died.push(step);
  }
}

function numbers(small: SmallService) {
  return {
    starts: small.starts(),
    intents: count(small, 'action.intent'),
    outcomes: count(small, 'action.finished') + count(small, 'action.unknown'),
    attempts: small.state().attempts.length,
    recoveries: count(small, 'incident.recovered'),
  };
}

t.test('R22 unknown outcome: killed at every step of an incident, it repeats nothing and forgets nothing', async (t) => {
  const chains = await Promise.all([dieAtEachStep(t, 1), dieAtEachStep(t, 2)]);
  const died = chains.flat();
  const steps = ['incident.opened', 'openIncident', 'action.intent', 'startStep', 'command', 'action.finished', 'endVerification', 'verify.passed', 'incident.recovered', 'closeIncident'];
  const moments = ['before incident.opened', 'before command', ...steps.slice(0, -1).map((step) => `after ${step}`)];
  // a slow machine takes a step more in one life than in another, and what stood behind it was skipped
  const skipped = moments.filter((moment) => !died.includes(moment));
  const lives = skipped.length > 0 ? await scene(t) : undefined;
  await lives?.live();
  for (const moment of moments) t.equal(lives && skipped.includes(moment) ? await dieAt(t, moment, lives) : moment, moment, `it died ${moment}`);
});

/** A life that ends in the middle of the act. */
async function dieInTheAct({ small, isAlive }: Lives): Promise<void> {
  writeFileSync(join(small.folder, 'armed'), 'after command');
  await small.crash();
  await until(() => !isAlive(), { ...patience, what: 'the end in the act' });
}

t.test('R22 unknown outcome: killed again at every step of taking up what it left', async (t) => {
  const lives = await scene(t);
  const { small, live, isAlive, lastWords } = lives;
  const died: string[] = [];
  await live();
  for (let survived = false; !survived;) {
    const before = numbers(small);
    await dieInTheAct(lives);
    const second = await live(died.length + 1);
    await until(() => !isAlive() || (count(small, 'incident.recovered') > before.recoveries && small.state().incidents.length === 0), { ...patience, what: 'death, or peace' });
    survived = isAlive();
    const words = survived ? second.output() : await lastWords();
    const step = words.trim().split('\n').at(-1) ?? '';
    if (!survived) {
      died.push(step);
      await live();
    }
    await atPeace(small, () => `after death at ${step}`);
    const after = numbers(small);
    t.same([after.starts - before.starts, after.intents - before.intents, after.attempts - before.attempts], [1, 1, 1], `${step}: started, intended and counted once`);
  }
  t.match(died.join(), /after startStep.*after action.unknown.*after incident.recovered/);
  t.match(await verifyAuditFolder(await listAuditFiles(join(small.folder, 'audit'))), { ok: true }, 'the chain holds over all lives');
});

t.test('R22 unknown outcome: the clock goes back between two lives, and limits hold', async (t) => {
  const lives = await scene(t);
  const { small, live } = lives;
  small.writePolicy({ limits: { cooldown: '0s', max_attempts: { times: 1, within: '1h' }, backoff: { initial: '100ms', factor: 1, max: '100ms' } } });
  await live();
  await dieInTheAct(lives);
  writeFileSync(join(small.folder, 'clock-back'), '');
  await live();
  await until(() => count(small, 'incident.recovered') === 1, { ...patience, what: 'the recovery' });
  await small.crash();
  const refused = await until(() => small.audit().find(({ event }) => event === 'action.refused'), { ...patience, what: 'the refusal' });
  t.match(refused['text'], /max_attempts/);
  t.equal(small.starts(), 1);
});

const noRoot = !isRoot && 'needs root, for a small file system of its own';

t.test('R30 fail safe: the disk of the audit log is full: nothing is done, somebody is told, and it goes on when there is room', { skip: noRoot }, async (t) => {
  const small = await smallService(t);
  const audit = join(small.folder, 'audit');
  mkdirSync(audit);
  // a mount of its own: what is seen there is seen through /proc/PID/root only
  const script = `mount -t tmpfs -o size=64k tmpfs ${audit} && exec ${process.execPath} --disable-warning=ExperimentalWarning ${program} ${small.config}`;
  const running = start(['/usr/bin/unshare', '--mount', '/bin/sh', '-c', script], { environment: { NODE_COMPILE_CACHE: compiled } });
  t.teardown(() => signal(running.pid, 'SIGKILL'));
  const inside = (name: string): string => join(`/proc/${running.pid}/root`, audit, name);
  const records = (): string => {
    const file = readdirSync(inside('')).find((name) => name.endsWith('.jsonl'));
    return file === undefined ? '' : readFileSync(inside(file), 'utf8');
  };
  await until(() => records().includes('agent.started'), { ...patience, what: () => `the healer: ${running.output()}` });
  const fill = (): void => {
    for (let bytes = 64; bytes >= 1; bytes /= 2)
      try {
        for (;;) appendFileSync(inside('filler'), 'x'.repeat(bytes));
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
      }
  };
  fill();
  await small.crash();
  await until(() => running.output().includes('Now: start is not done, because it could not be recorded'), { ...patience, what: () => `somebody to be told: ${running.output()}` });
  t.match(running.output(), /no space left on (the )?device/, 'with the reason');
  t.equal(small.starts(), 0);
  rmSync(inside('filler'));
  await until(() => small.isRunning(), { ...patience, what: 'the start' });
  await until(() => records().includes('incident.recovered'), { ...patience, what: 'the recovery on record' });
  t.equal(small.starts(), 1);
});
