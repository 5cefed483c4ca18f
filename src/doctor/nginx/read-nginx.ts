/** nginx.conf with everything that it includes, from files only: `nginx -T` needs root and opens logs. */
import { dirname } from 'node:path';
import type { HostFiles } from '../host-files.ts';
import { parseNginx, type Directive } from './parse-nginx.ts';

/** Counted each time: hundreds of sites include the same few files. */
const filesAtMost = 5000;

/** The whole tree, includes in their places; `undefined` when there is no such file. Relative names are below its folder. */
export async function readNginx(files: HostFiles, main: string): Promise<readonly Directive[] | undefined> {
  const text = await files.text(main);
  if (text === undefined) return undefined;
  return expand(parseNginx(text, main), { files, folder: dirname(main), left: filesAtMost, open: [main] });
}

interface Including {
  readonly files: HostFiles;
  readonly folder: string;
  left: number;
  readonly open: readonly string[];
}

async function expand(directives: readonly Directive[], including: Including): Promise<readonly Directive[]> {
  const expanded: Directive[] = [];
  for (const one of directives) {
    if (one.block) expanded.push({ ...one, block: await expand(one.block, including) });
    else if (one.name !== 'include' || one.words[0] === undefined) expanded.push(one);
    else expanded.push(...(await included(one.words[0], including)));
  }
  return expanded;
}

async function included(pattern: string, including: Including): Promise<readonly Directive[]> {
  const { files, folder, open } = including;
  const found: Directive[] = [];
  for (const path of await files.matching(pattern.startsWith('/') ? pattern : `${folder}/${pattern}`)) {
    if (open.includes(path) || including.left <= 0) continue;
    including.left--;
    const inner: Including = { files, folder, open: [...open, path], left: including.left };
    found.push(...(await expand(parseNginx((await files.text(path)) ?? '', path), inner)));
    including.left = inner.left;
  }
  return found;
}
