/** One service whose state a test sets, under the real healer but for probes and causes; time by the fake clock. */
import { join } from 'node:path';
import type { Test } from 'tap';
import type { OperatorAnswer, OperatorRequest } from '../../../src/channel/operator-messages.ts';
import { policySchema } from '../../../src/config/policy-schema.ts';
import { safetySchema } from '../../../src/config/safety-schema.ts';
import type { CauseName } from '../../../src/core/diagnosis.ts';
import type { Clock } from '../../../src/core/time.ts';
import * as registeredActions from '../../../src/healer/actions/registry.ts';
import { answerOperator } from '../../../src/healer/answer-operator.ts';
import { openAuditLog } from '../../../src/healer/audit/log.ts';
import type { AuditEventName } from '../../../src/healer/audit/event-names.ts';
import type { AuditEvent } from '../../../src/healer/audit/record.ts';
import { unknown } from '../../../src/healer/causes/unknown.ts';
import { createWard } from '../../../src/healer/create-ward.ts';
import type { Healer, Ward } from '../../../src/healer/healer.ts';
import { createIncidents } from '../../../src/healer/incidents.ts';
import type { Action, Cause, ServiceState, ServiceType } from '../../../src/healer/leaves.ts';
import { noticeHumans } from '../../../src/healer/notice-humans.ts';
import { watchPauses } from '../../../src/healer/operators/pause.ts';
import type { OperatorPlace } from '../../../src/healer/operators/place.ts';
import { resumeAfterRestart } from '../../../src/healer/resume.ts';
import { runCommand } from '../../../src/healer/run-command.ts';
import { external } from '../../../src/healer/services/external.ts';
import { openStateStore } from '../../../src/healer/state-store.ts';
import { tempFolder } from '../../support/temp-folder.ts';
import { until } from '../../support/until.ts';
import { FakeClock } from '../fake-clock.ts';

export interface SceneOptions {
  readonly policy?: Readonly<Record<string, unknown>>;
  readonly safety?: Readonly<Record<string, unknown>>;
}

export const by = 'maria (uid 1000, pts/0)';
const startRule = { name: 'Crashed, so start it', when: { cause: 'service.crashed' }, try: [{ do: 'start' }] };
/** As the request says it, without who asks. */
type Wish = OperatorRequest extends infer One ? (One extends { by: string } ? Omit<One, 'by'> : One) : never;

export type Scene = Awaited<ReturnType<typeof operatorScene>>;

export async function operatorScene(t: Test, options: SceneOptions = {}) {
  const folder = tempFolder(t);
  const clock = new FakeClock();
  const service = fakeService(clock);
  const events: AuditEvent[] = [];
  const told: string[] = [];
  /** `full`: the audit log cannot be written. `busy`: so many writes are under way, during which no time passes: a slow disk is no pause of minutes. */
  const disk = { full: false, busy: 0 };
  const policy = policySchema.parse({
    version: 1,
    name: 'php-fpm',
    mode: 'act',
    service: { type: 'process', start: ['/bin/true'] },
    rules: [startRule],
    verify: { within: '5s', stable_for: '1s', checks: [{ service: 'running' }] },
    limits: { cooldown: '0s' },
    ...options.policy,
  });
  const world = { folder, clock, service, events, told, disk, policy, safety: safetySchema.parse(options.safety ?? {}), sha256: 'a'.repeat(64) };
  let life = await live(world);
  t.teardown(() => life.end());
  const ask = async (wish: Wish): Promise<OperatorAnswer> => {
    const request = { by, ...wish } as OperatorRequest;
    return (await answerOperator(request, life.place)) as OperatorAnswer;
  };
  return {
    clock,
    service,
    told,
    disk,
    ask,
    status: async () => (await answerOperator({ ask: 'status' }, life.place)) as Readonly<Record<string, unknown>> & { readonly services: readonly Readonly<Record<string, unknown>>[] },
    state: () => life.place.healer.state.state(),
    update: () => life.place.healer.state,
    records: (event: AuditEventName) => events.filter((one) => one.event === event),
    /** The watch sees the service dead. */
    dies() {
      service.set('failed', '');
      this.isSeenDown();
    },
    isSeenDown: () => life.place.incidents.seen(life.ward, { seenBy: 'watch', kind: 'service_down', count: 1, text: 'php-fpm is down' }),
    /** The watch sees it do nothing. */
    hangs: () => {
      service.set('frozen', service.now().fence);
      life.place.incidents.seen(life.ward, { seenBy: 'watch', kind: 'service_frozen', count: 1, text: 'php-fpm is frozen' });
    },
    openCase: () => life.place.incidents.openFor('php-fpm'),
    /** The watch looks at it, as it does every second. */
    watchLooks: () => noticeHumans(life.ward, service.now(), life.place.healer, { uptime: '/proc/uptime', packageLocks: [], traces: [] }),
    /** Another text of the policy is read; it says the same. */
    reload: (sha256: string) => life.ward.adopt({ policy: life.ward.policy, file: 'policy.yaml', sha256 }),
    /** Lets time pass in small steps until it is so. */
    passUntil: <T>(condition: () => T | Promise<T>, what: string) =>
      until(
        () => {
          if (disk.busy === 0) clock.pass(50);
          return condition();
        },
        { timeoutMs: 10_000, what: () => `${what}; seen: ${events.map(({ event, text }) => `${event} ${text ?? ''}`).join('\n')}`, everyMs: 2 },
      ),
    /** So many more rounds of the open incident. */
    async rounds(count: number) {
      const goal = (life.place.incidents.openFor('php-fpm')?.rounds ?? 0) + count;
      await this.passUntil(() => (life.place.incidents.openFor('php-fpm')?.rounds ?? Infinity) >= goal, `${count} rounds`);
    },
    /** Two whole rounds of the open incident in which no time passes; then it sleeps. */
    async lookNow() {
      const open = life.place.incidents.openFor('php-fpm');
      if (!open) return;
      const goal = open.rounds + 3;
      const looked = (): boolean => {
        open.wake();
        return open.rounds >= goal || life.place.incidents.openFor('php-fpm') !== open;
      };
      await until(looked, { timeoutMs: 15_000, what: 'two rounds', everyMs: 2 });
      // each sleep has its own
      const { wake } = open;
      await until(() => open.wake !== wake || life.place.incidents.openFor('php-fpm') !== open, { timeoutMs: 15_000, what: 'the end of the round', everyMs: 2 });
    },
    /** kill -9, and a new start later with what is on the disk, perhaps with another text of the policy. */
    async restart(laterMs = 0, sha256 = world.sha256) {
      await life.end();
      clock.pass(laterMs);
      life = await live({ ...world, sha256 });
    },
  };
}

interface World {
  readonly folder: string;
  readonly clock: FakeClock;
  readonly service: ReturnType<typeof fakeService>;
  readonly events: AuditEvent[];
  readonly told: string[];
  readonly disk: { readonly full: boolean; busy: number };
  readonly policy: ReturnType<typeof policySchema.parse>;
  readonly safety: ReturnType<typeof safetySchema.parse>;
  readonly sha256: string;
}

async function live({ folder, clock, service, events, told, disk, policy, safety, sha256 }: World) {
  const stop = new AbortController();
  const log = await openAuditLog({ folder: join(folder, 'audit'), host: 'h', agent: 'a', clock, bootId: 'b' });
  const audit: Healer['audit'] = {
    openIntents: () => log.openIntents(),
    openIncidents: () => log.openIncidents(),
    crashedRun: () => log.crashedRun(),
    head: () => log.head(),
    failure: () => log.failure(),
    close: () => log.close(),
    append: onDisk(disk, async (event) => {
      if (disk.full) return { kind: 'not_written', detail: 'the disk is full' };
      const appended = await log.append(event);
      if (appended.kind === 'appended') events.push(event);
      return appended;
    }),
  };
  const store = await openStateStore(join(folder, 'state'), clock, () => 0.5);
  const state: Healer['state'] = {
    notice: store.notice,
    state: () => store.state(),
    openIncident: onDisk(disk, store.openIncident),
    startStep: onDisk(disk, store.startStep),
    endVerification: onDisk(disk, store.endVerification),
    closeIncident: onDisk(disk, store.closeIncident),
    giveUp: onDisk(disk, store.giveUp),
    updateService: onDisk(disk, store.updateService),
    updateHost: onDisk(disk, store.updateHost),
    updateIncident: onDisk(disk, store.updateIncident),
    pause: onDisk(disk, store.pause),
  };
  const wards = new Map<string, Ward>();
  const actions = new Map(Object.values(registeredActions).map((action) => [action.name, action as Action]));
  const healer: Healer = {
    wards,
    audit,
    state,
    safety,
    collectors: [],
    probes: [],
    causes: [service.cause, unknown],
    actions,
    actionTable: actions,
    run: runCommand,
    clock,
    log: { info: () => undefined, warn: () => undefined, error: (_fields, text) => void told.push(text) },
    order: () => undefined,
    stopping: stop.signal,
  };
  const loaded = { policy, file: 'policy.yaml', sha256 };
  const ward = await createWard({
    loaded,
    gateways: {},
    stateFolder: join(folder, 'state'),
    serviceTypes: new Map([['process', service.type] as const, ['external', external] as const]),
    order: healer.order,
  });
  wards.set(ward.name, ward);
  const incidents = createIncidents(healer);
  const place: OperatorPlace = { wards, incidents, healer };
  await resumeAfterRestart({ wards, incidents, healer });
  void watchPauses(place);
  return {
    place,
    ward,
    /** As kill -9: what was going on goes no further. */
    end: async () => {
      stop.abort();
      await incidents.settled();
      await log.close();
    },
  };
}

function onDisk<A extends unknown[], R>(disk: { busy: number }, write: (...args: A) => Promise<R>): (...args: A) => Promise<R> {
  return async (...args) => {
    disk.busy += 1;
    try {
      return await write(...args);
    } finally {
      disk.busy -= 1;
    }
  };
}

const causes: Partial<Record<ServiceState['state'], CauseName>> = { failed: 'service.crashed', frozen: 'service.hung', stopped: 'service.stopped_by_operator' };

/** A service that does what it is told at once, unless a test holds it; a new fence for each run. */
function fakeService(clock: Clock) {
  let now: ServiceState = { state: 'running', text: 'php-fpm is running', pids: [], fence: 'run 1' };
  let runs = 1;
  const acts: string[] = [];
  const held: { by: Promise<void> | undefined; test: readonly string[] | undefined; helps: boolean } = { by: undefined, test: undefined, helps: true };
  const set = (state: ServiceState['state'], fence = `run ${++runs}`): void => void (now = { state, text: `php-fpm is ${state}`, pids: [], fence });
  const type: ServiceType = {
    name: 'process',
    state: async () => now,
    can: (_target, verb) => verb !== 'reload',
    configTest: () => held.test,
    control: async (_target, verb) => {
      acts.push(verb);
      await held.by;
      if (verb === 'stop') set('stopped', '');
      else if (held.helps) set('running');
      else set('failed', '');
      return { result: 'done', detail: `did ${verb} at ${clock.monotonicMs()}`, durationMs: 5 };
    },
  };
  const cause: Cause = {
    name: 'service.crashed',
    suspect: () => {
      const found = causes[now.state];
      return found && { cause: found, confidence: 'certain', subject: 'php-fpm', sentence: `php-fpm is ${now.state}.`, because: [], against: [], remedy: 'Look into its log.' };
    },
  };
  return { type, cause, acts, held, set, now: () => now };
}
