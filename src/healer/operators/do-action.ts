/**
 * `do`: what a person wants done now. It overrides every limit, but not these: it is recorded before it is done; it is
 * none that the policy forbids; its options are the policy's own; it never runs beside another act on the service.
 * While one is under way it is refused, not queued: who asked for a restart in the middle of a repair would get two
 * restarts in a row, and decides better once the first has ended.
 */
import type { OperatorAnswer, OperatorRequest } from '../../channel/operator-messages.ts';
import { beginByHand } from '../acting.ts';
import { testConfig } from '../choose-step.ts';
import type { Healer, OpenCase, Ward } from '../healer.ts';
import { refused } from './answers.ts';
import { ownStep, type OwnStep } from './own-step.ts';
import { actByHand } from './act-by-hand.ts';
import type { OperatorPlace } from './place.ts';
import { findWard } from './scope.ts';

type Asked = Extract<OperatorRequest, { ask: 'do' }>;

/** Acts, and answers when the act has ended, with what came of it and how the service is then. */
export async function doAction(request: Asked, { wards, incidents, healer }: OperatorPlace): Promise<OperatorAnswer> {
  const ward = findWard(request.service, { wards, incidents, healer });
  if ('ok' in ward) return ward;
  const step = ownStep(request.action, ward, healer);
  if ('ok' in step) return step;
  const other = await healer.around?.otherHealer();
  if (other) return refused(`${request.action} is not done by this healer: ${other.text}`);
  const test = await testResult(request, { ward, step, healer });
  if (!test.ok) return refused(test.text);
  const act = beginByHand(`${request.action}, as ${request.by} asked`, { ward, healer });
  if ('underWay' in act) return refused(`${request.action} is not done, because at this moment something else is done to ${ward.name}: ${act.underWay}. Ask again when that has ended.`);
  const open = (): OpenCase | undefined => incidents.openFor(ward.name);
  try {
    // a verification under way would judge the repair before by what is done now
    open()?.interrupt();
    return await actByHand(request, { ward, step, open, healer, warning: test.text });
  } finally {
    act.end();
    open()?.interrupt();
    incidents.wake(ward);
  }
}

/** A broken configuration turns a restart into an outage, so it takes a second word from whoever wants it in spite of that. */
async function testResult({ action, force }: Asked, { ward, step, healer }: { readonly ward: Ward; readonly step: OwnStep; readonly healer: Healer }): Promise<OperatorAnswer> {
  if (!step.configTest) return { ok: true, text: '' };
  const { configTest, detail } = await testConfig(ward, healer);
  if (configTest === 'pass' || configTest === 'none') return { ok: true, text: '' };
  const said = configTest === 'fail' ? `the configuration of ${ward.name} fails its own test: ${detail}` : `the configuration test of ${ward.name} gave no result: ${detail}`;
  return force ? { ok: true, text: ` Done in spite of this: ${said}.` } : { ok: false, text: `${action} is not done, because ${said}. Correct it, or add --force.` };
}
