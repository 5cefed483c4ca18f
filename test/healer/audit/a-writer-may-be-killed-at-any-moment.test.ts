/**
 * kill -9 of a writer that appends as fast as it can, with small files, so that it rotates, seals and compresses all the
 * time. `AUDIT_KILLS=500` in the environment makes it 500 moments instead of 20.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import t from 'tap';
import { listAuditFiles } from '../../../src/healer/audit/files.ts';
import { verifyAuditFolder } from '../../../src/healer/audit/verify-audit-folder.ts';
import { recordsIn } from '../../fixtures/audit/records-in.ts';
import { openStory, StoryClock } from '../../fixtures/audit/story.ts';
import { start, type Running } from '../../support/program.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const kills = Number(process.env['AUDIT_KILLS'] ?? 20);
/** A longer log takes longer to read than it teaches. */
const killsPerLog = 20;
const writer = join(import.meta.dirname, '../../fixtures/audit/writes-until-killed.ts');

// A small linear congruential generator: the same moments in every run, as far as a machine has the same moments twice.
let seed = 20_261_122;
const random = (below: number) => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) % below;

/** Kills it when it has told of so many records, or, to meet its start, after so many milliseconds. What it told until then. */
async function killAtRandom(program: Running, round: number): Promise<readonly string[]> {
  const over = new AbortController();
  void program.ended.then(() => over.abort());
  if (round % 4 === 3) await pause(30 + random(150), undefined, { signal: over.signal }).catch(() => undefined);
  else {
    const bytes = 35 * (1 + random(60));
    while (program.output().length < bytes && !over.signal.aborted) await pause(0);
  }
  process.kill(program.pid, 'SIGKILL');
  const { signal, output } = await program.ended;
  if (signal !== 'SIGKILL') throw new Error(`the writer ended by itself: ${output}`);
  return output.split('\n').slice(0, -1);
}

for (let log = 0; log * killsPerLog < kills; log++) {
  const rounds = Math.min(killsPerLog, kills - log * killsPerLog);
  t.test(`${rounds} moments: no record is half-read, none is lost after it was told, every gap is explained (${log + 1})`, async (t) => {
    const folder = tempFolder(t);
    const promised: string[] = [];
    for (let round = 0; round < rounds; round++) {
      const told = await killAtRandom(start([process.execPath, writer, folder]), round);
      promised.push(...told);
      const found = await verifyAuditFolder(await listAuditFiles(folder).catch(() => []));
      t.ok(found.ok || found.firstBad?.what === 'torn', `as it was left, round ${round}: ${found.firstBad?.text ?? 'whole'}`);
      const opened = await openStory(folder, new StoryClock(), 20_000);
      const open = opened.openIntents().map((intent) => intent.action_id);
      await opened.close();
      const records = await recordsIn(folder);
      t.match(await verifyAuditFolder(await listAuditFiles(folder)), { ok: true, firstBad: undefined, firstSeq: records[0]?.seq }, 'it verifies once it was opened');
      const written = new Set(records.filter(({ event }) => event === 'action.intent').map(({ seq, action_id }) => `${seq} ${action_id}`));
      t.same(
        promised.filter((line) => !written.has(line)),
        [],
        'nothing that was promised is lost',
      );
      const finished = new Set(records.flatMap(({ event, action_id }) => (event === 'action.finished' ? [action_id] : [])));
      const unfinished = records.flatMap(({ event, action_id }) => (event === 'action.intent' && !finished.has(action_id) ? [action_id] : []));
      t.same(open, unfinished.slice(unfinished.length - open.length), 'the newest intents without an outcome are known');
      t.equal(sum(records.map(({ gap }) => gap?.bytes ?? 0)), sum(tornIn(folder)), 'all that was set aside is told');
    }
    t.ok(promised.length >= rounds, `${promised.length} records were promised`);
    t.ok(
      readdirSync(folder).some((name) => name.endsWith('.jsonl.gz')),
      'files were compressed meanwhile',
    );
  });
}

function tornIn(folder: string): readonly number[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.torn'))
    .map((name) => statSync(join(folder, name)).size);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
