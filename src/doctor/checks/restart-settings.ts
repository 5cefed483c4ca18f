/** Who starts a service again when it dies? The units' own words, against the policies and against systemd's limits. */
import type { Check, CheckResult, DoctorContext } from '../check.ts';
import { readUnit, unitSeconds, type Unit } from '../units.ts';

type Found = CheckResult['findings'];

/** systemd's defaults. */
const usual = { burst: 5, intervalSeconds: 10, restartSeconds: 0.1 };

export const restartSettings: Check = {
  name: 'restart-settings',
  family: 'service',
  deadlineMs: 15_000,
  finds: {
    'nobody-restarts': { severity: 'info', when: 'a unit has no `Restart=`, and no policy of mode `act` looks after it: when it dies it stays down' },
    'own-unit-not-restarted': { severity: 'warning', when: "goodgateway's own unit has no `Restart=always` or `on-failure`" },
    'no-start-left': { severity: 'warning', when: '`StartLimitBurst` of a unit is not above `safety.host_budget.keep_for_humans`: goodgateway would never start it' },
    'systemd-restarts-too': { severity: 'info', when: 'systemd restarts a unit by itself that a policy of mode `act` looks after: goodgateway waits for it first' },
    'restarts-use-up-limit': { severity: 'info', when: '`Restart=` with a `RestartSec` so short that some quick crashes use up the start limit: the unit then stays down' },
  },
  check: async (context) => {
    const named = await Promise.all(context.units.map(async (name) => ((await isUsed(context, name)) ? readUnit(context.files, name) : undefined)));
    const units = named.filter((unit) => unit !== undefined);
    return { findings: units.flatMap((unit) => judge(context, unit)) };
  },
};

interface Restarting {
  readonly unit: Unit;
  readonly restart: string;
  readonly place: string;
  readonly isActedOn: boolean;
  readonly burst: number;
}

/** A policy names it, or it is started with the host: what is only installed concerns nobody. */
async function isUsed({ files, services }: DoctorContext, name: string): Promise<boolean> {
  if (services.some(({ target }) => target.config.type === 'systemd' && target.config.unit === name)) return true;
  const wanting = await Promise.all((await files.matching('/etc/systemd/system/*.wants')).map((folder) => files.lstat(`${folder}/${name}`)));
  return wanting.some((link) => link !== undefined);
}

function judge(context: DoctorContext, unit: Unit): Found {
  const written = unit.value('Service', 'Restart');
  const burst = Number(unit.value('Unit', 'StartLimitBurst')?.text ?? unit.value('Service', 'StartLimitBurst')?.text ?? usual.burst);
  const isActedOn = context.services.some(({ target, mode }) => mode === 'act' && target.config.type === 'systemd' && target.config.unit === unit.name);
  const one: Restarting = { unit, restart: written?.text ?? 'no', place: written?.place ?? unit.file, isActedOn, burst };
  if (unit.name === 'goodgateway.service') return ['always', 'on-failure'].includes(one.restart) ? [] : [own(one)];
  return [...nobody(one), ...bothRestart(one), ...noStartLeft(context, one), ...limitUsedUp(one)];
}

function nobody({ unit, restart, isActedOn }: Restarting): Found {
  if (restart !== 'no' || isActedOn) return [];
  return [
    {
      id: 'nobody-restarts',
      subject: unit.name,
      what: 'It has no Restart=, and no policy of goodgateway acts on it.',
      why: 'When it crashes or is killed for want of memory, it stays down until somebody comes.',
      change: `goodgateway: a policy of mode act for it; or: systemctl edit ${unit.name}, with [Service] Restart=on-failure and RestartSec=2`,
      source: unit.file,
    },
  ];
}

function bothRestart({ unit, restart, place, isActedOn }: Restarting): Found {
  if (restart === 'no' || !isActedOn) return [];
  return [
    {
      id: 'systemd-restarts-too',
      subject: unit.name,
      what: `systemd restarts it by itself (Restart=${restart}), and a policy of mode act looks after it.`,
      why: 'They do not collide: goodgateway waits RestartSec + 2 s for systemd. Each start of either counts against the same start limit.',
      change: `nothing, or leave the restart to goodgateway alone: systemctl edit ${unit.name}, with [Service] Restart=no`,
      source: place,
    },
  ];
}

function noStartLeft({ configuration }: DoctorContext, { unit, isActedOn, burst }: Restarting): Found {
  const keep = configuration?.safety.host_budget.keep_for_humans ?? 0;
  if (!isActedOn || burst === 0 || burst > keep) return [];
  return [
    {
      id: 'no-start-left',
      subject: unit.name,
      what: `systemd starts it ${burst} ${burst === 1 ? 'time' : 'times'} at most in its interval, and ${keep} are kept for a person.`,
      why: 'So goodgateway may never start it.',
      change: `systemctl edit ${unit.name}, with [Unit] StartLimitBurst=${Math.max(usual.burst, keep + 4)}`,
      source: unit.file,
    },
  ];
}

function limitUsedUp({ unit, restart, place, isActedOn, burst }: Restarting): Found {
  if (!['always', 'on-failure'].includes(restart) || isActedOn || burst === 0) return [];
  const interval = unitSeconds(unit.value('Unit', 'StartLimitIntervalSec')?.text ?? unit.value('Unit', 'StartLimitInterval')?.text) ?? usual.intervalSeconds;
  const pause = unitSeconds(unit.value('Service', 'RestartSec')?.text) ?? usual.restartSeconds;
  if (interval === 0 || pause * burst >= interval) return [];
  return [
    {
      id: 'restarts-use-up-limit',
      subject: unit.name,
      what: `Restart=${restart} with ${pause} s between, but ${burst} starts within ${interval} s are all that systemd allows.`,
      why: 'A fault that lasts some seconds (a full disk, a database that starts) uses them up; then the unit stays down: "start request repeated too quickly".',
      change: `systemctl edit ${unit.name}, with [Service] RestartSec=${Math.ceil(interval / burst) + 1}`,
      source: place,
    },
  ];
}

function own({ unit, place, restart }: Restarting): Found[number] {
  return {
    id: 'own-unit-not-restarted',
    subject: unit.name,
    what: `It has Restart=${restart}.`,
    why: 'If goodgateway itself ends, nginx goes on with the backend alone, and nobody heals it.',
    change: `systemctl edit ${unit.name}, with [Service] Restart=always and RestartSec=1`,
    source: place,
  };
}
