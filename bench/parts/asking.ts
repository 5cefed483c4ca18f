/**
 * What questions to a large audit log cost, as whole processes: 500,000 records of 10,000 incidents over 400 days, with
 * the index that the healer keeps, and without. The log has a real chain and real files of a day each.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { incidentCode, ulid } from '../../src/core/ids.ts';
import { chainStart, hashLine } from '../../src/healer/audit/chain.ts';
import { auditDay, auditFile } from '../../src/healer/audit/files.ts';
import { updateIndex } from '../../src/healer/audit/keep-index.ts';
import { buildLine } from '../../src/healer/audit/line.ts';
import type { AuditEvent } from '../../src/healer/audit/record.ts';
import { crashEvents } from '../../test/fixtures/audit/story.ts';
import { tempFolder } from '../../test/support/temp-folder.ts';
import { costOf } from '../cost-of-process.ts';
import { table } from '../numbers.ts';
import type { Scope } from '../scope.ts';

const incidents = 10_000;
const recordsPerIncident = 50;
const days = 400;
const dayMs = 86_400_000;
const main = join(import.meta.dirname, '../../dist/cli/main.js');

export async function asking(scope: Scope): Promise<string> {
  const folder = join(tempFolder(scope), 'audit');
  mkdirSync(folder);
  const { oldest, newest, bytes } = writeLog(folder);
  const ask = (...words: readonly string[]): readonly string[] => [process.execPath, main, ...words, '--folder', folder];
  const questions: readonly (readonly [string, readonly string[]])[] = [
    ['log --since yesterday', ask('log', '--since', 'yesterday')],
    ['log --since 400d', ask('log', '--since', `${days}d`)],
    ['log --actions --since 30d', ask('log', '--actions', '--since', '30d')],
    ['why, the newest incident', ask('why', newest)],
    ['why, the oldest incident', ask('why', oldest)],
  ];
  const without = await measureAll(questions);
  const verified = await costOf(ask('audit', 'verify'));
  const begunMs = performance.now();
  await updateIndex(folder);
  const indexedMs = performance.now() - begunMs;
  const indexed = await measureAll(questions);
  const rows = questions.map(([name], i) => [name, ...indexed[i]!, ...without[i]!]);
  return [
    `${(incidents * recordsPerIncident).toLocaleString('en')} records of ${incidents.toLocaleString('en')} incidents over ${days} days, ${Math.round(bytes / 1024 ** 2)} MiB. Whole processes, from their start to their end (budget: 1 s for \`log\` and \`why\`):`,
    '',
    table(['', 'seconds', 'peak MiB', 'processor s', 'without index', 'peak MiB', 'processor s'], [...rows, ['audit verify (reads all)', ...verified, '', '', '']]),
    '',
    `Making the whole index anew, as the healer does in the background when there is none: ${(indexedMs / 1000).toFixed(1)} s.`,
  ].join('\n');
}

/** A chain as the healer writes it, without waiting for the disk at each record; half of the incidents fall into the last 30 days. */
function writeLog(folder: string): { readonly oldest: string; readonly newest: string; readonly bytes: number } {
  const nowMs = Date.now();
  const openings = Array.from({ length: incidents }, (_, i) => {
    const half = incidents / 2;
    return i < half ? nowMs - days * dayMs + (i / half) * (days - 30) * dayMs : nowMs - 30 * dayMs + ((i - half) / half) * (30 * dayMs - 7_200_000);
  });
  const ids = openings.map((atMs) => ulid(atMs));
  let [seq, prev, bytes, day] = [0, chainStart, 0, ''];
  let lines: Buffer[] = [];
  const flush = (): void => {
    if (lines.length > 0) writeFileSync(auditFile(folder, day, 1).path, Buffer.concat(lines));
    lines = [];
  };
  for (const [i, openedMs] of openings.entries()) {
    for (const [k, event] of eventsOf(ids[i]!, `service-${i % 7}`).entries()) {
      const atMs = openedMs + k * 2000;
      if (auditDay(atMs) > day) {
        flush();
        day = auditDay(atMs);
      }
      seq += 1;
      const envelope = { seq, ts: new Date(atMs).toISOString(), mono_ms: seq, boot: 'b7a1', host: 'web1', agent: 'goodgateway bench' };
      const line = buildLine(envelope, event, prev)!;
      prev = hashLine(line);
      bytes += line.length;
      lines.push(line);
    }
  }
  flush();
  return { oldest: incidentCode(ids[0]!), newest: incidentCode(ids.at(-1)!), bytes };
}

/** A repair that is refused for a while first: what makes most of the records of a bad night. */
function eventsOf(incident: string, service: string): readonly AuditEvent[] {
  const usual = crashEvents(incident, service);
  const refused: AuditEvent = {
    event: 'action.refused',
    incident,
    service,
    action: 'start',
    rule: 'Crashed, so start it',
    gates: [{ gate: 'cooldown', verdict: 'refuse', reason: '12 s of 60 s are over' }],
    text: 'start is refused: 12 s of 60 s are over',
  };
  const between: readonly AuditEvent[] = Array.from({ length: recordsPerIncident - usual.length }, (_, i) =>
    i % 2 === 0
      ? refused
      : {
          event: 'incident.updated',
          incident,
          service,
          text: `${i} more connects were refused`,
          symptom: { seen_by: 'traffic', kind: 'connection_refused', count: i, text: 'refused', requests: [`${incident}-${i}`] },
        },
  );
  return [...usual.slice(0, 3), ...between, ...usual.slice(3)];
}

async function measureAll(questions: readonly (readonly [string, readonly string[]])[]): Promise<(readonly string[])[]> {
  const rows: (readonly string[])[] = [];
  for (const [, argv] of questions) rows.push(await costOf(argv));
  return rows;
}
