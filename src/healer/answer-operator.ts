/** What an operator asked for, done. One function a request; each answers with what came of it, or why nothing did. */
import type { OperatorAnswer, OperatorRequest } from '../channel/operator-messages.ts';
import type { Healer, Ward } from './healer.ts';
import type { Incidents } from './incidents.ts';
import { simulateCause } from './operators/simulate.ts';
import { describeStatus } from './status.ts';

export interface OperatorPlace {
  readonly wards: ReadonlyMap<string, Ward>;
  readonly incidents: Incidents;
  readonly healer: Healer;
}

/** Never rejects for an expected reason. */
export async function answerOperator(request: OperatorRequest, place: OperatorPlace): Promise<object> {
  switch (request.ask) {
    case 'status':
      return describeStatus(place);
    case 'pause':
    case 'resume':
    case 'off':
    case 'on':
    case 'ack':
    case 'do':
    case 'approve':
    case 'deny':
      return { ok: false, text: 'not built yet' } satisfies OperatorAnswer;
    case 'simulate':
      return simulateCause(request, place);
  }
}
