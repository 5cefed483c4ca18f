/**
 * The healer's own diagnosis without a healer: one thorough look at each service of the configuration, now. It only
 * reads. Nobody tells it of the traffic, nor of the workers that died before; what it sees is what there is to see.
 */
import type { Configuration } from '../config/load.ts';
import type { PolicyConfig } from '../config/policy-schema.ts';
import type { Diagnosis } from '../core/diagnosis.ts';
import type { Question, Symptom } from '../core/incident.ts';
import { systemClock } from '../core/time.ts';
import { connectProbe } from '../upstream/probe.ts';
import * as registeredCauses from './causes/registry.ts';
import { dependencyOf } from './dependencies-of.ts';
import { diagnose } from './diagnose.ts';
import { gatherEvidence } from './gather-evidence.ts';
import type { Dependency, ProbeContext, ServiceTarget, ServiceType } from './leaves.ts';
import * as registeredProbes from './probes/registry.ts';
import { runCommand } from './run-command.ts';
import * as registeredServices from './services/registry.ts';
import { symptomOfState } from './state-symptom.ts';
import { currentFile, readCurrent, targetOf, upstreamsOf } from './ward-target.ts';

export interface DiagnosisNow {
  readonly service: string;
  /** What is wrong at first sight; `undefined`: it runs and takes connections. */
  readonly symptom: Symptom | undefined;
  readonly diagnosis: Diagnosis;
}

const connectMs = 1000;

/** Diagnoses the service of this policy; `signal` ends the look early, with what was seen until then. */
export async function diagnoseNow(policy: PolicyConfig, configuration: Configuration, signal: AbortSignal): Promise<DiagnosisNow> {
  const target = await targetNow(policy, configuration);
  const serviceType = typeOf(target);
  const inTime = AbortSignal.any([signal, AbortSignal.timeout(policy.evidence.timeout)]);
  const context: ProbeContext = { target, serviceType, run: runCommand, clock: systemClock, lastGoodMs: 0, dependencies: await dependenciesNow(policy, configuration) };
  const symptom = await symptomOf(target, serviceType, inTime);
  const evidence = await gatherEvidence(context, Object.values(registeredProbes), inTime, 'all');
  const asked: Question = { seenBy: 'watch', kind: 'asked', count: 1, text: `${policy.name} runs and takes connections.` };
  const traffic = { inFlight: 0, held: 0, completed: 0, noProgressMs: 0, limit: undefined };
  return { service: policy.name, symptom, diagnosis: diagnose({ target, symptom: symptom ?? asked, evidence, traffic }, Object.values(registeredCauses)) };
}

async function targetNow(policy: PolicyConfig, { host: { gateways, state } }: Configuration): Promise<ServiceTarget> {
  const options = { policy, gateways, stateFolder: state };
  return targetOf(options, await readCurrent(currentFile(state, policy.name), upstreamsOf(options)));
}

function typeOf({ config }: ServiceTarget): ServiceType {
  const found = Object.values(registeredServices).find(({ name }) => name === config.type);
  if (!found) throw new Error(`expected services of type ${config.type} to be known`);
  return found;
}

/** What the service needs, as far as policies tell of it. No healer says whether it has an incident: it is asked itself. */
async function dependenciesNow(policy: PolicyConfig, configuration: Configuration): Promise<readonly Dependency[]> {
  const needed = policy.depends_on.flatMap((name) => configuration.policies.get(name)?.policy ?? []);
  return Promise.all(
    needed.map(async (one) => {
      const { upstreams, current } = await targetNow(one, configuration);
      return dependencyOf(one, upstreams[current], undefined);
    }),
  );
}

async function symptomOf(target: ServiceTarget, serviceType: ServiceType, signal: AbortSignal): Promise<Symptom | undefined> {
  const seen = symptomOfState(await serviceType.state(target, runCommand, signal));
  if (seen) return seen;
  const address = target.upstreams[target.current];
  const failure = address && (await connectProbe(address, connectMs, { signal }));
  return failure && { seenBy: 'watch', kind: failure.kind, count: 1, text: `${target.name} did not take a connection: ${failure.detail}.` };
}
