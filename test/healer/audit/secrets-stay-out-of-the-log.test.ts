import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { listAuditFiles, maxLineBytes, readLines } from '../../../src/healer/audit/files.ts';
import { auditEventNames } from '../../../src/healer/audit/event-names.ts';
import { auditRecordJsonSchema, auditRecordSchema } from '../../../src/healer/audit/record.ts';
import { redact, redactWords } from '../../../src/healer/audit/redact.ts';
import { append, crash, crashEvents, openStory, StoryClock } from '../../fixtures/audit/story.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const key = '-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nAbc=\n-----END RSA PRIVATE KEY-----';
const secrets: readonly (readonly [string, string, number])[] = [
  ['password=hunter2 next', 'password=[redacted] next', 1],
  ['DB_PASSWORD="two words" x', 'DB_PASSWORD=[redacted] x', 1],
  ['{"password": "hunter2", "user": "shop"}', '{"password": [redacted], "user": "shop"}', 1],
  ["'db_password' => 'hunter2', api_key='abc'", "'db_password' => [redacted], api_key=[redacted]", 2],
  ['mysqli://shop:p@ss/w0rd@db:3306/shop failed', 'mysqli://[redacted]@db:3306/shop failed', 1],
  ['https://ghp_token@github.com/x', 'https://[redacted]@github.com/x', 1],
  ['Authorization: Basic c2hvcDpodW50ZXIy\nAccept: */*', 'Authorization: [redacted]\nAccept: */*', 1],
  ['sent Bearer eyJhbGciOi.J9-x_y=', 'sent Bearer [redacted]', 1],
  ['Cookie: PHPSESSID=abc; wp=1', 'Cookie: [redacted]', 1],
  ['key AKIAIOSFODNN7EXAMPLE here', 'key [redacted] here', 1],
  ['aws_secret_access_key = wJalrXUtnFEMI/K7MDENG', 'aws_secret_access_key = [redacted]', 1],
  [`before\n${key}\nafter`, 'before\n-----BEGIN RSA PRIVATE KEY-----[redacted]\nafter', 1],
  ['x -----BEGIN PRIVATE KEY-----\nMIIE cut', 'x -----BEGIN PRIVATE KEY-----[redacted]', 1],
  ['cut MIIE\nAbc=\n-----END PRIVATE KEY----- after', '[redacted] after', 1],
  ['GET /reset?user=ann&code=77&flag HTTP/1.1', 'GET /reset?user=[redacted]&code=[redacted]&flag HTTP/1.1', 2],
  ['backup --password hunter2 --host db', 'backup --password [redacted] --host db', 1],
  ["restic --db-password 'two words' -token abc", 'restic --db-password [redacted] -token [redacted]', 2],
  ['mysql -uroot -phunter2 shop; mysqldump -p"a b" x', 'mysql -uroot -p[redacted] shop; mysqldump -p[redacted] x', 2],
  ['/usr/bin/mariadb-dump --all -phunter2', '/usr/bin/mariadb-dump --all -p[redacted]', 1],
  ['sshpass -p hunter2 ssh web1', 'sshpass -p [redacted] ssh web1', 1],
  ['redis-cli -h db -a hunter2 ping', 'redis-cli -h db -a [redacted] ping', 1],
  ['DB_PASS=hunter2 SMTP_PASS: x', 'DB_PASS=[redacted] SMTP_PASS: [redacted]', 2],
  ["define('DB_PASSWORD', 'hun,ter 2');", "define('DB_PASSWORD', [redacted]);", 1],
  ['define( "DB_PASS" , "hunter2" );', 'define( "DB_PASS" , [redacted] );', 1],
  ['requirepass hunter2\nmasterauth "x y"', 'requirepass [redacted]\nmasterauth [redacted]', 2],
  ['AUTH hunter2', 'AUTH [redacted]', 1],
  ['sent "AUTH" "shop" "hunter2"', 'sent "AUTH" [redacted]', 1],
  ['curl -fsSu shop:hunter2 http://x/ --proxy-user "a:b c"', 'curl -fsSu [redacted] http://x/ --proxy-user [redacted]', 2],
  ["CREATE USER shop IDENTIFIED BY 'hunter2'", 'CREATE USER shop IDENTIFIED BY [redacted]', 1],
  ['ghp_16C7e42F292c6912E7710c838347Ae178B4a', '[redacted]', 1],
  ['key sk_live_4eC39HqLyjWDarjtT1zdp7dc!', 'key [redacted]!', 1],
  ['jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P end', 'jwt [redacted] end', 1],
  [String.raw`{"cookie":"sid=\"hunter2\"; x=y","host":"shop"}`, '{"cookie":[redacted],"host":"shop"}', 1],
  ["{'Cookie': 'sid=hunter2', 'Host': 'shop'}", "{'Cookie': [redacted], 'Host': 'shop'}", 1],
  ['"headers":{"Cookie":["sid=hunter2"],"Host":["shop"]}', '"headers":{"Cookie":[[redacted]],"Host":["shop"]}', 1],
  ['[HTTP_COOKIE] => sid=hunter2; x=y\nnext', '[HTTP_COOKIE] => [redacted]\nnext', 1],
  [String.raw`{"log":"{\"password\":\"hunter2\",\"user\":\"shop\"}"}`, String.raw`{"log":"{\"password\":[redacted],\"user\":\"shop\"}"}`, 1],
  [String.raw`{"log":"{\"authorization\": \"Basic c2hvcDpodW50ZXIy\"}"}`, String.raw`{"log":"{\"authorization\": [redacted]}"}`, 1],
  [String.raw`{"log":"login password=\"hunter2\" user=\"shop\""}`, String.raw`{"log":"login password=[redacted] user=\"shop\""}`, 1],
  [String.raw`password: "hun\"ter2" next`, 'password: [redacted] next', 1],
  ['Authorization: Digest username="shop", realm="x", response="6629fae4"\nAccept: */*', 'Authorization: [redacted]\nAccept: */*', 1],
  ["STATEMENT:  ALTER ROLE shop WITH PASSWORD 'hunter2';", 'STATEMENT:  ALTER ROLE shop WITH PASSWORD [redacted];', 1],
  ["SET PASSWORD FOR 'shop' = PASSWORD('hunter2')", "SET PASSWORD FOR 'shop' = PASSWORD([redacted])", 1],
];
for (const [text, clean, replaced] of secrets) {
  t.test(`replaced: ${text.replaceAll('\n', ' ').replaceAll('#', '')}`, async (t) => {
    t.same(redact(text), { text: clean, replaced });
    t.same(redact(clean), { text: clean, replaced: 0 }, 'twice is the same as once');
  });
}

const harmless = [
  "Access denied for user 'shop'@'localhost' (using password: YES)",
  'PHP Parse error: syntax error, unexpected token "}" in /srv/shop/index.php on line 3',
  '[pool www] server reached max_children setting (30), consider raising it',
  'connect() to unix:/run/php/php8.2-fpm.sock failed (111: Connection refused) while connecting to upstream, upstream: "fastcgi://unix:/run/php/php8.2-fpm.sock:"',
  'upstream: "http://127.0.0.1:7080/index.php", host: "shop.example"',
  'upstream: "http://127.0.0.1:7080/mail/ann@shop.example", host: "shop.example"',
  "php-fpm8.2: ERROR: [/etc/php/8.2/fpm/pool.d/www.conf:42] unknown entry 'pm.max_childrn'",
  '/usr/bin/systemctl --no-ask-password start php8.2-fpm.service',
  'docker exec -u www-data:www-data shop mysql -P 3306 -h db',
  'proxy_pass http://127.0.0.1:7080; bypass=1, compass: north',
  'compass="north", proxy_cache_bypass: "$http_pragma"',
  'session.cookie_secure = 1; a cookie was set; authorization failed for user "shop"',
  'ERR AUTH <password> called without any password configured for the default user',
  'ERR Client sent AUTH, but no password is set; SMTP AUTH LOGIN failed',
  'curl --unix-socket /run/x.sock http://localhost:80/',
  'read it with --token-file /run/token',
  crash.id,
];

const commands: readonly (readonly [readonly string[], readonly string[]])[] = [
  [
    ['backup', '--password', 'hun ter2', '--host', 'db'],
    ['backup', '--password', '[redacted]', '--host', 'db'],
  ],
  [
    ['/usr/bin/mysqladmin', '-uroot', '-phunter2', 'ping'],
    ['/usr/bin/mysqladmin', '-uroot', '-p[redacted]', 'ping'],
  ],
  [
    ['sudo', 'redis-cli', '-a', 'x', 'ping'],
    ['sudo', 'redis-cli', '-a', '[redacted]', 'ping'],
  ],
  [
    ['redis-cli', 'AUTH', 'shop', 'hunter2'],
    ['redis-cli', 'AUTH', '[redacted]', '[redacted]'],
  ],
  [
    ['redis-cli', 'CONFIG', 'SET', 'requirepass', 'x'],
    ['redis-cli', 'CONFIG', 'SET', 'requirepass', '[redacted]'],
  ],
  [
    ['curl', '-u', 'shop:hunter2', 'http://x/'],
    ['curl', '-u', '[redacted]', 'http://x/'],
  ],
  [
    ['curl', '-ushop:hunter2', 'http://x/'],
    ['curl', '-u[redacted]', 'http://x/'],
  ],
  [
    ['systemctl', '--no-ask-password', 'start', '-p', 'x'],
    ['systemctl', '--no-ask-password', 'start', '-p', 'x'],
  ],
  [
    ['mysql', '--password', '--host', 'db', '-p', 'shop'],
    ['mysql', '--password', '--host', 'db', '-p', 'shop'],
  ],
  [
    ['rotate', '--token-file', '/run/token'],
    ['rotate', '--token-file', '/run/token'],
  ],
];
for (const [words, clean] of commands) {
  t.test(`of the command ${words.join(' ')} only the secret is replaced`, async (t) => {
    t.same(redactWords(words).text, clean);
    t.equal(redactWords(clean).replaced, 0, 'twice is the same as once');
  });
}

t.test('what a diagnosis lives on stays as it is', async (t) => {
  for (const text of harmless) t.same(redact(text), { text, replaced: 0 });
});

t.test('no text makes the search slow', async (t) => {
  const nasty = [
    '://',
    'a://',
    '?a',
    '&=',
    'password',
    'token-',
    'bearer ',
    '-----BEGIN ',
    '-----END ',
    'x:y@',
    'cookie: ',
    '"',
    'AKIA',
    'mysql ',
    'mysql -',
    'curl -',
    'curl -u ',
    'mysql\n',
    'redis-cli ',
    'eyJ-',
    'eyJabcdef.',
    '--pass-',
    '-pass',
    '-a_',
    'AUTH ',
    'IDENTIFIED ',
    'pass',
    "pass',",
    'ghp_',
    '--password ',
    'requirepass ',
    'pass="',
    'pass=\\"',
    "pass='\\'",
    "PASSWORD '",
    'cookie":"\\"',
  ];
  for (const piece of nasty) {
    // of the processor: what other programs take of it says nothing
    const from = process.cpuUsage();
    redact(piece.repeat(200_000));
    const tookMs = process.cpuUsage(from).user / 1000;
    t.ok(tookMs < 2000, `${piece}: ${Math.round(tookMs)} ms for text that nobody sends`);
  }
});

t.test('secrets in any field of an event are replaced and counted, and fields are cut', async (t) => {
  const folder = tempFolder(t);
  const clock = new StoryClock();
  const log = await openStory(folder, clock);
  t.teardown(() => log.close());
  const long = 'A'.repeat(10_000);
  await append(log, clock, [
    {
      event: 'action.finished',
      incident: crash.id,
      service: 'shop',
      action: 'run',
      action_id: crash.actionId,
      argv: ['/usr/bin/curl', 'https://u:p@h/?k=v', long, '--token', 'hunter2'],
      outcome: { result: 'failed', duration_ms: Number.NaN, output: `${long}the end, password=x` },
    },
    { event: 'action.refused', gates: Array.from({ length: 300 }, () => ({ gate: 'cooldown', verdict: 'refuse', reason: long })) },
    { event: 'evidence.captured', evidence: Array.from({ length: 300 }, () => ({ collector: long, status: 'seen', source: '€'.repeat(5000), text: '€'.repeat(5000) })) },
  ]);
  const records = [];
  for await (const line of readLines((await listAuditFiles(folder))[0]?.path ?? '')) {
    t.ok(line.bytes.length <= maxLineBytes);
    records.push(auditRecordSchema.parse(JSON.parse(line.bytes.toString())));
  }
  const [acted, refused, captured] = records;
  t.equal(acted?.redacted, 4);
  t.same(acted?.argv?.slice(3), ['--token', '[redacted]']);
  t.same(acted?.argv?.slice(0, 2), ['/usr/bin/curl', 'https://[redacted]@h/?k=[redacted]']);
  t.match(acted?.argv?.[2], /^A+…$/);
  t.match(acted?.outcome?.output, /^…A+the end, password=\[redacted\]$/, 'of output the end is kept');
  t.equal(acted?.outcome?.duration_ms, undefined, 'a number that is none is left out');
  t.equal(refused?.gates?.length, 100);
  t.equal(captured?.evidence?.length, 20, 'a record that is too long even so is cut harder');
});

t.test('a text that is cut is cut between characters', async (t) => {
  const folder = tempFolder(t);
  const log = await openStory(folder, new StoryClock());
  await append(log, new StoryClock(), [
    { event: 'agent.started', text: `${'x'.repeat(4094)}😀 and more` },
    { event: 'action.finished', service: 'shop', action: 'start', action_id: crash.actionId, outcome: { result: 'done', output: `😀${'x'.repeat(4094)}` } },
    { event: 'action.finished', service: 'shop', action: 'start', action_id: crash.actionId, outcome: { result: 'done', output: `more 😀${'x'.repeat(4094)}` } },
  ]);
  await log.close();
  t.notMatch(readFileSync((await listAuditFiles(folder))[0]?.path ?? '', 'utf8'), /\\ud8/);
});

t.test('the published schema is the one that records are checked by', async (t) => {
  const path = join(import.meta.dirname, '../../../docs/schema/audit-record.json');
  const schema = `${JSON.stringify(auditRecordJsonSchema(), null, 2)}\n`;
  if (process.env['UPDATE_SCHEMAS'] === '1') writeFileSync(path, schema);
  t.equal(readFileSync(path, 'utf8'), schema, 'docs/schema/audit-record.json: UPDATE_SCHEMAS=1 node test/healer/audit/secrets-stay-out-of-the-log.test.ts writes it anew');
});

t.test('every record that the log writes keeps to the schema, and nothing in it is unknown to the schema', async (t) => {
  const folder = tempFolder(t);
  const clock = new StoryClock();
  const log = await openStory(folder, clock);
  t.teardown(() => log.close());
  await append(log, clock, crashEvents());
  for (const event of auditEventNames) {
    const result = await log.append({ event, incident: crash.id, service: 'shop', action: 'start', action_id: crash.actionId });
    t.equal(result.kind, 'appended');
  }
  for await (const line of readLines((await listAuditFiles(folder))[0]?.path ?? '')) {
    const written: unknown = JSON.parse(line.bytes.toString());
    t.same(auditRecordSchema.parse(written), written);
  }
});
