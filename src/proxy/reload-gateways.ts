/**
 * Takes another configuration of the gateways while the proxy serves: prepared when the healer asks for it, and put in
 * force when it says so; without a healer both at once. What was refused leaves no trace.
 */
import { longestProblem, mostProblems } from '../channel/messages.ts';
import type { HostConfig } from '../config/host-schema.ts';
import { keysThatNeedARestart } from '../config/keys-that-need-a-restart.ts';
import { formatProblem } from '../config/problem.ts';
import type { LoadedHost } from '../config/load-host.ts';
import type { GatewayTable, PreparedGateways } from './gateway-table.ts';
import type { HostSource } from './host-source.ts';
import { withCure } from './out-of-reach.ts';

export interface GatewayReload {
  /** Of the goodgateway.yaml that is in force, hexadecimal. */
  readonly sha256: () => string;
  /** Makes the file with this hash ready; the problems that stand against it, none when there are none. Never rejects. */
  prepare(sha256: string): Promise<readonly string[]>;
  /** What was prepared is in force from now on; false, and nothing is changed, when that is not ready. */
  swap(sha256: string): boolean;
  /** What was prepared is not wanted; without a hash, whatever it is. Never rejects. */
  abandon(sha256?: string): Promise<void>;
  /** By SIGHUP, where no healer is there to judge. Never rejects. */
  alone(): Promise<void>;
}

export interface ReloadOptions {
  readonly table: GatewayTable;
  readonly source: HostSource;
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
}

interface Ready extends PreparedGateways {
  readonly loaded: Pick<LoadedHost, 'host' | 'sha256'>;
}

/** These are read by the healer only. */
const healersOwn: ReadonlySet<string> = new Set(['audit', 'monitor'] satisfies (keyof HostConfig)[]);

/** Begins with what the source was first; nothing is prepared yet. */
export function createGatewayReload({ table, source, log }: ReloadOptions): GatewayReload {
  let running: Ready['loaded'] = source.first;
  let ready: Ready | undefined;
  let turn: Promise<unknown> = Promise.resolve();

  /** One preparation after the other: two would open the same doors. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = turn.then(work);
    turn = mine.catch(() => undefined);
    return mine;
  }

  async function forget(): Promise<void> {
    const unwanted = ready;
    ready = undefined;
    await unwanted?.abandon();
  }

  async function prepareNow(sha256: string | undefined): Promise<readonly string[]> {
    await forget();
    const loaded = await source.read(sha256);
    if (!loaded.ok) return loaded.problems.map((problem) => withCure(problem));
    const fixed = keysThatNeedARestart(running.host, loaded.host).filter(([first]) => !healersOwn.has(String(first)));
    if (fixed.length > 0) return fixed.map((path) => formatProblem(loaded.document.problem(path, 'value', `${path.join('.')}: changed, which needs a restart of the proxy`)));
    const preparation = await table.prepare(loaded.host.gateways, 'right');
    if (!preparation.ok) return preparation.problems.map(({ path, message }) => withCure(formatProblem(loaded.document.problem(path, 'value', message))));
    ready = { ...preparation.prepared, loaded };
    return [];
  }

  function swap(sha256: string): boolean {
    if (ready?.loaded.sha256 !== sha256) return false;
    const { changes, loaded } = ready;
    ready.commit();
    running = loaded;
    ready = undefined;
    log.info({ changes }, changes.length > 0 ? 'the gateways were read again and serve as they say from now on' : 'the gateways were read again; nothing in them has changed');
    return true;
  }

  return {
    sha256: () => running.sha256,
    prepare: (sha256) => inTurn(async () => (await prepareNow(sha256).catch(inWords)).slice(0, mostProblems).map(asMessage)),
    swap,
    abandon: (sha256) => inTurn(async () => (sha256 === undefined || ready?.loaded.sha256 === sha256 ? forget() : undefined)),
    alone: () =>
      inTurn(async () => {
        const problems = await prepareNow(undefined).catch(inWords);
        if (problems.length > 0)
          return log.warn({ problems: problems.slice(0, mostProblems) }, 'the gateways were read again (SIGHUP, and no healer is there) and are refused as a whole; those before stay in force');
        if (ready) swap(ready.loaded.sha256);
      }),
  };
}

function inWords(error: unknown): readonly string[] {
  return [error instanceof Error ? error.message : String(error)];
}

/** As the channel takes it. */
function asMessage(problem: string): string {
  return problem.replaceAll(/\p{Cc}+/gu, ' ').slice(0, longestProblem);
}
