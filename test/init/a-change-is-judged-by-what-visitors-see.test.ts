import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { appendFileSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { HostFiles } from '../../src/doctor/host-files.ts';
import { runCommand } from '../../src/healer/run-command.ts';
import { applyPlan } from '../../src/init/apply-plan.ts';
import { askable, askSites, differences } from '../../src/init/ask-sites.ts';
import { changeNginx } from '../../src/init/change-nginx.ts';
import { emptyRecord, readRecord } from '../../src/init/install-record.ts';
import type { FileChange } from '../../src/init/nginx-texts.ts';
import { planRemoval } from '../../src/init/plan-removal.ts';
import type { NginxControl } from '../../src/init/reload-nginx.ts';
import { tempFolder, type TestScope } from '../support/temp-folder.ts';

const question = { address: '127.0.0.1', port: 80, tls: false, host: 'shop', path: '/' };

t.test('what failed before may answer as it likes', async (t) => {
  t.same(differences([question], [200], [404]), ['http://shop:80/ answered 200 before, and 404 now']);
  t.same(differences([question], [404], ['ECONNREFUSED']), ['http://shop:80/ answered 404 before, and ECONNREFUSED now']);
  for (const before of [502, 'ECONNREFUSED']) for (const now of [200, 404, 504, 'ECONNRESET']) t.same(differences([question], [before], [now]), [], `${before}, ${now}`);
});

t.test('what did not answer in time is neither as before nor worse', async (t) => {
  const other = { ...question, path: '/other' };
  t.same(askable([question, other], [undefined, 200]), [other], 'a second answer would say nothing');
  for (const now of [200, 502, undefined]) t.same(differences([question], [undefined], [now]), [], String(now));
  t.same(differences([question], [200], [undefined]), ['http://shop:80/ answered 200 before, and nothing in time now']);
});

t.test('a few sites are asked at once, and those that hang end with the round', async (t) => {
  const hanging = new Set<unknown>();
  let most = 0;
  const site = await listening(t, (request) => {
    hanging.add(request);
    most = Math.max(most, hanging.size);
    request.socket.once('close', () => hanging.delete(request));
  });
  const questions = Array.from({ length: 12 }, () => site);
  t.same(
    await askSites(questions, { roundMs: 1000 }),
    Array.from(questions, () => undefined),
  );
  t.ok(most > 1 && most < 12, String(most));
  const quick = await listening(t, ({ url }, response) => response.writeHead(Number(url?.slice(1))).end());
  const statuses = [200, 404, 502, 301, 204, 403, 500];
  const asked = statuses.map((status) => ({ ...quick, path: `/${status}` }));
  t.same(await askSites(asked, { roundMs: 60_000 }), statuses, 'in the order of the questions');
  t.same(await askSites([site], { roundMs: 60_000, answerMs: 100 }), ['nothing within 0.1 s']);
});

t.test('a site that failed before is no reason to go back, and is named', async (t) => {
  const folder = tempFolder(t, 'gg-unjudged');
  const quick = await listening(t, ({ url }, response) => response.writeHead(url === '/well' ? 200 : 502).end());
  const [well, broken] = ['/well', '/broken'].map((path) => ({ ...quick, path })) as [typeof quick, typeof quick];
  const { control, said } = fakeNginx(folder);
  const outcome = await changeNginx([], [broken, well], control);
  t.same(outcome, { kind: 'changed', reloaded: true, asked: 1, unjudged: [`http://shop:${quick.port}/broken`] });
  t.match(said.join('\n'), /how they answer now: 2 requests, at most 60 s[^]*whether they answer as before: 1 request,/);
});

t.test('of a change that nginx refuses nothing stays, and no copy', async (t) => {
  const folder = tempFolder(t, 'gg-refused');
  const [config, site, other] = ['gg/goodgateway.yaml', 'site', 'other'].map((name) => join(folder, name)) as [string, string, string];
  writeFileSync(site, 'before\n');
  writeFileSync(other, 'edited since\n');
  const control = { run: runCommand, files: new HostFiles(), program: '/bin/false', main: '/nginx.conf', master: undefined };
  const changes = [{ file: site, before: 'before\n', after: 'after\n', hunks: [] }];
  const apply = (more: readonly FileChange[]): ReturnType<typeof applyPlan> => applyPlan({ config, record: emptyRecord, changes: [...changes, ...more], questions: [], control });
  t.same(await apply([]), { kind: 'reverted', why: ['nginx -t: '] });
  t.match(await apply([{ file: other, before: 'read\n', after: 'after\n', hunks: [] }]), { kind: 'reverted', why: [/is not what it was when it was read/] });
  t.equal(readFileSync(site, 'utf8'), 'before\n');
  t.same(readdirSync(join(folder, 'gg', 'nginx-before')), []);
});

t.test('one file that nginx reads by two links is one change', async (t) => {
  const folder = tempFolder(t, 'gg-links');
  const [config, site, link] = ['gg/goodgateway.yaml', 'site', 'link'].map((name) => join(folder, name)) as [string, string, string];
  writeFileSync(site, 'before\n');
  symlinkSync(site, link);
  const control = { run: runCommand, files: new HostFiles(), program: '/bin/true', main: '/nginx.conf', master: undefined };
  const apply = (other: string): ReturnType<typeof applyPlan> => {
    const changes = [site, link].map((file) => ({ file, before: 'before\n', after: file === link ? other : 'after\n', hunks: [{ from: 'before', to: 'after' }] }));
    return applyPlan({ config, record: emptyRecord, changes, questions: [], control });
  };
  t.match(await apply('other\n'), { kind: 'reverted', why: [/is read by several names, and needs different lines there/] });
  t.match(await apply('after\n'), { kind: 'changed' });
  const record = await readRecord(config);
  const removal = typeof record === 'string' ? undefined : await planRemoval(record);
  t.match(removal, { left: [], nginx: [{ file: site, after: Buffer.from('before\n') }] });
});

t.test('a file that cannot be written stops the change, and not the way back', async (t) => {
  const folder = tempFolder(t, 'gg-unwritable');
  const swaps = ['a', 'b', 'c'].map((name) => ({ file: join(folder, name), before: Buffer.from('before\n'), after: Buffer.from('after\n') }));
  for (const { file, before } of swaps) writeFileSync(file, before);
  // also root cannot write b: a folder is where its new text goes first
  mkdirSync(join(folder, '.b.goodgateway-new'));
  const control = { run: runCommand, files: new HostFiles(), program: '/bin/true', main: '/nginx.conf', master: undefined };
  const texts = (): readonly string[] => swaps.map(({ file }) => readFileSync(file, 'utf8'));
  t.match(await changeNginx(swaps, [], control), { kind: 'reverted', why: [/\/b could not be written/] });
  t.same(texts(), ['before\n', 'before\n', 'before\n']);
  for (const { file, after } of swaps) writeFileSync(file, after);
  const others = swaps.map((one, index) => ({ ...one, after: index === 2 ? Buffer.from('other\n') : one.after }));
  t.match(await changeNginx(others, [], { ...control, program: '/bin/false' }), { kind: 'stuck', why: ['nginx -t: ', /and on the way back: .*\/b could not be written/] });
  t.same(texts(), ['before\n', 'after\n', 'before\n'], 'all but the one');
});

t.test('an nginx that reads its configuration for long is waited for, and its visitors hear nothing', async (t) => {
  const slow = fakeNginx(tempFolder(t, 'gg-slow'), { onReload: () => slow.in(55_000, slow.replaceWorker) });
  t.match(await changeNginx([], [], slow.control), { kind: 'changed' });
  const large = fakeNginx(tempFolder(t, 'gg-large'), { readsMs: 40_000, onReload: () => large.in(170_000, large.replaceWorker) });
  t.match(await changeNginx([], [], large.control), { kind: 'changed' });
  t.match(large.said.join('\n'), /nginx reads its configuration: for 1\d\d s of at most 180 s/);
});

t.test('an nginx that refuses its configuration says so in its log, and is not waited for', async (t) => {
  const folder = tempFolder(t, 'gg-refusing');
  const errorLog = join(folder, 'error.log');
  writeFileSync(errorLog, '2026/01/01 00:00:00 [emerg] 100#100: an old one\n');
  let reloads = 0;
  const nginx = fakeNginx(folder, {
    onReload: () => {
      reloads++;
      if (reloads === 2) return nginx.in(5000, nginx.replaceWorker);
      for (const line of ['101#101: of a worker', '100#100: bind() to 0.0.0.0:80 failed', '100#100: cannot load certificate "/shop.pem"'])
        appendFileSync(errorLog, `2026/01/01 00:00:01 [emerg] ${line}\n`);
    },
  });
  t.same(await changeNginx([], [], { ...nginx.control, errorLog }), { kind: 'reverted', why: ['nginx goes on with its old configuration: cannot load certificate "/shop.pem"'] });
  t.equal(reloads, 2);
  t.ok(nginx.nowMs() < 60_000, String(nginx.nowMs()));
});

t.test('workers that come late, on the way back, are not taken for those that read what is back', async (t) => {
  const folder = tempFolder(t, 'gg-late');
  const site = join(folder, 'site');
  writeFileSync(site, 'before');
  const read: string[] = [];
  const nginx = fakeNginx(folder, {
    onReload: () => {
      // what the first one read is the change; its workers come long after the time was over
      const text = readFileSync(site, 'utf8');
      nginx.in(read.push(text) === 1 ? 80_000 : 30_000, nginx.replaceWorker);
    },
  });
  const outcome = await changeNginx([{ file: site, before: Buffer.from('before'), after: Buffer.from('after') }], [], nginx.control);
  t.match(outcome, { kind: 'reverted', why: ['nginx has neither taken nor refused its configuration within 60 s'] });
  t.same(read, ['after', 'before', 'before']);
  const dead = fakeNginx(tempFolder(t, 'gg-dead'), { onReload: () => undefined });
  t.match(await changeNginx([], [], dead.control), {
    kind: 'stuck',
    why: [/within 60 s$/, /and on the way back: .* within 60 s: it may take it yet\. See its error log, .*--ppid 100; .*nginx -c \/nginx\.conf -s reload$/],
  });
});

async function listening(t: TestScope, onRequest: Parameters<typeof createServer>[1] & {}): Promise<typeof question> {
  const server: Server = createServer(onRequest);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { ...question, port: (server.address() as AddressInfo).port };
}

interface FakeNginx {
  readonly control: NginxControl;
  readonly said: readonly string[];
  /** The pid of its one worker is a new one. */
  readonly replaceWorker: () => void;
  /** Does this so much later, in its own time. */
  in(ms: number, what: () => void): void;
  nowMs(): number;
}

/** A master and a worker as files of /proc, with a time of their own; a reload replaces the worker, or does what it is told. */
function fakeNginx(folder: string, { onReload, readsMs = 0 }: { readonly onReload?: () => void; readonly readsMs?: number } = {}): FakeNginx {
  const master = 100;
  let worker = 101;
  let now = 0;
  let later: readonly { readonly at: number; readonly what: () => void }[] = [];
  const said: string[] = [];
  const show = (pid: number, parent: number, title: string): void => {
    mkdirSync(join(folder, 'proc', String(pid)), { recursive: true });
    writeFileSync(join(folder, 'proc', String(pid), 'cmdline'), title);
    writeFileSync(join(folder, 'proc', String(pid), 'stat'), `${pid} (nginx) S ${parent} ${Array.from({ length: 48 }, () => '0').join(' ')}\n`);
  };
  const replaceWorker = (): void => {
    show(worker, master, 'nginx: worker process is shutting down');
    show(++worker, master, 'nginx: worker process');
  };
  show(master, 1, 'nginx: master process nginx');
  show(worker, master, 'nginx: worker process');
  const run: NginxControl['run'] = {
    startDetached: () => Promise.reject(new Error('nothing is started here')),
    run: async (argv) => {
      if (argv.includes('reload')) (onReload ?? replaceWorker)();
      return { argv, exitCode: 0, output: '', signal: undefined, timedOut: false, durationMs: readsMs };
    },
  };
  const clock: NginxControl['clock'] = {
    wallMs: () => now,
    monotonicMs: () => now,
    sleep: async (ms) => {
      now += ms;
      const due = later.filter(({ at }) => at <= now);
      later = later.filter((one) => !due.includes(one));
      for (const { what } of due) what();
    },
  };
  const control: NginxControl = { run, clock, files: new HostFiles(folder), program: '/usr/sbin/nginx', main: '/nginx.conf', master, say: (line) => said.push(line) };
  return { control, said, replaceWorker, in: (ms, what) => (later = [...later, { at: now + ms, what }]), nowMs: () => now };
}
