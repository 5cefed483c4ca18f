/** What an operator asked for, done. One function a request; each answers with what came of it, or why nothing did. */
import type { OperatorRequest } from '../channel/operator-messages.ts';
import { acknowledge } from './operators/acknowledge.ts';
import { answerQuestion } from './operators/answer-question.ts';
import { doAction } from './operators/do-action.ts';
import { pause, resume } from './operators/pause.ts';
import type { OperatorPlace } from './operators/place.ts';
import { simulateCause } from './operators/simulate.ts';
import { off, on } from './operators/switch.ts';
import { describeStatus } from './status.ts';

/** Never rejects for an expected reason. What it says is done is on the disk. */
export async function answerOperator(request: OperatorRequest, place: OperatorPlace): Promise<object> {
  switch (request.ask) {
    case 'status':
      return describeStatus(place, { recent: request.recent === true });
    case 'pause':
      return pause(request, place);
    case 'resume':
      return resume(request, place);
    case 'off':
      return off(request, place);
    case 'on':
      return on(request, place);
    case 'ack':
      return acknowledge(request, place);
    case 'do':
      return doAction(request, place);
    case 'approve':
    case 'deny':
      return answerQuestion(request, place);
    case 'simulate':
      return simulateCause(request, place);
  }
}
