/** What a person asked for, carried out: intent on the disk, the act, its outcome on the disk. It counts as no attempt. */
import type { OperatorAnswer, OperatorRequest } from '../../channel/operator-messages.ts';
import type { StepResult } from '../../core/decision.ts';
import { formatAddress } from '../../core/failure.ts';
import { ulid } from '../../core/ids.ts';
import { describeTarget } from '../audit-record-for.ts';
import type { Healer, OpenCase, Ward } from '../healer.ts';
import type { ActionContext } from '../leaves.ts';
import { outcomeRecord } from '../outcome-record.ts';
import { isWell, startsAnew } from '../recover.ts';
import { tell } from '../tell.ts';
import { done, refused } from './answers.ts';
import type { OwnStep } from './own-step.ts';

interface Act {
  readonly ward: Ward;
  readonly step: OwnStep;
  /** The incident that is open at that moment. */
  readonly open: () => OpenCase | undefined;
  readonly healer: Healer;
  /** What is to be said beside the result. */
  readonly warning: string;
}

const oneLookMs = 5000;

/** To be called while nothing else acts on the service. Ok when the act is done; what is unknown is not ok. */
export async function actByHand({ action, reason, by }: Extract<OperatorRequest, { ask: 'do' }>, act: Act): Promise<OperatorAnswer> {
  const { ward, step, healer, warning } = act;
  const open = act.open();
  const id = ulid(healer.clock.wallMs());
  const before = await lookAt(act);
  const base = {
    ...(open ? { incident: open.incident.id } : {}),
    service: ward.name,
    target: describeTarget(ward),
    policy: { name: ward.policy.name, sha256: ward.sha256, mode: ward.policy.mode },
    actor: { by },
    action,
    action_id: id,
  };
  const intent = await healer.audit.append({
    ...base,
    event: 'action.intent',
    fence: before.fence,
    limits: { timeout_ms: step.timeoutMs },
    text: `${action} by hand, asked for by ${by}: ${reason}.${warning}`,
  });
  if (intent.kind !== 'appended') return refused(`${action} is not done, because it could not be recorded: ${intent.detail}`);
  // the watch, which sees it happen, must not record it as the work of a person who is not known
  const lastAct = { action, startedMs: healer.clock.monotonicMs() };
  ward.lastAct = lastAct;
  const result = await step.action.perform(contextOf(act, open?.incident.id ?? id), step.options);
  ward.lastAct = { ...lastAct, endedMs: healer.clock.monotonicMs() };
  await remember(`${action} by ${by}: ${reason}`, result, act);
  const recorded = await healer.audit.append({ ...base, ...outcomeRecord(result, intent.seq) });
  healer.log.info({ service: ward.name, action, by, result: result.result, took_ms: Math.round(result.durationMs) }, result.detail);
  const after = await lookAt(act);
  const words = { done: `${action} of ${ward.name} is done`, failed: `${action} of ${ward.name} failed`, unknown: `nobody knows whether ${action} of ${ward.name} has worked` }[result.result];
  const unrecorded = recorded.kind === 'appended' ? '' : ` Its outcome could not be recorded: ${recorded.detail}.`;
  const undone =
    action === 'stop' && result.result === 'done' && after.state !== 'stopped'
      ? ` This does not look like a stop on purpose, so it may be started again; to prevent that: goodgateway off ${ward.name} --reason …`
      : '';
  return (result.result === 'done' ? done : refused)(`${words}: ${result.detail}. Now: ${after.text}.${warning}${undone}${unrecorded}`);
}

function lookAt({ ward, healer }: Act): ReturnType<Ward['serviceType']['state']> {
  return ward.serviceType.state(ward.target(), healer.run, AbortSignal.timeout(oneLookMs));
}

function contextOf({ ward, step, open, healer }: Act, incident: string): ActionContext {
  return {
    target: ward.target(),
    serviceType: ward.serviceType,
    run: healer.run,
    clock: healer.clock,
    suspect: open()?.diagnosis?.best ?? { cause: 'unknown', confidence: 'possible', subject: ward.name, sentence: `${ward.name} is acted on by hand.`, because: [], against: [], remedy: '' },
    incident,
    timeoutMs: step.timeoutMs,
    signal: AbortSignal.timeout(step.timeoutMs),
    useUpstream: (index) => ward.useUpstream(index),
    isWell: (service) => isWell(service, healer),
    shed: async ({ keep, retryAfterMs }) => {
      for (const { name: gateway } of ward.gateways) healer.order({ type: 'shed', gateway, incident, keep, retryAfterMs, say: '' });
    },
    tell: (text, to) => tell(text, { ward, healer, open: open(), event: step.action.tells === 'notice' ? 'incident.notice' : 'incident.page' }, to),
  };
}

/** The healer steps aside for a while, as for every act of a person. */
async function remember(text: string, result: StepResult, { ward, step, open: openNow, healer }: Act): Promise<void> {
  await healer.state.updateService(ward.name, (known) => ({ ...known, humanActed: { atMs: healer.clock.monotonicMs(), text } }));
  const open = openNow();
  if (open) {
    open.done.push(`${step.action.name} by hand${result.result === 'done' ? '' : ` (${result.result})`}`);
    open.acted = { wallMs: healer.clock.wallMs(), monotonicMs: healer.clock.monotonicMs() };
    open.said.clear();
  }
  const { current, upstreams } = ward.target();
  if (current === 0 || !upstreams[0] || result.result === 'failed' || !startsAnew.has(step.action.name)) return;
  await ward.useUpstream(0);
  await healer.audit.append({
    event: 'undo.done',
    service: ward.name,
    ...(open ? { incident: open.incident.id } : {}),
    text: `the gateways use ${formatAddress(upstreams[0])} again, where the service is configured to listen`,
  });
}
