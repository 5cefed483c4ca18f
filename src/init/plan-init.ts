/** The machine and a few choices → everything that `init` would do, checked. Nothing is written. */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { HostConfig } from '../config/host-schema.ts';
import { loadHost } from '../config/load-host.ts';
import type { ConfigBindings } from '../config/load-policies.ts';
import { formatAddress, parseAddress } from '../core/failure.ts';
import type { HostFiles } from '../doctor/host-files.ts';
import type { Backend, LeftAlone } from './backend.ts';
import { findBackends } from './find-backends.ts';
import type { Machine } from './machine.ts';
import { checkPlan, compareFiles, type CheckedPlan } from './place-files.ts';
import { hostText, type Places } from './plan-host.ts';
import { planNginx, type NginxPlan, type SnippetOf } from './plan-nginx.ts';
import { planPolicies, type PlannedPolicy } from './plan-policies.ts';
import { listensAtAddress } from './who-listens.ts';

export interface InitChoices {
  /** Where goodgateway.yaml goes. */
  readonly config: string;
  readonly places: Omit<Places, 'proxy'>;
  /** Gateways by name; `undefined`: all. */
  readonly only: readonly string[] | undefined;
  /** `undefined`: as it is, else no. */
  readonly actOnCrash: boolean | undefined;
  readonly force: boolean;
}

export interface InitTools {
  readonly bindings: ConfigBindings;
  readonly snippetOf: SnippetOf;
  readonly files: HostFiles;
}

export interface InitPlan {
  readonly backends: readonly Backend[];
  /** The names of all gateways that there could be. */
  readonly names: readonly string[];
  readonly policies: readonly PlannedPolicy[];
  readonly leftAlone: readonly LeftAlone[];
  readonly checked: CheckedPlan;
  /** `undefined` while there is no configuration that could be in force. */
  readonly nginx: NginxPlan | undefined;
}

export async function planInit(machine: Machine, choices: InitChoices, tools: InitTools): Promise<InitPlan> {
  const loaded = await loadHost(choices.config);
  const now = loaded.ok ? loaded.host : undefined;
  const found = findBackends(machine, choices.places.runtime, now?.gateways);
  const backends = found.backends.filter(({ name }) => choices.only?.includes(name) ?? true);
  const names = found.backends.map(({ name }) => name);
  if (backends.length === 0) return { backends, names, policies: [], leftAlone: found.leftAlone, checked: { files: [], host: undefined, problems: [], warnings: [] }, nginx: undefined };
  const policyFile = (name: string): string => join(dirname(choices.config), 'policies.d', `${name}.yaml`);
  const thereNow = (name: string): Promise<string | undefined> => readFile(policyFile(name), 'utf8').catch(() => undefined);
  const policies = await planPolicies(backends, machine, { acting: choices.actOnCrash, thereNow });
  const places = placesNow(machine, choices, now);
  const wanted = [{ file: choices.config, text: hostText(backends, machine, places) }, ...policies.map(({ name, text }) => ({ file: policyFile(name), text }))];
  const checked = await checkPlan(await compareFiles(wanted, choices.force), tools.bindings);
  const { host } = checked;
  const nginx = host && machine.nginx ? await planNginx({ nginx: machine.nginx, backends, gateways: host.gateways, ...tools }) : undefined;
  return { backends, names, policies, leftAlone: [...found.leftAlone, ...(nginx?.leftAlone ?? [])], checked, nginx };
}

/** What an earlier run chose stays chosen; a port that somebody else has is not taken from him. */
function placesNow({ listening }: Machine, { places }: InitChoices, now: HostConfig | undefined): Places {
  if (now) {
    const { admin, proxy } = now;
    const line = proxy.user === undefined ? undefined : `{ user: ${proxy.user}${proxy.group === undefined ? '' : `, group: ${proxy.group}`} }`;
    return { ...places, admin: admin ? formatAddress(admin.listen) : places.admin, proxy: line };
  }
  const wanted = parseAddress(places.admin);
  const isTaken = wanted !== undefined && listensAtAddress(listening, wanted) !== undefined;
  return { ...places, admin: isTaken ? `unix:${places.runtime}/admin.sock` : places.admin, proxy: undefined };
}
