/**
 * The map of src/ as data: who may import whom, what stands in registries, how long a file may be. A broken rule names
 * the file and the rule. Where a rule has to give way, it gets a line with its reason here, in the same commit.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import t from 'tap';

interface Import {
  readonly file: string;
  /** A file of src (`core/time.ts`), `node:fs`, or a package's name. */
  readonly target: string;
}

interface Room {
  /** The files that the rule is about: a folder or a file of src. The longest match is a file's room. */
  readonly room: string;
  /** Folders and files of src. */
  readonly may: readonly string[];
  readonly node: boolean;
  /** Packages, each with the files of the room that may use it. */
  readonly packages: Readonly<Record<string, RegExp>>;
}

const anywhere = /./;
/** Where a process begins: its log is set up there and handed on. */
const processPackages = { pino: /\/(main|run)\.ts$/ };
/** What the healer lends to its plug-ins beside their interfaces. */
const leafTools = ['core', 'healer/leaves.ts', 'healer/commands.ts', 'healer/run-command.ts', 'healer/proc.ts', 'healer/socket-tables.ts', 'healer/end-processes.ts', 'healer/find-orphans.ts'];

const rooms: readonly Room[] = [
  { room: 'core', may: ['core'], node: false, packages: {} },
  { room: 'config', may: ['config', 'core'], node: true, packages: { zod: anywhere, yaml: anywhere } },
  { room: 'upstream', may: ['upstream', 'core'], node: true, packages: {} },
  // proxy and healer end in the same way
  { room: 'channel', may: ['channel', 'core'], node: true, packages: { zod: anywhere, 'close-with-grace': /\/end-in-order\.ts$/ } },
  // what log lines mean: the same table for `explain` and for the live healer, so it belongs to neither
  { room: 'signatures', may: ['signatures', 'core', 'config/signature-schema.ts', 'config/signature-pattern.ts'], node: false, packages: {} },
  {
    room: 'proxy',
    may: ['proxy', 'core', 'config', 'upstream', 'channel'],
    node: true,
    packages: {
      fastify: /listener|\/admin\//,
      '@fastify/http-proxy': /listener/,
      undici: /listener/,
      negotiator: /\/fallback\//,
      // what the healer recorded is read there as text of another program
      zod: /^proxy\/admin\/healing-counts\.ts$/,
      ...processPackages,
      // a log of its own, which is opened again while the process runs
      pino: /\/(main|access-log)\.ts$/,
    },
  },
  {
    room: 'healer',
    // the doctor's last run is shown on the dashboard, which only the healer may read for
    may: ['healer', 'core', 'config', 'upstream', 'channel', 'signatures', 'doctor/last-run.ts'],
    node: true,
    // undici speaks to a container Engine's unix socket, and to receivers of messages; it is loaded when the first is needed
    packages: { zod: anywhere, execa: /^healer\/run-command\.ts$/, undici: /^healer\/service-parts\/engine\.ts$/, ...processPackages },
  },
  {
    room: 'healer/notifiers',
    // their settings are the host's; who may read a secret or change a program is asked again before each message
    may: ['core', 'healer/notifier.ts', 'healer/notifiers', 'healer/read-beginning.ts', 'healer/run-command.ts', 'config/notifier-schema.ts', 'config/check-notifiers.ts', 'config/who-may-change.ts'],
    node: true,
    packages: { undici: /\/webhook\.ts$/, nodemailer: /\/email\.ts$/ },
  },
  { room: 'healer/surroundings', may: ['healer', 'core', 'config'], node: true, packages: {} },
  {
    room: 'healer/probes',
    // what a database says for itself is heard in one place, for checks and for evidence
    may: [
      ...leafTools,
      'healer/probes',
      'healer/service-parts/config-tests.ts',
      'healer/service-parts/container-logs.ts',
      'healer/ask-datastore.ts',
      'upstream',
      // log lines are evidence: what they mean, and their secrets taken out
      'signatures',
      'healer/signature-table.ts',
      'healer/audit/redact.ts',
    ],
    node: true,
    packages: {},
  },
  {
    room: 'healer/collectors',
    may: [
      ...leafTools,
      'healer/collectors',
      ...['log-files', 'regular-file', 'fpm-page', 'fpm-pool'].map((name) => `healer/probes/read-${name}.ts`),
      'healer/service-parts/container-logs.ts',
      'healer/service-parts/engine.ts',
      // the words of a container's command are known as such only before they are text
      'healer/audit/redact.ts',
    ],
    node: true,
    packages: {},
  },
  // signs are weighed in the same way for `explain` and for a live case
  { room: 'healer/causes', may: [...leafTools, 'healer/causes', 'signatures/weigh.ts'], node: false, packages: {} },
  {
    room: 'healer/actions',
    // which worker is stuck only the probes' readers of php-fpm know; how a program is contained is the healer's to say, not an action's
    may: [
      ...leafTools,
      'healer/actions',
      'healer/service-parts/step-result.ts',
      'healer/probes/read-fpm-page.ts',
      'healer/probes/read-fpm-pool.ts',
      'healer/probes/read-fpm-workers.ts',
      'healer/run-contained.ts',
      'healer/user-ids.ts',
      'config/values.ts',
      'config/program-words.ts',
    ],
    node: true,
    packages: { zod: anywhere },
  },
  { room: 'healer/services', may: [...leafTools, 'healer/services', 'healer/service-parts'], node: true, packages: {} },
  {
    room: 'doctor',
    // it looks at what the healer looks at, before there is an incident: so by the healer's own readers, and by nothing that acts
    may: [
      'doctor',
      'core',
      'config',
      'upstream',
      ...['leaves', 'commands', 'proc', 'socket-tables', 'run-command'].map((name) => `healer/${name}.ts`),
      ...['disk-space', 'fpm-page', 'fpm-pool', 'regular-file'].map((name) => `healer/probes/read-${name}.ts`),
      'healer/services/registry.ts',
      'healer/service-parts/config-tests.ts',
      'healer/audit/query.ts',
      'healer/audit/record.ts',
    ],
    node: true,
    packages: { zod: anywhere },
  },
  {
    room: 'init',
    // it looks at the machine as the doctor does, and changes files only; nginx it asks by the one way in which programs are run
    may: ['init', 'core', 'config', 'doctor', 'healer/commands.ts', 'healer/socket-tables.ts'],
    node: true,
    // what has to be quoted in YAML, only its parser knows
    packages: { zod: anywhere, yaml: /^init\/plan-host\.ts$/ },
  },
  { room: 'supervisor', may: ['supervisor'], node: true, packages: { execa: /^supervisor\/start-process\.ts$/, ...processPackages } },
  {
    room: 'cli',
    may: ['cli', 'core', 'config', 'upstream', 'channel', 'signatures', 'proxy', 'healer', 'doctor', 'init', 'supervisor'],
    node: true,
    packages: { commander: anywhere, zod: anywhere, undici: /\/demo\.ts$/, ...processPackages },
  },
  { room: 'demo', may: ['demo'], node: true, packages: {} },
  // runs in a browser: whatever it imports is served to it
  { room: 'dashboard', may: ['dashboard', 'core'], node: false, packages: {} },
];
/** In these folders every file is a plug-in of its own, but for what several of them read (`read-*.ts`). */
const leafFolders = ['healer/probes', 'healer/causes', 'healer/collectors', 'healer/actions', 'healer/services', 'healer/notifiers', 'doctor/checks'];
const startsPrograms = ['healer/run-command.ts', 'supervisor/start-process.ts'];
const longestFile = 250;
/** Files that may be longer, each with its reason. */
const mayBeLonger: Readonly<Record<string, string>> = {
  'config/policy-schema.ts': 'the policy language as one schema, a field a line: its reader wants to see all of it',
};

const source = join(import.meta.dirname, '..', 'src');
const files = typescriptFiles(source);
const imports = files.flatMap(importsOf);

t.test('each file imports only what the map allows to its room', async (t) => {
  t.ok(imports.length > 100, 'imports were found at all');
  const broken = imports.filter((one) => !isAllowed(one)).map(({ file, target }) => `${file} imports ${target}`);
  t.same(broken, []);
});

t.test('every file is in a room, and every import of the project exists', async (t) => {
  t.same(
    files.filter((file) => roomOf(file) === undefined),
    [],
  );
  const ours = imports.filter(({ target }) => target.endsWith('.ts'));
  t.same(
    ours.filter(({ target }) => !existsSync(join(source, target))),
    [],
  );
});

t.test('the map itself forbids what it is there to forbid', async (t) => {
  const forbidden: readonly Import[] = [
    { file: 'core/time.ts', target: 'node:timers' },
    { file: 'core/time.ts', target: 'config/values.ts' },
    { file: 'config/values.ts', target: 'upstream/exchange.ts' },
    { file: 'upstream/http.ts', target: 'zod' },
    { file: 'proxy/gate.ts', target: 'healer/leaves.ts' },
    { file: 'proxy/gate.ts', target: 'fastify' },
    { file: 'healer/diagnose.ts', target: 'proxy/gate.ts' },
    { file: 'healer/heal.ts', target: 'execa' },
    { file: 'healer/heal.ts', target: 'node:child_process' },
    { file: 'healer/services/docker.ts', target: 'undici' },
    { file: 'healer/actions/start.ts', target: 'healer/actions/restart.ts' },
    { file: 'healer/notifiers/email.ts', target: 'healer/notifiers/webhook.ts' },
    { file: 'healer/notifiers/run.ts', target: 'healer/tell.ts' },
    { file: 'healer/causes/unknown.ts', target: 'healer/probes/orphans.ts' },
    { file: 'healer/causes/unknown.ts', target: 'upstream/connect.ts' },
    { file: 'supervisor/supervise.ts', target: 'core/time.ts' },
    { file: 'cli/main.ts', target: 'healer/main.ts' },
    { file: 'doctor/gather.ts', target: 'healer/recover.ts' },
    { file: 'doctor/checks/disk.ts', target: 'doctor/checks/firewall.ts' },
    { file: 'init/change-nginx.ts', target: 'healer/run-command.ts' },
    { file: 'demo/shop.ts', target: 'core/time.ts' },
    { file: 'dashboard/main.ts', target: 'healer/audit/record.ts' },
    { file: 'proxy/admin/admin-server.ts', target: 'dashboard/main.ts' },
  ];
  for (const one of forbidden) t.notOk(isAllowed(one), `${one.file} must not import ${one.target}`);
});

t.test('only two files start programs', async (t) => {
  const starters = imports.filter(({ target }) => target === 'execa' || target === 'node:child_process').map(({ file }) => file);
  t.same(
    starters.filter((file) => !startsPrograms.includes(file)),
    [],
  );
});

t.test('a plug-in never imports another, and its registry lists each and nothing else', async (t) => {
  for (const folder of leafFolders) {
    const leaves = files.filter((file) => dirname(file) === folder && !/\/(registry|read-[a-z-]+)\.ts$/.test(file));
    t.ok(leaves.length > 0, `${folder} has plug-ins`);
    const between = imports.filter(({ file, target }) => leaves.includes(file) && leaves.includes(target));
    t.same(between, [], `${folder}: plug-ins that import each other`);
    const registry = (existsSync(join(source, folder, 'registry.ts')) ? readFileSync(join(source, folder, 'registry.ts'), 'utf8') : 'there is none').replace(/\/\*[^]*?\*\//g, '');
    const lines = registry.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('//'));
    const expected = leaves.map((file) => file.slice(folder.length + 1));
    t.same(lines.map((line) => /^export \{ \w+(?: as \w+)? \} from '\.\/([a-z-]+\.ts)';$/.exec(line)?.[1] ?? line).sort(), expected.sort(), `${folder}/registry.ts`);
  }
});

t.test('imports make no circle', async (t) => {
  t.same(circles(), []);
});

t.test('files are short, and their syntax can be erased', async (t) => {
  for (const file of files) {
    const text = readFileSync(join(source, file), 'utf8');
    const lines = text.split('\n').length - 1;
    if (lines > longestFile) t.ok(mayBeLonger[file], `${file} has ${lines} lines`);
    else t.equal(mayBeLonger[file], undefined, `${file} needs no exception`);
    t.notMatch(text, /^\s*(export\s+)?(declare\s+)?(const\s+)?(enum|namespace)\s+\w+\s*\{/m, file);
    t.notMatch(text, /^export default /m, `${file}: named exports only`);
  }
});

function typescriptFiles(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .sort();
}

function importsOf(file: string): readonly Import[] {
  const text = readFileSync(join(source, file), 'utf8');
  const patterns = [/^(?:import|export)\s[^;'"]*?from\s+'([^']+)'/gm, /^import\s+'([^']+)'/gm, /\bimport\('([^']+)'\)/g];
  const targets = patterns.flatMap((pattern) => [...text.matchAll(pattern)].map(([, target = '']) => target));
  return targets.map((target) => ({ file, target: target.startsWith('.') ? normalize(join(dirname(file), target)) : target }));
}

function roomOf(file: string): Room | undefined {
  const matching = rooms.filter(({ room }) => isIn(file, room));
  return matching.sort((a, b) => b.room.length - a.room.length)[0];
}

function isIn(file: string, place: string): boolean {
  return file === place || file.startsWith(`${place}/`);
}

function isAllowed({ file, target }: Import): boolean {
  const room = roomOf(file);
  if (room === undefined) return false;
  if (target === 'node:child_process') return startsPrograms.includes(file);
  if (target.startsWith('node:')) return room.node;
  if (!target.endsWith('.ts')) return room.packages[target]?.test(file) ?? false;
  // The processes' own entry points run when they are imported.
  if (room.room === 'cli' && target.endsWith('/main.ts')) return false;
  const isPlugIn = leafFolders.includes(dirname(target)) && !/\/(registry|read-[a-z-]+)\.ts$/.test(target);
  if (isPlugIn && leafFolders.includes(dirname(file)) && !file.endsWith('/registry.ts')) return false;
  return room.may.some((place) => isIn(target, place));
}

/** Every circle once, as `a.ts → b.ts → a.ts`. */
function circles(): readonly string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const walk = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) found.push([...path.slice(path.indexOf(file)), file].join(' → '));
    if (done.has(file) || path.includes(file)) return;
    for (const { target } of imports.filter((one) => one.file === file && one.target.endsWith('.ts'))) walk(target, [...path, file]);
    done.add(file);
  };
  for (const file of files) walk(file, []);
  return found;
}
