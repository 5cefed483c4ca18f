/** Where a Node process spends its time: a profile of V8 as shares of whoever's code was running. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Profile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number } }[];
  readonly samples: readonly number[];
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[];
}

export interface Share {
  readonly name: string;
  /** Of the time in which the process was not idle, 0 to 1. */
  readonly share: number;
}

/** The shares of the one profile in the folder, largest first, without its first `skipMs`: starting is not serving. */
export function readProfile(folder: string, skipMs: number): { readonly groups: readonly Share[]; readonly functions: readonly Share[] } {
  const file = readdirSync(folder).find((name) => name.endsWith('.cpuprofile'));
  if (file === undefined) throw new Error(`no profile was written to ${folder}`);
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Profile;
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const [groups, functions] = [new Map<string, number>(), new Map<string, number>()];
  let at = 0;
  samples.forEach((id, n) => {
    const us = timeDeltas[n]!;
    const frame = frames.get(id)!;
    at += us;
    if (at < skipMs * 1000 || frame.functionName === '(idle)') return;
    add(groups, groupOf(frame), us);
    add(functions, `${frame.functionName || '(anonymous)'} ${frame.url.split('/').slice(-2).join('/')}`.trim(), us);
  });
  return { groups: shares(groups), functions: shares(functions) };
}

function groupOf({ functionName, url }: { readonly functionName: string; readonly url: string }): string {
  if (functionName === '(garbage collector)') return 'garbage collection';
  if (url === '') return 'native code and system calls';
  if (url.startsWith('node:')) return 'Node';
  return url.includes('/node_modules/') ? 'Fastify and @fastify/http-proxy' : 'goodgateway';
}

function add(sums: Map<string, number>, name: string, us: number): void {
  sums.set(name, (sums.get(name) ?? 0) + us);
}

function shares(sums: ReadonlyMap<string, number>): readonly Share[] {
  const total = [...sums.values()].reduce((sum, us) => sum + us, 0);
  return [...sums].map(([name, us]) => ({ name, share: us / total })).toSorted((a, b) => b.share - a.share);
}
