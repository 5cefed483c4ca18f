/**
 * Each command of each ```sh block of the documentation is run as it is written, on a host of its own: first on a fresh
 * one (sections that show the files of an installation), then on one where goodgateway runs and an incident happened.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { stringify } from 'yaml';
import { isRoot, missing } from '../support/skip.ts';
import { finish } from '../support/program.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { readyPolicy } from '../e2e/site.ts';
import { commandBlocks, pages, type Command } from './command-blocks.ts';
import { sectionOf } from './section-of.ts';
import { neverRun, notRunHere, type NotRun } from './not-run-here.ts';

const root = join(import.meta.dirname, '../..');

const blocks = pages().flatMap(commandBlocks);

/** What they print is not awaited: they are ended as soon as this works. */
const staying: Readonly<Record<string, string>> = {
  'goodgateway status --watch': 'grep -q php-fpm "$work/results/$1.out"',
  'goodgateway status --watch | cat': 'grep -q php-fpm "$work/results/$1.out"',
  'goodgateway status --watch --json': 'grep -q php-fpm "$work/results/$1.out"',
};

/** Examples in the text, and what stands in their place on the host of the test. */
const places: readonly (readonly [RegExp, string])[] = [
  [/\b(CODE|7K3F9A|7K3F9Q|X7K3FQ)\b/g, '"$CODE"'],
  [/\b4711:9f2c61d0\b/g, '"$CHECKPOINT"'],
];

/** Exit statuses that the page says in its text, not in the block; `says` must stand there. */
const saidElsewhere: readonly { readonly command: RegExp; readonly allowed: readonly number[]; readonly page: string; readonly says: RegExp }[] = [
  { command: /^goodgateway doctor/, allowed: [1], page: 'docs/doctor.md', says: /Exit status.{0,80}1/is },
  { command: /^goodgateway explain|\| goodgateway explain/, allowed: [1], page: 'docs/explain.md', says: /Exit status.{0,80}1/is },
  { command: /^goodgateway diagnose/, allowed: [1], page: 'docs/diagnosis.md', says: /Exit status.{0,80}1/is },
  { command: /^goodgateway status/, allowed: [1], page: 'docs/status.md', says: /exit status 1/i },
];

t.test('every command is run, or stands with its reason in the one table', async (t) => {
  t.ok(blocks.length > 20, 'the blocks were found');
  const used = new Set(blocks.flatMap(({ commands }) => commands).map((command) => notRun(command)));
  for (const one of notRunHere) t.ok(used.has(one), `${one.commands.join(', ')} is still in the documentation`);
  for (const { file, line, commands } of blocks) for (const command of commands) if (neverRun.test(command.text)) t.ok(notRun(command), `${file}:${line}: ${command.text} stands in the table`);
  const scripts = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly scripts: Readonly<Record<string, string>> }).scripts;
  for (const { instead } of notRunHere) {
    for (const file of instead.files ?? []) t.ok(existsSync(join(root, file)), file);
    for (const script of instead.scripts ?? []) t.ok(scripts[script], `npm run ${script}`);
  }
  for (const { page, says, command } of saidElsewhere) t.match(readFileSync(join(root, page), 'utf8'), says, `${page} says how ${String(command)} ends`);
});

t.test('every command is right for a shell', async (t) => {
  const all = blocks.filter(({ text }) => !text.includes('<this repository>')).map(({ text, file, line }) => ({ text, at: `${file}:${line}` }));
  const script = all.map(({ text, at }) => `sh -n <<'END OF BLOCK' || echo 'wrong: ${at}'\n${text}\nEND OF BLOCK\n`).join('');
  t.equal((await finish(['/bin/sh', '-c', script])).output, '');
});

t.test('every command works as it is written', { timeout: 220_000, skip: isRoot ? missing('nginx', 'php-fpm8.2', 'curl', 'unshare', 'ip', 'openssl') : 'needs root, for namespaces' }, async (t) => {
  const work = tempFolder(t, 'gg-docs');
  for (const name of ['blocks', 'results', 'etc/goodgateway/policies.d']) mkdirSync(join(work, name), { recursive: true });
  const steps = writeBlocks(work);
  writeHost(work);
  const within = ['/usr/bin/unshare', '--mount', '--pid', '--net', '--uts', '--fork', '--kill-child=KILL', '--mount-proc'];
  const host = await finish([...within, '/bin/bash', join(import.meta.dirname, 'host-of-the-docs.sh'), work, root, process.execPath], { timeoutMs: 200_000 });
  t.equal(host.code, 0, host.output);
  for (const step of steps) {
    const { id, command, at } = step;
    const code = existsSync(join(work, 'results', `${id}.code`)) ? Number(readFileSync(join(work, 'results', `${id}.code`), 'utf8')) : undefined;
    t.ok(code !== undefined && allowed(step).includes(code), `${at}: ${command.text} ended with ${code}`, { output: code === undefined ? '' : readFileSync(join(work, 'results', `${id}.out`), 'utf8').slice(-2000) });
  }
});

interface StepOfBlock {
  readonly id: number;
  readonly command: Command;
  readonly at: string;
  readonly page: string;
  /** On the host where goodgateway runs the same command of two pages is run once. */
  readonly isRepeatable: boolean;
}

/** One bash script a block, in the order of the pages; those of an installation get a host without goodgateway. */
function writeBlocks(work: string): readonly StepOfBlock[] {
  const steps: StepOfBlock[] = [];
  let section = '';
  blocks.forEach((block, index) => {
    const { files, host, name } = sectionOf(block);
    const isFresh = files.length > 0 || host !== undefined;
    const before = name === section ? ['cd "$(cat "$work/pwd")"'] : isFresh ? [`fresh_host ${host ?? 'php'}`] : [];
    if (files.length > 0) before.push(`cp -r "$work/files/${index}/etc" /`);
    section = name;
    for (const { path, text } of files) {
      const copy = join(work, 'files', String(index), path);
      mkdirSync(dirname(copy), { recursive: true });
      writeFileSync(copy, text);
    }
    const lines = block.commands.flatMap((command) => {
      if (notRun(command) || neverRun.test(command.text)) return [];
      const again = isFresh ? undefined : steps.find((one) => one.isRepeatable && bare(one.command) === bare(command));
      const id = again?.id ?? steps.length;
      steps.push({ id, command, page: block.file, at: `${block.file}:${block.line}`, isRepeatable: !isFresh && bare(command).startsWith('goodgateway ') });
      return again ? [] : [stepLine(id, command)];
    });
    const day = block.text.includes(exampleDay) ? { before: [makeExampleDay], after: [`rm ${logFolder}/*${exampleDay}* ${logFolder}/*20261123*`] } : { before: [], after: [] };
    writeFileSync(join(work, 'blocks', `${isFresh ? 'fresh' : 'running'}-${String(index).padStart(3, '0')}.sh`), [...before, ...day.before, ...lines, ...day.after, 'pwd > "$work/pwd"', ''].join('\n'));
  });
  return steps;
}

const logFolder = '/var/log/goodgateway';
/** docs/audit-log.md shows how the log of a day is checked by hand: that day's files, and the first line of the next. */
const exampleDay = '20261122';
const makeExampleDay = [
  `cat ${logFolder}/audit-*.jsonl > ${logFolder}/audit-${exampleDay}-01.jsonl`,
  `gzip --keep ${logFolder}/audit-${exampleDay}-01.jsonl`,
  `printf '{"event":"audit.rotated","sealed":{"sha256":"%s"}}\\n' "$(sha256sum < ${logFolder}/audit-${exampleDay}-01.jsonl)" > ${logFolder}/audit-20261123-01.jsonl`,
].join('\n');

function stepLine(id: number, command: Command): string {
  if (bare(command) === 'goodgateway run') return `runs ${id}`;
  const ready = staying[bare(command)];
  const text = places.reduce((changed, [from, to]) => changed.replaceAll(from, to), ready === undefined ? command.text : bare(command));
  return ready === undefined ? `step ${id} ${quoted(text)}` : `stays ${id} ${quoted(text)} ${quoted(ready)}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Without the comment behind it. */
function bare({ text }: Command): string {
  return text.startsWith('#!') ? text : text.replace(/\s+#\s[^\n]*$/, '').trim();
}

function notRun(command: Command): NotRun | undefined {
  const text = bare(command);
  return notRunHere.find(({ commands }) => commands.some((one) => (one.endsWith('…') ? text.startsWith(one.slice(0, -1)) : text === one)));
}

function allowed({ command, page }: StepOfBlock): readonly number[] {
  const elsewhere = saidElsewhere.filter((one) => one.command.test(bare(command)) && (one.page === page || one.command.source.includes('goodgateway')));
  return [...command.allowed, ...elsewhere.flatMap((one) => one.allowed), ...(staying[bare(command)] === undefined ? [] : [128 + 15])];
}

/** What every page but those of an installation supposes: a gateway `shop` before php-fpm, somebody who is told, a log. */
function writeHost(work: string): void {
  const folder = join(work, 'etc/goodgateway');
  const service = { type: 'process', pidfile: '/run/php/php8.2-fpm.pid', start: ['/usr/sbin/php-fpm8.2', '--daemonize'], config_test: ['/usr/sbin/php-fpm8.2', '-t'] };
  const policy = readyPolicy('php-fpm.yaml', { mode: 'act', service, 'verify.stable_for': '100ms', 'verify.checks': [{ service: 'running' }, { connect: 'ok' }] });
  writeFileSync(join(folder, 'policies.d/php-fpm.yaml'), policy);
  const host = {
    version: 1,
    gateways: { shop: { listen: 'unix:/run/goodgateway/shop.sock', socket: { group: 'www-data' }, protocol: 'fastcgi', upstream: 'unix:/run/php/php8.2-fpm.sock', service: 'php-fpm' } },
    admin: '127.0.0.1:9180',
    notifiers: { ops: { type: 'run', command: ['/usr/bin/cat'] } },
  };
  writeFileSync(join(folder, 'goodgateway.yaml'), stringify(host));
}
