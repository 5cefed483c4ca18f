/** After a downgrade: words that this version does not know. What is left out of an answer is said. */
import { join } from 'node:path';
import t from 'tap';
import { updateIndex } from '../../src/healer/audit/keep-index.ts';
import { appendOfLater } from '../fixtures/audit/later-version.ts';
import { append, crash, crashEvents, openStory, StoryClock } from '../fixtures/audit/story.ts';
import { finish } from '../support/program.ts';
import { tempFolder } from '../support/temp-folder.ts';

const commands = join(import.meta.dirname, '../../src/cli/main.ts');
const folder = join(tempFolder(t), 'log');
const clock = new StoryClock();
const run = async (...argv: readonly string[]) => finish([process.execPath, commands, ...argv, '--folder', folder], { environment: { TZ: 'UTC' } });
const words = (output: string) => output.replaceAll(/\s+/g, ' ');

const [opened, , , , , , recovered] = crashEvents();
if (!opened || !recovered) throw new Error('the story has seven records');
const before = await openStory(folder, clock);
await append(before, clock, [opened]);
await before.close();
const file = join(folder, 'audit-20261122-01.jsonl');
const of = { incident: crash.id, service: 'php-fpm' };
appendOfLater(file, { ...of, event: 'action.rewound' });
appendOfLater(file, { ...of, event: 'diagnosis.made', cause: 'service.bewitched', confidence: 'certain' });
appendOfLater(file, { ...of, event: 'action.finished', action: 'exorcise', action_id: crash.actionId, outcome: { result: 'done' } });
appendOfLater(file, { ...of, event: 'action.refused', action: 'start', gates: [{ gate: 'full_moon', verdict: 'refuse', reason: 'tonight' }] });
appendOfLater(file, { incident: '01KANN0R0M7ZQ4T9Y2C5XABCDE', service: 'shop', event: 'incident.foreseen' });
const after = await openStory(folder, clock);
await append(after, clock, [recovered]);
clock.now += 86_400_000;
await append(after, clock, [{ event: 'agent.stopped' }]);
await after.close();

const all =
  /goodgateway: 5 records are left out, because this version \(\S+\) does not understand them: the first is record 2 in audit-20261122-01\.jsonl, written by goodgateway 99\.1\.0\. Ask with the goodgateway that wrote them, or a newer one\n/;
const four = /goodgateway: 4 records are left out, .* the first is record 2 in /;

for (const state of ['without an index', 'with one']) {
  t.test(`what is left out is said: ${state}`, async (t) => {
    if (state === 'with one') await updateIndex(folder);
    t.match(await run('audit', 'verify'), { code: 0, output: /^whole: 9 records/ }, 'the chain is whole');
    for (const argv of [
      ['log'],
      ['log', '--json'],
      ['log', '--actions'],
      ['log', '--humans'],
      ['audit', 'export'],
      ['audit', 'export', '--format', 'csv'],
      ['report', '--since', '2026-11-01'],
      ['why-not', 'php-fpm'],
    ]) {
      t.match(await run(...argv), { code: 1, output: all }, argv.join(' '));
    }
    for (const argv of [
      ['log', 'X7K3FQ'],
      ['why', 'X7K3FQ'],
      ['why', 'X7K3FQ', '--json'],
      ['log', '--json', '--service', 'php-fpm'],
    ])
      t.match(await run(...argv), { code: 1, output: four }, argv.join(' '));
    t.match(await run('why', 'XABCDE'), { code: 1, output: /no incident XABCDE in .*\n.*: 1 record is left out, .* does not understand it: the first is record 6 in / });
    const story = words((await run('why', 'X7K3FQ')).output);
    t.match(story, /Not told here: 4 records of it that this version does not understand\. More may have been done than this says\./);
    t.match(story, /is well again\. Whether goodgateway repaired it cannot be said: not all of its records are told here\./);
    t.notMatch(story, /without a repair|index of the log/);
    t.match((await run('report', '--since', '2026-11-01')).output, /! Not everything is counted: /);
    t.match(await run('log', '--json', '--since', '2026-11-23'), { code: 0, output: /^(?!goodgateway)/ }, 'what was not asked for');
  });
}
