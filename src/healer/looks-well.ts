import type { CheckConfig } from '../config/policy-schema.ts';
import type { Evidence, Suspect } from '../core/diagnosis.ts';
import { isCut } from './causes/read-cut.ts';
import { createChecks } from './checks.ts';
import { lookAt } from './examine.ts';
import { freshTraffic } from './fresh-traffic.ts';
import type { Healer, OpenCase, Ward } from './healer.ts';
import { standing } from './undo.ts';
import type { CheckResult, RunCheck } from './verify.ts';

/** Bad answers are gone when none was seen for so long: several summaries of every proxy. */
const symptomGoneAfterMs = 2000;
/** Ten errors in half a minute are an incident: on average one in three seconds. */
const errorsGoneAfterMs = 10_000;
/** Modes do not show an access list that lets the refused one in now: who was not refused for so long is let in. */
const refusalsGoneAfterMs = 60_000;
const oneLookMs = 5000;

/**
 * Whether somebody or something healed it meanwhile: all checks of the policy pass now, the symptom is gone, and the
 * cause that was diagnosed is not found any more (the kernel takes connections for a frozen process, too).
 */
export async function looksWell(open: OpenCase, ward: Ward, healer: Healer): Promise<boolean> {
  if (symptom(open, ward, healer).passed === false) return false;
  if ((await troubleOf(ward, healer)) !== undefined) return false;
  const before = open.diagnosis?.best.cause;
  // after a restart of the healer nobody knows the cause for which load is shed: any that is found is one
  const nameless = before === 'unknown' || (before === undefined && !isShedding(open, healer));
  const mayBeCut = isCut(open.incident.symptom.kind) && ward.target().protocol === 'http';
  if (nameless && !mayBeCut) return true;
  const { best, others, evidence } = await lookAt(ward, { symptom: open.incident.symptom, which: 'all' }, healer);
  if (mayBeCut && isOwnRequestCut(evidence)) return false;
  if (nameless) return true;
  if (before !== undefined && isBusy(before) && [best, ...others].some(({ cause, confidence }) => cause === 'capacity.workers_exhausted' && confidence !== 'possible')) return false;
  if (best.cause === 'config.permission' && !isRefused(evidence) && healer.clock.monotonicMs() - open.lastSymptomMs >= refusalsGoneAfterMs) return true;
  return (before === undefined ? best.cause === 'unknown' : best.cause !== before) || isOnlyTheSymptom(best, open.incident.symptom.text);
}

/** Connections are taken, and each is ended without an answer: a connect of ours says nothing there. */
function isOwnRequestCut(evidence: readonly Evidence[]): boolean {
  return evidence.some(({ kind, facts, missing }) => kind === 'http_answer' && missing === undefined && isCut(String(facts['failure'] ?? '')));
}

/** A connect of this look was refused for want of a right. */
function isRefused(evidence: readonly Evidence[]): boolean {
  return evidence.some(({ facts, missing }) => missing === undefined && (facts['errno'] === 'EACCES' || facts['result'] === 'EACCES'));
}

/** What of its own checks fails now, as one sentence; `undefined`: none does. What traffic shows is not asked. */
export async function troubleOf(ward: Ward, healer: Healer): Promise<string | undefined> {
  const runCheck = checksOf(ward, healer);
  const signal = AbortSignal.any([healer.stopping, AbortSignal.timeout(oneLookMs)]);
  const looks = checksFor(ward).filter((check) => !('traffic' in check));
  const results = await Promise.all(looks.map((check) => runCheck(check, { signal, firstPassWallMs: undefined })));
  return results.find((result) => result.passed === false)?.text;
}

const lookWhileSheddingMs = 1000;

/**
 * While load is shed, one worker that is free at one moment proves nothing, and everybody would be let in for it: it must
 * look well for as long as the checks must pass. At once `true` where nothing is shed.
 */
export async function staysAway(open: OpenCase, ward: Ward, healer: Healer): Promise<boolean> {
  if (!isShedding(open, healer)) return true;
  const untilMs = healer.clock.monotonicMs() + ward.policy.verify.stable_for;
  while (healer.clock.monotonicMs() < untilMs) {
    await healer.clock.sleep(Math.min(lookWhileSheddingMs, untilMs - healer.clock.monotonicMs()), healer.stopping);
    if (healer.stopping.aborted || open.news || !(await looksWell(open, ward, healer))) return false;
  }
  return true;
}

function isShedding(open: OpenCase, healer: Healer): boolean {
  return standing(open.incident, healer).some(({ action }) => action === 'shed_load');
}

/** These are somebody else's troubles, which go on while the service is well again. */
const outside: readonly Suspect['cause'][] = [
  'dependency.database',
  'dependency.cache',
  'dependency.other',
  'capacity.connections_exhausted',
  'capacity.ports_exhausted',
  'config.credentials',
  'config.dns',
  'config.per_ip_limit',
  'load.network',
  'change.in_progress',
  'disk.full',
  'data.corrupt',
];

/** Said of an application by its answers and by lines of its log, which stay: when no such answer comes any more, it is over. */
const byItsAnswers: readonly Suspect['cause'][] = ['app.error', 'config.timeout', 'config.buffer_size'];

/** Without junk in the healer's own answer, a queue that is full now, or modes that forbid it, what is left of these causes is the symptom, and that is gone. */
export function isOnlyTheSymptom({ cause, confidence, because }: Suspect, symptomText: string): boolean {
  if (outside.includes(cause) || byItsAnswers.includes(cause)) return true;
  // the machine is still busy, but nobody is seen waiting for it: such a sign would stand behind the symptom
  if ((cause.startsWith('load.') || cause === 'limit.tenant') && because.at(-1) === symptomText) return true;
  if (cause === 'app.slow') return confidence === 'possible';
  if (cause === 'app.bad_response') return confidence !== 'certain';
  // another protocol that only the visitors' answers showed
  if (cause === 'config.socket_mismatch' && because.at(-1) === symptomText) return true;
  return onlyLogged.includes(cause) && confidence === 'possible';
}

/** Possible: only a line of a log says so, which stays, or numbers that hurt nobody at the moment. */
const onlyLogged: readonly Suspect['cause'][] = ['capacity.backlog_full', 'config.permission', 'capacity.workers_exhausted', 'capacity.file_descriptors', 'limit.tenant'];

/** Busy, by any name: which one comes first depends on what the workers wait for at the moment, and that changes. */
function isBusy(cause: Suspect['cause']): boolean {
  return cause === 'app.slow' || cause === 'capacity.workers_exhausted' || cause.startsWith('dependency.');
}

/** The policy's checks, made for real. */
export function checksOf(ward: Ward, healer: Healer): RunCheck {
  return createChecks({ target: () => ward.target(), serviceType: ward.serviceType, run: healer.run, traffic: () => ward.traffic });
}

/** The policy's checks, and in any case that the service runs: a check that cannot be made here must not be the only one. */
export function checksFor(ward: Ward): readonly CheckConfig[] {
  const { checks } = ward.policy.verify;
  return checks.some((check) => 'service' in check) ? checks : [...checks, { service: 'running' }];
}

/** What opened the incident, seen again lately? A look that no policy can forget. */
export function symptom(open: OpenCase, ward: Ward, healer: Healer): CheckResult {
  const { acted } = open;
  const { kind, seenBy } = open.incident.symptom;
  const stuck = freshTraffic(ward, healer.clock).find((summary) => summary.noProgressMs >= ward.policy.hung_after && summary.atMs > (acted?.wallMs ?? 0));
  if (stuck) return { passed: false, text: `nothing was answered through ${stuck.gateway} for ${Math.round(stuck.noProgressMs / 100) / 10} s` };
  if (seenBy === 'watch') return { passed: true, text: 'the watch decides by the other checks' };
  if (acted && open.lastSymptomMs < acted.monotonicMs) return { passed: true, text: `${kind} was not seen since the repair` };
  const agoMs = healer.clock.monotonicMs() - open.lastSymptomMs;
  const goneAfterMs = kind === 'status_5xx' ? errorsGoneAfterMs : symptomGoneAfterMs;
  return agoMs < goneAfterMs && needsQuiet(kind) ? { passed: false, text: `${kind} was seen ${Math.round(agoMs)} ms ago` } : { passed: true, text: `${kind} is not seen any more` };
}

/** A connect that works again, or an answer that comes again, is proof enough; of bad answers only their absence is. */
function needsQuiet(kind: OpenCase['incident']['symptom']['kind']): boolean {
  return !['connection_refused', 'destination_unavailable', 'connection_timeout', 'connection_terminated', 'no_progress', 'http_response_timeout'].includes(kind);
}
