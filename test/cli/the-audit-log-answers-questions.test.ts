import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { wrap, plain } from '../../src/cli/terminal.ts';
import { parseWhen } from '../../src/cli/when.ts';
import { append, crash, crashEvents, openStory, StoryClock } from '../fixtures/audit/story.ts';
import { finish } from '../support/program.ts';
import { isRoot } from '../support/skip.ts';
import { tempFolder } from '../support/temp-folder.ts';

const commands = join(import.meta.dirname, '../../src/cli/main.ts');
const root = tempFolder(t);
const folder = join(root, 'log');
const clock = new StoryClock();
const log = await openStory(folder, clock);
await append(log, clock, crashEvents());
const hostile = 'evil\u001b[2J\u009b31mline\nsecond ';
await append(log, clock, [
  { event: 'incident.opened', incident: '01KANN0R0M7ZQ4T9Y2C5XABCDE', service: 'shop', symptom: { seen_by: 'watch', kind: 'service_frozen', count: 1, text: hostile } },
  ...Array.from(
    { length: 3 },
    () =>
      ({
        event: 'action.refused',
        incident: '01KANN0R0M7ZQ4T9Y2C5XABCDE',
        service: 'shop',
        action: 'restart',
        rule: 'Frozen, so restart it',
        gates: [{ gate: 'cooldown', verdict: 'refuse', reason: '12 s of 60 s are over', allowed_at: '2026-11-22T03:13:05.000Z' }],
      }) as const,
  ),
  { event: 'action.intent', incident: '01KANN0R0M7ZQ4T9Y2C5XABCDE', service: 'shop', action: 'restart', action_id: '01KANN0R0M7ZQ4T9Y2C5XFFFFF', argv: ['/bin/echo', "it's here", ''] },
]);
await log.close();

/** The command's exit status and both of its streams, as from a shell in UTC. */
const run = async (...argv: readonly string[]) => finish([process.execPath, commands, ...argv], { environment: { TZ: 'UTC' } });
/** The same in a terminal. */
const runInTerminal = async (...argv: readonly string[]) => {
  const line = [process.execPath, commands, ...argv].map((word) => `'${word}'`).join(' ');
  return finish(['/usr/bin/script', '--quiet', '--return', '--command', line, '/dev/null'], { environment: { TZ: 'UTC', TERM: 'xterm', NO_COLOR: '', NODE_DISABLE_COLORS: '', FORCE_COLOR: '' } });
};

t.test('log: one line an incident, tabs in a pipe', async (t) => {
  const { code, output } = await run('log', '--folder', folder);
  t.equal(code, 0);
  t.same(output.split('\n'), ['2026-11-22 03:12:05\tphp-fpm\tX7K3FQ\tservice.crashed\tstart\trecovered\t1.8 s', '2026-11-22 03:12:06\tshop\tXABCDE\tnot known\trestart\topen\t', '']);
});

t.test('log: a table with a heading on a terminal, colour only there', async (t) => {
  const { code, output } = await runInTerminal('log', '--folder', folder);
  t.equal(code, 0);
  // oxlint-disable-next-line no-control-regex
  t.match(output, /\u001b\[1mTIME {17}SERVICE {2}CODE {4}CAUSE {12}DONE/);
  t.match(output, /php-fpm {2}X7K3FQ {2}service\.crashed {2}start {2,}recovered {2}1\.8 s/);
  t.notOk((await run('log', '--folder', folder)).output.includes('\u001b'));
  t.match((await runInTerminal('log', '--since', '1s', '--folder', folder)).output, /no incident in that time/);
});

t.test('log: chosen by time and service', async (t) => {
  t.match((await run('log', '--service', 'shop', '--folder', folder)).output, /^[^\n]*shop[^\n]*\n$/);
  t.match((await run('log', '--since', '2026-11-22', '--until', '2026-11-22', '--folder', folder)).output, /php-fpm[^]*shop/);
  t.equal((await run('log', '--since', '2026-11-23', '--folder', folder)).output, '');
  t.equal((await run('log', '--until', '2026-11-22T03:00', '--folder', folder)).output, '');
});

t.test('log --json: the records as they stand in the file', async (t) => {
  const file = readFileSync(join(folder, 'audit-20261122-01.jsonl'), 'utf8');
  t.equal((await run('log', '--json', '--folder', folder)).output, file);
  const acts = file
    .split(/(?<=\n)/)
    .filter((line) => line.includes('"event":"action.'))
    .join('');
  t.equal((await run('log', '--json', '--actions', '--folder', folder)).output, acts);
});

t.test('log --actions: what was executed, and what came of it', async (t) => {
  t.same((await run('log', '--actions', '--folder', folder)).output.split('\n'), [
    '2026-11-22 03:12:05\tphp-fpm\tX7K3FQ\tstart\t/usr/bin/systemctl --no-ask-password start php8.2-fpm.service\tdone\t312 ms',
    "2026-11-22 03:12:07\tshop\tXABCDE\trestart\t/bin/echo it's here \tno outcome\t",
    '',
  ]);
});

t.test('log | head ends in peace', async (t) => {
  const big = tempFolder(t);
  const many = await openStory(big, new StoryClock());
  await Promise.all(Array.from({ length: 900 }, () => many.append({ event: 'incident.updated', text: 'x'.repeat(500) })));
  await many.close();
  const { code, output } = await finish(['/bin/bash', '-c', `set -o pipefail; "$0" "$@" | head -c 100`, process.execPath, commands, 'log', '--json', '--folder', big]);
  t.equal(code, 0);
  t.equal(output.length, 100, 'and says nothing');
});

t.test('why: the story, from the symptom to the visitors, in 80 columns', async (t) => {
  const { code, output } = await run('why', 'x7k3fq', '--folder', folder);
  t.equal(code, 0);
  const parts = [
    /^Incident X7K3FQ of php-fpm, 2026-11-22 03:12:05 \+00:00\n01KANN0R0M7ZQ4T9Y2C5X7K3FQ\n/,
    /\+0 ms {2}Something was wrong\n +3 connects were refused within 0\.4 s\.\n +seen by: +traffic \(connection_refused, 3 times, gateway shop\)/,
    /\+250 ms {2}Looked\n +saw: .*\n.*\n? +not seen: +no status path is configured \[fpm_status\]/,
    /Cause: service\.crashed \(certain\)\n +php-fpm is not running: it was ended by signal 9 \(KILL\)\.\n +for it: +php8\.2-fpm\.service was ended by signal 9/,
    /against: +the last config test passed\n +what helps: systemctl start php8\.2-fpm\.service/,
    /Decided to start\n +rule: +"Crashed, so start it", step 1, attempt 1, at most 1 min\n +gates: +2 gates passed\n/,
    /Started\n +command: +\/usr\/bin\/systemctl --no-ask-password start\s+php8\.2-fpm\.service\n +result: +systemctl ended with 0; exit status 0; took 312 ms\n +printed: +Warning: unit file changed/,
    /Checked: it works\n +passed: +connect: .*\n +skipped: +fpm_ping: no ping path is configured/,
    /Recovered after 1\.8 s\n +php-fpm is well again\. Done: started\.\n +visitors: +74 waited, the longest 1\.7 s; 1 got our page; 0 got an\s+error/,
  ];
  let from = 0;
  for (const part of parts) {
    const found = part.exec(output.slice(from));
    t.ok(found, String(part));
    from += (found?.index ?? 0) + (found?.[0].length ?? 0);
  }
  t.same(
    output.split('\n').filter((line) => line.length > 80),
    [],
  );
  t.equal((await run('why', crash.id, '--folder', folder)).output, output, 'the id finds the same');
  t.equal((await run('why', crash.requestId, '--folder', folder)).output, output, 'and so does a request that met it');
});

t.test('why: refusals with their numbers, said once; nothing that a terminal would obey', async (t) => {
  const { output } = await run('why', 'XABCDE', '--folder', folder);
  t.match(output, /Did not restart {2}\(3 times the same\)\n +rule: +"Frozen, so restart it"\n +gate: +cooldown refused: 12 s of 60 s are over; allowed at\s+2026-11-22 03:13:05/);
  t.match(output, /command: +\/bin\/echo 'it'\\''s here' ''/);
  t.match(output, /evil�\[2J�31mline second/);
  // oxlint-disable-next-line no-control-regex
  t.notMatch(output, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
});

t.test('why --all: every gate', async (t) => {
  const { output } = await run('why', 'X7K3FQ', '--all', '--folder', folder);
  t.match(output, /gate: +enabled passed: healing is switched on\n +gate: +max_attempts passed: 0 of 3/);
  t.notMatch(output, /gates passed/);
});

t.test('why --json: the records of the incident', async (t) => {
  const { output } = await run('why', 'X7K3FQ', '--json', '--folder', folder);
  t.same(
    output
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line).seq),
    [1, 2, 3, 4, 5, 6, 7],
  );
});

t.test('log and why of a very long incident say that its oldest records are left out', async (t) => {
  const long = tempFolder(t);
  const many = await openStory(long, new StoryClock());
  const of = { incident: crash.id, service: 'php-fpm' } as const;
  await many.append({ ...of, event: 'incident.opened' });
  for (let i = 0; i < 4; i++) await Promise.all(Array.from({ length: 501 }, () => many.append({ ...of, event: 'incident.updated' })));
  await many.close();
  for (const argv of [
    ['log', 'X7K3FQ'],
    ['log', 'X7K3FQ', '--json'],
    ['log', 'X7K3FQ', '--requests'],
    ['why', 'X7K3FQ'],
  ]) {
    t.match(await run(...argv, '--folder', long), { code: 0, output: /goodgateway: the oldest 5 records of this incident are left out/ }, argv.join(' '));
  }
});

t.test('why: an incident that there is not', async (t) => {
  t.match(await run('why', 'ZZZZZZ', '--folder', folder), { code: 1, output: /no incident ZZZZZZ in .*"goodgateway log" lists/ });
});

t.test('audit verify: whole, with the head to note down', async (t) => {
  const { code, output } = await run('audit', 'verify', '--folder', folder);
  t.equal(code, 0);
  t.match(output, /^whole: 12 records in 1 file\nends with record 12 in audit-20261122-01\.jsonl\nsha256 of that line: [0-9a-f]{64}\nA clean cut/);
  t.match(JSON.parse((await run('audit', 'verify', '--json', '--folder', folder)).output), { ok: true, records: 12, folder });
});

t.test('audit verify: held against what was noted elsewhere', async (t) => {
  const { head } = JSON.parse((await run('audit', 'verify', '--json', '--folder', folder)).output);
  t.match(await run('audit', 'verify', '--folder', folder, '--checkpoint', `${head.seq}:${head.hash.slice(0, 12)}`, '--checkpoint', `12:${head.hash}`), {
    code: 0,
    output: /2 checkpoints from outside fit: up to there nothing was cut off or written anew/,
  });
  t.match(await run('audit', 'verify', '--folder', folder, '--checkpoint', `13:${head.hash}`), { code: 1, output: /^truncated: .*ends with record 12, but record 13 was noted outside/s });
  t.match(await run('audit', 'verify', '--json', '--folder', folder, '--checkpoint', `12:${'a'.repeat(64)}`), { code: 1, output: /"what":"rewritten"/ });
  t.match(await run('audit', 'verify', '--folder', folder, '--checkpoint', 'abc'), { code: 2, output: /Expected the number of a record and at least 8 digits/ });
  t.match(await run('audit', 'verify', '--folder', folder, '--journal'), { code: 1, output: /the journal (holds no checkpoint|cannot be read)/ });
});

t.test('audit verify: not whole', async (t) => {
  const copy = join(tempFolder(t), 'copy');
  cpSync(folder, copy, { recursive: true });
  const path = join(copy, readdirSync(copy)[0] ?? '');
  writeFileSync(path, readFileSync(path, 'utf8').replace('web1', 'web2'));
  t.match(await run('audit', 'verify', '--folder', copy), { code: 1, output: /^edited: audit-20261122-01\.jsonl, line 2\nrecord 2 does not carry the hash of record 1: one of the two was changed/ });
  const { code, output } = await run('audit', 'verify', '--json', '--folder', copy);
  t.equal(code, 1);
  t.match(JSON.parse(output), { ok: false, firstBad: { file: 'audit-20261122-01.jsonl', line: 2, seq: 2, what: 'edited' } });
});

t.test('the folder is the one of the configuration, whatever else is wrong in it', async (t) => {
  const config = join(root, 'goodgateway.yaml');
  writeFileSync(config, `version: 1\ngateways: nonsense\npolicies: [/nowhere/*.yaml]\naudit: { folder: ${folder} }\n`);
  t.match(await run('audit', 'verify', '--config', config), { code: 0, output: /^whole/ });
  writeFileSync(config, 'version: 1\naudit: { folder: relative }\n');
  t.match(await run('audit', 'verify', '--config', config), { code: 2, output: /audit: .*absolute path.*--folder/ });
  t.match(await run('log', '--config', join(root, 'missing.yaml')), { code: 2, output: /missing\.yaml.*no such file/ });
});

t.test('called wrongly: exit status 2 and what would be right', async (t) => {
  for (const [argv, says] of [
    [['log', '--since', 'last tuesday', '--folder', folder], /--since: expected a time such as .*yesterday/],
    [['log', '--until', '2026-02-31', '--folder', folder], /--until: expected a time/],
    [['log', '--colour'], /unknown option '--colour'/],
    [['why'], /missing required argument/],
    [['audit', 'veryfy'], /unknown command 'veryfy'|too many arguments/],
    [['audit'], /Usage: goodgateway audit/],
  ] as const) {
    t.match(await run(...argv), { code: 2, output: says }, argv.join(' '));
  }
  t.match(await run('audit', 'verify', '--help'), { code: 0, output: /goodgateway audit verify --journal/ });
});

t.test('no log yet: exit status 1 and a friendly word', async (t) => {
  const empty = tempFolder(t);
  for (const argv of [['log'], ['why', 'X7K3FQ'], ['audit', 'verify']]) {
    t.match(await run(...argv, '--folder', empty), { code: 1, output: /^goodgateway: there is no audit log in .* yet: it begins when goodgateway runs/ });
  }
  t.match(await run('log', '--folder', join(empty, 'gone')), { code: 1, output: /there is no folder/ });
});

t.test('no permission: exit status 1 and how to get it', { skip: !isRoot && 'needs root: asks as another user; run the tests as root' }, async (t) => {
  const closed = join(tempFolder(t), 'closed');
  mkdirSync(closed, { mode: 0o700 });
  chmodSync(closed, 0o700);
  const asNobody = ['/usr/bin/setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', process.execPath, commands, 'log', '--folder', closed];
  t.match(await finish(asNobody), { code: 1, output: /you may not read the audit log in .*: ask as root \(sudo\)/ });
});

t.test('times are said as people say them', async (t) => {
  const now = new Date(2026, 10, 22, 15, 30, 0).getTime();
  const table: readonly (readonly [string, 'start' | 'end', number | undefined])[] = [
    ['90s', 'start', now - 90_000],
    ['30m', 'start', now - 1_800_000],
    ['2h', 'start', now - 7_200_000],
    ['7d', 'start', now - 604_800_000],
    ['2w', 'start', now - 1_209_600_000],
    ['now', 'start', now],
    ['today', 'start', new Date(2026, 10, 22).getTime()],
    ['yesterday', 'start', new Date(2026, 10, 21).getTime()],
    ['yesterday', 'end', new Date(2026, 10, 22).getTime() - 1],
    ['2026-11-22', 'start', new Date(2026, 10, 22).getTime()],
    ['2026-11-22', 'end', new Date(2026, 10, 23).getTime() - 1],
    ['2026-11-22T03:12', 'start', new Date(2026, 10, 22, 3, 12).getTime()],
    ['2026-11-22 03:12:05', 'start', new Date(2026, 10, 22, 3, 12, 5).getTime()],
    ['2026-11-22T03:12:05Z', 'start', Date.UTC(2026, 10, 22, 3, 12, 5)],
    ['2026-11-22T03:12:05.250+01:00', 'end', Date.UTC(2026, 10, 22, 2, 12, 5, 250)],
    ['2026-02-31', 'start', undefined],
    ['2026-02-31T03:12', 'start', undefined],
    ['2026-11-22T25:00', 'start', undefined],
    ['2 hours', 'start', undefined],
    ['', 'start', undefined],
  ];
  for (const [text, edge, expected] of table) t.equal(parseWhen(text, now, edge), expected, `${text} (${edge})`);
});

t.test('text is wrapped at words and cannot steer a terminal', async (t) => {
  t.same(wrap('aa bb cc', { width: 7, indent: '* ', hang: '  ' }), ['* aa bb', '  cc']);
  t.same(wrap('aaaaaaaaaa', { width: 4 }), ['aaaaaaaaaa'], 'a long word stays whole');
  t.same(wrap('', { indent: '  ' }), ['  ']);
  t.equal(plain('a\u001b]0;title\u0007b\u202ec\r\nd'), 'a�]0;title�b�c d');
});
