/**
 * Puts changes into nginx's files and makes sure that nobody notices: nginx must take the files, and each site that is
 * concerned must answer as before. Else everything goes back, by itself. What is about to be changed is on record first,
 * so that `uninstall` finds it even when this process dies in between.
 */
import { readFile, realpath, rm } from 'node:fs/promises';
import { askable, askSites, differences, spokenQuestion, type SiteAnswer, type SiteQuestion } from './ask-sites.ts';
import { cureForLate, reloadNginx, testConfiguration, type NginxControl } from './reload-nginx.ts';
import { writeFileAtomically } from './write-file.ts';

/** One file as it is and as it will be; `undefined`: it is not there. */
export interface FileSwap {
  readonly file: string;
  readonly before: Buffer | undefined;
  readonly after: Buffer | undefined;
}

/** `unjudged`: what failed before, or did not answer in time: nothing can be said of it. `reverted`: nginx is as it was. `stuck`: not even the way back worked; a person must look now. */
export type ChangeOutcome =
  | { readonly kind: 'changed'; readonly reloaded: boolean; readonly asked: number; readonly unjudged: readonly string[] }
  | { readonly kind: 'reverted'; readonly why: readonly string[] }
  | { readonly kind: 'stuck'; readonly why: readonly string[] };

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
  if (control.master === undefined) return { kind: 'changed', reloaded: false, asked: 0, unjudged: [] };
  control.say?.('nginx takes the new configuration');
  const wrong = await reloadNginx(control);
  if (wrong !== undefined) return back(swaps, control, { why: [wrong.why], isLate: wrong.kind === 'late' });
  const judged = askable(questions, before);
  const first = before.filter((_, index) => judged.includes(questions[index]!));
  const different = differences(judged, first, await ask(judged, control, { what: 'whether they answer as before', roundMs: afterMs }));
  if (different.length > 0) return back(swaps, control, { why: different, isLate: false });
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

/** `isLate`: the change may still be on its way into nginx. */
async function back(swaps: readonly FileSwap[], control: NginxControl, { why, isLate }: { readonly why: readonly string[]; readonly isLate: boolean }): Promise<ChangeOutcome> {
  control.say?.('everything goes back');
  const wrong = (await put(swaps, 'before')) ?? (await testConfiguration(control)) ?? (await takeBack(control, isLate));
  return wrong === undefined ? { kind: 'reverted', why } : { kind: 'stuck', why: [...why, `and on the way back: ${wrong}`] };
}

async function takeBack(control: NginxControl, isLate: boolean): Promise<string | undefined> {
  let wrong = await reloadNginx(control);
  // what came of the first may be the change's own end: only the next workers are known to have read what is back
  if (isLate && wrong?.kind !== 'late') wrong = await reloadNginx(control);
  return wrong?.kind === 'late' ? `${wrong.why}: ${cureForLate(control)}` : wrong?.why;
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
