import { createChecks } from './checks.ts';
import type { Healer, OpenCase, Ward } from './healer.ts';
import type { CheckResult, RunCheck } from './verify.ts';

/** A symptom of traffic is gone when it was not seen for so long: several summaries of every proxy. */
const symptomGoneAfterMs = 2000;
const oneLookMs = 5000;

/** Whether all checks of the policy pass now and the symptom is gone: somebody or something may have healed it meanwhile. */
export async function looksWell(open: OpenCase, ward: Ward, healer: Healer): Promise<boolean> {
  if (symptom(open, ward, healer).passed === false) return false;
  const runCheck = checksOf(ward, healer);
  const signal = AbortSignal.any([healer.stopping, AbortSignal.timeout(oneLookMs)]);
  const results = await Promise.all(ward.policy.verify.checks.filter((check) => !('traffic' in check)).map((check) => runCheck(check, { signal, firstPassWallMs: undefined })));
  return results.every((result) => result.passed !== false) && results.some((result) => result.passed === true);
}

/** The policy's checks, made for real. */
export function checksOf(ward: Ward, healer: Healer): RunCheck {
  return createChecks({ target: () => ward.target(), serviceType: ward.serviceType, run: healer.run, traffic: () => [...ward.traffic.values()] });
}

/** What opened the incident, seen again lately? A look that no policy can forget. */
export function symptom(open: OpenCase, ward: Ward, healer: Healer): CheckResult {
  const { acted } = open;
  const stuck = [...ward.traffic.values()].find((summary) => summary.noProgressMs >= ward.policy.hung_after && summary.atMs > (acted?.wallMs ?? 0));
  if (stuck) return { passed: false, text: `nothing was answered through ${stuck.gateway} for ${Math.round(stuck.noProgressMs / 100) / 10} s` };
  if (open.incident.symptom.seenBy === 'watch') return { passed: true, text: 'the watch decides by the other checks' };
  if (acted && open.lastSymptomMs < acted.monotonicMs) return { passed: true, text: `${open.incident.symptom.kind} was not seen since the repair` };
  const agoMs = healer.clock.monotonicMs() - open.lastSymptomMs;
  return agoMs < symptomGoneAfterMs && needsQuiet(open) ? { passed: false, text: `${open.incident.symptom.kind} was seen ${Math.round(agoMs)} ms ago` } : { passed: true, text: `${open.incident.symptom.kind} is not seen any more` };
}

/** A connect that works again is proof enough; of bad answers only their absence is. */
function needsQuiet(open: OpenCase): boolean {
  return !['connection_refused', 'destination_unavailable', 'connection_timeout', 'connection_terminated'].includes(open.incident.symptom.kind);
}
