import { access } from 'node:fs/promises';
import type { Configuration } from '../config/load.ts';
import { loadScenarios } from '../config/load-scenarios.ts';
import { formatProblem } from '../config/problem.ts';
import { formatDuration } from '../core/time.ts';
import { actionTable } from '../healer/action-table.ts';
import { playScenario, type PlayedScenario } from '../healer/simulate/play-scenario.ts';
import { simulatedJson, tellSimulated } from './simulated-story.ts';
import { complain, plain, printLine, styled, wrap } from './terminal.ts';

/** Plays every scenario of a file. Exit status 0: all came as expected, 1: something did not, 2: the file is wrong. */
export async function simulateScenarios(configuration: Configuration, file: string, json: boolean): Promise<void> {
  const isThere = await access(file).then(
    () => true,
    () => false,
  );
  if (!isThere) return complain(`${plain(file)}: there is no such file, or this user may not see it`, 2);
  const { policies, safety } = configuration;
  const loaded = await loadScenarios(file, [...policies.keys()]);
  if (!loaded.ok) {
    for (const problem of loaded.problems) process.stderr.write(`${plain(formatProblem(problem))}\n`);
    process.exitCode = 2;
    return;
  }
  const played = loaded.scenarios.map((scenario) => ({ begins: Date.parse(scenario.begins), ...playScenario(scenario, { policies, safety, actions: actionTable }) }));
  const problems = played.map(({ unmet }, i) => unmet.map(({ event, text }) => ({ ...loaded.placeOf(i, event), message: text })));
  if (problems.some((each) => each.length > 0)) process.exitCode = 1;
  if (json)
    return printLine(
      JSON.stringify({ ok: process.exitCode !== 1, scenarios: played.map((one, i) => ({ name: one.name, incidents: one.incidents.map(simulatedJson), expected: one.expected, unmet: problems[i] })) }),
    );
  for (const [i, one] of played.entries()) {
    for (const line of tellScenario(one)) await printLine(line);
    for (const problem of problems[i] ?? []) await printLine(styled('red', plain(formatProblem(problem))));
    await printLine('');
  }
  await printLine(summary(played));
}

function tellScenario({ name, begins, incidents, expected, unmet }: PlayedScenario & { readonly begins: number }): readonly string[] {
  const verdict = expected === 0 ? 'expects nothing' : unmet.length === 0 ? styled('green', 'as expected') : styled('red', `${unmet.length} of ${expected} not as expected`);
  return [...wrap(plain(name)).map((line) => styled('bold', line)), verdict, ...incidents.flatMap((incident) => tellSimulated(incident, `at ${formatDuration(incident.openedAtMs - begins)}`))];
}

function summary(played: readonly PlayedScenario[]): string {
  const expected = played.reduce((sum, one) => sum + one.expected, 0);
  const unmet = played.reduce((sum, one) => sum + one.unmet.length, 0);
  return `${played.length} ${played.length === 1 ? 'scenario' : 'scenarios'}; ${expected - unmet} of ${expected} expectations met`;
}
