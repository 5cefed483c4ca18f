/**
 * The messages that wait for one receiver, one file each, numbered in their order. A message is on the disk before it is
 * tried and is removed when it has arrived, so a crash costs at most a message that is sent twice.
 */
import { constants } from 'node:fs';
import { open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageSchema, type Message } from './notifier.ts';
import { writeDurably } from './write-durably.ts';

/** A message in its place. */
export interface Waiting {
  readonly number: number;
  readonly message: Message;
}

export interface Spool {
  /** What was found at opening, the oldest first. */
  readonly found: readonly Waiting[];
  /** What could not be understood at opening, a sentence for each; these files are removed. */
  readonly problems: readonly string[];
  /** The message with its number; kept on the disk unless `problem` says why it is in memory only. */
  add(message: Message): Promise<Waiting & { readonly problem?: string }>;
  /** Best effort: what cannot be removed is sent once more after a restart. */
  remove(waiting: Waiting): Promise<void>;
}

/** Far above what one message can be. */
const largestBytes = 65_536;
/** More than any receiver may have waiting; what is beyond it stays in the folder until the next start. */
const mostRead = 1000;

/** Opens the folder of one receiver; it need not exist. Never rejects. */
export async function openSpool(folder: string): Promise<Spool> {
  const found: Waiting[] = [];
  const problems: string[] = [];
  const names = await readdir(folder).catch(() => []);
  // what is half written was reported to nobody as kept
  for (const name of names.filter((one) => one.endsWith('.new'))) await rm(join(folder, name), { force: true }).catch(() => undefined);
  const numbers = names.flatMap((name) => (/^\d{12}\.json$/.test(name) ? [Number(name.slice(0, 12))] : [])).sort((a, b) => a - b);
  for (const number of numbers.slice(0, mostRead)) {
    const read = await readMessage(fileOf(folder, number));
    if ('message' in read) found.push({ number, message: read.message });
    else problems.push(`a message that waited cannot be read and is dropped: ${read.problem}`);
    if ('problem' in read) await rm(fileOf(folder, number), { force: true }).catch(() => undefined);
  }
  let last = numbers.at(-1) ?? 0;
  return {
    found,
    problems,
    async add(message) {
      const number = ++last;
      try {
        await writeDurably(fileOf(folder, number), JSON.stringify(message));
        return { number, message };
      } catch (error) {
        return { number, message, problem: `${fileOf(folder, number)} could not be written: ${String(error)}` };
      }
    },
    remove: ({ number }) => rm(fileOf(folder, number), { force: true }).catch(() => undefined),
  };
}

function fileOf(folder: string, number: number): string {
  return join(folder, `${String(number).padStart(12, '0')}.json`);
}

async function readMessage(path: string): Promise<{ readonly message: Message } | { readonly problem: string }> {
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const about = await file.stat();
    if (!about.isFile() || about.size > largestBytes) return { problem: `${path} is no message of ours` };
    const parsed = messageSchema.safeParse(JSON.parse(await file.readFile('utf8')));
    return parsed.success ? { message: parsed.data } : { problem: `${path} is no message of ours` };
  } catch (error) {
    return { problem: `${path}: ${String(error)}` };
  }
}
