/** What lines of an administrator's own kinds say for and against a cause: the same weights as `goodgateway explain`. */
import { causeNames, type Suspect } from '../../core/diagnosis.ts';
import { weigh, type Sign } from '../../signatures/weigh.ts';
import type { CaseFile } from '../leaves.ts';
import { counted, factOf, factsOf, sentences, type Fact } from './read-case.ts';

interface FactSign extends Sign {
  readonly fact: Fact;
}

/**
 * Suspects of an administrator's own entries, which no cause reads: possible each, whatever their weight. None for a
 * service that is well: a line of its log is no trouble yet.
 */
export function ownLineSuspects(file: CaseFile): readonly Suspect[] {
  if (isWell(file)) return [];
  const signs = factsOf(file, 'log')
    .filter((fact) => fact.flag('own'))
    .map(toSign);
  return weigh(signs).map(({ cause, for: speaking, against }) => ({
    cause,
    confidence: 'possible',
    subject: file.target.name,
    sentence: `The log of ${file.target.name} has ${counted(speaking.length, 'line')} that ${speaking.length === 1 ? 'speaks' : 'speak'} for it: ${speaking.map(({ id }) => id).join(', ')}.`,
    because: sentences(...speaking.map(({ fact }) => fact)),
    against: sentences(...against.map(({ fact }) => fact)),
    remedy: `Read what the signature file says of ${speaking[0]?.id}: goodgateway explain LOG.`,
  }));
}

/** Nothing is wrong, or it answers ourselves, and no other trouble than a wait was seen. */
function isWell(file: CaseFile): boolean {
  return file.symptom.kind === 'asked' || (file.symptom.kind !== 'status_5xx' && factOf(file, 'http_answer')?.word('result') === 'status');
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
