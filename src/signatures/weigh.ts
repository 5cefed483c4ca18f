/**
 * Signs → suspects. A weight says: of a hundred incidents with this line, so many had this cause. Lines of different
 * programs are independent signs and are combined so; of two lines of one program the heavier counts.
 */
import type { CauseName, Confidence } from '../core/diagnosis.ts';

/** One kind of line, as far as weighing needs it. */
export interface Sign {
  readonly id: string;
  readonly program: string;
  readonly kind: 'sign' | 'symptom' | 'echo' | 'noise' | 'trigger';
  readonly for: readonly { readonly cause: CauseName; readonly weight: number }[];
  readonly against: readonly { readonly cause: CauseName; readonly weight: number }[];
}

/** One cause, with the signs that speak for it, the heaviest first, and those against it. `score`: 0 to 1. */
export interface Weighed<S extends Sign = Sign> {
  readonly cause: CauseName;
  readonly confidence: Confidence;
  readonly score: number;
  readonly for: readonly S[];
  readonly against: readonly S[];
}

/** The line itself is the proof. */
const proof = 100;
/** One such sign is strong enough by itself. */
const strong = 60;
/** Two signs of different programs, each of at least so much, and together {@link strong}. */
const second = 30;
/** What a symptom still counts as soon as a sign says what is wrong. */
const symptomBesideSign = 0.4;
/** The first line of a burst is nearer to the cause than those that follow it. */
const firstBonus = 1.05;

/** What a service needs goes before what becomes of it without: workers pile up while they wait for a database. */
const underlying: ReadonlySet<CauseName> = new Set(['dependency.database', 'dependency.cache', 'dependency.other', 'oom.killed', 'disk.full', 'config.dns', 'config.credentials']);
const consequences: ReadonlySet<CauseName> = new Set(['capacity.workers_exhausted', 'capacity.backlog_full', 'app.slow', 'service.hung', 'app.error']);
/** A line with such a weight is about the cause itself, and not only open to it. */
const speaksOfItself = 50;

/** All causes that the signs speak for, best first; empty when there are none. `signs`: in the order of their times. */
export function weigh<S extends Sign>(signs: readonly S[]): readonly Weighed<S>[] {
  const speaking = signs.filter(({ kind }) => kind !== 'noise' && kind !== 'trigger');
  const voting = speaking.some(({ kind }) => kind !== 'echo') ? speaking.filter(({ kind }) => kind !== 'echo') : speaking;
  const explained = new Set(voting.filter(({ kind }) => kind === 'sign').flatMap((sign) => sign.for.filter(({ weight }) => weight >= strong).map(({ cause }) => cause)));
  const needed = voting.filter((sign) => sign.for.some(({ cause, weight }) => underlying.has(cause) && weight >= speaksOfItself));
  const weightOf = (sign: S, cause: CauseName): number => {
    const own = sign.for.find((vote) => vote.cause === cause)?.weight ?? 0;
    const faded = (sign.kind === 'symptom' && explained.size > 0 && !explained.has(cause)) || (consequences.has(cause) && needed.some(({ program }) => program !== sign.program));
    return Math.min(proof, own * (faded ? symptomBesideSign : 1));
  };
  const causes = [...new Set(voting.flatMap((sign) => sign.for.map(({ cause }) => cause)))];
  const all = causes.map((cause) => weighOne(cause, voting, (sign) => weightOf(sign, cause)));
  const place = ({ score, for: signs }: Weighed<S>): number => score * (voting[0] && signs.includes(voting[0]) ? firstBonus : 1);
  return oneProof(all, voting).toSorted((a, b) => rank(b) - rank(a) || place(b) - place(a));
}

function weighOne<S extends Sign>(cause: CauseName, signs: readonly S[], weightOf: (sign: S) => number): Weighed<S> {
  const speaking = signs.filter((sign) => weightOf(sign) > 0).toSorted((a, b) => weightOf(b) - weightOf(a));
  const opposing = signs.filter((sign) => sign.against.some((vote) => vote.cause === cause));
  const byProgram = new Map<string, number>();
  for (const sign of speaking) byProgram.set(sign.program, Math.max(byProgram.get(sign.program) ?? 0, weightOf(sign)));
  const weights = [...byProgram.values()];
  const together = 1 - weights.reduce((left, weight) => left * (1 - Math.min(weight, 99) / 100), 1);
  const doubt = Math.max(0, ...opposing.map((sign) => sign.against.find((vote) => vote.cause === cause)?.weight ?? 0));
  const score = together * (1 - doubt / 100);
  return { cause, confidence: confidenceOf(weights, { score, doubted: doubt > 0 }), score, for: speaking, against: opposing };
}

function confidenceOf(weights: readonly number[], { score, doubted }: { readonly score: number; readonly doubted: boolean }): Confidence {
  if (!doubted && weights.some((weight) => weight >= proof)) return 'certain';
  if (score * 100 < strong) return 'possible';
  return weights.some((weight) => weight >= strong) || weights.filter((weight) => weight >= second).length >= 2 ? 'likely' : 'possible';
}

/** Two proofs of different causes: the first line is the cause, what it led to is only likely. */
function oneProof<S extends Sign>(all: readonly Weighed<S>[], inOrder: readonly S[]): readonly Weighed<S>[] {
  const proven = all.filter(({ confidence }) => confidence === 'certain');
  if (proven.length < 2) return all;
  const since = ({ for: signs, cause }: Weighed<S>): number =>
    Math.min(...signs.filter((sign) => sign.for.some((vote) => vote.cause === cause && vote.weight >= proof)).map((sign) => inOrder.indexOf(sign)));
  const first = proven.toSorted((a, b) => since(a) - since(b))[0];
  return all.map((each) => (each.confidence === 'certain' && each !== first ? { ...each, confidence: 'likely' } : each));
}

function rank({ confidence }: Weighed): number {
  return { certain: 2, likely: 1, possible: 0 }[confidence];
}
