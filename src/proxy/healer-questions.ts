/**
 * What the dashboard asks the healer, and its answers: JSON text in pieces, put together and handed on unread. Bounded:
 * so many questions at once, so long an answer, so much time.
 */
import type { FromHealer, Question } from '../channel/messages.ts';
import type { Clock } from '../core/time.ts';

export type QuestionWords = Pick<Question, 'about' | 'code' | 'before'>;

/** The answer as JSON text, or in plain words why there is none. */
export type HealerAnswer = { readonly kind: 'answered'; readonly json: string } | { readonly kind: 'no_answer'; readonly why: string };

const mostAtOnce = 16;
const longestAnswer = 16 * 1024 * 1024;
/** Reading a long log on a busy machine takes seconds. */
const patienceMs = 15_000;

interface Pending {
  readonly parts: string[];
  length: number;
  readonly resolve: (answer: HealerAnswer) => void;
}

export class HealerQuestions {
  readonly #clock: Clock;
  readonly #send: (question: Question) => boolean;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;

  /** `send` is false while no healer is connected. */
  constructor(clock: Clock, send: (question: Question) => boolean) {
    this.#clock = clock;
    this.#send = send;
  }

  /** Never rejects. */
  async ask(words: QuestionWords): Promise<HealerAnswer> {
    if (this.#pending.size >= mostAtOnce) return noAnswer('too many questions wait for the healer; try again in a moment');
    const id = ++this.#lastId;
    const over = new AbortController();
    const answered = new Promise<HealerAnswer>((resolve) => this.#pending.set(id, { parts: [], length: 0, resolve }));
    if (!this.#send({ type: 'question', id, ...words })) this.#settle(id, noAnswer('the healer is away: nobody looks into incidents until it is back'));
    void this.#clock.sleep(patienceMs, over.signal).then(() => this.#settle(id, noAnswer(`the healer did not answer within ${patienceMs / 1000} s`)));
    const answer = await answered;
    over.abort();
    return answer;
  }

  /** A piece of an answer; one that nobody waits for any more is dropped. */
  took({ id, part, last }: Extract<FromHealer, { type: 'answer' }>): void {
    const pending = this.#pending.get(id);
    if (!pending) return;
    pending.parts.push(part);
    pending.length += part.length;
    if (pending.length > longestAnswer) return this.#settle(id, noAnswer('the answer is too long to be shown; ask on the command line'));
    if (last) this.#settle(id, { kind: 'answered', json: pending.parts.join('') });
  }

  /** The healer is gone: nobody waits for its answers. */
  gone(): void {
    for (const id of this.#pending.keys()) this.#settle(id, noAnswer('the healer went away before it had answered'));
  }

  #settle(id: number, answer: HealerAnswer): void {
    this.#pending.get(id)?.resolve(answer);
    this.#pending.delete(id);
  }
}

function noAnswer(why: string): HealerAnswer {
  return { kind: 'no_answer', why };
}
