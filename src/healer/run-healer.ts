/** Puts the healer process together: audit, memory, wards, watches, the sockets for proxies and operators. */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Configuration } from '../config/load.ts';
import { systemClock } from '../core/time.ts';
import * as registeredActions from './actions/registry.ts';
import { answerOperator } from './answer-operator.ts';
import { openAuditLog } from './audit/log.ts';
import * as registeredCauses from './causes/registry.ts';
import * as registeredCollectors from './collectors/registry.ts';
import { listenForOperators } from './control-link.ts';
import { createWard } from './create-ward.ts';
import type { Healer, HealerLog, Ward } from './healer.ts';
import { createIncidents } from './incidents.ts';
import type { Action } from './leaves.ts';
import { watchNginxLogs } from './nginx-log/watch-nginx-logs.ts';
import { watchPauses } from './operators/pause.ts';
import type { OperatorPlace } from './operators/place.ts';
import { listenForProxies, type ProxyLink } from './proxy-link.ts';
import { standAsOneHealer } from './one-healer.ts';
import * as registeredProbes from './probes/registry.ts';
import { createRequestDeaths } from './request-deaths.ts';
import { resumeAfterRestart } from './resume.ts';
import { runCommand } from './run-command.ts';
import * as registeredServices from './services/registry.ts';
import { watchSharedCause } from './shared-cause.ts';
import { takeFailure, takeSummary } from './take-facts.ts';
import { createHostLook } from './surroundings/host-look.ts';
import { openStateStore } from './state-store.ts';
import { watchService } from './watch.ts';

export interface RunningHealer {
  /** Stops looking and acting; an act under way is left to its end, and is verified at the next start. */
  close(): Promise<void>;
}

/** Starts everything that the configuration asks for; rejects with a sentence when a socket cannot stand. */
export async function runHealer({ host, safety, policies }: Configuration, product: string, log: HealerLog): Promise<RunningHealer> {
  const stop = new AbortController();
  // whoever holds this socket is the healer of this folder; nothing is touched before it is ours
  let ready: OperatorPlace | undefined;
  const control = await listenForOperators(join(host.runtime, 'control.sock'), async (request) =>
    ready ? answerOperator(request, ready) : { ok: false, text: 'the healer is starting; ask again in a moment', healing: 'off', audit: 'the healer is starting', services: [] },
  );
  const audit = await openAuditLog({ folder: host.audit.folder, host: hostname(), agent: `goodgateway ${product}`, clock: systemClock, bootId: bootId(), keepMs: host.audit.keep });
  const state = await openStateStore(host.state, systemClock);
  if (state.notice) log.error({}, state.notice);
  const auditTrouble = audit.failure();
  if (auditTrouble) log.error({}, `${auditTrouble.detail}; nothing is done until it can be written`);
  const wards = new Map<string, Ward>();
  let link: ProxyLink | undefined;
  const actions = new Map(Object.values(registeredActions).map((action) => [action.name, action as Action]));
  const lockNow = (): string => safety.one_healer.lock ?? join(host.runtime, 'healer.lock');
  const oneHealer = await standAsOneHealer({ lock: lockNow, run: runCommand, clock: systemClock, stopping: stop.signal, log, audit });
  const healer: Healer = {
    wards,
    audit,
    state,
    safety,
    probes: Object.values(registeredProbes),
    collectors: Object.values(registeredCollectors),
    causes: Object.values(registeredCauses),
    actions,
    actionTable: actions,
    run: runCommand,
    clock: systemClock,
    log,
    order: (order) => link?.order(order),
    around: { host: createHostLook({ pauseWhen: () => safety.pause_when, clock: systemClock, log, runtime: host.runtime }), otherHealer: oneHealer.other },
    stopping: stop.signal,
  };
  const incidents = createIncidents(healer);
  const deaths = createRequestDeaths({ wards, incidents, healer });
  link = await listenForProxies({
    path: join(host.runtime, 'healer.sock'),
    product,
    gateways: new Set(Object.keys(host.gateways)),
    onFailure: (report) => void takeFailure(report, { wards, incidents, healer }),
    onSummary: (summary) => void takeSummary(summary, { wards, incidents, healer }),
    onDeath: deaths.took,
    onSurvival: deaths.spared,
    quarantines: deaths.quarantines,
    log,
  });
  const serviceTypes = new Map(Object.values(registeredServices).map((type) => [type.name as string, type]));
  for (const loaded of policies.values()) wards.set(loaded.policy.name, await createWard({ loaded, gateways: host.gateways, stateFolder: host.state, serviceTypes, order: healer.order }));
  await deaths.begin();
  ready = { wards, incidents, healer };
  await audit.append({ event: 'agent.started', actor: 'auto', text: `the healer looks after ${[...wards.keys()].join(', ') || 'nothing'}` });
  for (const { policy, sha256 } of policies.values()) await audit.append({ event: 'policy.loaded', service: policy.name, policy: { name: policy.name, sha256, mode: policy.mode } });
  await resumeAfterRestart({ wards, incidents, healer });
  const watches = [...wards.values()].map((ward) => watchService(ward, incidents, healer));
  watches.push(watchPauses(ready));
  watches.push(watchNginxLogs({ gateways: host.gateways, wards, incidents, healer }));
  watches.push(watchSharedCause(healer));
  return {
    close: async () => {
      stop.abort();
      await Promise.race([Promise.all([...watches, incidents.settled()]), systemClock.sleep(2000)]);
      await audit.append({ event: 'agent.stopped', actor: 'auto' });
      await Promise.all([link.close(), control.close(), audit.close()]);
      oneHealer.close();
    },
  };
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return 'unknown';
  }
}
