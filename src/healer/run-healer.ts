/** Puts the healer process together: audit, memory, wards, watches, the sockets for proxies and operators. */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { proxyAccount } from '../config/account.ts';
import type { HostConfig } from '../config/host-schema.ts';
import type { LoadedPolicy } from '../config/load-policies.ts';
import type { Configuration } from '../config/load.ts';
import { systemClock } from '../core/time.ts';
import * as registeredActions from './actions/registry.ts';
import { answerOperator } from './answer-operator.ts';
import { policyFields } from './audit-record-for.ts';
import { keepIndex, type IndexKeeper } from './audit/keep-index.ts';
import { openAuditLog, type AuditLogOptions } from './audit/log.ts';
import * as registeredCauses from './causes/registry.ts';
import * as registeredCollectors from './collectors/registry.ts';
import { listenForOperators } from './control-link.ts';
import { createWard } from './create-ward.ts';
import { createDashboardAnswers } from './dashboard/answer-dashboard.ts';
import { createAuditCheck } from './dashboard/audit-check.ts';
import type { Healer, HealerLog, Ward } from './healer.ts';
import { createIncidents } from './incidents.ts';
import type { Action } from './leaves.ts';
import type { RunCommand } from './commands.ts';
import { beginInForce, forgetInForce, inForceOf, keepInForce } from './keep-in-force.ts';
import { NginxLogs } from './nginx-log/watch-nginx-logs.ts';
import { watchPauses } from './operators/pause.ts';
import type { OperatorPlace } from './operators/place.ts';
import { pingMonitor } from './ping-monitor.ts';
import { restraintOf } from './restraint.ts';
import { listenForProxies, type ProxyLink } from './proxy-link.ts';
import { standAsOneHealer } from './one-healer.ts';
import { openOutbox } from './outbox.ts';
import * as registeredProbes from './probes/registry.ts';
import { redactedLog } from './redacted-log.ts';
import { createReloader } from './reload.ts';
import { createRequestDeaths } from './request-deaths.ts';
import { resumeAfterRestart } from './resume.ts';
import { watchEvidence } from './retire-evidence.ts';
import { runCommand } from './run-command.ts';
import * as registeredServices from './services/registry.ts';
import { watchSharedCause } from './shared-cause.ts';
import { takeFailure, takeSummary } from './take-facts.ts';
import { createHostLook } from './surroundings/host-look.ts';
import { tableWith } from './signature-table.ts';
import { openStateStore } from './state-store.ts';
import { tellCrashedRun } from './tell-crashed-run.ts';
import { tellCheckpoints } from './tell-checkpoints.ts';
import { tellSystemd } from './tell-systemd.ts';
import { watchConfig } from './watch-config.ts';
import { watchService } from './watch.ts';

/** What a healer is made of beside its configuration. Where it looks and acts is replaced only to see it fail. */
export interface HealerParts {
  readonly product: string;
  readonly log: HealerLog;
  readonly openAudit?: typeof openAuditLog;
  readonly openState?: typeof openStateStore;
  readonly run?: RunCommand;
}

export interface RunningHealer {
  /** Reads the configuration again: all of it is obeyed from then on, or nothing changes and somebody is told. Never rejects. */
  reload(why: string): Promise<void>;
  /** Stops looking and acting; an act under way is left to its end, and is verified at the next start. */
  close(): Promise<void>;
}

/** Starts everything that the configuration asks for; rejects with a sentence when a socket cannot stand. */
export async function runHealer(configuration: Configuration, parts: HealerParts): Promise<RunningHealer> {
  const { host, policies } = configuration;
  const { run = runCommand, product } = parts;
  const log = redactedLog(parts.log);
  let { safety, signatures: own } = configuration;
  const stop = new AbortController();
  // whoever holds this socket is the healer of this folder; nothing is touched before it is ours
  let ready: OperatorPlace | undefined;
  const control = await listenForOperators(
    join(host.runtime, 'control.sock'),
    async (request) => (ready ? answerOperator(request, ready) : { ok: false, text: 'the healer is starting; ask again in a moment', healing: 'off', audit: 'the healer is starting', services: [] }),
    log,
  );
  let link: ProxyLink | undefined;
  const { audit, index, state } = await openMemory(host, { ...parts, onAppended: ({ line }) => link?.show(line) }, log);
  const wards = new Map<string, Ward>();
  const lockNow = (): string => safety.one_healer.lock ?? join(host.runtime, 'healer.lock');
  const outbox = await openOutbox({ folder: host.state, notifiers: host.notifiers, audit, clock: systemClock, log });
  const oneHealer = await standAsOneHealer({ lock: lockNow, run, clock: systemClock, stopping: stop.signal, log, audit });
  const around = { host: createHostLook({ pauseWhen: () => safety.pause_when, clock: systemClock, log, runtime: host.runtime }), otherHealer: oneHealer.other };
  const evidence = { keepMs: host.audit.evidence_keep, keepBytes: host.audit.evidence_keep_size };
  const healer = withPlugIns({ wards, audit, state, outbox, run, log, around, evidence, order: (order) => link?.order(order), stopping: stop.signal, signatures: () => tableWith(own) }, () => safety);
  const incidents = createIncidents(healer);
  const deaths = createRequestDeaths({ wards, incidents, healer });
  // before a proxy can ask: while this healer listens, what is in the copy is in force
  const unkept = await beginInForce(configuration);
  if (unkept !== undefined) log.warn({}, `${unkept}; a proxy that starts goes by the file itself`);
  link = await listenForProxies({
    path: join(host.runtime, 'healer.sock'),
    group: await groupForProxies(host),
    clock: systemClock,
    product,
    inForce: inForceOf(configuration),
    onFailure: (report) => void takeFailure(report, { wards, incidents, healer }),
    onSummary: (summary) => void takeSummary(summary, { wards, incidents, healer }),
    onDeath: deaths.took,
    onSurvival: deaths.spared,
    quarantines: deaths.quarantines,
    restraint: () => restraintOf(state.state()),
    answer: createDashboardAnswers(() => ready, { audit: host.audit.folder, state: host.state }, createAuditCheck(host.audit.folder, { audit, clock: systemClock, signal: stop.signal })),
    log,
  });
  const serviceTypes = new Map(Object.values(registeredServices).map((type) => [type.name as string, type]));
  const createOne = (loaded: LoadedPolicy, { gateways }: Pick<HostConfig, 'gateways'>): Promise<Ward> => createWard({ loaded, gateways, stateFolder: host.state, serviceTypes, order: healer.order });
  for (const loaded of policies.values()) wards.set(loaded.policy.name, await createOne(loaded, host));
  for (const ward of wards.values()) ward.orderUpstream();
  await deaths.begin();
  ready = { wards, incidents, healer };
  await tellCrashedRun(audit, bootId());
  await audit.append({ event: 'agent.started', actor: 'auto', text: `the healer looks after ${[...wards.keys()].join(', ') || 'nothing'}` });
  for (const loaded of policies.values()) await audit.append({ event: 'policy.loaded', service: loaded.policy.name, policy: policyFields(loaded) });
  await resumeAfterRestart({ wards, incidents, healer });
  const watches = new Watches();
  const watch = (ward: Ward): void => watches.add(watchService(ward, incidents, healer));
  for (const ward of wards.values()) watch(ward);
  watches.add(watchPauses(ready));
  watches.add(watchSharedCause(healer));
  watches.add(watchEvidence(join(host.state, 'evidence'), healer));
  if (host.audit.checkpoints === 'journal') watches.add(tellCheckpoints({ audit, run, clock: systemClock, log, stopping: stop.signal }));
  if (host.monitor) watches.add(pingMonitor({ settings: host.monitor, audit, clock: systemClock, log, signal: stop.signal }));
  const nginxLogs = new NginxLogs({ wards, incidents, healer }, (work) => watches.add(work));
  nginxLogs.adopt(host.gateways);
  const reloader = await createReloader(configuration, {
    healer,
    incidents,
    deaths,
    wards,
    createWard: createOne,
    watch,
    take: (next) => void ({ safety, signatures: own } = next),
    proxies: link,
    nginxLogs,
    keepInForce,
    adoptNotifiers: outbox.adopt,
  });
  warmSignatures(() => tableWith(own), { signal: stop.signal, log });
  const changed = (): Promise<void> => reloader.reload('a file was changed');
  watches.add(watchConfig({ watched: reloader.watched, changed, clock: systemClock, readAtMs: performance.timeOrigin, signal: stop.signal }));
  watches.add(tellSystemd({ run, clock: systemClock, log, wards, stopping: stop.signal, environment: process.env }));
  return {
    reload: reloader.reload,
    close: async () => {
      stop.abort();
      await Promise.race([Promise.all([watches.ended(), incidents.settled()]), systemClock.sleep(2000)]);
      // what a courier has under way is sent once more by the next healer
      await Promise.race([outbox.close(), systemClock.sleep(500)]);
      await audit.append({ event: 'agent.stopped', actor: 'auto' });
      await Promise.all([link.close(), control.close(), audit.close(), index.close()]);
      await forgetInForce(host.runtime);
      oneHealer.close();
    },
  };
}

/** Reading the signatures takes some tenths of a second: in quiet, before an incident needs them, and not while the healer starts. */
const warmAfterMs = 15_000;

function warmSignatures(table: () => Promise<unknown>, { signal, log }: { readonly signal: AbortSignal; readonly log: HealerLog }): void {
  void systemClock
    .sleep(warmAfterMs, signal)
    .then(() => (signal.aborted ? undefined : table()))
    .catch((error: unknown) => log.error({}, `what is known of log lines cannot be read: ${error instanceof Error ? error.message : String(error)}`));
}

/** With everything that stands in the registries. `safety` is asked anew each time: a reload may have changed it. */
function withPlugIns(
  parts: Pick<Healer, 'wards' | 'audit' | 'state' | 'outbox' | 'run' | 'log' | 'around' | 'evidence' | 'order' | 'stopping' | 'signatures'>,
  safety: () => Healer['safety'],
): Healer {
  const actions = new Map(Object.values(registeredActions).map((action) => [action.name, action as Action]));
  return {
    ...parts,
    get safety() {
      return safety();
    },
    probes: Object.values(registeredProbes),
    collectors: Object.values(registeredCollectors),
    causes: Object.values(registeredCauses),
    actions,
    actionTable: actions,
    clock: systemClock,
  };
}

/** Where it records and remembers. Trouble with either is told; it keeps the healer from acting, not from looking. */
async function openMemory(
  host: HostConfig,
  { product, openAudit = openAuditLog, openState = openStateStore, onAppended }: HealerParts & Pick<AuditLogOptions, 'onAppended'>,
  log: HealerLog,
): Promise<{ readonly audit: Healer['audit']; readonly index: IndexKeeper; readonly state: Healer['state'] }> {
  const index = keepIndex({ folder: host.audit.folder, onTrouble: (text) => log.error({}, text) });
  const audit = await openAudit({
    folder: host.audit.folder,
    host: hostname(),
    agent: `goodgateway ${product}`,
    clock: systemClock,
    bootId: bootId(),
    keepMs: host.audit.keep,
    keepBytes: host.audit.keep_size,
    onAppended: (appended) => {
      index.appended(appended);
      onAppended?.(appended);
    },
    onSealed: index.begin,
  });
  index.begin();
  const state = await openState(host.state, systemClock);
  if (state.notice) log.error({}, state.notice);
  const trouble = audit.failure();
  if (trouble) log.error({}, `${trouble.detail}; nothing is done until it can be written`);
  return { audit, index, state };
}

/** Looks that go on until the healer stops, or until their service has no policy any more. */
class Watches {
  readonly #running = new Set<Promise<void>>();

  add(work: Promise<void>): void {
    this.#running.add(work);
    void work.finally(() => this.#running.delete(work));
  }

  async ended(): Promise<void> {
    await Promise.all(this.#running);
  }
}

/** A proxy without rights must be able to open our socket; without root it runs as we do. */
async function groupForProxies({ proxy }: HostConfig): Promise<string | undefined> {
  const found = await proxyAccount(proxy);
  if (!found.ok) throw new Error(found.reason);
  return process.getuid?.() === 0 && found.account ? String(found.account.gid) : undefined;
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return 'unknown';
  }
}
