/** The system call that a thread sleeps in, and the descriptors that it gave to it. Needs root for other users' processes. */
import { closeSync, openSync, readSync } from 'node:fs';
import { readText } from '../proc.ts';

type CallName = 'read' | 'write' | 'poll' | 'select' | 'connect' | 'sleep' | 'child' | 'lock' | 'futex' | 'semaphore' | 'accept' | 'file';

/** What a thread does: it runs, is not to be seen, or sleeps in a call. */
export type SystemCall =
  | { readonly kind: 'running' }
  | { readonly kind: 'unseen' }
  /** Asleep outside of a call that is known here. */
  | { readonly kind: 'asleep' }
  | { readonly kind: 'call'; readonly name: CallName; readonly descriptors: readonly number[] };

/** Numbers by architecture; the other ones use the generic table. @see the kernel's syscall_64.tbl and unistd.h */
const numbers: Readonly<Record<'x64' | 'generic', Readonly<Record<CallName, readonly number[]>>>> = {
  x64: {
    read: [0, 19, 45, 47],
    write: [1, 20, 44, 46],
    poll: [7, 271],
    select: [23, 270],
    connect: [42],
    sleep: [35, 230],
    child: [61, 247],
    lock: [72, 73],
    futex: [202],
    semaphore: [65, 220],
    accept: [43, 288],
    // pread, pwrite, fsync, fdatasync, ftruncate, getdents, sync_file_range, fallocate, preadv, pwritev
    file: [17, 18, 74, 75, 77, 217, 277, 285, 295, 296],
  },
  generic: {
    read: [63, 65, 207, 212],
    write: [64, 66, 206, 211],
    poll: [73],
    select: [72],
    connect: [203],
    sleep: [101, 115],
    child: [95, 260],
    lock: [25, 32],
    futex: [98],
    semaphore: [192, 193],
    accept: [202, 242],
    file: [67, 68, 82, 83, 46, 61, 84, 47, 69, 70],
  },
};
const genericArchitectures: readonly string[] = ['arm64', 'riscv64', 'loong64'];
const table = process.arch === 'x64' ? numbers.x64 : genericArchitectures.includes(process.arch) ? numbers.generic : undefined;
const names: ReadonlyMap<number, CallName> = new Map(Object.entries(table ?? {}).flatMap(([name, list]) => list.map((number) => [number, isCallName(name) ? name : 'read'] as const)));

/** What a traced process goes on with (php-fpm traces for its slow log): another number, and the arguments of the call before. */
const restart: Readonly<Record<'x64' | 'generic', number>> = { x64: 219, generic: 128 };

/** A worker waits at one or two; more than these are an event loop, which waits for nothing in particular. */
const mostDescriptors = 16;
const selectLimit = 1024;

/** What the thread does at this moment. On an architecture whose numbers are not known here every call is `asleep`. */
export function readSystemCall(pid: number, thread = pid): SystemCall {
  const text = readText(`/proc/${pid}/task/${thread}/syscall`).trim();
  if (text === '') return { kind: 'unseen' };
  if (text === 'running') return { kind: 'running' };
  const [number, ...words] = text.split(' ').map(Number);
  const name = number === restart[process.arch === 'x64' ? 'x64' : 'generic'] ? restartedCall(pid, thread) : number === undefined ? undefined : names.get(number);
  if (!name) return { kind: 'asleep' };
  return { kind: 'call', name, descriptors: descriptorsOf(pid, name, words) };
}

/** Only these have what it takes to be restarted; which it was, the kernel's function tells in which the thread sleeps. */
function restartedCall(pid: number, thread: number): CallName | undefined {
  const where = readText(`/proc/${pid}/task/${thread}/wchan`);
  if (where.includes('poll')) return 'poll';
  if (where.includes('nanosleep')) return 'sleep';
  return where.includes('futex') ? 'futex' : undefined;
}

function descriptorsOf(pid: number, name: CallName, [first = 0, second = 0, third = 0]: readonly number[]): readonly number[] {
  switch (name) {
    case 'read':
    case 'write':
    case 'connect':
    case 'lock':
    case 'accept':
    case 'file':
      return [first];
    case 'poll':
      return polled(pid, first, second);
    case 'select':
      return [second, third].flatMap((set) => selected(pid, set, first));
    case 'sleep':
    case 'child':
    case 'futex':
    case 'semaphore':
      return [];
  }
}

/** `struct pollfd`: a descriptor of four bytes, then what is waited for, two and two. A negative one is left out by the kernel, too. */
function polled(pid: number, address: number, count: number): readonly number[] {
  if (count > mostDescriptors) return [];
  const memory = readMemory(pid, address, count * 8);
  return Array.from({ length: memory.length / 8 }, (_, index) => memory.readInt32LE(index * 8)).filter((descriptor) => descriptor >= 0);
}

/** `fd_set`: one bit a descriptor. */
function selected(pid: number, address: number, count: number): readonly number[] {
  if (address === 0 || count > selectLimit) return [];
  const memory = readMemory(pid, address, Math.ceil(count / 8));
  const set = Array.from({ length: memory.length * 8 }, (_, bit) => bit).filter((bit) => bit < count && (memory[bit >> 3]! >> (bit & 7)) & 1);
  return set.length > mostDescriptors ? [] : set;
}

/** So many bytes of another process's memory, or none where they cannot be read. Does not stop it. */
function readMemory(pid: number, address: number, bytes: number): Buffer {
  let file: number;
  try {
    file = openSync(`/proc/${pid}/mem`, 'r');
  } catch {
    return Buffer.alloc(0);
  }
  try {
    const buffer = Buffer.alloc(bytes);
    return readSync(file, buffer, 0, bytes, address) === bytes ? buffer : Buffer.alloc(0);
  } catch {
    // It ended, or has unmapped the page meanwhile.
    return Buffer.alloc(0);
  } finally {
    closeSync(file);
  }
}

function isCallName(name: string): name is CallName {
  return Object.hasOwn(numbers.x64, name);
}
