/** The decision of one round: the pure one by policy, then, only if all else lets it pass, the two looks that cost something. */
import type { Decision } from '../core/decision.ts';
import { endOldQuestions } from './approvals.ts';
import { noteRelapse } from './breaker.ts';
import { firstChecks } from './first-checks.ts';
import { noteDiagnosis, withInvalidConfig, type Examined } from './examine.ts';
import type { Healer, OpenCase, Ward } from './healer.ts';
import { keepEvidence } from './keep-evidence.ts';
import type { ServiceState } from './leaves.ts';
import { configTestOptions, tellingLine } from './service-parts/config-tests.ts';
import { isLive } from './questions.ts';
import { recordDecision } from './record-decision.ts';
import { lookAround } from './look-around.ts';
import { decide, finishGates, needsConfigTest, type DecisionInput, type LastLook } from './policy/decide.ts';
import type { Surroundings } from './policy/surroundings.ts';

/** What is done now, or why nothing is. A failed configuration test becomes the diagnosis, and is decided on anew. */
export async function chooseStep(examined: Examined, place: { open: OpenCase; ward: Ward; healer: Healer }): Promise<Decision> {
  const { open, ward, healer } = place;
  await endOldQuestions(examined.state, place);
  const surroundings = await lookAround(ward, examined.state, healer);
  const decision = decide(inputFor(examined, surroundings, place));
  await noteRelapse(decision, place);
  if (!wantsLastLook(decision)) return decision;
  // before the last look: it may take seconds, in which somebody else may act
  const unkept = decision.kind === 'recover' ? await keepEvidence(decision.step.action, examined.state, place) : undefined;
  const config = needsConfigTest(decision, ward.policy, healer.actionTable) ? await configLook(decision, place) : noTest;
  const firsts = await firstChecks(ward.policy.rules.find((rule) => rule.name === decision.rule)?.try[decision.step?.rung ?? 0]?.first ?? [], ward.target());
  const now = await ward.serviceType.state(ward.target(), healer.run, healer.stopping);
  // those looks may take a minute: what people and programs did in it counts
  const latest = decide(inputFor({ ...examined, state: now }, await lookAround(ward, now, healer), place));
  if (now.fence === examined.state.fence && (!wantsLastLook(latest) || (latest.kind === 'stand_down' && decision.kind === 'recover'))) return latest;
  const finished = finishGates(
    decision,
    { ...config, firsts: [...firsts, ...(unkept === undefined ? [] : [{ name: 'evidence', passed: false, text: unkept }])], fence: fencesOf(examined.state, now) },
    healer.actionTable,
  );
  if (config.configTest !== 'fail' || open.configFailed) return finished;
  open.configFailed = true;
  const diagnosis = withInvalidConfig(examined.diagnosis, ward.name, config.detail);
  await recordRefusal(finished, place);
  await noteDiagnosis(diagnosis, place);
  return decide(inputFor({ ...examined, diagnosis }, surroundings, place));
}

/** systemd and Docker name a run by the same fence when it was frozen, woke up again, or has ended: then its state tells. */
function fencesOf(before: ServiceState, now: ServiceState): LastLook['fence'] {
  if (before.state === now.state) return { expected: before.fence, now: now.fence };
  const shown = ({ fence, state }: ServiceState): string => `${fence || 'no run'} (${state})`;
  return { expected: shown(before), now: shown(now) };
}

export type ConfigLook = Pick<LastLook, 'configTest' | 'detail'>;
const noTest: ConfigLook = { configTest: 'none', detail: '' };

function wantsLastLook(decision: Decision): boolean {
  return decision.kind === 'recover' || decision.why === 'observe';
}

/** Who only observes need not load hundreds of pools each second. */
const observedAgainMs = 60_000;
const lastLooks = new WeakMap<OpenCase, { readonly atMs: number; readonly look: ConfigLook }>();

async function configLook(decision: Decision, { open, ward, healer }: { open: OpenCase; ward: Ward; healer: Healer }): Promise<ConfigLook> {
  const known = lastLooks.get(open);
  const atMs = healer.clock.monotonicMs();
  if (decision.kind !== 'recover' && known && atMs - known.atMs < observedAgainMs) return known.look;
  const look = await testConfig(ward, healer);
  lastLooks.set(open, { atMs, look });
  return look;
}

/** The service's own configuration test, made now. */
export async function testConfig(ward: Ward, healer: Healer): Promise<ConfigLook> {
  const argv = ward.serviceType.configTest(ward.target());
  if (!argv) return { configTest: 'none', detail: 'the service has no configuration test' };
  const result = await healer.run.run(argv, { timeoutMs: ward.target().config.config_test_timeout, ...configTestOptions(ward.target()) });
  if (result.timedOut || result.startError !== undefined) return { configTest: 'unknown', detail: result.startError ?? 'it did not end in time' };
  if (result.exitCode === 0) return { configTest: 'pass', detail: '' };
  return { configTest: 'fail', detail: tellingLine(result) };
}

function inputFor({ diagnosis, state }: Examined, surroundings: Surroundings, { open, ward, healer }: { open: OpenCase; ward: Ward; healer: Healer }): DecisionInput {
  const history = healer.state.state();
  const remembered = history.incidents.find((one) => one.id === open.incident.id);
  return {
    now: { wallMs: healer.clock.wallMs(), monotonicMs: healer.clock.monotonicMs() },
    incident: open.incident,
    policy: ward.policy,
    policySha256: ward.sha256,
    safety: healer.safety,
    actions: healer.actionTable,
    diagnosis,
    serviceState: state,
    history,
    surroundings,
    ladder: remembered?.ladder ?? [],
    approvals: remembered?.approvals.filter(isLive) ?? [],
    causeSinceMs: open.causeSinceMs,
  };
}

async function recordRefusal(decision: Decision, { open, ward, healer }: { open: OpenCase; ward: Ward; healer: Healer }): Promise<void> {
  if (decision.kind !== 'stand_down') return;
  await recordDecision(decision, { open, ward, healer });
}
