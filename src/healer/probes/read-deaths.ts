/**
 * The ends of workers, as masters write them. Anchored at the beginning of the line: what an application logs about
 * its visitors stands behind a prefix of its own, so that no request can put words into a master's mouth.
 */
import { constants } from 'node:os';

/** One worker that ended otherwise than it should. */
export interface WorkerDeath {
  readonly pid: number;
  /** `by SIGSEGV`, `with exit status 255`. */
  readonly how: string;
  /** By a fault in what it executed. Who was killed (SIGKILL, SIGTERM), or gave up, says nothing about its request. */
  readonly byFault: boolean;
  /** php-fpm's: one log holds the ends of all its pools. */
  readonly pool?: string;
}

/** Faults of the program itself. @see https://man7.org/linux/man-pages/man7/signal.7.html */
const faults: ReadonlySet<string> = new Set(['SIGSEGV', 'SIGBUS', 'SIGABRT', 'SIGILL', 'SIGFPE']);

/** `[26-Nov-2026 13:35:59] WARNING: [pool www] child 16610 exited on signal 11 (SIGSEGV) after …`; with another word order in syslog. */
const fpmLine =
  /^(?:\[[^\]]{1,40}\] )?(?:WARNING: |\[WARNING\] )(?:pid \d{1,10}, \w{1,60}\(\), line \d{1,6}: )?\[pool (?<pool>[^\]]{1,200})\] child (?<pid>\d{1,10}) exited (?:on signal (?<signal>\d{1,3})|with code (?<status>\d{1,3}))/;
/** `[Thu Nov 26 13:40:00.123456 2026] [core:notice] [pid 7:tid 9] AH00052: child pid 12 exit signal Segmentation fault (11)` */
const apacheLine = /^\[[^\]]{1,40}\] \[[\w:]{1,40}\] \[pid \d{1,10}(?::tid \d{1,20})?\] AH0005[12]: child pid (?<pid>\d{1,10}) exit signal [\w ()/-]{1,60}\((?<signal>\d{1,3})\)/;

/** The death that a line of php-fpm's or Apache's log tells, or `undefined`. */
export function readDeath(line: string): WorkerDeath | undefined {
  const { pid, pool, signal, status } = (fpmLine.exec(line) ?? apacheLine.exec(line))?.groups ?? {};
  if (pid === undefined) return undefined;
  const name = signal === undefined ? undefined : nameOfSignal(Number(signal));
  return { pid: Number(pid), how: name === undefined ? `with exit status ${status}` : `by ${name}`, byFault: name !== undefined && faults.has(name), ...(pool === undefined ? {} : { pool }) };
}

function nameOfSignal(number: number): string {
  return Object.entries(constants.signals).find(([, value]) => value === number)?.[0] ?? `signal ${number}`;
}
