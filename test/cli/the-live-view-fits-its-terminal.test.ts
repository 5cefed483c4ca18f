import t from 'tap';
import { shareRows } from '../../src/cli/share-rows.ts';
import { statusScreen, type View } from '../../src/cli/status-screen.ts';
import { cut, pad, widthOf, wrapTo } from '../../src/cli/text-width.ts';
import { gateway, incident, nowMs, service, status, view } from '../fixtures/cli/watched.ts';

const lines = (of: View, columns: number, rows: number): readonly string[] => statusScreen(of, { columns, rows }).map(({ text }) => text);
const time = new Date(nowMs).toTimeString().slice(0, 8);
const end = new Date(nowMs + 57_600).toTimeString().slice(0, 8);
const failed = { state: 'failed', attempts: { used: 1, of: 3, within_ms: 1 }, incident: incident() };
const waits = { visitors: 'waits', gate: 'holding', in_flight: 0, held: 14, per_second: 0.2, failed_last_minute: 31, failed_by_kind: { http_response_timeout: 1, connection_refused: 30 } };
const names = ['mariadb', 'redis', 'wordpress-blog-of-a-customer', '日本語の店', 'node', 'apache'];
const eight = view(
  status(
    [...names.map((name) => service(name)), service('worker', { state: 'stopped' }), service('php-fpm', failed)],
    [
      ...names.slice(0, 5).map((name) => gateway(name)),
      gateway('shop', { service: 'apache', visitors: null, in_flight: null, held: null, per_second: null, heard_ms_ago: 12_000 }),
      gateway('php-fpm', waits),
    ],
  ),
);

t.test('eight services, one in trouble, at 80 × 24', async (t) => {
  t.same(lines(eight, 80, 24), [
    `goodgateway: healing is on, audit log: ok                               ${time}`,
    'left on this host within 1 h: 3 of 4 disruptive actions, 12 of 12 starts',
    '',
    '  SERVICE           STATE     VISITORS   IN FLIGHT   HELD   PER S  FAILED   LEFT',
    '! php-fpm           failed    wait               0     14     0.2      31    2/3',
    '    X7K3FQ for 12 s: php-fpm is not running, and nobody asked it to stop.',
    '    acting: start by the rule "Crashed, so start it", since 2 s, at most until',
    `    ${end}`,
    '    done: restart; more: goodgateway why X7K3FQ',
    '    failed in the last minute: 31 (30 connection_refused, 1',
    '    http_response_timeout)',
    '  apache            running   silent             -      -       -       0    3/3',
    '    shop: its proxy has been silent for 12 s',
    '  worker            stopped   -                  -      -       -       -    3/3',
    '  mariadb           running   answered           3      0    12.5       0    3/3',
    '  redis             running   answered           3      0    12.5       0    3/3',
    '  wordpress-blog-…  running   answered           3      0    12.5       0    3/3',
    '  日本語の店        running   answered           3      0    12.5       0    3/3',
    '  node              running   answered           3      0    12.5       0    3/3',
    '',
    'q quits',
  ]);
});

t.test('the same at 40 × 10: fewer columns, those in trouble first, how many are left out', async (t) => {
  t.same(lines(eight, 40, 10), [
    `goodgateway: healing is on, a…  ${time}`,
    'left on this host within 1 h: 3 of 4 di…',
    '  SERVICE            STATE     VISITORS',
    '! php-fpm            failed    wait',
    '    X7K3FQ for 12 s: php-fpm is not run…',
    '    acting: start by the rule "Crashed,…',
    '  apache             running   silent',
    '  worker             stopped   -',
    '  … and 5 more',
    'q quits',
  ]);
});

t.test('the same at 200 × 60: whole names, whole sentences', async (t) => {
  const screen = lines(eight, 200, 60);
  t.equal(screen[0], `goodgateway: healing is on, audit log: ok${' '.repeat(151)}${time}`);
  t.ok(screen.includes(`    acting: start by the rule "Crashed, so start it", since 2 s, at most until ${end}`));
  t.ok(screen.includes('    failed in the last minute: 31 (30 connection_refused, 1 http_response_timeout)'));
  t.ok(screen.includes('  wordpress-blog-of-a-customer  running   answered           3      0    12.5       0    3/3'));
});

t.test('whatever the size and whoever is in trouble, it has no line too many and none too wide', async (t) => {
  const many = Array.from({ length: 40 }, (_, i) => `service-${i}`);
  const views: readonly View[] = [
    eight,
    view(undefined),
    view({ noAnswer: 'the healer does not run (nobody listens on /run/goodgateway/control.sock); traffic flows without it', away: true }),
    view(status([])),
    view(
      status(
        many.map((name, i) => service(name, i % 9 === 8 ? failed : {})),
        many.map((name) => gateway(name)),
        {
          off: { since: '2026-11-22T03:00:00Z', by: 'maria', reason: 'I look into it' },
          breaker: { since: '2026-11-22T03:00:00Z', reason: 'five attempts did not help', tried: false },
        },
      ),
    ),
  ];
  for (const one of views)
    for (const columns of [1, 7, 20, 40, 79, 80, 132, 200])
      for (const rows of [1, 2, 4, 10, 24, 60]) {
        const screen = lines(one, columns, rows);
        t.ok(screen.length <= rows, `${columns} × ${rows}: ${screen.length} lines`);
        t.same(
          screen.filter((line) => widthOf(line) > columns),
          [],
          `${columns} × ${rows}`,
        );
      }
});

t.test('of many services those that wait for a person come before those in trouble, and what is left out is counted', async (t) => {
  const many = Array.from({ length: 30 }, (_, i) => service(`s-${i}`, i % 5 === 4 ? failed : {}));
  const asked = service('asked', { ...failed, incident: incident({ doing: 'asking', text: 'may it restart? goodgateway approve 7K3FQ2 (or: deny)', until: null }) });
  const screen = lines(view(status([...many, asked])), 80, 24);
  t.match(screen[4], /^! asked/);
  t.match(screen.join('\n'), /asking a person: may it restart\? goodgateway approve 7K3FQ2 \(or: deny\)/);
  t.equal(screen.at(-3), '  … and 26 more, 2 of them in trouble');
  t.same(
    screen.filter((line) => line.startsWith('! ')).map((line) => line.slice(2, 8).trim()),
    ['asked', 's-4', 's-9', 's-14', 's-19'],
  );
});

t.test('nothing that a record quotes reaches the terminal as a command, nor turns the direction of its text', async (t) => {
  const evil = '\u001b[2Jphp\u0007\u202e';
  const screen = lines(
    view(
      status(
        [service(evil, { state: evil, off: { since: '2026-11-22T03:00:00Z', by: evil, reason: evil }, incident: incident({ text: evil }, { sentence: `${evil}\nnext`, code: evil, done: [evil] }) })],
        [gateway(evil, { service: evil, failed_last_minute: 1, failed_by_kind: { [evil]: 1 } })],
        { audit: evil },
      ),
    ),
    80,
    24,
  ).join('');
  // oxlint-disable-next-line no-control-regex
  t.notMatch(screen, /[\u0000-\u001f\u007f-\u009f\u202e]/);
  t.match(screen, /�\[2Jphp��/);
});

t.test('a healer that is away, or slow, is said to be so', async (t) => {
  const away = lines(view({ noAnswer: 'the healer does not run', away: true }, { heardMs: nowMs - 90_000 }), 100, 24).join('\n');
  t.match(away, /^the healer does not run\. Asking again every second\. It answered last 1\.5 min ago\.$/m);
  t.match(lines(view(status([service('a')]), { answeredMs: nowMs - 4200 }), 80, 24)[0], /the answer is 4 s old$/);
  t.match(
    lines(view(undefined, { hasKeys: false }), 80, 24),
    ['goodgateway', '', 'asking the healer …', '', 'Ctrl-C quits'].map((line) => new RegExp(`^${line}`)),
  );
});

t.test('what a person does, holds back or must do is under its service', async (t) => {
  const off = { since: '2026-11-22T03:00:00Z', by: 'maria', reason: 'I look into it' };
  const screen = lines(
    view(
      status([
        service('a', { under_way: 'restart, as maria asked' }),
        service('b', { off }),
        service('c', { ...failed, gave_up: 'every step was tried', incident: incident({ doing: 'given_up', text: 'every step was tried', until: null }) }),
        service('d', { quarantined: [{ request: 'GET /crash', code: 'X', until: '2026-11-22T04:00:00Z' }] }),
      ]),
    ),
    120,
    40,
  ).join('\n');
  t.match(screen, /^ {2}a .*\n {4}being done: restart, as maria asked$/m);
  t.match(screen, /^ {2}b .*\n {4}healing was switched off .* by maria: I look into it; to switch it on: goodgateway on b$/m);
  t.match(screen, /^! c .*\n.*\n {4}given up: every step was tried, since 2 s\n {4}it waits for a person; to let goodgateway try again: goodgateway ack c$/m);
  t.match(screen, /^ {2}d .*\n {4}not sent to it, because it ends its workers: GET \/crash$/m);
});

t.test('a service with several gateways shows their sum, what the worst off get, and each of them', async (t) => {
  const screen = lines(view(status([service('fpm')], [gateway('a', { service: 'fpm' }), gateway('b', { service: 'fpm', visitors: 'page', gate: 'falling_back', per_second: 20_000 })])), 120, 24).join(
    '\n',
  );
  t.match(screen, /^ {2}fpm +running +our page +6 +0 +20\.0k +0 +3\/3$/m);
  t.match(screen, /^ {4}a: visitors are answered; 3 in flight, 0 held, 12\.5 a second$/m);
  t.match(screen, /^ {4}b: visitors get our page; /m);
});

t.test('columns of wide, combining and joined characters are counted', async (t) => {
  for (const [text, width] of [
    ['', 0],
    ['abc', 3],
    ['日本', 4],
    ['ｆｕ', 4],
    ['e\u0301', 1],
    ['한글', 4],
    ['🚑', 2],
    ['👩\u200d🚒', 4],
    ['…', 1],
  ] as const)
    t.equal(widthOf(text), width, text);
  for (const [text, columns, expected] of [
    ['abcdef', 6, 'abcdef'],
    ['abcdef', 5, 'abcd…'],
    ['日本語', 5, '日本…'],
    ['日本語', 4, '日…'],
    ['ab', 1, '…'],
    ['ab', 0, ''],
  ] as const)
    t.equal(cut(text, columns), expected);
  t.equal(pad('日', 4), '日  ');
  t.equal(pad('7', 3, 'right'), '  7');
  t.same(wrapTo('one two three', 7, 3), ['one two', 'three']);
  t.same(wrapTo('one two three', 7, 1), ['one tw…']);
  t.same(wrapTo('unbreakable word', 5, 3), ['unbre', 'akabl', 'e wo…']);
  t.same(wrapTo('', 5, 3), []);
  t.same(wrapTo('one', 5, 0), []);
});

t.test('rows go to what must be read, then to what may be, then to what is long; the first ones first', async (t) => {
  const wishes = [
    { essential: true, wants: 3 },
    { essential: false, wants: 1 },
    { essential: true, wants: 2 },
  ];
  const shares: readonly (readonly [room: number, given: readonly number[]])[] = [
    [-1, [0, 0, 0]],
    [1, [1, 0, 0]],
    [2, [1, 0, 1]],
    [3, [1, 1, 1]],
    [4, [2, 1, 1]],
    [9, [3, 1, 2]],
  ];
  for (const [room, given] of shares) t.same(shareRows(wishes, room), given, `${room} rows`);
});
