/**
 * One line of an index: what stands in one stretch of a log file, made of that stretch and of nothing else. So any part
 * of an index can be made again from the log, in any order, and no mistake is carried on into the next part.
 */
import { crc32 } from 'node:zlib';
import { actionNames, gateNames } from '../../core/decision.ts';
import { causeNames, confidences } from '../../core/diagnosis.ts';
import { outcomes, seers } from '../../core/incident.ts';
import { auditEventNames } from './event-names.ts';
import { readRecord, readStrange } from './read-record.ts';
import type { AuditRecord } from './record.ts';
import type { SummaryFields } from './summary.ts';

export interface IndexBlock {
  /** Bytes of the uncompressed file, whole lines: behind the block before, and up to here. */
  readonly from: number;
  readonly to: number;
  /** CRC-32 of the uncompressed file from its first byte to `to`: what the index is held against. */
  readonly crc: number;
  readonly records: number;
  /** Earliest and latest moment of its records and strange ones, wall milliseconds; 0 without any. */
  readonly minMs: number;
  readonly maxMs: number;
  /** By the incident's id. */
  readonly incidents: Readonly<Record<string, IncidentPart>>;
  /** Where records of acts stand: see {@link isAct}. */
  readonly acts: Spans;
  /** The same of what restrains or concerns the healer as a whole, and of everything that a person did. */
  readonly notable: Spans;
  /** The same of records of a later version. */
  readonly strange: Spans;
}

/** Offsets from the block's beginning, in pairs: from, to, from, to … in order. Neighbours are one pair. */
export type Spans = readonly number[];

/** What a block holds of one incident. */
export interface IncidentPart {
  readonly records: number;
  readonly lastMs: number;
  readonly spans: Spans;
  /** As many of its records as its summary needs to be the same as from all of them. */
  readonly short: readonly SummaryFields[];
  /** Sample request ids, each once, a blank between: a list of so many strings is what reading an index would take longest for. */
  readonly requests: string;
}

/** Was this request among them? */
export function isAmong(request: string, { requests }: Pick<IncidentPart, 'requests'>): boolean {
  return request !== '' && requests.includes(request) && requests.split(' ').includes(request);
}

/** So much of the log is one block: what a reader reads itself behind the last one, and what is held in memory. */
export const blockBytes = 262_144;

/** Another version may know more words, or fewer: what its index says of a record is not what this one would say. */
const words = crc32([auditEventNames, actionNames, gateNames, causeNames, confidences, outcomes, seers].flat().join(' '));

/** Checksum, blank, JSON, newline. */
export function encodeLine(value: object): string {
  const json = JSON.stringify({ v: 2, words, ...value });
  return `${crc32(json).toString(16).padStart(8, '0')} ${json}\n`;
}

/** What {@link encodeLine} made, with or without its newline; `undefined` of a damaged line, or one of a version with other words. */
export function decodeLine(line: Buffer): object | undefined {
  const json = line.subarray(9, line.at(-1) === 10 ? -1 : undefined);
  if (line.toString('latin1', 0, 9) !== `${crc32(json).toString(16).padStart(8, '0')} `) return undefined;
  try {
    const value: unknown = JSON.parse(json.toString('utf8'));
    return typeof value === 'object' && value !== null && 'v' in value && value.v === 2 && 'words' in value && value.words === words ? value : undefined;
  } catch {
    return undefined;
  }
}

const wholeHealer = /^(?:pause|healing|breaker|shared_cause|approval|agent|policy|human)\.|^incident\.acknowledged$|^audit\.gap$/;

/** Was something done, or begun: not what was refused, or only would have been done. */
export function isAct({ event }: AuditRecord): boolean {
  return event === 'action.intent' || event === 'action.started' || event === 'action.finished' || event === 'action.unknown';
}

/** Does the record concern the healer as a whole, or did a person do it? */
export function isNotable({ event, actor }: AuditRecord): boolean {
  return wholeHealer.test(event) || typeof actor === 'object';
}

interface GrowingPart extends Omit<IncidentPart, 'requests'> {
  records: number;
  lastMs: number;
  readonly spans: number[];
  readonly short: SummaryFields[];
  readonly requests: Set<string>;
  readonly seen: Set<string>;
  cause: string | undefined;
  hasService: boolean;
}

/** Takes the lines of a stretch one by one. */
export class BlockBuilder {
  readonly #from: number;
  readonly #acts: number[] = [];
  readonly #notable: number[] = [];
  readonly #strange: number[] = [];
  readonly #incidents = new Map<string, GrowingPart>();
  #to: number;
  #crc: number;
  #records = 0;
  #minMs = Infinity;
  #maxMs = -Infinity;

  /** `crc`: of the file up to `from`. */
  constructor({ from, crc }: { readonly from: number; readonly crc: number }) {
    this.#from = from;
    this.#to = from;
    this.#crc = crc;
  }

  get bytes(): number {
    return this.#to - this.#from;
  }

  /** A whole line with its newline, in the order of the file. */
  add(line: Buffer): void {
    const span = [this.bytes, this.bytes + line.length] as const;
    this.#to += line.length;
    this.#crc = crc32(line, this.#crc);
    const record = readRecord(line);
    const strange = record ? undefined : readStrange(line);
    const atMs = record ? Date.parse(record.ts) : strange?.atMs;
    if (atMs !== undefined && !Number.isNaN(atMs)) {
      this.#minMs = Math.min(this.#minMs, atMs);
      this.#maxMs = Math.max(this.#maxMs, atMs);
    }
    if (strange) extend(this.#strange, span);
    if (!record) return;
    this.#records += 1;
    if (isAct(record)) extend(this.#acts, span);
    if (isNotable(record)) extend(this.#notable, span);
    if (record.incident !== undefined) addToPart(this.#part(record.incident), record, span);
  }

  block(): IndexBlock {
    const incidents = Object.fromEntries([...this.#incidents].map(([id, { records, lastMs, spans, short, requests }]) => [id, { records, lastMs, spans, short, requests: [...requests].join(' ') }]));
    const [minMs, maxMs] = Number.isFinite(this.#minMs) ? [this.#minMs, this.#maxMs] : [0, 0];
    return { from: this.#from, to: this.#to, crc: this.#crc, records: this.#records, minMs, maxMs, incidents, acts: this.#acts, notable: this.#notable, strange: this.#strange };
  }

  #part(id: string): GrowingPart {
    const known = this.#incidents.get(id);
    if (known) return known;
    const part: GrowingPart = { records: 0, lastMs: 0, spans: [], short: [], requests: new Set(), seen: new Set(), cause: undefined, hasService: false };
    this.#incidents.set(id, part);
    return part;
  }
}

function extend(spans: number[], [from, to]: readonly [number, number]): void {
  if (spans.at(-1) === from) spans[spans.length - 1] = to;
  else spans.push(from, to);
}

function addToPart(part: GrowingPart, record: AuditRecord, span: readonly [number, number]): void {
  part.records += 1;
  part.lastMs = Math.max(part.lastMs, Date.parse(record.ts));
  extend(part.spans, span);
  for (const request of record.symptom?.requests ?? []) part.requests.add(request);
  if (changesSummary(part, record)) part.short.push(shortOf(record));
  part.cause = record.cause ?? part.cause;
  part.hasService ||= record.service !== undefined;
}

/** Would the summary be another one without this record, but for the time of the newest? In doubt: yes. */
function changesSummary(part: GrowingPart, { event, action, cause, service }: AuditRecord): boolean {
  if (part.records === 1 || (cause !== undefined && cause !== part.cause) || (service !== undefined && !part.hasService)) return true;
  if (event === 'action.refused' || event === 'action.would_run') {
    const said = `${event} ${action ?? ''}`;
    return !part.seen.has(said) && part.seen.add(said) !== undefined;
  }
  return !withoutEffect.has(event);
}

const withoutEffect: ReadonlySet<AuditRecord['event']> = new Set([
  'incident.updated',
  'evidence.captured',
  'evidence.failed',
  'diagnosis.made',
  'diagnosis.changed',
  'verify.passed',
  'verify.failed',
  'action.started',
] as const);

function shortOf({ ts, event, service, cause, action, outcome }: AuditRecord): SummaryFields {
  return { ts, event, ...(service && { service }), ...(cause && { cause }), ...(action && { action }), ...(outcome && { outcome: { result: outcome.result, duration_ms: outcome.duration_ms } }) };
}
