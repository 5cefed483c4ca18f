/**
 * The dashboard's files, ready to be served from memory: from `dist` as they were built, from the source with the types
 * taken out. Only what the page needs is there: its first module and what that imports, and so on.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { posix } from 'node:path';
import { gzipSync } from 'node:zlib';

export interface DashboardFile {
  readonly type: string;
  readonly body: Buffer;
  /** The same, compressed: a third of it, for who looks through a tunnel. */
  readonly gzip: Buffer;
  /** Strong, quoted: a page that is there already is not sent again. */
  readonly etag: string;
}

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const source = new URL('../../', import.meta.url);
const importPattern = /\b(from|import)\s*'(\.{1,2}\/[\w./-]+)\.(?:ts|js)'/g;
const placeOfPreloads = '<!-- modules -->';

let loaded: Promise<ReadonlyMap<string, DashboardFile>> | undefined;

/** By path of the address. Read at the first call; rejects where the installation is incomplete, and may then be called again. */
export function loadDashboard(): Promise<ReadonlyMap<string, DashboardFile>> {
  loaded ??= readAll().catch((error: unknown) => {
    loaded = undefined;
    throw error;
  });
  return loaded;
}

async function readAll(): Promise<ReadonlyMap<string, DashboardFile>> {
  const files = new Map<string, DashboardFile>();
  for (const [path, text] of await readModules('/dashboard/main')) files.set(`${path}.js`, fileOf('text/javascript; charset=utf-8', text));
  // all at once, not one after the other as each is found out to be needed
  const preloads = [...files.keys()].map((path) => `<link rel="modulepreload" href="${path}">`).join('\n');
  files.set('/', fileOf('text/html; charset=utf-8', (await read('dashboard/index.html')).replace(placeOfPreloads, preloads)));
  files.set('/dashboard.css', fileOf('text/css; charset=utf-8', await read('dashboard/dashboard.css')));
  files.set('/dashboard/icon.svg', fileOf('image/svg+xml', await read('dashboard/icon.svg')));
  return files;
}

/** The module and all that it imports, by path without extension. */
async function readModules(first: string): Promise<ReadonlyMap<string, string>> {
  const modules = new Map<string, string>();
  const wanted = [first];
  for (let path = wanted.pop(); path !== undefined; path = wanted.pop()) {
    if (modules.has(path)) continue;
    const text = await readModule(path);
    modules.set(path, text);
    for (const [, , imported = ''] of text.matchAll(importPattern)) wanted.push(posix.join(posix.dirname(path), imported));
  }
  return modules;
}

/** As a browser takes it: JavaScript that imports `.js`. */
async function readModule(path: string): Promise<string> {
  const text = await read(`${path.slice(1)}.${extension}`);
  if (extension === 'js') return text.replace(/\n\/\/# sourceMappingURL=.*\s*$/, '\n');
  return stripTypeScriptTypes(text).replaceAll(importPattern, `$1 '$2.js'`);
}

function read(path: string): Promise<string> {
  return readFile(new URL(path, source), 'utf8');
}

function fileOf(type: string, text: string): DashboardFile {
  const body = Buffer.from(text);
  return { type, body, gzip: gzipSync(body), etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 27)}"` };
}
