/** Backends and their gateways → the changes in nginx's files, and the places where none can be made. Nothing is written here. */
import { dirname } from 'node:path';
import type { GatewayConfig } from '../config/host-schema.ts';
import type { HostFiles } from '../doctor/host-files.ts';
import { parseNginx, type Directive } from '../doctor/nginx/parse-nginx.ts';
import { placeOf, type Pass, type UpstreamBlock } from '../doctor/nginx/passes.ts';
import type { Backend, LeftAlone } from './backend.ts';
import { changePass } from './change-pass.ts';
import { applyEdits, indentAt, insideBlock, placeInText, type Edit, type Hunk } from './edit-text.ts';
import type { FoundNginx } from './machine.ts';

/** One file of nginx's before and after; `before` is `undefined` for one that is new. */
export interface FileChange {
  readonly file: string;
  readonly before: string | undefined;
  readonly after: string;
  readonly hunks: readonly Hunk[];
}

export interface NginxPlan {
  readonly changes: readonly FileChange[];
  readonly leftAlone: readonly LeftAlone[];
  /** The places that will lead through a gateway. */
  readonly changed: readonly Pass[];
}

/** The lines of nginx for one gateway, as `goodgateway nginx --inline` prints them. */
export type SnippetOf = (gateway: { readonly name: string; readonly config: GatewayConfig }) => { readonly upstream: readonly string[]; readonly location: readonly string[] };

export interface PlanNginxOptions {
  readonly nginx: FoundNginx;
  readonly backends: readonly Backend[];
  /** Those of the configuration that will be in force. */
  readonly gateways: Readonly<Record<string, GatewayConfig>>;
  readonly snippetOf: SnippetOf;
  readonly files: HostFiles;
}

/** A file of which not all was read cannot be changed. */
const fileLimitBytes = 1024 ** 2;
const notFound = { why: 'the text does not show it where it was read', instead: 'make the change by hand: goodgateway nginx --inline' };

/** Empty `changes` when everything leads through its gateway already. */
export async function planNginx(options: PlanNginxOptions): Promise<NginxPlan> {
  const texts = new Texts(options.files);
  const changed: Pass[] = [];
  const leftAlone: LeftAlone[] = [];
  for (const backend of options.backends) {
    const config = options.gateways[backend.name];
    if (!config || backend.passes.length === 0) continue;
    const snippet = options.snippetOf({ name: backend.name, config });
    const done: Pass[] = [];
    for (const pass of backend.passes) {
      const text = await texts.of(pass.line.file);
      const edits = text === undefined ? undefined : changePass({ pass, text, target: backend.block?.name ?? backend.name, lines: snippet.location });
      if (edits && texts.add(pass.line.file, edits)) done.push(pass);
      else leftAlone.push({ place: placeOf(pass.line), what: `${pass.line.name} ${pass.line.words[0]}`, ...notFound });
    }
    if (done.length === 0) continue;
    const { block } = backend;
    if (!block) await addBlock(backend.name, snippet.upstream, { texts, nginx: options.nginx, files: options.files });
    else if (!(await changeBlock(block, snippet.upstream, texts))) leftAlone.push({ place: placeOf(block.line), what: `upstream ${block.name}`, ...notFound });
    changed.push(...done);
  }
  return { changes: texts.changes(), leftAlone, changed };
}

/** Edits by file; of one place only the first counts, because an included file is read in several places. */
class Texts {
  readonly #files: HostFiles;
  readonly #edits = new Map<string, Edit[]>();
  readonly #before = new Map<string, string | undefined>();

  constructor(files: HostFiles) {
    this.#files = files;
  }

  async of(file: string): Promise<string | undefined> {
    if (!this.#before.has(file)) {
      const text = await this.#files.text(file);
      this.#before.set(file, text !== undefined && Buffer.byteLength(text) < fileLimitBytes && !text.includes('\ufffd') ? text : undefined);
    }
    return this.#before.get(file);
  }

  /** False when one of them would overlap an earlier one that is different. */
  add(file: string, edits: readonly Edit[]): boolean {
    const known = this.#edits.get(file) ?? [];
    const fresh = edits.filter((edit) => !known.some(({ start, end, to }) => start === edit.start && end === edit.end && to === edit.to));
    if (fresh.some((edit) => known.some(({ start, end }) => edit.start < end && start < edit.end))) return false;
    this.#edits.set(file, [...known, ...fresh]);
    return true;
  }

  create(file: string, text: string): void {
    this.#before.set(file, undefined);
    this.#edits.set(file, [{ start: 0, end: 0, to: text }]);
  }

  changes(): readonly FileChange[] {
    return [...this.#edits].map(([file, edits]) => {
      const before = this.#before.get(file);
      return { file, before, ...applyEdits(before ?? '', edits) };
    });
  }
}

/** The gateway first, and the server that was there as its backup. */
async function changeBlock({ line, peers }: UpstreamBlock, snippet: readonly string[], texts: Texts): Promise<boolean> {
  const [peer] = peers;
  const text = await texts.of(line.file);
  const place = peer && text !== undefined ? placeInText(text, peer.line) : undefined;
  if (!peer || text === undefined || !place) return false;
  const [gateway] = serversOf(snippet);
  const kept = peer.words.filter((word) => word !== 'backup' && !word.startsWith('max_fails='));
  const lines = [`server ${gateway} max_fails=0;  # goodgateway`, `server ${kept.join(' ')} max_fails=0 backup;  # fails open: if goodgateway is dead, as before`];
  const isEnd = /^[ \t]*(\r?\n|$)/.test(text.slice(place.end));
  const indent = `\n${indentAt(text, place.start)}`;
  return texts.add(line.file, [{ ...place, to: lines.join(indent) + (isEnd ? '' : indent) }]);
}

function serversOf(snippet: readonly string[]): readonly string[] {
  return parseNginx(snippet.join('\n'), '').flatMap(({ block = [] }) => block.filter(({ name }) => name === 'server').map(({ words }) => words[0] ?? ''));
}

/** In a file of its own where nginx reads a folder for such, else at the beginning of `http`. */
async function addBlock(name: string, snippet: readonly string[], { texts, nginx, files }: { readonly texts: Texts; readonly nginx: FoundNginx; readonly files: HostFiles }): Promise<void> {
  const folder = await confFolder(nginx, files);
  if (folder !== undefined) return texts.create(`${folder}/goodgateway-${name}.conf`, `${['# Made by `goodgateway init`', ...snippet].join('\n')}\n`);
  const http = nginx.main.find((one) => one.name === 'http');
  const text = await texts.of(nginx.file);
  const at = http && text !== undefined ? insideBlock(text, http) : undefined;
  if (at !== undefined) texts.add(nginx.file, [{ start: at, end: at, to: `\n${['# made by `goodgateway init`', ...snippet].map((line) => `    ${line}`).join('\n')}` }]);
}

async function confFolder({ main, file }: FoundNginx, files: HostFiles): Promise<string | undefined> {
  const http: readonly Directive[] = main.find(({ name }) => name === 'http')?.block ?? [];
  for (const { words } of http.filter(({ name }) => name === 'include')) {
    const folder = /^(.*conf\.d)\/\*(\.conf)?$/.exec(words[0] ?? '')?.[1];
    const absolute = folder === undefined || folder.startsWith('/') ? folder : `${dirname(file)}/${folder}`;
    if (absolute !== undefined && (await files.stat(absolute))?.isDirectory()) return absolute;
  }
  return undefined;
}
