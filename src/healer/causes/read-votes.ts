/** What the log lines of a case say for and against a cause: the same weights and the same rule as `goodgateway explain`. */
import { causeNames, type CauseName, type Confidence } from '../../core/diagnosis.ts';
import { weigh, type Sign } from '../../signatures/weigh.ts';
import type { CaseFile } from '../leaves.ts';
import { factsOf, type Fact } from './read-case.ts';

/** The lines themselves, to be quoted. `confidence` is that of the lines alone: other evidence may raise it. */
export interface LogVotes {
  readonly confidence: Confidence;
  readonly because: readonly Fact[];
  readonly against: readonly Fact[];
}

interface FactSign extends Sign {
  readonly fact: Fact;
}

/** `undefined` when no line speaks for the cause. */
export function logVotes(file: CaseFile, cause: CauseName): LogVotes | undefined {
  const signs = factsOf(file, 'log').map(toSign);
  const found = weigh(signs).find((each) => each.cause === cause);
  return found && { confidence: found.confidence, because: found.for.map(({ fact }) => fact), against: found.against.map(({ fact }) => fact) };
}

function toSign(fact: Fact): FactSign {
  const kind = (['sign', 'symptom', 'echo', 'noise', 'trigger'] as const).find((each) => each === fact.word('sign')) ?? 'noise';
  return { id: fact.word('entry'), program: fact.word('program'), kind, for: votes(fact.list('for')), against: votes(fact.list('against')), fact };
}

function votes(list: readonly string[]): Sign['for'] {
  return list.flatMap((text) => {
    const [name = '', weight = ''] = text.split(' ');
    const cause = causeNames.find((each) => each === name);
    return cause ? [{ cause, weight: Number(weight) }] : [];
  });
}
