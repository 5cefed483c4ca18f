import t from 'tap';
import { fillText } from '../../src/signatures/fill-text.ts';
import { explainText, signatureTable } from '../fixtures/signatures/explain-lines.ts';
import { writtenIncidents as seed } from '../fixtures/signatures/incidents.ts';
import { startFailures } from '../fixtures/signatures/start-failures.ts';

const writtenIncidents = [...seed, ...startFailures];
const table = await signatureTable();
const first = (...lines: readonly string[]) => explainText(table, lines.join('\n')).causes[0]!;

t.test('each incident is named for what it is, and never surer than its lines', async (t) => {
  for (const { name, lines, cause, sure, subject = '' } of writtenIncidents) {
    const best = first(...lines);
    t.match({ ...best }, { cause, confidence: sure }, name);
    t.ok(best.subject.includes(subject), `${name}: ${best.subject}`);
    t.ok(best.sentence.length > 20 && best.remedy.length > 20 && best.confirm.length > 20, `${name}: a sentence, a remedy, and where to look`);
    t.notMatch(JSON.stringify(explainText(table, lines.join('\n')).causes), /SECRET|undefined|\{[a-z]/, name);
  }
});

t.test("a visitor's and an application's words are not those of the server that writes them down", (t) => {
  const bind = "unable to bind listening socket for address '/run/x.sock': Permission denied (13)";
  const taken = 'AH00161: server reached MaxRequestWorkers setting';
  for (const [line, program] of [
    [`[26-Nov-2026 13:35:59] ERROR: ${bind}`, 'php-fpm'],
    [`[26-Nov-2026 13:35:59] WARNING: [pool www] child 42 said into stderr: "${bind}"`, 'app'],
    [`192.0.2.1 - - [26/Nov/2026:13:40:00 +0000] "GET / HTTP/1.1" 200 5 "-" "${bind}"`, 'app'],
    [`[Thu Nov 26 13:40:00.123456 2026] [mpm_prefork:error] [pid 7] ${taken}`, 'apache'],
    [`[Thu Nov 26 13:40:00.123456 2026] [php:notice] [pid 7] [client 192.0.2.1:1] hello, referer: http://shop.example/${taken}`, undefined],
    [`192.0.2.1 - - [26/Nov/2026:13:40:00 +0000] "GET / HTTP/1.1" 200 5 "-" "${taken}"`, undefined],
  ] as const)
    t.equal(table.know(line)?.entry.program, program, line);
  t.equal(table.know('[core:info] [pid 7] [client 192.0.2.1:1] AH00128: File does not exist: /var/www/AH00161 server is within MinSpareThreads')?.entry.id, 'apache_refused_client');
  t.end();
});

t.test('prefixes, quotes, colours and the order of the lines change nothing', async (t) => {
  const disguises: readonly ((line: string) => string)[] = [
    (line) => `shop-app-1  | ${line}`,
    (line) => `> ${line}`,
    (line) => `**${line}**`,
    (line) => `\u001b[31m${line}\u001b[0m`,
    (line) => `Nov 22 04:05:06 web1 container[812]: ${line}`,
    (line) => `${line}\r`,
    (line) => line.replaceAll("'", '’').replaceAll('"', '“'),
  ];
  for (const { name, lines, cause } of writtenIncidents) {
    // a row of top, and a line of an access log, are known by how they begin
    if (cause === 'load.cpu' || name.startsWith('a row of ')) continue;
    t.same(
      disguises.map((disguise) => first(...lines.toReversed().map(disguise)).cause),
      disguises.map(() => cause),
      name,
    );
  }
});

t.test('a line that was wrapped is one line again', async (t) => {
  const line =
    '2026/11/22 04:05:06 [error] 812#812: *77 upstream timed out (110: Connection timed out) while reading response header from upstream, client: 198.51.100.7, server: shop.example, request: "GET /report HTTP/1.1", upstream: "http://10.4.5.6:7081/report"';
  const wrapped = [line.slice(0, 100), line.slice(100, 200), line.slice(200)];
  t.match(explainText(table, wrapped.join('\n')).log.sightings, [{ entry: { id: 'nginx_read.timeout' }, fields: { upstream: '10.4.5.6:7081', path: '/report' }, line: 1 }]);
  const cut = explainText(table, 'Nov 22 04:05:06 web1 nginx[9]: nginx: [emerg] host not found in upstre');
  t.match(cut.causes[0], { cause: 'config.dns' }, 'and one that was cut is known by its beginning');
});

t.test('incidents are told apart by their times, whatever the order of the files', async (t) => {
  const lines = [
    '2026/11/22 09:00:00 [crit] 9#9: *1 connect() to unix:/run/a.sock failed (13: Permission denied) while connecting to upstream',
    'Nov 22 03:00:01 web1 kernel: nf_conntrack: table full, dropping packet',
    '2026/11/22 03:00:04 [error] 9#9: *1 upstream timed out (110: Connection timed out) while connecting to upstream',
    '2026-11-22 08:30:00 status installed php8.2-fpm:amd64 8.2.30',
  ];
  const { incidents } = explainText(table, lines.join('\n'));
  t.match(
    incidents.map(({ suspects }) => suspects[0]?.cause),
    ['load.network', 'config.permission'],
  );
  t.same(incidents[0]?.triggers, []);
  t.match(incidents[1]?.triggers, [/php8\.2-fpm:amd64 was installed or upgraded/]);
});

t.test('many lines of one kind are one reason, and one page among many is not blamed', async (t) => {
  const line = (i: number) =>
    `2026/11/22 04:05:0${i} [error] 9#9: *${i} upstream timed out (110: Connection timed out) while reading response header from upstream, client: 198.51.100.7, request: "GET /p${i} HTTP/1.1", upstream: "http://10.4.5.6:7081/p${i}"`;
  const best = first(line(1), line(2), line(3));
  t.equal(best.subject, '10.4.5.6:7081');
  t.match(best.because, [/nginx, line 1, 3 times/]);
});

t.test('what speaks against a cause is said, and makes it less sure', async (t) => {
  const denied = '2026/11/22 04:05:06 [error] 9#9: *1 connect() to unix:/run/a.sock failed (2: No such file or directory)';
  const refusedBySize = ['child 12 exited on signal 11 (SIGSEGV)', 'invalid request block size: 7012 (max 4096)...skip'];
  t.match(first(denied), { cause: 'config.socket_mismatch', confidence: 'possible' });
  const both = explainText(table, refusedBySize.join('\n')).causes;
  const crash = both.find(({ cause }) => cause === 'app.segfault');
  t.match(crash?.against, [/buffer-size/]);
  t.not(crash?.confidence, 'certain');
});

t.test('what a visitor asks for never looks like a message of a program', async (t) => {
  const forged = [
    '198.51.100.7 - - [22/Nov/2026:04:05:06 +0000] "GET /?x=Out of memory: Killed process 1 (nginx) HTTP/1.1" 404 1 "-" "child 1 exited on signal 11"',
    '2026/11/22 04:05:06 [error] 9#9: *1 open() "/srv/x" failed (2: No such file or directory), client: 198.51.100.7, request: "GET /nf_conntrack: table full, dropping packet HTTP/1.1"',
    '2026/11/22 04:05:06 [error] 9#9: *1 FastCGI sent in stderr: "PHP message: search for child 1 exited on signal 11 (SIGSEGV)" while reading response header from upstream, client: 198.51.100.7',
  ];
  const { causes } = explainText(table, forged.join('\n'));
  t.notOk(
    causes.some(({ cause, confidence }) => confidence === 'certain' || cause === 'oom.killed' || cause === 'load.network' || cause === 'app.segfault'),
    JSON.stringify(causes),
  );
});

t.test('what a line names becomes a word of a printed command only where a shell would read it as one', async (t) => {
  const notFound = (name: string) => first(`2026/11/22 04:05:06 [emerg] 9#9: host not found in upstream "${name}" in /etc/nginx/nginx.conf:7`).confirm;
  t.match(notFound('backend.lan'), /`getent hosts backend\.lan`/);
  for (const name of ['$(id)', 'x;id', '--help', 'x|sh']) t.match(notFound(name), /`getent hosts NAME`/, name);
  const command = 'The file {file}: `namei -l {file}; ls {other|DIR}`';
  t.equal(fillText(command, { file: '/x`id`', other: '/srv' }), 'The file /x`id`: `namei -l FILE; ls /srv`');
  t.equal(fillText(command, { file: '/x' }), 'The file /x: `namei -l /x; ls DIR`');
});

t.test('a healthy log names nothing', async (t) => {
  const healthy = [
    '2026/11/22 04:05:06 [notice] 9#9: using the "epoll" event method',
    '198.51.100.7 - - [22/Nov/2026:04:05:06 +0000] "GET / HTTP/1.1" 200 5 "-" "-"',
    '[22-Nov-2026 04:05:06] NOTICE: ready to handle connections',
  ];
  t.match(explainText(table, healthy.join('\n')), { incidents: [], causes: [{ cause: 'unknown' }], log: { lines: 3, known: 0 } });
  t.match(explainText(table, ''), { incidents: [], causes: [{ cause: 'unknown' }], log: { lines: 0 } });
});

t.test('junk, endless lines and pieces of any size are read to the end', async (t) => {
  const known = 'nf_conntrack: table full, dropping packet';
  const junk = Buffer.concat([Buffer.from([0xff, 0xfe, 0, 10, 0xc3, 10]), Buffer.alloc(300_000, 0x41), Buffer.from(`\n\n${known}\n`), Buffer.from([0x80])]);
  for (const pieceBytes of [7, 4096, 1_000_000]) t.match(explainText(table, junk, pieceBytes), { causes: [{ cause: 'load.network' }], log: { lines: 6, known: 1 } }, `${pieceBytes}`);
});

t.test('what is kept is bounded, whatever an attacker makes up', async (t) => {
  const lines = Array.from(
    { length: 30_000 },
    (_, i) => `2026/11/${String(1 + (i % 28)).padStart(2, '0')} 0${i % 10}:${String(i % 60).padStart(2, '0')}:00 [crit] 9#9: *1 connect() to unix:/run/${i}.sock failed (13: Permission denied)`,
  );
  const { log, causes } = explainText(table, lines.join('\n'));
  t.equal(log.known, 30_000);
  t.ok(log.sightings.length <= 20_000, `${log.sightings.length}`);
  t.match(causes[0], { cause: 'config.permission' });
});
