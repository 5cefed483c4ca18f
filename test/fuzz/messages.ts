/** What the hostile backend tells the runner, over the channel that fork() gives them. */

/** `begun`: all that it needs to execute the request was there. `head`: a whole head of an answer was written. */
export type BackendEvent = readonly [what: 'begun', id: number, reusedConnection: boolean] | readonly [what: 'head', id: number];

export interface BackendReport {
  readonly events: readonly BackendEvent[];
  /** How often each fault was done since the last report. */
  readonly faults: Readonly<Record<string, number>>;
  /** What no proxy may do to a backend: a body that is not the client's, a forged request. */
  readonly violations: readonly string[];
  readonly sequence: number;
}

/** `calm`: answers go on, but nothing vanishes or freezes any more, until `storm`. */
export type BackendOrder = 'calm' | 'storm';
