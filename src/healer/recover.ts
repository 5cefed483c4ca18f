/** One step, carried out: its intent is on the disk before it begins, its outcome when it has ended. */
import type { Decision, StepResult } from '../core/decision.ts';
import { formatAddress } from '../core/failure.ts';
import { ulid } from '../core/ids.ts';
import { beginStep } from './acting.ts';
import { recordFor } from './audit-record-for.ts';
import type { Healer, OpenCase, Ward } from './healer.ts';
import { looksWell } from './looks-well.ts';
import { fallBackUntilRepaired } from './gate-orders.ts';
import { touches } from './policy/gates.ts';
import { gateFields } from './record-decision.ts';
import { sayOnce } from './say-once.ts';
import { tell } from './tell.ts';

/** `verify`: the step may have helped. `again`: it did not (or was only a word to somebody); look anew. */
export type Recovered = { readonly next: 'verify'; readonly sentence: string } | { readonly next: 'again'; readonly inMs: number };

/** As often as the proxies' summaries come. */
const lookWhileWaitingMs = 500;

type Recover = Extract<Decision, { kind: 'recover' }>;

/** An act of a person takes seconds. */
const lookAfterOtherActMs = 200;

/** Not while a person's act is under way, nor on what was seen before it. */
export async function recover(decision: Recover, place: { open: OpenCase; ward: Ward; healer: Healer }): Promise<Recovered> {
  const limits = place.healer.actionTable.get(decision.step.action);
  if (!limits || !touches(limits)) return carryOut(decision, place);
  const end = beginStep(`${decision.step.action} by the rule "${decision.rule}"`, place);
  if (!end) return { next: 'again', inMs: lookAfterOtherActMs };
  try {
    return await carryOut(decision, place);
  } finally {
    end();
  }
}

/** No audit, no action: what cannot be recorded is not done, and is tried again soon. */
async function carryOut(decision: Recover, { open, ward, healer }: { open: OpenCase; ward: Ward; healer: Healer }): Promise<Recovered> {
  const { step, rule } = decision;
  const action = healer.actions.get(step.action);
  const suspect = open.diagnosis?.best;
  if (!action || !suspect) throw new Error(`expected a known action and a diagnosis, got ${step.action}`);
  const base = { ...recordFor(open, ward), action: step.action, action_id: ulid(healer.clock.wallMs()), rule, rung: step.rung, attempt: step.attempt };
  const intent = await healer.audit.append({
    ...base,
    event: 'action.intent',
    cause: suspect.cause,
    confidence: suspect.confidence,
    gates: gateFields(decision.gates),
    limits: { timeout_ms: step.timeoutMs },
    text: `${step.action} by the rule "${rule}"`,
  });
  if (intent.kind !== 'appended') return refuseWithoutAudit(`${step.action} is not done, because it could not be recorded: ${intent.detail}`, { open, ward, healer });
  const saved = await healer.state.startStep({ incident: open.incident, rule, step, counts: action.counts });
  const result: StepResult = saved.kind === 'saved' ? await perform(decision, { open, ward, healer }) : { result: 'failed', detail: `not done: ${saved.detail}`, durationMs: 0 };
  open.said.clear();
  await healer.audit.append({
    ...base,
    event: result.result === 'unknown' ? 'action.unknown' : 'action.finished',
    parent: intent.seq,
    outcome: outcomeField(result),
    ...(result.argv ? { argv: [...result.argv] } : {}),
    text: result.detail,
  });
  healer.log.info({ service: ward.name, action: step.action, result: result.result, took_ms: Math.round(result.durationMs) }, result.detail);
  if (step.action === 'page') open.told = true;
  if (action.counts || step.action === 'switch_upstream') {
    open.done.push(result.result === 'failed' ? `${step.action} (failed)` : step.action);
    open.acted = { wallMs: healer.clock.wallMs(), monotonicMs: healer.clock.monotonicMs() };
  }
  if (startsAnew.has(step.action) && result.result !== 'failed') await undoSwitch({ open, ward, healer });
  return whatNext(decision, result);
}

/** A fresh run listens where it is configured to, so an earlier switch of the upstream is undone by it. */
const startsAnew: ReadonlySet<string> = new Set(['start', 'restart', 'terminate_orphans']);

async function undoSwitch({ open, ward, healer }: { open: OpenCase; ward: Ward; healer: Healer }): Promise<void> {
  const { current, upstreams } = ward.target();
  if (current === 0 || !upstreams[0]) return;
  await ward.useUpstream(0);
  await healer.audit.append({ ...recordFor(open, ward), event: 'undo.done', text: `the gateways use ${formatAddress(upstreams[0])} again, where the service is configured to listen` });
}

async function perform({ step }: Recover, { open, ward, healer }: { open: OpenCase; ward: Ward; healer: Healer }): Promise<StepResult> {
  const action = healer.actions.get(step.action)!;
  const ended = new AbortController();
  if (step.action === 'wait') void endWhenWell(ended, { open, ward, healer });
  const context = {
    target: ward.target(),
    serviceType: ward.serviceType,
    run: healer.run,
    clock: healer.clock,
    suspect: open.diagnosis!.best,
    signal: AbortSignal.any([AbortSignal.timeout(step.timeoutMs), ended.signal]),
    useUpstream: (index: number) => ward.useUpstream(index),
    isWell: (service: string) => (healer.wards.has(service) ? !healer.state.state().incidents.some((one) => one.service === service) : undefined),
    shed: async ({ keep, retryAfterMs }: { readonly keep: number; readonly retryAfterMs: number }) => {
      for (const { name: gateway } of ward.gateways) healer.order({ type: 'shed', gateway, incident: open.incident.id, keep, retryAfterMs, say: '' });
    },
    tell: (text: string, to?: readonly string[]) => tell(text, { ward, healer }, to),
  };
  try {
    return await action.perform(context, step.options);
  } finally {
    ended.abort();
  }
}

/** Waiting is over as soon as there is nothing left to wait for, or when something about the service changed. */
async function endWhenWell(ended: AbortController, { open, ward, healer }: { open: OpenCase; ward: Ward; healer: Healer }): Promise<void> {
  open.wake = () => ended.abort();
  while (!ended.signal.aborted) {
    await healer.clock.sleep(lookWhileWaitingMs, AbortSignal.any([ended.signal, healer.stopping]));
    if (healer.stopping.aborted || (await looksWell(open, ward, healer))) ended.abort();
  }
}

function whatNext({ step }: Recover, result: StepResult): Recovered {
  const sentence = result.detail;
  if (step.action === 'page' || step.action === 'notify') return { next: 'again', inMs: 100 };
  // the next round finds out at once whether there is still something to wait for
  if (step.action === 'wait') return { next: 'again', inMs: 10 };
  // a failed command changed nothing for the better: look anew at once, the back-off says when to try again
  return result.result === 'failed' ? { next: 'again', inMs: 10 } : { next: 'verify', sentence };
}

/** Disk full, folder gone: traffic flows, healing waits, somebody is told. */
async function refuseWithoutAudit(text: string, { open, ward, healer }: { open: OpenCase; ward: Ward; healer: Healer }): Promise<Recovered> {
  if (sayOnce(open, text, healer)) await tell(`${ward.name}: ${text}`, { ward, healer });
  open.told = true;
  fallBackUntilRepaired({ open, ward, healer });
  return { next: 'again', inMs: 5000 };
}

/** What came of a step, as the audit log spells it. */
export function outcomeField(result: StepResult): { result: 'done' | 'failed' | 'unknown'; detail: string; exit?: number; signal?: string; duration_ms: number; output?: string } {
  return {
    result: result.result,
    detail: result.detail,
    ...(result.exitCode === undefined ? {} : { exit: result.exitCode }),
    ...(result.signal === undefined ? {} : { signal: result.signal }),
    duration_ms: Math.round(result.durationMs),
    ...(result.outputTail ? { output: result.outputTail } : {}),
  };
}
