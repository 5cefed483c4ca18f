import type { Socket } from 'node:net';
import type { BackendLedger } from './backend-ledger.ts';
import type { WireAnswer } from './http-answers.ts';
import type { AnswerPlan } from './plan.ts';
import { drained, writeInPieces } from './write-in-pieces.ts';
import { reset } from './reset.ts';

/** Longer than the gateway's response and idle timeouts. */
const stallMs = 330;

export interface AnswerTask {
  readonly id: number;
  readonly plan: AnswerPlan;
  readonly answer: WireAnswer;
  readonly ledger: BackendLedger;
  /** All of it that is ever written was written; the connection may end later. */
  readonly onGiven?: () => void;
}

/** Gives the answer as far as planned and ends the connection as planned. True when it may carry another request. */
export async function answerBadly(socket: Socket, { id, plan, answer, ledger, onGiven }: AnswerTask): Promise<boolean> {
  if (plan.delayMs > 0) await pause(plan.delayMs);
  const bytes = plan.share < 1 ? answer.bytes.subarray(0, Math.floor(plan.share * answer.bytes.length)) : answer.bytes;
  if (bytes.length >= answer.headEnd) ledger.wroteHead(id);
  await writeInPieces(socket, bytes, plan);
  onGiven?.();
  if (socket.destroyed) return false;
  if (plan.share < 1) {
    if (socket.writableNeedDrain) await drained(socket);
    if (plan.end === 'stall') await pause(stallMs);
    // what was written must have left, or a close at once may take it back
    if (plan.end === 'reset') reset(socket);
    else socket.end(() => socket.destroy());
    return false;
  }
  if (answer.keepable && plan.after !== 'close') return true;
  // best effort: some answers are only finished by their connection's end
  if (plan.after === 'close_later') await pause(plan.salt % 30);
  socket.end();
  return false;
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
