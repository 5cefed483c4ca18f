import type { Cause } from '../leaves.ts';
import { currentListener, factOf, fullStop, logLine, sentences, somebodyListens, stateOf } from './read-case.ts';
import { namesDisk } from './read-disk-words.ts';

/**
 * The service is down and its configuration would not let it start. While it runs, a bad file on disk is no cause of
 * anything yet: the configuration test before a reload or restart refuses those. A test that only could not write says
 * nothing of the configuration where the disk is seen to take nothing.
 */
export const configInvalid: Cause = {
  name: 'config.invalid',
  suspect(file) {
    const state = stateOf(file);
    const down = state === 'failed' || (state === 'unknown' && somebodyListens(file) === false);
    const test = factOf(file, 'config_test');
    const failed = test !== undefined && !test.flag('passed');
    const logged = logLine(file, 'config_error');
    if (!down || (test?.flag('passed') ?? false) || (!failed && !logged)) return undefined;
    const line = failed ? test.word('line') : logged!.text;
    if (namesDisk(line) && (factOf(file, 'disk_full') || factOf(file, 'disk_read_only'))) return undefined;
    const { name } = file.target;
    return {
      cause: 'config.invalid',
      confidence: failed ? 'certain' : 'likely',
      subject: name,
      sentence: `${name} cannot start with its configuration: ${fullStop(line)}`,
      because: sentences(failed && test, logged, factOf(file, 'service_state'), currentListener(file)),
      against: [],
      remedy: failed ? `Correct it, then test it: ${test.word('command')}` : 'Correct it, then start it.',
    };
  },
};
