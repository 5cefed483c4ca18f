/** Evidence and diagnosis of one round, recorded when they say something new. */
import type { Diagnosis, Evidence, Suspect } from '../core/diagnosis.ts';
import type { Symptom } from '../core/incident.ts';
import { beginLook } from './acting.ts';
import { recordFor } from './audit-record-for.ts';
import { dependenciesOf, dependencyOf } from './dependencies-of.ts';
import { avoidOf, changesIn, diagnose } from './diagnose.ts';
import { freshTraffic } from './fresh-traffic.ts';
import { gatherEvidence, type Which } from './gather-evidence.ts';
import type { Healer, OpenCase, SeenSummary, Ward } from './healer.ts';
import type { CaseFile, ProbeContext, ServiceState } from './leaves.ts';
import { withOwnStop } from './own-stop.ts';
import { sayOnce } from './say-once.ts';

export interface Examined {
  readonly diagnosis: Diagnosis;
  readonly state: ServiceState;
}

/**
 * Looks at the service. The first round of an incident is quick, and thorough only when the quick look is not certain:
 * a dead service is to be started, not studied; but what holds data is studied first, because a start on damaged files
 * may cost more of it, and nothing is started before its disk was looked at or did not answer for a second. Every later
 * round is thorough. `undefined`: the known cause cannot be seen any more; the trouble may be over, and the next look says
 * so or names another cause.
 */
export async function examine(open: OpenCase, ward: Ward, healer: Healer): Promise<Examined | undefined> {
  beginLook(open, ward, healer);
  const seeing = ward.serviceType.state(ward.target(), healer.run, healer.stopping);
  const symptom = open.news ?? open.incident.symptom;
  open.news = undefined;
  let diagnosis = open.rounds === 1 && !holdsData(ward) ? await quickLook(ward, symptom, healer) : undefined;
  if (diagnosis?.best.confidence !== 'certain') diagnosis = await lookAt(ward, { symptom, which: 'all' }, healer);
  const state = await seeing;
  // in the first moment of a crash its supervisor does not know of it yet: nobody is told, or turned away, before a second look
  const early = open.rounds === 1 && symptom.kind === 'connection_refused';
  const passing = diagnosis.best.cause === 'unknown' && (early || state.state === 'stopping' || state.state === 'starting');
  if (passing || isFading(diagnosis, open, healer)) return undefined;
  // a test that cannot write tells of the disk, and nothing else is tried on a full one
  if (open.configFailed && diagnosis.best.cause !== 'disk.full') diagnosis = withInvalidConfig(diagnosis, ward.name, failedTest(diagnosis.evidence));
  diagnosis = withOwnStop(diagnosis, open, healer);
  await noteDiagnosis(diagnosis, { open, ward, healer });
  return { diagnosis, state };
}

async function quickLook(ward: Ward, symptom: Symptom, healer: Healer): Promise<Diagnosis> {
  const first = await lookAt(ward, { symptom, which: 'quick' }, healer);
  return first.best.confidence === 'certain' && isDiskLate(first.evidence) ? lookAt(ward, { symptom, which: 'again' }, healer) : first;
}

/** On a busy machine the look at the disks may be late. That a file system says nothing at all is no reason to ask it again. */
function isDiskLate(evidence: readonly Evidence[]): boolean {
  return evidence.some(({ kind, facts, missing }) => missing !== undefined && kind === 'probe' && facts['probe'] === 'disk-space');
}

/** A database or a cache. */
function holdsData(ward: Ward): boolean {
  const { upstreams, current } = ward.target();
  return dependencyOf(ward.policy, upstreams[current], undefined).kind !== 'other';
}

/** How long "cannot be named any more" is taken for the end of a known trouble, not for an unknown one. */
const fadingMs = 3000;

function isFading({ best }: Diagnosis, open: OpenCase, healer: Healer): boolean {
  const known = open.diagnosis !== undefined && open.diagnosis.best.cause !== 'unknown';
  if (best.cause !== 'unknown' || !known) {
    open.unknownSinceMs = undefined;
    return false;
  }
  open.unknownSinceMs ??= healer.clock.monotonicMs();
  return healer.clock.monotonicMs() - open.unknownSinceMs < fadingMs;
}

/** Evidence and diagnosis, without an incident and without a record. */
export async function lookAt(ward: Ward, { symptom, which }: { readonly symptom: Symptom; readonly which: Which }, healer: Healer): Promise<Diagnosis> {
  const target = ward.target();
  const context: ProbeContext = {
    target,
    run: healer.run,
    clock: healer.clock,
    serviceType: ward.serviceType,
    lastGoodMs: ward.lastGoodMs,
    dependencies: dependenciesOf(ward, healer),
    ...(healer.signatures ? { signatures: healer.signatures } : {}),
  };
  const inTime = AbortSignal.any([healer.stopping, AbortSignal.timeout(ward.policy.evidence.timeout)]);
  const seen = await gatherEvidence(context, healer.probes, inTime, which);
  const evidence = [...seen, ...ward.deaths.evidence(healer.clock.monotonicMs())];
  return diagnose(caseFile(ward, { symptom, evidence, healer }), healer.causes);
}

/** The configuration test stands in the way of the repair, so it is the cause that a person must know of. */
export function withInvalidConfig(diagnosis: Diagnosis, service: string, line: string | undefined): Diagnosis {
  if (line === undefined) return diagnosis;
  const best: Suspect = {
    cause: 'config.invalid',
    confidence: 'certain',
    subject: service,
    sentence: `The configuration of ${service} does not pass its own test, so no restart could work: ${line}`,
    because: [`the configuration test says: ${line}`, diagnosis.best.sentence],
    against: [],
    remedy: 'Correct the line that the test names; the repair goes on by itself afterwards.',
  };
  return { best, others: [diagnosis.best, ...diagnosis.others], evidence: diagnosis.evidence };
}

/** Keeps and records a diagnosis that differs from the last one. */
export async function noteDiagnosis(diagnosis: Diagnosis, { open, ward, healer }: { open: OpenCase; ward: Ward; healer: Healer }): Promise<void> {
  const before = open.diagnosis?.best;
  const { best } = diagnosis;
  if (before?.cause !== best.cause) open.causeSinceMs = healer.clock.monotonicMs();
  open.diagnosis = diagnosis;
  if (!sayOnce(open, `${best.cause} ${best.confidence}`, healer)) return;
  const base = recordFor(open, ward);
  const [avoid, changes] = [avoidOf(best), changesIn(diagnosis.evidence)];
  await healer.audit.append({ ...base, event: 'evidence.captured', evidence: diagnosis.evidence.slice(0, 100).map(evidenceField) });
  await healer.audit.append({
    ...base,
    event: before ? 'diagnosis.changed' : 'diagnosis.made',
    cause: best.cause,
    confidence: best.confidence,
    signals: signalsOf(diagnosis),
    text: best.sentence,
    remedy: best.remedy,
    ...(avoid.length === 0 ? {} : { avoid }),
    ...(changes.length === 0 ? {} : { changes }),
  });
  healer.log.info({ service: ward.name, cause: best.cause, confidence: best.confidence }, best.sentence);
}

function caseFile(ward: Ward, { symptom, evidence, healer }: { symptom: Symptom; evidence: readonly Evidence[]; healer: Healer }): CaseFile {
  const summaries = freshTraffic(ward, healer.clock);
  const sum = (of: 'inFlight' | 'held' | 'completed'): number => summaries.reduce((total, one) => total + one[of], 0);
  return {
    target: ward.target(),
    symptom,
    evidence,
    traffic: {
      inFlight: sum('inFlight'),
      held: sum('held'),
      completed: sum('completed'),
      noProgressMs: Math.max(0, ...summaries.map((one) => one.noProgressMs)),
      limit: limitOf(ward),
      pattern: busiest(summaries),
    },
  };
}

/** Of several gateways the one that most is asked through. */
function busiest(summaries: readonly SeenSummary[]): SeenSummary['pattern'] {
  return summaries.map(({ pattern }) => pattern).toSorted((a, b) => (b?.requests ?? 0) - (a?.requests ?? 0))[0];
}

/** The line of a configuration test that failed in this very look; `undefined` when it passed or was not made. */
export function failedTest(evidence: readonly Evidence[]): string | undefined {
  const test = evidence.find((one) => one.kind === 'config_test');
  return test && !test.missing && test.facts['passed'] === false ? String(test.facts['line'] ?? test.text) : undefined;
}

function evidenceField(one: Evidence): { collector: string; status: 'seen' | 'missing'; source: string; text: string } {
  return { collector: one.kind, status: one.missing === undefined ? 'seen' : 'missing', source: one.source, text: one.missing ?? one.text };
}

function signalsOf({ best, evidence }: Diagnosis): { speaks: 'for' | 'against'; signal: string; value: string; source: string }[] {
  const said = (speaks: 'for' | 'against', texts: readonly string[]) => texts.map((value) => ({ speaks, signal: best.cause, value, source: sourceOf(value, evidence) }));
  return [...said('for', best.because), ...said('against', best.against)].slice(0, 100);
}

function sourceOf(text: string, evidence: readonly Evidence[]): string {
  return evidence.find((one) => one.text === text)?.source ?? 'diagnosis';
}

/** The most that the gateways let in at once, where they do. */
function limitOf({ gateways, workers }: Ward): number | undefined {
  const configured = gateways.map(({ concurrency }) => concurrency).find((concurrency) => typeof concurrency === 'number');
  return configured ?? workers;
}
