import { resolve } from 'node:path';
import { didYouMean } from './did-you-mean.ts';
import { sortProblems, valueAt, type ConfigProblem } from './problem.ts';
import { readConfigFile } from './read-config-file.ts';
import { scenarioFileSchema, type ScenarioConfig } from './scenario-schema.ts';
import { validate } from './validate.ts';

export type LoadedScenarios =
  | {
      readonly ok: true;
      readonly scenarios: readonly ScenarioConfig[];
      /** The place of what the n-th event of the m-th scenario expects. */
      readonly placeOf: (scenario: number, event: number) => ConfigProblem;
    }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] };

/** Reads a file of scenarios. Never rejects: every mistake has its place. `services`: the names of the policies. */
export async function loadScenarios(file: string, services: readonly string[]): Promise<LoadedScenarios> {
  const read = await readConfigFile(resolve(file));
  const [document, ...others] = read.documents;
  if (!document || read.problems.length > 0) return { ok: false, problems: sortProblems(read.problems) };
  const parsed = validate(scenarioFileSchema, document.value);
  const extra = others.map((other) => other.problem([], 'value', 'expected one document in this file: remove the line `---` and what follows'));
  if (!parsed.ok) return { ok: false, problems: sortProblems([...parsed.findings.map((found) => document.problem(found.path, found.at, found.message)), ...extra]) };
  const { scenarios } = parsed.value;
  const wrong = scenarios.flatMap(({ events }, i) =>
    events.flatMap(({ service, at }, j) => {
      const path = ['scenarios', i, 'events', j];
      const meant = didYouMean(service, services);
      const hint = meant === undefined ? `; there are ${services.slice(0, 20).join(', ') || 'none'}` : `: did you mean \`${meant}\`?`;
      return [
        ...(services.includes(service) ? [] : [document.problem([...path, 'service'], 'value', `service: no policy has the name \`${service}\`${hint}`)]),
        ...(at >= (events[j - 1]?.at ?? 0)
          ? []
          : [document.problem([...path, 'at'], 'value', `at: ${String(valueAt(document.value, [...path, 'at']))} is before the event above it: expected events in the order of their time`)]),
      ];
    }),
  );
  const problems = [...extra, ...wrong];
  if (problems.length > 0) return { ok: false, problems: sortProblems(problems) };
  return { ok: true, scenarios, placeOf: (scenario, event) => document.problem(['scenarios', scenario, 'events', event, 'expect'], 'value', '') };
}
