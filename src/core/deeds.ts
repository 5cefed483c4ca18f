/** What was done in an incident, in few words: neighbours of one kind joined. */

/** `start`, `start failed`, `told`; and how often in a row. */
export interface Deed {
  readonly what: string;
  readonly times: number;
}

/** Kinds in a list of deeds, or of what was not done; more are left out. */
export const mostDeeds = 20;
/** What is called telling people, whichever action did it. */
export const told = 'told';

/** `2 × start failed, told`. What was refused stands there only when nothing was done but telling people. */
export function whatWasDone({ done, notDone }: { readonly done: readonly Deed[]; readonly notDone: readonly string[] }): string {
  const deeds = done.map(say);
  const shown = done.every(({ what }) => what === told) ? [...notDone, ...deeds] : deeds;
  return shown.join(', ') || 'nothing';
}

/** Equal neighbours as one: `start`, `start`, `stop` are `2 × start`, `stop`. */
export function collapse(whats: readonly string[]): readonly string[] {
  return whats.reduce<readonly Deed[]>(withOneMore, []).map(say);
}

/** The list with one more at its end; at most {@link mostDeeds}. */
export function withOneMore(done: readonly Deed[], what: string): readonly Deed[] {
  const last = done.at(-1);
  if (last?.what === what) return [...done.slice(0, -1), { what, times: last.times + 1 }];
  return done.length < mostDeeds ? [...done, { what, times: 1 }] : done;
}

function say({ what, times }: Deed): string {
  return times > 1 ? `${times} × ${what}` : what;
}
