/** `goodgateway simulate` as it is called: scenarios, a recorded log, and a cause right now. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { loadScenarios } from '../../src/config/load-scenarios.ts';
import { formatProblem } from '../../src/config/problem.ts';
import { append, crashEvents, openStory, StoryClock } from '../fixtures/audit/story.ts';
import { documentedBlocks } from '../support/documented.ts';
import { startGoodgateway } from '../support/goodgateway.ts';
import { finish } from '../support/program.ts';
import { tempFolder } from '../support/temp-folder.ts';

const root = join(import.meta.dirname, '../..');
const folder = tempFolder(t);
const config = join(folder, 'goodgateway.yaml');
writeFileSync(join(folder, 'php-fpm.yaml'), readFileSync(join(root, 'policies/php-fpm.yaml')), { mode: 0o600 });
writeFileSync(
  config,
  `version: 1\nruntime: ${folder}/run\ngateways:\n  shop: { listen: unix:${folder}/shop.sock, protocol: fastcgi, upstream: unix:/run/php/php8.2-fpm.sock, service: php-fpm }\npolicies: php-fpm.yaml\n`,
  { mode: 0o600 },
);
const main = join(root, 'src/cli/main.ts');
const simulate = (...words: readonly string[]) => finish([process.execPath, main, 'simulate', ...words], { environment: { TZ: 'UTC' } });
const withConfig = (...words: readonly string[]) => simulate('--config', config, ...words);
const written = (text: string): string => {
  writeFileSync(join(folder, 'scenario.yaml'), text);
  return join(folder, 'scenario.yaml');
};
const [documented = ''] = documentedBlocks('docs/simulate.md', 'yaml');

t.test('the scenarios of the documentation go as expected with the ready policy', async (t) => {
  const { code, output } = await withConfig('--scenario', written(documented));
  t.equal(code, 0, output);
  t.match(
    output,
    /A crash is mended by a start\nas expected\nat 0 ms {2}php-fpm\n +\+0 ms {2}cause: service\.crashed \(certain\)\n +\+0 ms {2}would start, by the rule "Crashed, so start it"; it helps, as is\n +assumed\n +well again after 21 s\n/,
  );
  t.match(output, /would not restart: cooldown \(cooldown of 1 min after/);
  t.match(output, /gives up: a person is told/);
  t.match(output, /\n8 scenarios; 12 of 12 expectations met\n$/);
  t.same(
    output.split('\n').filter((line) => line.length > 80),
    [],
  );
});

t.test('what does not come as expected is said at its place, with what came instead', async (t) => {
  const wrong = documented
    .replace('expect: { do: start, rule: "Crashed, so start it" }', 'expect: { do: restart, rule: "Frozen", refused_by: [breaker] }')
    .replace('confidence: likely, expect: nothing', 'confidence: likely, expect: { do: start }');
  const { code, output } = await withConfig('--scenario', written(wrong));
  t.equal(code, 1);
  t.match(output, /A crash is mended by a start\n1 of 1 not as expected\n/);
  t.match(output, /scenario\.yaml:5:\d+: expected to do restart, and a refusal by breaker, and the rule "Frozen"; what came: start\n/);
  t.match(output, /10 of 12 expectations met/);
  const json = JSON.parse((await withConfig('--scenario', written(wrong), '--json')).output);
  t.match(json, {
    ok: false,
    scenarios: [
      {
        name: 'A crash is mended by a start',
        expected: 1,
        unmet: [{ line: 5, message: /expected to do restart/ }],
        incidents: [
          {
            service: 'php-fpm',
            end: 'helped',
            entries: [
              { kind: 'cause', at: '2026-01-05T12:00:00.000Z' },
              { kind: 'would', action: 'start', result: 'helps', known: 'assumed' },
            ],
          },
        ],
      },
    ],
  });
});

t.test('mistakes of a scenario have their place', async (t) => {
  const rows: readonly (readonly [text: string, problem: string])[] = [
    ['{ at: 0s, service: php-fmp, cause: service.crashed }', ':5:28: service: no policy has the name `php-fmp`: did you mean `php-fpm`?'],
    ['{ at: 0s, service: php-fpm, cause: service.crash }', ':5:44: cause: expected the name of a cause, got "service.crash": did you mean `service.crashed`?'],
    ['{ at: 0s, service: php-fpm }', ':5:9: events: expected one of cause, well, pause or changing: what happens'],
    ['{ at: 0s, service: php-fpm, well: true, cause: app.slow }', ':5:9: events: expected one of cause, well, pause or changing'],
    ['{ at: 0s, service: php-fpm, cause: app.slow, expcet: nothing }', ':5:54: unknown key `expcet`: did you mean `expect`?'],
    ['{ at: 0s, service: php-fpm, cause: app.slow, expect: { refused_by: [cool_down] } }', ':5:77: refused_by: expected the name of a gate, got "cool_down": did you mean `cooldown`?'],
    ['{ at: 0s, service: php-fpm, cause: app.slow, expect: noting }', ':5:62: expect: expected nothing, or'],
    ['{ at: 0s, service: php-fpm, cause: app.slow, action_results: [works] }', ':5:71: action_results: expected helps or fails, got "works"'],
    ['{ at: 5s, service: php-fpm, cause: app.slow }\n      - { at: 4s, service: php-fpm, well: true }', ':6:15: at: 4s is before the event above it'],
  ];
  for (const [text, problem] of rows) {
    const file = written(`version: 1\nscenarios:\n  - name: Something is wrong\n    events:\n      - ${text}\n`);
    const loaded = await loadScenarios(file, ['php-fpm']);
    const problems = loaded.ok ? [] : loaded.problems.map(formatProblem);
    t.equal(problems.length, 1, text);
    t.ok(problems[0]?.startsWith(`${file}${problem}`), `${problem}\n${problems[0]}`);
  }
  t.match(await withConfig('--scenario', written('version: 1\nscenarios: []\n')), { code: 2, output: /scenario\.yaml:2:12: scenarios: expected at least one scenario/ });
});

t.test('called wrongly, it says how, with status 2', async (t) => {
  const calls: readonly (readonly [words: readonly string[], says: RegExp])[] = [
    [[], /expected one of: --log FOLDER, --scenario FILE, or a service with --cause NAME/],
    [['php-fpm'], /expected --cause NAME: what would be wrong with php-fpm/],
    [['--log', folder, '--since', 'soon'], /--since: expected a time such as 30m/],
    [['nginx', '--cause', 'app.slow'], /no policy has the name nginx; there are php-fpm/],
    [['--scenario', join(folder, 'none.yaml')], /none\.yaml: there is no such file/],
  ];
  for (const { call, said } of await Promise.all(calls.map(async (call) => ({ call, said: await withConfig(...call[0]) })))) t.match(said, { code: 2, output: call[1] }, call[0].join(' '));
  t.match(await withConfig('--log', join(folder, 'nowhere')), { code: 1, output: /there is no folder .*nowhere/ });
});

t.test('a recorded log: what would be done now, and where that differs from what was done', async (t) => {
  const log = join(folder, 'log');
  const clock = new StoryClock();
  const audit = await openStory(log, clock);
  await append(audit, clock, crashEvents());
  clock.now += 30_000;
  const second = '01KANN1R0M7ZQ4T9Y2C5XABCDE';
  const of = { incident: second, service: 'php-fpm' } as const;
  await append(audit, clock, [
    { ...of, event: 'incident.opened' },
    { ...of, event: 'diagnosis.made', cause: 'service.hung', confidence: 'certain' },
  ]);
  clock.now += 80_000;
  await append(audit, clock, [
    { ...of, event: 'incident.recovered' },
    { incident: '01KANN2R0M7ZQ4T9Y2C5XABCDE', service: 'gone', event: 'diagnosis.made', cause: 'app.slow', confidence: 'likely' },
  ]);
  await audit.close();
  const { code, output } = await withConfig('--log', log);
  t.equal(code, 0);
  t.match(output, /2026-11-22 03:12:05 {2}php-fpm {2}X7K3FQ\n +\+0 ms {2}cause: service\.crashed \(certain\)\n/);
  const words = output.replaceAll(/\s+/g, ' ');
  t.match(words, /\+0 ms would start, by the rule "Crashed, so start it"; it helps, as is told well again after 20 s/);
  t.match(
    words,
    /XABCDE \+0 ms cause: service\.hung \(certain\) \+0 ms would not restart: cooldown \(cooldown of 1 min after .*allowed in \d+ s\); until 2026-11-22 03:13:\d\d \+\d+ s would restart, by .*; it helps, as is assumed/,
  );
  t.match(
    output,
    /\n2 incidents\nwould do: 1 × start, 1 × restart\nrefused: 1 \(cooldown 1\)\nassumed: the result of 1 step\ndiffers from what was done: 1 of 2\n {2}XABCDE php-fpm: now restart; then nothing\n/,
  );
  t.match(output, /php-fpm: the policy only observes, and is simulated as if it acted\.\nNo policy is for gone now: left out\./);
  t.same(
    output.split('\n').filter((line) => line.length > 80),
    [],
  );
  t.equal((await withConfig('--log', join(log, 'audit-20261122-01.jsonl'))).output, output, 'one file of it will do');
  const json = JSON.parse((await withConfig('--log', log, '--json', '--assume', 'fails', '--since', '2026-11-22T03:12:10')).output);
  t.match(json, {
    assume: 'fails',
    without_policy: ['gone'],
    summary: { incidents: 1, would: { restart: 1 }, refusedBy: { cooldown: 1 }, differences: [{ incident: second, would: ['restart'], done: [] }] },
  });
  t.match(json.incidents, [{ incident: second, end: 'by_itself' }], 'what came before counts, and is not shown');
  t.match((await withConfig('--log', log, '--service', 'php-fpm', '--since', '2027-01-01')).output, /^0 incidents\nwould do: nothing/);
});

t.test('a recorded log with a damaged file: it is named, and the others are simulated', async (t) => {
  const log = join(folder, 'damaged');
  const clock = new StoryClock();
  const audit = await openStory(log, clock);
  await append(audit, clock, crashEvents());
  await audit.close();
  const damaged = join(log, 'audit-20261121-01.jsonl.gz');
  writeFileSync(damaged, 'no gzip');
  const says = /goodgateway: audit-20261121-01\.jsonl\.gz is damaged \(incorrect header check\): /;
  const { code, output } = await withConfig('--log', log);
  t.equal(code, 1);
  t.match(output, says);
  t.match(output, /\n1 incident\nwould do: 1 × start\n/);
  t.match(await withConfig('--log', damaged), { code: 1, output: says });
});

t.test('a cause without a healer: from the configuration alone, and it says so', async (t) => {
  const { code, output } = await withConfig('php-fpm', '--cause', 'service.crashed', '--confidence', 'certain');
  t.equal(code, 0);
  t.match(output, /^php-fpm \(observe\), if the cause were service\.crashed \(certain\)\nNo healer runs here: this is from the configuration alone/);
  t.match(output, /Rule: "Crashed, so start it"\n→ 1\. start \(2 attempts, at most 30 s\)\n {5}\d+ gates pass; config test and fence are asked when it is done\n\nNow: would do start by the rule/);
  t.match(output, /Nothing was done, and nothing recorded\.\n$/);
  t.match((await withConfig('php-fpm', '--cause', 'config.dns', '--confidence', 'possible')).output, /No rule is for it: somebody is told\.\n\nNow: no rule is for config\.dns/);
  const unsure = await withConfig('php-fpm', '--cause', 'config.invalid', '--json');
  t.match(JSON.parse(unsure.output), { ok: true, from: 'configuration', rule: 'The configuration is broken, and no restart can cure that', steps: [{ action: 'page', next: true }], incident: null });
});

t.test('a cause, asked of the running healer: the real state, and nothing is done or recorded', async (t) => {
  const gateway = await startGoodgateway(t, {
    gateways: (place) => ({ shop: { listen: `unix:${place}/shop.sock`, socket: {}, protocol: 'http', upstream: `unix:${place}/app.sock`, service: 'app' } }),
    policies: [
      {
        version: 1,
        name: 'app',
        mode: 'observe',
        service: { type: 'external' },
        rules: [{ name: 'Hung for long', when: { cause: 'service.hung', lasting: '1m' }, try: [{ do: 'switch_upstream', attempts: 2 }, { do: 'page' }] }],
      },
    ],
  });
  const acts = () => gateway.audit().filter(({ event }) => event.startsWith('action.'));
  const { code, output } = await gateway.command('simulate', 'app', '--cause', 'service.hung');
  t.equal(code, 0, output);
  t.match(output, /^app \(observe\), if the cause were service\.hung \(likely\)\nBy the running healer: not controlled by goodgateway\./);
  t.match(output, /→ 1\. switch_upstream \(2 attempts, at most 1 min\)\n {5}confidence refuses: service\.hung is likely; switch_upstream \(reach:\n {7}service\) needs certain\n/);
  t.match(output, / {2}2\. page \(at most 1 min\)\n {5}\d+ gates pass;.*\n\nNow: the rule "Hung for long" waits until the cause has lasted 1 min\.\n/);
  t.strictSame(acts(), []);
});
