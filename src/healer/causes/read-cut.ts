/** Connections that are taken and ended before an answer has begun, or before its head was whole. */
import type { CaseFile } from '../leaves.ts';
import { currentListener, factOf, isAlive, type Fact } from './read-case.ts';

const cutKinds: readonly string[] = ['connection_terminated', 'http_response_incomplete'];

/** Is this what visitors met? */
export function isCut(kind: string): boolean {
  return cutKinds.includes(kind);
}

/** The healer's own request was cut so, though the service runs and its address takes connections: no worker died of one visitor's request. */
export function ownRequestCut(file: CaseFile): Fact | undefined {
  const answer = factOf(file, 'http_answer');
  if (!answer || !isCut(answer.word('failure')) || !isAlive(file)) return undefined;
  const listening = currentListener(file)?.word('state') === 'listening' || factOf(file, 'connect')?.word('result') === 'connected';
  return listening ? answer : undefined;
}
