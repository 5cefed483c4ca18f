import { causeNames } from '../core/diagnosis.ts';
import { actionNames } from '../core/decision.ts';
import { whyHarmful } from '../core/harmful-remedies.ts';
import { valueAt, type ConfigProblem, type Path } from './problem.ts';
import { itemPaths, textsAt, type PolicyEntry } from './written.ts';

/** Steps that make the trouble worse for which their rule is: the gates would refuse them in any case. */
export function checkRemedies({ document, path }: PolicyEntry): readonly ConfigProblem[] {
  const asksAlways = valueAt(document.value, [...path, 'mode']) === 'approve';
  return itemPaths(document, [...path, 'rules']).flatMap((rule) => {
    const causes = causeNames.filter((name) => textsAt(document, [...rule, 'when', 'cause']).includes(name));
    return itemPaths(document, [...rule, 'try']).flatMap((rung) => {
      const at: Path = [...rung, 'do'];
      const action = actionNames.find((name) => name === valueAt(document.value, at));
      if (action === undefined) return [];
      const approved = asksAlways || asks(valueAt(document.value, [...rung, 'approval']));
      const harmed = causes.map((cause) => ({ cause, harm: whyHarmful(cause, action, approved) })).find(({ harm }) => harm !== undefined);
      return harmed ? [document.problem(at, 'value', `do: ${action} does harm while the cause is ${harmed.cause}: ${harmed.harm}`)] : [];
    });
  });
}

/** Silence is consent with `otherwise: do`, so nobody has agreed. */
function asks(approval: unknown): boolean {
  return typeof approval === 'object' && approval !== null && valueAt(approval, ['otherwise']) !== 'do';
}
