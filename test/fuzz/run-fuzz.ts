/**
 * A fuzzing run: hostile clients on one side of the real proxy process, a hostile backend on the other, until so many
 * faults were done or the time is over; then quiet, and the proxy must be as it was.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { until } from '../support/until.ts';
import { runFastcgiClient } from './fastcgi-client.ts';
import { runHttpClient } from './http-client.ts';
import { Judge, type Verdict } from './judge.ts';
import type { BackendOrder, BackendReport } from './messages.ts';
import { nothingSeen } from './observed.ts';
import { firstSession, isHttpGateway, planSession, sameAgain, type SessionPlan } from './plan.ts';
import { startProxy, type ProxyProcess, type Usage } from './proxy-process.ts';

export interface FuzzOptions {
  readonly seed: number;
  /** Ends after so many faults … */
  readonly faults: number;
  /** … or after so many seconds. */
  readonly seconds: number;
  readonly folder: string;
  /** Clients at once. */
  readonly clients?: number;
  /** Only this session, again and again. */
  readonly only?: number | undefined;
  readonly logLevel?: 'info' | 'warn';
  /** Another build of `src/proxy/main.ts`. */
  readonly program?: string | undefined;
  /** Faults before the memory that counts as normal is read. */
  readonly warmUp?: number;
  readonly onProgress?: (line: string) => void;
}

export interface FuzzReport {
  readonly seed: number;
  readonly sessions: number;
  readonly requests: number;
  readonly faults: ReadonlyMap<string, number>;
  readonly verdicts: ReadonlyMap<Verdict, number>;
  readonly seconds: number;
  readonly atStart: Usage;
  readonly afterWarmUp: Usage;
  readonly highest: Usage;
  readonly atEnd: Usage;
  readonly violations: readonly string[];
}

/** What is really held may grow so much: compiled code, caches of fixed size. 95,000 faults that keep 90 bytes each are found. */
const memoryToleranceBytes = 8 * 1024 * 1024;
/** What is opened on the first need and stays: the watch on a socket's folder. */
const openedOnce = 2;
const fewViolations = 5;

/** Runs to its end, or to the first violations. */
export async function runFuzz(options: FuzzOptions): Promise<FuzzReport> {
  const proxy = await startProxy({ folder: options.folder, logLevel: options.logLevel ?? 'warn', program: options.program });
  const run = new FuzzRun(options, proxy);
  try {
    return await run.run();
  } finally {
    run.endBackend();
    await proxy.stop();
  }
}

class FuzzRun {
  readonly #options: FuzzOptions;
  readonly #proxy: ProxyProcess;
  readonly #backend: ChildProcess;
  readonly #judge = new Judge();
  readonly #faults = new Map<string, number>();
  #done = 0;
  #requests = 0;
  #next = firstSession;
  #sessions = 0;
  #reports = 0;
  #told = 0;
  #highest: Usage = { rssBytes: 0, descriptors: 0 };

  constructor(options: FuzzOptions, proxy: ProxyProcess) {
    this.#options = options;
    this.#proxy = proxy;
    const listen = proxy.upstreams.flatMap((where) => ['--listen', where]);
    this.#backend = fork(join(import.meta.dirname, 'hostile-backend.ts'), ['--seed', String(options.seed), ...listen], {
      execArgv: ['--disable-warning=ExperimentalWarning'],
      env: { ...process.env, NODE_OPTIONS: '' },
    });
  }

  async run(): Promise<FuzzReport> {
    const { seconds, faults, seed } = this.#options;
    let listening = 0;
    this.#backend.on('message', (message: BackendReport | { readonly listening: string }) => {
      if ('listening' in message) listening += 1;
      else this.#hear(message);
    });
    await until(() => listening === this.#proxy.upstreams.length, { timeoutMs: 10_000, what: 'the hostile backend to listen' });
    const atStart = await this.#proxy.exactUsage();
    const began = performance.now();
    const deadline = began + seconds * 1000;
    await this.#attack(Math.min(faults, this.#options.warmUp ?? 5000), deadline);
    const afterWarmUp = await this.#settle(atStart.descriptors + openedOnce);
    await this.#attack(faults, deadline);
    const took = (performance.now() - began) / 1000;
    const atEnd = await this.#settle(afterWarmUp.descriptors);
    this.#checkUsage(afterWarmUp, atEnd);
    this.#judge.conclude();
    return {
      seed,
      sessions: this.#sessions,
      requests: this.#requests,
      faults: this.#faults,
      verdicts: this.#judge.verdicts,
      seconds: took,
      atStart,
      afterWarmUp,
      highest: this.#highest,
      atEnd,
      violations: this.#judge.violations,
    };
  }

  endBackend(): void {
    this.#backend.kill('SIGKILL');
  }

  get #failed(): boolean {
    return this.#judge.violations.length >= fewViolations || this.#proxy.exit() !== undefined;
  }

  async #attack(faults: number, deadline: number): Promise<void> {
    const { only } = this.#options;
    this.#order('storm');
    const progress = setInterval(() => this.#progress(), 5000);
    const measure = setInterval(() => this.#measure(), 200);
    const goesOn = (): boolean => this.#done < faults && performance.now() < deadline && !this.#failed;
    const client = async (): Promise<void> => {
      while (goesOn()) await this.#session(planSession(this.#options.seed, only === undefined ? this.#next++ : only + sameAgain * this.#next++));
    };
    await Promise.all(Array.from({ length: this.#options.clients ?? 64 }, client));
    clearInterval(progress);
    clearInterval(measure);
  }

  async #session(plan: SessionPlan): Promise<void> {
    this.#sessions += 1;
    this.#requests += plan.requests.length;
    if (plan.act !== 'normal') this.#count(`client ${plan.act}`, 1);
    this.#judge.expect(plan);
    const address = this.#proxy.addresses[plan.gateway];
    try {
      const run = isHttpGateway(plan.gateway) ? runHttpClient : runFastcgiClient;
      this.#judge.see(plan, await run(plan, address));
    } catch (error) {
      this.#judge.violate(`session ${plan.session}: no connection to ${plan.gateway}: ${error instanceof Error ? error.message : String(error)}`);
      this.#judge.see(
        plan,
        plan.requests.map(() => nothingSeen('left')),
      );
    }
  }

  #hear(report: BackendReport): void {
    for (const event of report.events) this.#judge.hear(event);
    for (const [what, times] of Object.entries(report.faults)) this.#count(`backend ${what}`, times);
    for (const violation of report.violations) this.#judge.violate(violation);
    this.#reports += 1;
  }

  #count(fault: string, times: number): void {
    this.#faults.set(fault, (this.#faults.get(fault) ?? 0) + times);
    this.#done += times;
  }

  #order(order: BackendOrder): void {
    // best effort: a backend that has ended is found by its silence
    if (this.#backend.connected) this.#backend.send(order);
  }

  /** Quiet: nothing in flight, nothing held, and what was opened is closed again. */
  async #settle(descriptors: number): Promise<Usage> {
    this.#order('calm');
    const heard = this.#reports;
    await until(() => this.#reports > heard + 2 || this.#proxy.exit(), { timeoutMs: 15_000, what: 'the backend to report' });
    const quiet = async (): Promise<boolean> => this.#proxy.exit() !== undefined || ((await this.#proxy.busy()).length === 0 && this.#proxy.usage().descriptors <= descriptors);
    await until(quiet, { timeoutMs: 12_000, everyMs: 100, what: 'quiet' }).catch(() => undefined);
    if (this.#proxy.exit() !== undefined) return this.#highest;
    const busy = await this.#proxy.busy();
    if (busy.length > 0) this.#judge.violate(`long after the last client has left: ${busy.join('; ')}`);
    return this.#proxy.exactUsage();
  }

  #checkUsage(before: Usage, after: Usage): void {
    const exit = this.#proxy.exit();
    if (exit !== undefined) return this.#judge.violate(`the proxy ended with ${exit}: ${this.#proxy.log().slice(-3000)}`);
    if (this.#proxy.log().includes('a bug in goodgateway')) this.#judge.violate(`a bug: ${this.#proxy.log().slice(-3000)}`);
    if (after.descriptors > before.descriptors) this.#judge.violate(`descriptors: ${before.descriptors} before, ${after.descriptors} after`);
    const grown = (after.liveBytes ?? 0) - (before.liveBytes ?? 0);
    if (grown > memoryToleranceBytes) this.#judge.violate(`memory: ${mebibytes(before.liveBytes)} were held before, ${mebibytes(after.liveBytes)} after`);
  }

  #measure(): void {
    if (this.#proxy.exit() !== undefined) return;
    const { rssBytes, descriptors } = this.#proxy.usage();
    this.#highest = { rssBytes: Math.max(rssBytes, this.#highest.rssBytes), descriptors: Math.max(descriptors, this.#highest.descriptors) };
  }

  #progress(): void {
    for (const violation of this.#judge.violations.slice(this.#told)) this.#options.onProgress?.(`VIOLATION: ${violation}`);
    this.#told = this.#judge.violations.length;
    if (this.#proxy.exit() !== undefined) return;
    const usage = this.#proxy.usage();
    this.#options.onProgress?.(`${this.#done} faults, ${this.#requests} requests, ${this.#judge.violations.length} violations; proxy: ${mebibytes(usage.rssBytes)}, ${usage.descriptors} descriptors`);
  }
}

export function mebibytes(bytes: number | undefined): string {
  return bytes === undefined ? '' : `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
