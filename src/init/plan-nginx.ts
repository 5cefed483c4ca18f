/** Backends and their gateways → the changes in nginx's files, and the places where none can be made. Nothing is written here. */
import type { GatewayConfig } from '../config/host-schema.ts';
import { formatAddress } from '../core/failure.ts';
import type { HostFiles } from '../doctor/host-files.ts';
import { everywhere, placeOf, type Pass, type UpstreamBlock } from '../doctor/nginx/passes.ts';
import { leadsTo, type Backend, type LeftAlone } from './backend.ts';
import { changePass } from './change-pass.ts';
import type { Edit } from './edit-text.ts';
import type { FoundNginx } from './machine.ts';
import { NginxTexts, type FileChange } from './nginx-texts.ts';
import { addLead, freeBlockName, hasRoom, leadInPlace, leadThere, type BlockTools, type Lead } from './upstream-blocks.ts';

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

/** What one pass would need; `key` is the same for the same edits. */
interface Wish {
  readonly pass: Pass;
  readonly lead: Lead;
  readonly edits: readonly Edit[];
  readonly key: string;
}

interface Planning extends BlockTools {
  readonly snippetOf: SnippetOf;
  /** Names of `upstream` blocks: there, or given to one. */
  readonly taken: Set<string>;
  readonly leftAlone: LeftAlone[];
  /** Blocks that stay, because a place that goes through them stays. */
  readonly halves: Set<Lead>;
}

const byHand = 'make the change by hand: goodgateway nginx --inline';
const notFound = { why: 'the text does not show it where it was read', instead: byHand };
const notText = { why: 'its file is not UTF-8, or is larger than 1 MiB', instead: `write the file in UTF-8, or ${byHand}` };
const noRoom = { why: "nginx's main file has no `http { }` that an upstream block could be written into", instead: byHand };
const shared = { why: 'another place that stays as it is goes through the same upstream', instead: 'give that place an upstream of its own, or change both by hand: goodgateway nginx --inline' };
const torn = { why: 'several sites include it, and need different lines there', instead: 'give each site a location of its own, then ask again' };

/** Empty `changes` when everything leads through its gateway already. */
export async function planNginx({ backends, gateways, ...options }: PlanNginxOptions): Promise<NginxPlan> {
  const { nginx } = options;
  const planning: Planning = { ...options, texts: new NginxTexts(options.files), taken: new Set(nginx.read.upstreams.map(({ name }) => name)), leftAlone: [], halves: new Set() };
  const { texts, leftAlone, halves } = planning;
  const wishes: Wish[] = [];
  for (const backend of backends) {
    const config = gateways[backend.name];
    // a configuration that a person has edited may use the name for another backend
    if (config && leadsTo(config, backend)) wishes.push(...(await wishesFor(backend, config, planning)));
    else leftAlone.push(...backend.passes.map((pass) => left(pass, withoutGateway(backend))));
  }
  const clear = wishes.filter((one) => !wishes.some((other) => contradicts(one, other)));
  const unclear = wishes.filter((one) => !clear.includes(one));
  leftAlone.push(...onePerPlace(unclear).map(({ pass }) => left(pass, torn)));
  for (const { lead } of unclear) if (lead.kind === 'changed') halves.add(lead);
  const done = clear.filter(({ lead }) => !halves.has(lead));
  leftAlone.push(...onePerPlace(clear.filter((one) => !done.includes(one))).map(({ pass }) => left(pass, shared)));
  for (const { pass, edits } of done) texts.add(pass.line.file, edits);
  for (const lead of new Set(done.map((one) => one.lead))) await addLead(lead, planning);
  return { changes: texts.changes(), leftAlone, changed: done.map(({ pass }) => pass) };
}

async function wishesFor(backend: Backend, config: GatewayConfig, planning: Planning): Promise<readonly Wish[]> {
  const { texts, leftAlone, snippetOf } = planning;
  const { upstream, location } = snippetOf({ name: backend.name, config });
  const inPlace = new Map<string, Lead>();
  for (const block of new Set(backend.passes.flatMap((pass) => pass.upstream ?? []))) {
    const isShared = isUsedBeside(block, backend, planning.nginx);
    const lead = isShared ? undefined : await leadInPlace(block, upstream, texts);
    if (lead) inPlace.set(block.name, lead);
    else if (isShared) leftAlone.push({ place: placeOf(block.line), what: `upstream ${block.name}`, ...shared });
    else leftAlone.push({ place: placeOf(block.line), what: `upstream ${block.name}`, ...notFound });
  }
  const common = leadThere(backend, config, planning.nginx) ?? [...inPlace.values()][0] ?? (await newLead(backend, config, planning));
  const wishes: Wish[] = [];
  for (const pass of backend.passes) {
    const lead = pass.upstream ? inPlace.get(pass.upstream.name) : common;
    if (!lead) {
      if (!pass.upstream) leftAlone.push(left(pass, noRoom));
      continue;
    }
    const text = await texts.of(pass.line.file);
    const edits = text === undefined ? undefined : changePass({ pass, text, target: lead.name, lines: location });
    if (edits) wishes.push({ pass, lead, edits, key: JSON.stringify(edits) });
    else {
      leftAlone.push(left(pass, text === undefined ? notText : notFound));
      if (lead.kind === 'changed') planning.halves.add(lead);
    }
  }
  return wishes;
}

/** A place that is left alone would get no time limits, and none of the headers. */
function isUsedBeside({ name }: UpstreamBlock, { passes }: Backend, { read }: FoundNginx): boolean {
  const beside = ['grpc_pass', 'uwsgi_pass', 'scgi_pass'].flatMap((pass) => everywhere(read, pass));
  return read.passes.some((pass) => pass.upstream?.name === name && !passes.includes(pass)) || beside.some(({ words }) => words[0]?.replace(/^\w+:\/\//, '') === name);
}

async function newLead({ name: wanted, passes }: Backend, config: GatewayConfig, planning: Planning): Promise<Lead | undefined> {
  if (!(await hasRoom(planning))) return undefined;
  const name = await freeBlockName(wanted, planning.taken, planning);
  if (passes.some(({ upstream }) => !upstream)) planning.taken.add(name);
  return { kind: 'new', name, lines: planning.snippetOf({ name, config }).upstream };
}

/** An included file is read once for each site, and what it inherits may differ. */
function contradicts(one: Wish, other: Wish): boolean {
  if (one.pass.line.file !== other.pass.line.file || one.key === other.key) return false;
  return one.edits.some((edit) => other.edits.some(({ start, end }) => edit.start < end && start < edit.end));
}

function onePerPlace(wishes: readonly Wish[]): readonly Wish[] {
  return [...new Map(wishes.map((one) => [placeOf(one.pass.line), one])).values()];
}

function withoutGateway({ address, protocol }: Backend): Pick<LeftAlone, 'why' | 'instead'> {
  return { why: `no gateway of goodgateway.yaml leads to ${formatAddress(address)} by ${protocol}`, instead: 'add one there, or let the file be written again: goodgateway init --force' };
}

function left({ line }: Pass, reason: Pick<LeftAlone, 'why' | 'instead'>): LeftAlone {
  return { place: placeOf(line), what: `${line.name} ${line.words[0]}`, ...reason };
}
