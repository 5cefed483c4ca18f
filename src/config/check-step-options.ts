/** What the options of a step ask of the service that it is for. Reads them as they were written. */
import { formatDuration } from '../core/time.ts';
import { valueAt, type ConfigProblem, type Path } from './problem.ts';
import { duration } from './values.ts';
import { itemPaths, type PolicyEntry } from './written.ts';

/** `{unit}` for a service that has none, and a time limit that ends before what it limits (R22). */
export function checkStepOptions(policy: PolicyEntry, rung: Path): readonly ConfigProblem[] {
  return [...unitWords(policy, rung), ...shortTimeouts(policy, rung)];
}

function unitWords({ document, path }: PolicyEntry, rung: Path): readonly ConfigProblem[] {
  const type = valueAt(document.value, [...path, 'service', 'type']);
  if (typeof type !== 'string' || type === 'systemd' || valueAt(document.value, [...rung, 'do']) !== 'run') return [];
  return itemPaths(document, [...rung, 'with', 'command'])
    .filter((at) => valueAt(document.value, at) === '{unit}')
    .map((at) => document.problem(at, 'value', `command: {unit} stands for nothing here, because the service is of type ${type}`));
}

/** A stop that may take as long as the step leaves no time for the start after it, and its outcome would be unknown each time. */
function shortTimeouts({ document, path }: PolicyEntry, rung: Path): readonly ConfigProblem[] {
  const action = valueAt(document.value, [...rung, 'do']);
  if (action !== 'stop' && action !== 'restart') return [];
  const service = [...path, 'service'];
  const type = valueAt(document.value, [...service, 'type']);
  // a unit's own times stand in its unit file, which `check` may not see
  if (type !== 'init' && type !== 'process' && type !== 'docker') return [];
  const bySignal = type === 'process' && !Array.isArray(valueAt(document.value, [...service, 'stop']));
  const key = bySignal ? 'stop.timeout' : 'stop_timeout';
  const stopMs = milliseconds(valueAt(document.value, [...service, ...key.split('.')])) ?? 10_000;
  const stepMs = milliseconds(valueAt(document.value, [...rung, 'timeout'])) ?? 60_000;
  if (stepMs > stopMs) return [];
  const at = [...rung, valueAt(document.value, [...rung, 'timeout']) === undefined ? 'do' : 'timeout'];
  return [document.problem(at, 'value', `timeout: expected more than the ${formatDuration(stopMs)} that the stop of the service itself may take (${key}), got ${formatDuration(stepMs)}`)];
}

function milliseconds(written: unknown): number | undefined {
  const parsed = duration().safeParse(written);
  return parsed.success ? parsed.data : undefined;
}
