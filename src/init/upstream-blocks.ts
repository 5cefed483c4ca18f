/** The `upstream` blocks that lead through gateways: there already, changed in their place, or new. */
import { dirname } from 'node:path';
import type { GatewayConfig } from '../config/host-schema.ts';
import type { HostFiles } from '../doctor/host-files.ts';
import { parseNginx, type Directive } from '../doctor/nginx/parse-nginx.ts';
import type { UpstreamBlock } from '../doctor/nginx/passes.ts';
import { isSame } from '../doctor/who-passes.ts';
import type { Backend } from './backend.ts';
import { indentAt, insideBlock, placeInText, type Edit } from './edit-text.ts';
import type { FoundNginx } from './machine.ts';
import type { NginxTexts } from './nginx-texts.ts';

/** A block that a pass will go to. */
export type Lead =
  | { readonly kind: 'there'; readonly name: string }
  | { readonly kind: 'changed'; readonly name: string; readonly file: string; readonly edits: readonly Edit[] }
  | { readonly kind: 'new'; readonly name: string; readonly lines: readonly string[] };

export interface BlockTools {
  readonly texts: NginxTexts;
  readonly nginx: FoundNginx;
  readonly files: HostFiles;
}

/** The block that leads to the backend through this gateway already. */
export function leadThere({ address }: Backend, { listen }: GatewayConfig, { read }: FoundNginx): Lead | undefined {
  const found = read.upstreams.find(({ peers: [first, second] }) => {
    const isOurs = first?.address !== undefined && listen.some((one) => isSame(one, first.address!));
    return isOurs && second?.address !== undefined && second.words.includes('backup') && isSame(second.address, address);
  });
  return found && { kind: 'there', name: found.name };
}

/** The gateway first, and the server that was there as its backup; `undefined` when the text does not show it. */
export async function leadInPlace({ name, line, peers }: UpstreamBlock, snippet: readonly string[], texts: NginxTexts): Promise<Lead | undefined> {
  const [peer] = peers;
  const text = await texts.of(line.file);
  const place = peer && text !== undefined ? placeInText(text, peer.line) : undefined;
  if (!peer || text === undefined || !place) return undefined;
  const [gateway] = serversOf(snippet);
  const kept = peer.words.filter((word) => word !== 'backup' && !word.startsWith('max_fails='));
  const lines = [`server ${gateway} max_fails=0;  # goodgateway`, `server ${kept.join(' ')} max_fails=0 backup;  # fails open: if goodgateway is dead, as before`];
  const isEnd = /^[ \t]*(\r?\n|$)/.test(text.slice(place.end));
  const indent = `\n${indentAt(text, place.start)}`;
  return { kind: 'changed', name, file: line.file, edits: [{ ...place, to: lines.join(indent) + (isEnd ? '' : indent) }] };
}

function serversOf(snippet: readonly string[]): readonly string[] {
  return parseNginx(snippet.join('\n'), '').flatMap(({ block = [] }) => block.filter(({ name }) => name === 'server').map(({ words }) => words[0] ?? ''));
}

/** Not in `taken`, and with no file of its name in nginx's folder: what stands in there somebody has written. */
export async function freeBlockName(wanted: string, taken: ReadonlySet<string>, { nginx, files }: BlockTools): Promise<string> {
  const folder = await confFolder(nginx, files);
  for (let count = 1; ; count++) {
    const name = count === 1 ? wanted : `${wanted}-${count}`;
    if (!taken.has(name) && (folder === undefined || !(await files.stat(fileIn(folder, name))))) return name;
  }
}

/** Plans it; a new one in a file of its own where nginx reads a folder for such, else at the beginning of `http`. */
export async function addLead(lead: Lead, { texts, nginx, files }: BlockTools): Promise<void> {
  if (lead.kind === 'there') return;
  if (lead.kind === 'changed') return texts.add(lead.file, lead.edits);
  const folder = await confFolder(nginx, files);
  if (folder !== undefined) return texts.create(fileIn(folder, lead.name), `${['# Made by `goodgateway init`', ...lead.lines].join('\n')}\n`);
  const http = nginx.main.find((one) => one.name === 'http');
  const text = await texts.of(nginx.file);
  const at = http && text !== undefined ? insideBlock(text, http) : undefined;
  if (at !== undefined) texts.add(nginx.file, [{ start: at, end: at, to: `\n${['# made by `goodgateway init`', ...lead.lines].map((line) => `    ${line}`).join('\n')}` }]);
}

/** Whether a new block has a place. */
export async function hasRoom({ texts, nginx, files }: BlockTools): Promise<boolean> {
  if ((await confFolder(nginx, files)) !== undefined) return true;
  const http = nginx.main.find((one) => one.name === 'http');
  const text = await texts.of(nginx.file);
  return http !== undefined && text !== undefined && insideBlock(text, http) !== undefined;
}

function fileIn(folder: string, name: string): string {
  return `${folder}/goodgateway-${name}.conf`;
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
