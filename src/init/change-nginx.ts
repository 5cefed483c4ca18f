/**
 * Puts changes into nginx's files and makes sure that nobody notices: nginx must take the files, and each site that is
 * concerned must answer as before. Else everything goes back, by itself. What is about to be changed is on record first,
 * so that `uninstall` finds it even when this process dies in between.
 */
import { readFile, realpath, rm } from 'node:fs/promises';
import { systemClock, type Clock } from '../core/time.ts';
import type { HostFiles } from '../doctor/host-files.ts';
import { readHostProcesses } from '../doctor/processes.ts';
import type { RunCommand } from '../healer/commands.ts';
import { askable, askSites, differences, spokenQuestion, type SiteAnswer, type SiteQuestion } from './ask-sites.ts';
import { writeFileAtomically } from './write-file.ts';

/** One file as it is and as it will be; `undefined`: it is not there. */
export interface FileSwap {
  readonly file: string;
  readonly before: Buffer | undefined;
  readonly after: Buffer | undefined;
}

export interface NginxControl {
  readonly run: RunCommand;
  readonly files: HostFiles;
  readonly program: string;
  /** Its main file. */
  readonly main: string;
  /** Whether it runs: only then it is reloaded, and the sites are asked. */
  readonly master: number | undefined;
  readonly clock?: Clock;
  /** What is going on, for whoever waits. */
  readonly say?: (line: string) => void;
}

/** `unjudged`: what failed before, or did not answer in time: nothing can be said of it. `reverted`: nginx is as it was. `stuck`: not even the way back worked; a person must look now. */
export type ChangeOutcome =
  | { readonly kind: 'changed'; readonly reloaded: boolean; readonly asked: number; readonly unjudged: readonly string[] }
  | { readonly kind: 'reverted'; readonly why: readonly string[] }
  | { readonly kind: 'stuck'; readonly why: readonly string[] };

const commandMs = 60_000;
const newWorkersMs = 10_000;
const lookMs = 50;
const beforeMs = 60_000;
/** What answered within the first round must not be called worse for being a little slower. */
const afterMs = 2 * beforeMs;

/** Reads what the files hold now: a `FileSwap` needs the bytes, not the text that was planned with. */
export async function swapOf(file: string, before: string | undefined, after: string | undefined): Promise<FileSwap | string> {
  const path = await realpath(file).catch(() => file);
  const bytes = await readFile(path).catch(() => undefined);
  const same = before === undefined ? bytes === undefined : bytes?.equals(Buffer.from(before));
  if (!same) return before === undefined ? `${file} is there already` : `${file} is not what it was when it was read, or is not UTF-8`;
  return { file: path, before: bytes, after: after === undefined ? undefined : Buffer.from(after) };
}

/** All files, then `nginx -t`, a reload, and a look at each site. */
export async function changeNginx(swaps: readonly FileSwap[], questions: readonly SiteQuestion[], control: NginxControl): Promise<ChangeOutcome> {
  const before = control.master === undefined ? [] : await ask(questions, control, { what: 'how they answer now', roundMs: beforeMs });
  const refused = (await put(swaps, 'after')) ?? (await testConfiguration(control));
  if (refused !== undefined) return backUnread(swaps, refused);
  const wrong = await takeConfiguration(control);
  if (wrong !== undefined) return back(swaps, control, [wrong]);
  if (control.master === undefined) return { kind: 'changed', reloaded: false, asked: 0, unjudged: [] };
  const judged = askable(questions, before);
  const first = before.filter((_, index) => judged.includes(questions[index]!));
  const different = differences(judged, first, await ask(judged, control, { what: 'whether they answer as before', roundMs: afterMs }));
  if (different.length > 0) return back(swaps, control, different);
  return { kind: 'changed', reloaded: true, asked: judged.length, unjudged: questions.filter((one) => !judged.includes(one)).map(spokenQuestion) };
}

async function ask(questions: readonly SiteQuestion[], { say }: NginxControl, { what, roundMs }: { readonly what: string; readonly roundMs: number }): Promise<readonly SiteAnswer[]> {
  if (questions.length > 0) say?.(`asking nginx's sites ${what}: ${questions.length} ${questions.length === 1 ? 'request' : 'requests'}, at most ${roundMs / 1000} s`);
  return askSites(questions, { roundMs, ...(say ? { say } : {}) });
}

/** nginx was not told to read anything, so whether it would take these files makes no difference. */
async function backUnread(swaps: readonly FileSwap[], why: string): Promise<ChangeOutcome> {
  const wrong = await put(swaps, 'before');
  return wrong === undefined ? { kind: 'reverted', why: [why] } : { kind: 'stuck', why: [why, `and on the way back: ${wrong}`] };
}

async function back(swaps: readonly FileSwap[], control: NginxControl, why: readonly string[]): Promise<ChangeOutcome> {
  const wrong = (await put(swaps, 'before')) ?? (await testConfiguration(control)) ?? (await takeConfiguration(control));
  return wrong === undefined ? { kind: 'reverted', why } : { kind: 'stuck', why: [...why, `and on the way back: ${wrong}`] };
}

/** Why one of them could not be written, as a sentence; on the way back all others are, and what was never changed needs nothing. */
async function put(swaps: readonly FileSwap[], side: 'before' | 'after'): Promise<string | undefined> {
  let wrong: string | undefined;
  for (const swap of swaps) {
    if (wrong !== undefined && side === 'after') break;
    wrong = (await putOne(swap.file, swap[side])) ?? wrong;
  }
  return wrong;
}

async function putOne(file: string, content: Buffer | undefined): Promise<string | undefined> {
  try {
    const there = await readFile(file).catch(() => undefined);
    if (content === undefined ? there === undefined : there?.equals(content)) return undefined;
    await (content === undefined ? rm(file, { force: true }) : writeFileAtomically(file, content));
    return undefined;
  } catch (error) {
    return `${file} could not be written: ${error instanceof Error ? error.message : String(error)}`;
  }
}

async function testConfiguration(control: NginxControl): Promise<string | undefined> {
  const refused = await nginxSays(['-t'], control);
  return refused === undefined ? undefined : `nginx -t: ${refused}`;
}

/** Reload, and wait until no old worker takes connections any more. */
async function takeConfiguration(control: NginxControl): Promise<string | undefined> {
  if (control.master === undefined) return undefined;
  const old = await servingWorkers(control);
  const unloaded = await nginxSays(['-s', 'reload'], control);
  if (unloaded !== undefined) return `nginx -s reload: ${unloaded}`;
  const { clock = systemClock } = control;
  for (const end = clock.monotonicMs() + newWorkersMs; clock.monotonicMs() < end; await clock.sleep(lookMs)) {
    const now = await servingWorkers(control);
    if (now.length > 0 && !now.some((pid) => old.includes(pid))) return undefined;
  }
  return `nginx did not take the new configuration within ${newWorkersMs / 1000} s: see its error log`;
}

async function nginxSays(words: readonly string[], { run, program, main }: NginxControl): Promise<string | undefined> {
  const { exitCode, output, startError, timedOut } = await run.run([program, '-c', main, ...words], { timeoutMs: commandMs });
  return exitCode === 0 ? undefined : (startError ?? (timedOut ? `no end within ${commandMs / 1000} s` : output));
}

/** An old worker says in its title that it is shutting down. */
async function servingWorkers({ files, master }: NginxControl): Promise<readonly number[]> {
  const processes = await readHostProcesses(files);
  return processes.filter(({ parent, command }) => parent === master && command === 'nginx: worker process').map(({ pid }) => pid);
}
