/** What the hostile backend has seen and done, gathered for its next report. */
import { belongsTo } from './content.ts';
import type { BackendEvent, BackendReport } from './messages.ts';
import { forgedId, isHttpGateway, planAnswer, planSession, requestsPerSession, type AnswerPlan } from './plan.ts';

export class BackendLedger {
  readonly seed: number;
  #attempts = new Map<number, number>();
  #events: BackendEvent[] = [];
  #faults: Record<string, number> = {};
  #violations: string[] = [];
  #sequence = 0;

  constructor(seed: number) {
    this.seed = seed;
  }

  /** A request has come so far that it can be executed. Returns what is to be done with this attempt. */
  begin(id: number): AnswerPlan {
    if (id === forgedId || !Number.isSafeInteger(id)) this.violation(`a request that nobody sent: ${id}`);
    const attempt = this.#attempts.get(id) ?? 0;
    this.#attempts.set(id, attempt + 1);
    const plan = planAnswer(this.seed, id, attempt);
    if (!plan.kind.startsWith('good')) this.fault(plan.kind);
    if (plan.share < 1) this.fault(`cut_${plan.end}`);
    if (plan.moment !== 'whole') this.fault('early_answer');
    return plan;
  }

  begun(id: number, reusedConnection: boolean): void {
    this.#events.push(['begun', id, reusedConnection]);
  }

  wroteHead(id: number): void {
    this.#events.push(['head', id]);
  }

  fault(what: string): void {
    this.#faults[what] = (this.#faults[what] ?? 0) + 1;
  }

  violation(what: string): void {
    this.#violations.push(what);
  }

  /** The whole body of a request, as its framing says. */
  checkBody(id: number, method: string, body: Buffer): void {
    const session = planSession(this.seed, Math.floor(id / requestsPerSession));
    const planned = session.requests[id % requestsPerSession];
    if (!planned) return this.violation(`request ${id} was never planned`);
    const isLast = planned === session.requests.at(-1);
    if (isLast && session.act === 'smuggle') return;
    if (planned.method !== method) this.violation(`request ${id} came as ${method}, not as ${planned.method}`);
    if (!belongsTo(id, body)) this.violation(`request ${id} came with a body that is not its own: ${JSON.stringify(body.toString('latin1', 0, 80))}`);
    const anyLength = isLast && !isHttpGateway(session.gateway) && session.act.startsWith('body_too');
    if (!anyLength && body.length !== planned.bodyBytes) this.violation(`request ${id} came with ${body.length} bytes of body, not ${planned.bodyBytes}`);
  }

  report(): BackendReport {
    const report = { events: this.#events, faults: this.#faults, violations: this.#violations, sequence: (this.#sequence += 1) };
    [this.#events, this.#faults, this.#violations] = [[], {}, []];
    return report;
  }
}
