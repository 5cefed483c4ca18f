/**
 * What a decision must know of the host beside the service itself. Looked up before the decision, so that the decision
 * stays pure; every fact carries the words that the record will show.
 */

/** One reason not to touch anything now. `untilMs`: monotonic time at which it ends by itself, where that is known. */
export interface Hindrance {
  readonly text: string;
  readonly untilMs?: number;
}

export interface Surroundings {
  /** Another healer acts on this host; who, and by which file that is known. */
  readonly otherHealer?: Hindrance;
  /** Somebody is changing the system: a package manager, a deploy, a fresh release, a job of systemd. */
  readonly changes: readonly Hindrance[];
  /** The host itself is not fit: booted just now (`boot`), disk full (`disk`). */
  readonly unfit: readonly (Hindrance & { readonly what: 'boot' | 'disk' })[];
  /** Dependencies that are in trouble, or were until a moment ago; by the names of their policies. */
  readonly dependencies: readonly (Hindrance & { readonly service: string })[];
  /** Many services began to fail together. */
  readonly sharedCause?: Hindrance;
}

/** Nothing stands in the way. */
export const quietSurroundings: Surroundings = { changes: [], unfit: [], dependencies: [] };
