/** New deaths of a service's workers, as its logs and its journal tell them; each worker once. */
import type { Healer, Ward } from './healer.ts';
import { readDeath, type WorkerDeath } from './probes/read-deaths.ts';
import { readFpmPool } from './probes/read-fpm-pool.ts';
import { readJournal } from './probes/read-journal.ts';
import { logFilesOf } from './probes/read-log-files.ts';
import { NewLines } from './probes/read-new-lines.ts';

/** The journal costs a program each time: it is asked where the files have said nothing for so long. */
const journalEveryMs = 250;
/** An application that cuts its answers off all day long is told of all day long, too, and no worker dies of it. */
const fruitlessLooks = 12;
const journalSeldomMs = 5000;
/** The kernel does not give a pid away again so soon. */
const samePidMs = 60_000;
const mostRemembered = 1000;
/** A log may tell of a death before the proxy tells of its request. */
const aheadMs = 500;
/** A busy machine brings the proxy's word late, and logs write the second only: a line may look older than its request. */
const lateMs = 2000;

export class WorkerDeaths {
  readonly #ward: Ward;
  readonly #healer: Healer;
  readonly #files = new NewLines();
  readonly #known = new Map<number, number>();
  #journalAtMs = -Infinity;
  /** Looks at the journal in a row that told of nobody's death. */
  #fruitless = 0;
  #ahead: { readonly deaths: readonly WorkerDeath[]; readonly atMs: number } = { deaths: [], atMs: 0 };

  constructor(ward: Ward, healer: Healer) {
    this.#ward = ward;
    this.#healer = healer;
  }

  /** What stands in the logs now is old. */
  async begin(): Promise<void> {
    await this.#files.skip(logFilesOf(this.#ward.target()));
  }

  /** More than there were requests: they are told again for the next moment, if it comes soon. */
  giveBack(deaths: readonly WorkerDeath[]): void {
    this.#ahead = { deaths, atMs: this.#healer.clock.monotonicMs() };
  }

  /** Deaths that were logged since the last call, and not long before `sinceMs` (wall time), oldest first. Never rejects. */
  async fresh(sinceMs: number): Promise<readonly WorkerDeath[]> {
    const ahead = this.#healer.clock.monotonicMs() - this.#ahead.atMs < aheadMs ? this.#ahead.deaths : [];
    this.#ahead = { deaths: [], atMs: 0 };
    const files = await this.#files.read(logFilesOf(this.#ward.target()), sinceMs - lateMs);
    const lines = files.length > 0 ? files : await this.#fromJournal(sinceMs);
    const deaths = this.#ownOf(lines.flatMap((line) => readDeath(line) ?? [])).filter(({ pid }) => this.#isNew(pid));
    if (deaths.length > 0) this.#fruitless = 0;
    return [...ahead, ...deaths];
  }

  async #fromJournal(sinceMs: number): Promise<readonly string[]> {
    const { clock, run, stopping } = this.#healer;
    const pauseMs = this.#fruitless < fruitlessLooks ? journalEveryMs : journalSeldomMs;
    if (clock.wallMs() - sinceMs < journalEveryMs || clock.monotonicMs() - this.#journalAtMs < pauseMs) return [];
    this.#journalAtMs = clock.monotonicMs();
    this.#fruitless += 1;
    const result = await readJournal(this.#ward.target(), sinceMs - lateMs, { run, signal: stopping });
    return result?.exitCode === 0 ? result.output.split('\n') : [];
  }

  /** Another pool's workers are another service's, and perhaps another tenant's, who can end them at will. */
  #ownOf(deaths: readonly WorkerDeath[]): readonly WorkerDeath[] {
    if (deaths.length === 0) return [];
    const own = readFpmPool(this.#ward.target())?.name;
    return own === undefined ? deaths : deaths.filter(({ pool }) => pool === undefined || pool === own);
  }

  /** A file and the journal may tell of the same worker. */
  #isNew(pid: number): boolean {
    const now = this.#healer.clock.monotonicMs();
    const before = this.#known.get(pid);
    if (before !== undefined && now - before < samePidMs) return false;
    this.#known.delete(pid);
    this.#known.set(pid, now);
    if (this.#known.size > mostRemembered) this.#known.delete(this.#known.keys().next().value ?? 0);
    return true;
  }
}
