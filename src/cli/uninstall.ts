/** `goodgateway uninstall`: takes out what `init` put in. nginx first, so that no visitor notices; then the units, then the files. */
import { rm, rmdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Command } from 'commander';
import { loadHost } from '../config/load-host.ts';
import { HostFiles } from '../doctor/host-files.ts';
import { runCommand } from '../healer/run-command.ts';
import { changeNginx, type ChangeOutcome } from '../init/change-nginx.ts';
import { questionsFor } from '../init/ask-sites.ts';
import { findBackends } from '../init/find-backends.ts';
import { readRecord, recordFile, writeRecord, type InstallRecord } from '../init/install-record.ts';
import { lookAtMachine } from '../init/look-at-machine.ts';
import { usualPlaces } from '../init/plan-host.ts';
import { ownTraces, placesByHand, planRemoval, type Removal } from '../init/plan-removal.ts';
import { unifiedDiff } from '../init/unified-diff.ts';
import { whyNotWritable } from '../init/write-file.ts';
import { askPerson, someoneIsThere } from './ask-person.ts';
import { ownUnits, packagedUnits } from './own-units.ts';
import { defaultConfig, usualFolder } from './service-units.ts';
import { tellUnjudged } from './tell-init.ts';
import { complain, plain, plainLine, printLine, sayMeanwhile } from './terminal.ts';

interface UninstallOptions {
  readonly config?: string;
  readonly nginxConf: string;
  readonly units: string;
  readonly purge?: true;
  readonly yes?: true;
  readonly dryRun?: true;
}

const systemctl = '/usr/bin/systemctl';
const commandMs = 120_000;

/** The sub-command. Exit status 0: taken out; 1: something is left for a person, and said; 2: called wrongly. */
export function uninstallCommand(): Command {
  return new Command('uninstall')
    .description('take out what init put in: nginx leads to the backends again, units and files are removed')
    .option('--yes', 'ask nothing')
    .option('--dry-run', 'only say what would be done')
    .option('--purge', 'remove the audit log and the state, too')
    .option('--config <file>', 'goodgateway.yaml as init wrote it (default: /etc/goodgateway/goodgateway.yaml)')
    .option('--nginx-conf <file>', "nginx's main file, where init has changed none", '/etc/nginx/nginx.conf')
    .option('--units <folder>', 'where units are written to', usualFolder)
    .addHelpText('after', '\nExamples:\n  goodgateway uninstall --dry-run\n  goodgateway uninstall --yes')
    .action((options: UninstallOptions) => uninstall(options));
}

async function uninstall(options: UninstallOptions): Promise<void> {
  const config = options.config === undefined ? defaultConfig : resolve(options.config);
  const record = await readRecord(config);
  if (typeof record === 'string') return complain(plain(record), 1);
  const removal = await planRemoval(record);
  const { written, edited } = await ownUnits(options.units);
  // those of a package run with the usual configuration, and with no other
  const units = { folder: options.units, written, edited, packaged: config === defaultConfig ? packagedUnits() : [] };
  const loaded = await loadHost(config);
  const traces = options.purge && loaded.ok ? await ownTraces(loaded.host) : [];
  for (const line of tellRemoval(removal, units, traces)) await printLine(plainLine(line));
  if (removal.nginx.length + removal.files.length + units.written.length + traces.length === 0) return printLine(nothingLeft(record));
  if (options.dryRun) return printLine('\nThis was a trial: nothing was changed.');
  const denied = removal.nginx.length > 0 || removal.files.length > 0 ? await whyNotWritable(config) : undefined;
  if (denied !== undefined) return complain(`nothing was changed: ${plain(denied)}. As root: sudo goodgateway ${process.argv.slice(2).map(plain).join(' ')}`, 1);
  if (!options.yes && !(someoneIsThere() && (await askPerson('\nDo this now?', false)))) return complain('nothing was changed: with --yes it is done', 1);
  await takeOut({
    config,
    record,
    removal,
    traces,
    units,
    nginxConf: options.nginxConf,
    runtime: loaded.ok ? loaded.host.runtime : usualPlaces.runtime,
  });
}

interface TakingOut {
  readonly config: string;
  readonly record: InstallRecord;
  readonly removal: Removal;
  readonly traces: readonly string[];
  readonly units: FoundUnits;
  readonly runtime: string;
  readonly nginxConf: string;
}

/** While nginx leads to the gateways they stay, and so does all that they need. */
async function takeOut(taking: TakingOut): Promise<void> {
  const { config, removal, traces, units } = taking;
  const outcome = await restoreNginx(taking);
  if (outcome && outcome.kind !== 'changed') {
    for (const line of [outcome.kind === 'stuck' ? 'LOOK AT NGINX NOW: not even the way back worked:' : 'Nothing was taken out, and nginx is as it was:', ...outcome.why.map((why) => `  ${why}`)])
      await printLine(plainLine(line));
    process.exitCode = 1;
    return;
  }
  if (outcome) {
    await printLine(outcome.reloaded ? `nginx: leads to the backends themselves, reloaded, its sites answer as before (${outcome.asked} asked)` : 'nginx: its files are as before; it is not running');
    for (const line of tellUnjudged(outcome.unjudged)) await printLine(plainLine(line));
  }
  await removeUnits(units);
  for (const path of [...removal.files, ...traces, ...removal.backups]) await rm(path, { recursive: true, force: true });
  const stays = removal.left.length > 0;
  if (removal.record.wrote.length > 0 || removal.record.nginx) await writeRecord(config, removal.record);
  else await rm(recordFile(config), { force: true });
  // best effort: a folder in which something is left stays
  for (const folder of [...['nginx-before', 'policies.d', '.'].map((name) => join(dirname(config), name)), ...new Set(traces.map((path) => dirname(path)))]) await rmdir(folder).catch(() => undefined);
  await printLine('Taken out. If goodgateway still runs by hand, end it now; the program itself is removed as it was installed.');
  if (stays) process.exitCode = 1;
}

async function restoreNginx({ record, removal, runtime, nginxConf }: TakingOut): Promise<ChangeOutcome | undefined> {
  const files = new HostFiles();
  const main = record.nginx?.main ?? nginxConf;
  const machine = await lookAtMachine({ files, run: runCommand, isRoot: process.getuid?.() === 0, cpus: 1, nginxFile: main, fpmFiles: [] });
  const through = findBackends(machine, runtime).backends.flatMap(({ passedAlready }) => passedAlready);
  const byHand = await placesByHand(through, removal);
  if (byHand.length > 0) {
    return {
      kind: 'reverted',
      why: byHand.map(
        (file) => `${file} leads to goodgateway by a change that init did not make, or that was edited: take it out by hand (goodgateway nginx --bypass shows the lines), then ask again`,
      ),
    };
  }
  if (removal.nginx.length === 0) return undefined;
  const program = machine.nginx?.program;
  if (!machine.nginx || program === undefined) return { kind: 'reverted', why: [`the nginx of ${main} was not found`] };
  return changeNginx(removal.nginx, questionsFor(through), { run: runCommand, files, program, main, master: machine.nginx.master, errorLog: machine.nginx.errorLog, say: sayMeanwhile });
}

/** Without systemd nobody started them. */
async function removeUnits({ folder, written, packaged }: FoundUnits): Promise<void> {
  const units = [...written.filter((path) => /^goodgateway[^/]*\.(service|socket|target)$/.test(path)), ...packaged];
  if (written.length + packaged.length === 0) return;
  const disable = [systemctl, 'disable', '--now', ...units];
  const runsHere = (await new HostFiles().stat('/run/systemd/system')) !== undefined;
  const ended = runsHere ? await runCommand.run(disable, { timeoutMs: commandMs }) : undefined;
  if (ended && ended.exitCode !== 0) await printLine(plain(`the units could not be stopped: ${ended.startError ?? ended.output}; try: ${disable.join(' ')}`));
  if (!runsHere) await printLine(`systemd does not run here; where it does: systemctl disable --now ${units.join(' ')}`);
  for (const path of written) await rm(join(folder, path), { force: true });
  // best effort: a folder in which something is left stays
  for (const path of new Set(written.filter((one) => one.includes('/')).map((one) => dirname(one)))) await rmdir(join(folder, path)).catch(() => undefined);
  if (runsHere) await runCommand.run([systemctl, 'daemon-reload'], { timeoutMs: commandMs });
}

interface FoundUnits {
  readonly folder: string;
  readonly written: readonly string[];
  readonly edited: readonly string[];
  readonly packaged: readonly string[];
}

function tellRemoval({ nginx, files, left }: Removal, { folder, written, edited, packaged }: FoundUnits, traces: readonly string[]): readonly string[] {
  const diffs = nginx.flatMap(({ file, before, after }) => unifiedDiff(file, before?.toString('utf8'), after?.toString('utf8')).trimEnd().split('\n'));
  return [
    ...section('nginx', diffs),
    ...section(
      'Units that are stopped and removed',
      written.map((path) => `  ${folder}/${path}`),
    ),
    ...section(
      'Units of the package that are stopped and disabled',
      packaged.map((name) => `  ${name}`),
    ),
    ...section(
      'Files that are removed',
      [...files, ...traces].map((file) => `  ${file}`),
    ),
    ...section('What stays', [
      ...left.map(({ file, why }) => `  ${file}: ${why}`),
      ...edited.map((path) => `  ${folder}/${path}: not as \`goodgateway units --write\` wrote it`),
      ...(traces.length > 0 ? [] : ['  the audit log and the state; --purge removes them']),
    ]),
  ];
}

function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : [title, ...lines];
}

function nothingLeft({ wrote, nginx }: InstallRecord): string {
  return wrote.length > 0 || nginx
    ? '\nThere is nothing to take out but what stays.'
    : '\ninit has put nothing in here. A change of nginx that was made by hand is taken out with the lines of: goodgateway nginx --bypass';
}
