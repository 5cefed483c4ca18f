/**
 * The service's own word on its configuration: evidence `config_test`. A test out of time is unknown, not failed.
 * A test may take longer than a look has time, and cost more than one look a second may: so it runs on beside the
 * looks, one at a time for each service, and what it said is used again while nothing changed.
 */
import { statSync } from 'node:fs';
import type { Evidence } from '../../core/diagnosis.ts';
import type { Probe, ProbeContext, ServiceState, ServiceTarget } from '../leaves.ts';
import type { CommandResult } from '../commands.ts';
import { configTestOptions, tellingLine } from '../service-parts/config-tests.ts';
import { fpmConfigurationFiles } from './read-fpm-pool.ts';

/** How long one look waits for a test; most take some 100 ms. */
const patienceMs = 3000;
const passedKeptMs = 30_000;
/** Not every file that a test reads is known here: who has corrected one does not want to wait for it. */
const failedKeptMs = 5000;

interface RunningTest {
  readonly about: string;
  readonly result: Promise<Evidence>;
  done?: { readonly failed: boolean; readonly atMs: number };
}

/** The last test of each service. The configuration is the service's identity: it is read once. */
const tests = new WeakMap<ServiceTarget['config'], RunningTest>();

/** Applies where the service type or the policy knows a test. Runs it as the service is started. */
export const configTest: Probe = {
  name: 'config-test',
  deadlineMs: patienceMs + 500,
  quick: false,
  applies: (target) => target.config.type !== 'external' || target.config.config_test !== undefined,
  async look(context, signal) {
    const { target, run, serviceType, clock } = context;
    const argv = target.config.config_test ?? serviceType.configTest(target);
    if (!argv) return [];
    const about = fingerprint(argv, target, await serviceType.state(target, run, signal));
    const test = usable(tests.get(target.config), about, clock.monotonicMs()) ?? begin(context, argv, about);
    const over = new AbortController();
    const late = async (): Promise<Evidence> => {
      await clock.sleep(patienceMs, AbortSignal.any([signal, over.signal]));
      return { ...evidenceOf(argv), text: 'The configuration test has not finished yet.', missing: 'it still runs; a later look will have its result' };
    };
    const evidence = await Promise.race([test.result, late()]);
    over.abort();
    return [evidence];
  },
};

/** What a result depends on, as far as it is known: the service's run, and the files that tell of its configuration. */
function fingerprint(argv: readonly string[], target: ServiceTarget, { state, fence, mainPid }: ServiceState): string {
  const named = argv.filter((word) => word.startsWith('/'));
  const files = [...new Set([...named, ...(target.config.pool ? [target.config.pool] : []), ...fpmConfigurationFiles(target, mainPid)])];
  return JSON.stringify([state, fence, ...files.map((file) => [file, statSync(file, { throwIfNoEntry: false })?.mtimeMs])]);
}

/** A test that still runs is never doubled, whatever changed meanwhile: the look after its end begins another. */
function usable(test: RunningTest | undefined, about: string, nowMs: number): RunningTest | undefined {
  if (!test?.done) return test;
  const keptMs = test.done.failed ? failedKeptMs : passedKeptMs;
  return test.about === about && nowMs - test.done.atMs < keptMs ? test : undefined;
}

function begin({ target, run, clock }: ProbeContext, argv: readonly string[], about: string): RunningTest {
  const timeoutMs = target.config.config_test_timeout;
  // Not the look's signal: a test has a time of its own.
  const result = run.run(argv, { timeoutMs, ...configTestOptions(target) }).then((ended) => {
    const evidence = judge(argv, ended, timeoutMs);
    test.done = { failed: evidence.facts['passed'] === false, atMs: clock.monotonicMs() };
    return evidence;
  });
  const test: RunningTest = { about, result };
  tests.set(target.config, test);
  return test;
}

function judge(argv: readonly string[], result: CommandResult, timeoutMs: number): Evidence {
  const base = evidenceOf(argv);
  if (result.exitCode === undefined || result.timedOut) {
    const missing = result.startError ?? (result.timedOut ? `not finished after ${timeoutMs} ms` : `ended by ${result.signal ?? 'a signal'}`);
    return { ...base, text: 'The configuration test did not finish.', missing };
  }
  const passed = result.exitCode === 0;
  const line = passed ? '' : tellingLine(result);
  return { ...base, text: passed ? 'The configuration test passes.' : line, facts: { passed, exitCode: result.exitCode, command: base.source, line } };
}

function evidenceOf(argv: readonly string[]): Pick<Evidence, 'kind' | 'source' | 'facts'> {
  return { kind: 'config_test', source: argv.join(' '), facts: {} };
}
