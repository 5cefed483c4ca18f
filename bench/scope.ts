/** What a test gives its helpers, for a program that is none: what was started is ended, in reverse order. */
import type { TestScope } from '../test/support/temp-folder.ts';

export interface Scope extends TestScope {
  /** Ends everything; one that cannot be ended is said and does not keep the others. */
  end(): Promise<void>;
}

export function openScope(): Scope {
  const runs: (() => unknown)[] = [];
  return {
    teardown: (run) => runs.push(run),
    end: async () => {
      for (let run = runs.pop(); run !== undefined; run = runs.pop()) {
        try {
          await run();
        } catch (error) {
          process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
        }
      }
    },
  };
}
