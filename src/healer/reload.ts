/**
 * The configuration, read again while the healer runs: all of it takes the old one's place, or none of it. What counts
 * and what is remembered stays; open incidents go on under the policy that they were opened with. What cannot be
 * changed without a restart refuses the whole, by name: half of a new configuration is nobody's configuration. The
 * proxies make it ready before anything changes here; then they swap, and nothing can fail any more.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import type { HostConfig } from '../config/host-schema.ts';
import { keysThatNeedARestart } from '../config/keys-that-need-a-restart.ts';
import { readConfiguration, type Configuration, type Written } from '../config/load.ts';
import type { LoadedPolicy } from '../config/load-policies.ts';
import { formatProblem, type Path } from '../config/problem.ts';
import { policyFields } from './audit-record-for.ts';
import { actionOptions } from './action-options.ts';
import { letGo } from './gate-orders.ts';
import type { Healer, Ward } from './healer.ts';
import type { Incidents } from './incidents.ts';
import { inForceOf, type keepInForce } from './keep-in-force.ts';
import type { NginxLogs } from './nginx-log/watch-nginx-logs.ts';
import type { ProxyLink } from './proxy-link.ts';
import type { RequestDeaths } from './request-deaths.ts';
import { tell } from './tell.ts';
import { addressesOf } from './ward-target.ts';
import type { WatchedConfiguration } from './watch-config.ts';

export interface ReloadPlace {
  readonly healer: Healer;
  readonly incidents: Incidents;
  readonly deaths: RequestDeaths;
  /** Those of the healer; here they are added and removed. */
  readonly wards: Map<string, Ward>;
  readonly createWard: (loaded: LoadedPolicy, host: Pick<HostConfig, 'gateways'>) => Promise<Ward>;
  /** Begins to watch a ward that is new. */
  readonly watch: (ward: Ward) => void;
  readonly take: (next: Pick<Configuration, 'safety' | 'signatures'>) => void;
  readonly proxies: Pick<ProxyLink, 'prepare' | 'swap' | 'abandon'>;
  readonly nginxLogs: Pick<NginxLogs, 'adopt'>;
  readonly keepInForce: typeof keepInForce;
  /** Gives the receivers that are named now their messages. */
  readonly adoptNotifiers: (notifiers: Configuration['host']['notifiers']) => Promise<void>;
}

export interface Reloader {
  /** One at a time; who asks during one is served by the next. Never rejects. `why`: `SIGHUP`, or what was noticed. */
  reload(why: string): Promise<void>;
  /** What a change of is a reason to reload; after a refusal also what was wrong. */
  watched(): WatchedConfiguration;
}

/** Hexadecimal, by file. */
type Hashes = ReadonlyMap<string, string>;

const mostProblemsTold = 10;
/** A message has five lines. */
const mostProblemsSent = 3;
const mostFilesRecorded = 100;
const longestText = 1000;
const mostTries = 5;

/** Keeps the running configuration, and puts another in its place when it is asked and nothing is wrong with it. */
export async function createReloader(first: Configuration, place: ReloadPlace): Promise<Reloader> {
  const { healer } = place;
  let running = first;
  let hashes = await hashesOf(first.files);
  let refused: { readonly said: string; readonly files: readonly string[] } | undefined;
  let turn: Promise<void> = Promise.resolve();
  let waiting: Promise<void> | undefined;

  /** Who writes while it is read is waited for, but not for ever. */
  async function reloadNow(why: string, tries = mostTries): Promise<void> {
    const { loaded, written } = await readConfiguration(running.files[0] ?? '', { actionOptions });
    if (healer.stopping.aborted) return;
    if (!loaded.ok)
      return refuse(
        why,
        loaded.problems.map(formatProblem),
        loaded.problems.map(({ file }) => file),
      );
    const { configuration } = loaded;
    const fixed = keysThatNeedARestart(running.host, configuration.host).map((path) => placed(path, written));
    if (fixed.length > 0) return refuse(why, fixed, configuration.files);
    const objections = await whyNotEverywhere(configuration);
    if (healer.stopping.aborted) return;
    if (objections.length > 0) {
      place.proxies.abandon(configuration.sha256);
      if (tries > 1 && !(await isAsRead(configuration))) return reloadNow(why, tries - 1);
      return refuse(why, objections, configuration.files);
    }
    refused = undefined;
    const changes = await swap(running, configuration, place);
    running = configuration;
    hashes = await hashesOf(configuration.files);
    healer.log.info({ why, changes }, changes.length > 0 ? 'the configuration was read again and is obeyed from now on' : 'the configuration was read again; nothing in it has changed');
  }

  /** What only the proxies can say, and what only trying it can. */
  async function whyNotEverywhere(next: Configuration): Promise<readonly string[]> {
    const objections = await place.proxies.prepare(next.sha256);
    // what they serve by stays the same: no reason to hold up the rest
    if (isDeepStrictEqual(running.host.gateways, next.host.gateways) && objections.length > 0) {
      healer.log.warn({ problems: objections }, 'a proxy could not read again what visitors are shown; it goes on with what it has');
    } else if (objections.length > 0) return objections.map((objection) => `${objection} (says the proxy)`);
    const unkept = await place.keepInForce(next);
    return unkept === undefined ? [] : [unkept];
  }

  async function refuse(why: string, problems: readonly string[], files: readonly string[]): Promise<void> {
    const now = await hashesOf([...running.files, ...files]);
    const more = problems.length > mostProblemsTold ? `; and ${problems.length - mostProblemsTold} more, which goodgateway check lists` : '';
    const refusal = `the configuration was read again (${why}) and is refused as a whole; the one before stays in force`;
    const text = `${refusal}: ${problems.slice(0, mostProblemsTold).join('; ')}${more}`;
    const said = JSON.stringify([problems, [...now]]);
    const isNew = refused?.said !== said;
    refused = { said, files };
    // the same mistake is recorded once; a person who asks again hears it again
    if (isNew) await healer.audit.append({ event: 'policy.rejected', rejected: changedFiles(hashes, now), text });
    if (isNew || why === 'SIGHUP') await tell([`${refusal}.`, ...problems.slice(0, mostProblemsSent), 'Please: goodgateway check'].join('\n'), { healer, event: 'policy.rejected' });
  }

  return {
    watched: () => ({ files: [...new Set([...running.files, ...(refused?.files ?? [])])], patterns: [...running.host.policies, ...running.host.signatures] }),
    reload: (why) =>
      (waiting ??= turn.then(() => {
        waiting = undefined;
        turn = reloadNow(why);
        return turn;
      })),
  };
}

function placed(path: Path, written: Written | undefined): string {
  const sentence = `${path.join('.')}: changed, which needs a restart of goodgateway`;
  return written ? formatProblem(written.host.problem(path, 'value', sentence)) : sentence;
}

/** Everything that can fail comes first; then all changes at one moment; then what follows from them. Returns what changed. */
async function swap(before: Configuration, next: Configuration, place: ReloadPlace): Promise<readonly string[]> {
  const { wards, healer, incidents } = place;
  const all = [...next.policies.values()];
  const added = await Promise.all(all.filter(({ policy }) => !wards.has(policy.name)).map((one) => place.createWard(one, next.host)));
  const changed = all.filter(({ policy, sha256 }) => wards.has(policy.name) && wards.get(policy.name)?.sha256 !== sha256);
  const removed = [...wards.values()].filter(({ name }) => !next.policies.has(name));
  const otherService = changed.filter(({ policy }) => !isDeepStrictEqual(policy.service, wards.get(policy.name)?.policy.service));
  const otherGateways = namesOfChanged(before.host.gateways, next.host.gateways);
  const led = [...wards.values()].filter((ward) => next.policies.has(ward.name) && leadsHere(ward, next.host.gateways).some((name) => otherGateways.has(name)));
  const hadBefore = new Map([...wards.values()].map((ward) => [ward, ward.gateways]));
  const movedBefore = new Map(led.map((ward) => [ward, addressesOf(ward)]));
  const otherSafety = !isDeepStrictEqual(before.safety, next.safety);
  const otherSignatures = !isDeepStrictEqual(before.signatures, next.signatures);
  const otherNotifiers = !isDeepStrictEqual(before.host.notifiers, next.host.notifiers);

  place.take(next);
  const gateways = otherGateways.size > 0 ? next.host.gateways : undefined;
  for (const loaded of gateways ? all : changed) wards.get(loaded.policy.name)?.adopt(loaded, gateways);
  for (const ward of added) wards.set(ward.name, ward);
  for (const ward of removed) {
    const last = before.policies.get(ward.name);
    // its incident may have an act under way: it must not order anything where another service is looked after now
    if (last) ward.adopt(last, next.host.gateways);
    wards.delete(ward.name);
  }
  place.proxies.swap(inForceOf(next), otherGateways);
  for (const [ward, had] of hadBefore) letGoOfMoved(ward, { had, now: next.host.gateways }, place);
  if (gateways) place.nginxLogs.adopt(gateways);
  for (const ward of [...added, ...led]) ward.orderUpstream();
  const moved = led.filter((ward) => movedBefore.get(ward) !== addressesOf(ward));
  // what it does there is about a backend that nobody is sent to any more
  for (const ward of moved) {
    incidents.openFor(ward.name)?.interrupt();
    incidents.wake(ward);
  }

  for (const { name } of removed) incidents.abandon(name);
  for (const ward of new Set([...added, ...moved, ...otherService.flatMap(({ policy }) => wards.get(policy.name) ?? [])])) await place.deaths.follow(ward);
  for (const ward of added) place.watch(ward);
  if (otherNotifiers) await place.adoptNotifiers(next.host.notifiers);
  for (const one of [...added, ...changed]) await healer.audit.append({ event: 'policy.loaded', service: one.policy.name, policy: policyFields(one) });
  if (otherGateways.size > 0) await healer.audit.append({ event: 'policy.loaded', text: `the gateways were read again: ${[...otherGateways].join(', ')}`.slice(0, longestText) });
  if (otherSafety) await healer.audit.append({ event: 'policy.loaded', text: "the host's limits (safety) were read again" });
  if (otherSignatures) await healer.audit.append({ event: 'policy.loaded', text: 'the signatures of log lines were read again' });
  if (otherNotifiers) await healer.audit.append({ event: 'policy.loaded', text: 'who is told, and how (notifiers), was read again' });
  for (const { name } of removed) await healer.audit.append({ event: 'policy.removed', service: name, text: `${name} has no policy any more; nobody looks after it from now on` });
  return [
    ...changed.map(({ policy }) => policy.name),
    ...added.map(({ name }) => `${name} (new)`),
    ...removed.map(({ name }) => `${name} (removed)`),
    ...[...otherGateways].map((name) => `gateways.${name}`),
    ...(otherSafety ? ['safety'] : []),
    ...(otherSignatures ? ['signatures'] : []),
    ...(otherNotifiers ? ['notifiers'] : []),
  ];
}

/** A gate that an open incident has shut would stay shut for ever where its gateway leads to another service now. */
function letGoOfMoved(ward: Ward, { had, now }: { readonly had: Ward['gateways']; readonly now: HostConfig['gateways'] }, { incidents, healer }: Pick<ReloadPlace, 'incidents' | 'healer'>): void {
  const open = incidents.openFor(ward.name);
  const moved = had.map(({ name }) => name).filter((name) => name in now && !ward.gateways.some((one) => one.name === name));
  if (open) letGo(moved, { open, healer });
}

/** Of gateways that are new, changed or gone. */
function namesOfChanged(before: HostConfig['gateways'], next: HostConfig['gateways']): ReadonlySet<string> {
  const names = new Set([...Object.keys(before), ...Object.keys(next)]);
  return new Set([...names].filter((name) => !isDeepStrictEqual(before[name], next[name])));
}

/** Names of the gateways that led to a service, or will. */
function leadsHere(ward: Ward, next: HostConfig['gateways']): readonly string[] {
  return [...ward.gateways.map(({ name }) => name), ...Object.entries(next).flatMap(([name, { service }]) => (service === ward.name ? [name] : []))];
}

async function isAsRead({ files: [file = ''], sha256 }: Configuration): Promise<boolean> {
  return (await hashesOf([file])).get(file) === sha256;
}

/** A file that cannot be read has no hash. */
async function hashesOf(files: readonly string[]): Promise<Hashes> {
  const all = await Promise.all(
    [...new Set(files)].map(async (file) => {
      const bytes = await readFile(file).catch(() => undefined);
      return bytes === undefined ? [] : [[file, createHash('sha256').update(bytes).digest('hex')] as const];
    }),
  );
  return new Map(all.flat());
}

function changedFiles(running: Hashes, now: Hashes): { file: string; running?: string; refused?: string }[] {
  const files = [...new Set([...running.keys(), ...now.keys()])].filter((file) => running.get(file) !== now.get(file));
  return files.slice(0, mostFilesRecorded).map((file) => {
    const [before, after] = [running.get(file), now.get(file)];
    return { file, ...(before === undefined ? {} : { running: before }), ...(after === undefined ? {} : { refused: after }) };
  });
}
