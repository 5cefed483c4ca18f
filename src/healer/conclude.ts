/** After a step, or when the service looks well by itself: verification, its record, and the end of the incident. */
import { voidQuestions } from './approvals.ts';
import { recordFor } from './audit-record-for.ts';
import { noteFailure, noteSuccess } from './breaker.ts';
import { openGates } from './gate-orders.ts';
import type { Healer, NextRound, OpenCase, Ward } from './healer.ts';
import { checksFor, checksOf, staysAway, symptom } from './looks-well.ts';
import { notify } from './notices.ts';
import { noteRecovery, wasRepaired } from './repetition.ts';
import { beginLooking, beginVerifying } from './step-now.ts';
import { takeRequestIds } from './take-request-ids.ts';
import { undoActs } from './undo.ts';
import { verify, type Verification } from './verify.ts';

/** Of so many recoveries the median is told; what was long ago says little about today. */
const rememberedRecoveries = 9;

/** Waiting requests are let go at the first pass; the incident is closed once the checks stayed well. */
export async function conclude(open: OpenCase, ward: Ward, healer: Healer, done?: { readonly sentence: string }): Promise<NextRound> {
  if (!done && !(await staysAway(open, ward, healer))) return { kind: 'again', inMs: 10 };
  const { verify: settings } = ward.policy;
  const checks = checksOf(ward, healer);
  const sentence = storyOf(open, ward, done?.sentence);
  const interrupted = new AbortController();
  const ended = new AbortController();
  open.interrupt = () => interrupted.abort();
  // also after a restart of the healer, when nobody knows what came of the step before it
  const died = diesAgain(ward, healer, ended.signal);
  open.step = beginVerifying(healer.clock);
  const verification = await verify({
    checks: checksFor(ward),
    within: settings.within,
    stableFor: settings.stable_for,
    // what opened the incident must be gone, whatever the policy's checks say
    runCheck: async (check, moment) => {
      const result = await checks(check, moment);
      const seen = symptom(open, ward, healer);
      return result.passed === true && seen.passed === false ? seen : result;
    },
    clock: healer.clock,
    signal: AbortSignal.any([healer.stopping, interrupted.signal, died.signal]),
    onFirstPass: () => openGates({ open, ward, healer }, sentence),
  });
  ended.abort();
  open.step = beginLooking(healer.clock);
  if (healer.stopping.aborted || interrupted.signal.aborted) return { kind: 'again', inMs: 10 };
  const outcome: Verification = died.signal.aborted
    ? { ...verification, outcome: 'not_recovered', text: `${ward.name} ${done ? 'ended again' : 'was seen dead twice'} while it was watched` }
    : verification;
  // before the verification counts as ended: what is counted late would be lost in a crash
  if (outcome.outcome === 'not_recovered') await noteFailure({ open, ward, healer });
  await record(outcome, { open, ward, healer });
  if (outcome.outcome === 'recovered') await noteSuccess({ open, ward, healer });
  if (outcome.outcome === 'recovered') return close(open, ward, healer);
  if (outcome.outcome === 'not_recovered') await undoActs('not_recovered', { open, ward, healer });
  return { kind: 'again', inMs: 10 };
}

/** Two looks so far apart must agree that it is gone: a restart in progress passes through the same states. */
const deathLookMs = 400;

/** Aborts when the service, once started, is seen dead twice: to go on watching would only lose time. */
function diesAgain(ward: Ward, healer: Healer, signal: AbortSignal): AbortController {
  const died = new AbortController();
  void (async () => {
    for (let deadLooks = 0; deadLooks < 2 && !signal.aborted;) {
      await healer.clock.sleep(deathLookMs, signal);
      const { state } = await ward.serviceType.state(ward.target(), healer.run, signal);
      deadLooks = state === 'failed' || state === 'stopped' ? deadLooks + 1 : 0;
    }
    if (!signal.aborted) died.abort();
  })();
  return died;
}

async function record(verification: Verification, { open, ward, healer }: { open: OpenCase; ward: Ward; healer: Healer }): Promise<void> {
  await healer.state.endVerification(open.incident, verification.outcome);
  await healer.audit.append({
    ...recordFor(open, ward),
    event: verification.outcome === 'recovered' ? 'verify.passed' : 'verify.failed',
    verify: {
      outcome: verification.outcome,
      checks: verification.checks.map(({ check, passed, text }) => ({ check, verdict: passed === 'skipped' ? 'skipped' : passed ? 'pass' : 'fail', text })),
      ...(verification.firstPassMs === undefined ? {} : { first_pass_ms: Math.round(verification.firstPassMs) }),
      took_ms: Math.round(verification.tookMs),
    },
    text: verification.text,
  });
  healer.log.info({ service: ward.name, outcome: verification.outcome }, verification.text);
}

async function close(open: OpenCase, ward: Ward, healer: Healer): Promise<NextRound> {
  const tookMs = healer.clock.wallMs() - open.incident.openedAtMs;
  const withoutStable = Math.max(500, tookMs - ward.policy.verify.stable_for);
  ward.recoveriesMs.push(withoutStable);
  if (ward.recoveriesMs.length > rememberedRecoveries) ward.recoveriesMs.shift();
  ward.lastGoodMs = healer.clock.wallMs();
  await undoActs('closed', { open, ward, healer });
  const best = open.diagnosis?.best;
  const { requests } = takeRequestIds(ward);
  const { symptom: first } = open.incident;
  if (requests)
    await healer.audit.append({
      ...recordFor(open, ward),
      event: 'incident.updated',
      symptom: { seen_by: first.seenBy, kind: first.kind, count: first.count, text: first.text, requests },
      text: `${requests.length} more ${requests.length === 1 ? 'request' : 'requests'} failed meanwhile`,
    });
  await healer.audit.append({
    ...recordFor(open, ward),
    event: 'incident.recovered',
    ...(best ? { cause: best.cause, confidence: best.confidence } : {}),
    outcome: { result: 'recovered', duration_ms: Math.max(0, Math.round(tookMs)), detail: open.done.length > 0 ? open.done.join(', ') : 'by itself, or by somebody else' },
    text: storyOf(open, ward, undefined),
  });
  await notify('recovered', { open, ward, healer });
  await noteRecovery({ open, ward, healer });
  await voidQuestions(`${ward.name} is well again`, { open, ward, healer });
  await healer.state.closeIncident(open.incident.id);
  return { kind: 'closed', repaired: wasRepaired(open) };
}

/** The incident as one sentence: what it was and what was done. */
function storyOf(open: OpenCase, ward: Ward, done: string | undefined): string {
  const cause = open.diagnosis?.best.sentence ?? `${ward.name} is well again.`;
  const deed = done ?? (open.done.length > 0 ? `Done: ${open.done.join(', ')}.` : 'It came back without a repair by goodgateway.');
  return `${cause} ${deed.charAt(0).toUpperCase()}${deed.slice(1)}${deed.endsWith('.') ? '' : '.'}`;
}
