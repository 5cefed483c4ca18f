/** `goodgateway init`: looks at the machine, says what it found, writes the configuration, prints (or makes) the change of nginx. */
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { HostFiles } from '../doctor/host-files.ts';
import { runCommand } from '../healer/run-command.ts';
import { adviceFor } from '../init/advice.ts';
import { applyPlan } from '../init/apply-plan.ts';
import { questionsFor } from '../init/ask-sites.ts';
import type { ChangeOutcome } from '../init/change-nginx.ts';
import { readRecord, writeRecord, type InstallRecord } from '../init/install-record.ts';
import { lookAtMachine } from '../init/look-at-machine.ts';
import { placeFiles } from '../init/place-files.ts';
import { usualPlaces } from '../init/plan-host.ts';
import { planInit, type InitPlan } from '../init/plan-init.ts';
import { whyNotWritable } from '../init/write-file.ts';
import { askPerson, someoneIsThere } from './ask-person.ts';
import { nginxSnippet } from './nginx-snippet.ts';
import type { InitOptions, Scene } from './init-scene.ts';
import { initJson, tellInit, tellNginxOutcome, tellNext } from './tell-init.ts';
import { complain, plain, plainLine, printLine, sayMeanwhile } from './terminal.ts';

/** The sub-command. Exit status 0: done, or nothing to do; 1: something is left for a person, and said; 2: called wrongly. */
export function initCommand(): Command {
  return new Command('init')
    .description('look at this machine, write a configuration that fits, show the change of nginx')
    .option('--yes', 'ask nothing: write the files')
    .option('--apply', 'change nginx, too: with backups, nginx -t, a reload, and the way back when a site does not answer as before')
    .option('--act-on-crash', 'start a service that crashed; before anything else a person is asked')
    .option('--no-act-on-crash', 'only observe')
    .option('--only <names>', 'these gateways, with commas between')
    .option('--dry-run', 'write nothing')
    .option('--force', 'write files again that somebody has changed, and keep those beside them')
    .option('--json', 'what was found and done as one JSON object')
    .option('--config <file>', 'where goodgateway.yaml goes; policies.d is beside it (default: /etc/goodgateway/goodgateway.yaml)')
    .option('--nginx-conf <file>', "nginx's main file", '/etc/nginx/nginx.conf')
    .option('--php-fpm <file...>', "php-fpm's main files, where they are not at a usual place")
    .option('--root <folder>', 'look at a machine whose files are below this folder; nothing of it is run')
    .option('--runtime <folder>', 'for sockets', usualPlaces.runtime)
    .option('--state <folder>', 'for counters', usualPlaces.state)
    .option('--audit <folder>', 'for the audit log', usualPlaces.audit)
    .option('--admin <address>', 'for the dashboard', usualPlaces.admin)
    .addHelpText('after', '\nExamples:\n  goodgateway init --dry-run\n  goodgateway init --yes\n  goodgateway init --yes --apply\n  goodgateway uninstall             # its inverse')
    .action((options: InitOptions) => init(options));
}

async function init(options: InitOptions): Promise<void> {
  if (options.root !== undefined && options.apply) return complain('--apply: the nginx of another root cannot be tested; make the change there by hand', 2);
  const root = options.root === undefined ? '' : resolve(options.root).replace(/\/$/, '');
  const config = options.config === undefined ? `${root}/etc/goodgateway/goodgateway.yaml` : resolve(options.config);
  const record = await readRecord(config);
  if (typeof record === 'string') return complain(plain(record), 1);
  const files = new HostFiles(root);
  const fpmFiles = (options.phpFpm ?? []).map((file) => resolve(file));
  const nginxFile = root === '' ? resolve(options.nginxConf) : options.nginxConf;
  const machine = await lookAtMachine({ files, fpmFiles, nginxFile, run: runCommand, isRoot: process.getuid?.() === 0, cpus: availableParallelism() });
  const scene: Scene = { options, config, files, machine, record, nginxFile };
  const plan = await planWith(scene, options.actOnCrash);
  const unknown = namesIn(options)?.filter((name) => !plan.names.includes(name)) ?? [];
  if (unknown.length > 0 && plan.names.length > 0) return complain(`--only: no gateway has the name ${unknown.map((name) => `"${plain(name)}"`).join(', ')}; there are ${plan.names.join(', ')}`, 2);
  await (options.json ? carryOutInJson(scene, plan) : carryOut(scene, plan));
}

async function planWith({ options, config, files, machine }: Scene, actOnCrash: boolean | undefined): Promise<InitPlan> {
  const { actionOptions } = await import('../healer/action-options.ts');
  const { runtime, state, audit, admin, force } = options;
  const only = namesIn(options);
  const snippetOf = (gateway: Parameters<typeof nginxSnippet>[0]) => nginxSnippet(gateway, 'inline');
  return planInit(machine, { config, places: { runtime, state, audit, admin }, only, actOnCrash, force: force ?? false }, { files, snippetOf, bindings: { actionOptions } });
}

async function carryOut(scene: Scene, first: InitPlan): Promise<void> {
  const { options, machine, nginxFile } = scene;
  let plan = first;
  const advice = adviceFor(machine, plan, nginxFile);
  for (const line of tellInit(machine, plan, advice)) await printLine(plainLine(line));
  if (plan.backends.length === 0) return fail();
  const asks = someoneIsThere() && !options.yes && !options.dryRun;
  const isNew = plan.checked.files.some(({ fate }) => fate === 'new');
  const mayStart = plan.policies.some(({ external }) => external === undefined);
  if (asks && isNew && mayStart && options.actOnCrash === undefined && (await askPerson('\nStart a service by itself when it has crashed? (All else is only observed, or asked for.)', false)))
    plan = await planWith(scene, true);
  const done = await write(scene, plan, asks);
  if (done === undefined) return;
  const outcome = await applyOrNot(scene, plan, { record: done, asks });
  for (const line of [...(outcome ? tellNginxOutcome(outcome) : []), ...tellNext(scene, plan, outcome)]) await printLine(plainLine(line));
  if (outcome && outcome.kind !== 'changed') return fail();
  if (plan.checked.files.some(({ fate }) => fate === 'left')) return fail();
}

async function carryOutInJson(scene: Scene, plan: InitPlan): Promise<void> {
  const done = await write(scene, plan, false);
  const outcome = done === undefined ? undefined : await applyOrNot(scene, plan, { record: done, asks: false });
  await printLine(JSON.stringify(initJson(scene, plan, { advice: adviceFor(scene.machine, plan, scene.nginxFile), written: done !== undefined && !isTrial(scene.options), outcome })));
  if (plan.backends.length === 0 || (outcome && outcome.kind !== 'changed') || plan.checked.files.some(({ fate }) => fate === 'left')) fail();
}

/** The record with what was written; `undefined` when nothing may, or can, be written, and why was said. */
async function write({ options, config, record }: Scene, { checked }: InitPlan, asks: boolean): Promise<InstallRecord | undefined> {
  if (checked.files.length === 0) return undefined;
  if (checked.problems.length > 0) return complain(`nothing was written, because the result would not pass \`goodgateway check\`:\n${checked.problems.map(plain).join('\n')}`, 1);
  const fresh = checked.files.some(({ fate }) => fate === 'new' || fate === 'replaced');
  if (!fresh) return record;
  if (options.dryRun) return record;
  const why = await whyNotWritable(config);
  if (why !== undefined) return complain(`nothing was written: ${plain(why)}. As root: sudo goodgateway ${process.argv.slice(2).map(plain).join(' ')}`, 1);
  if (!options.yes && !(asks && (await askPerson('\nWrite these files?', true)))) {
    return asks || options.json ? undefined : complain('nothing was written: nobody is there to ask; with --yes the files are written', 1);
  }
  const written = await placeFiles(checked.files, record);
  await writeRecord(config, written);
  return written;
}

/** `undefined`: nginx was not to be changed. */
async function applyOrNot(scene: Scene, { nginx }: InitPlan, { record, asks }: { readonly record: InstallRecord; readonly asks: boolean }): Promise<ChangeOutcome | undefined> {
  const { options, config, files, machine } = scene;
  const found = machine.nginx;
  if (!nginx || !found || nginx.changes.length === 0 || options.dryRun || options.root !== undefined) return undefined;
  if (!options.apply && !(asks && found.test.kind === 'passes' && (await askPerson('Change nginx now, as shown? It goes back by itself when a site does not answer as before.', false))))
    return undefined;
  const why =
    found.test.kind === 'passes' ? undefined : `nginx is not changed: ${found.test.kind === 'fails' ? `nginx -t fails already: ${found.test.output}` : `it cannot be tested: ${found.test.why}`}`;
  if (why !== undefined || found.program === undefined) return { kind: 'reverted', why: [why ?? 'its program is not known'] };
  const control = { run: runCommand, files, program: found.program, main: found.file, master: found.master, errorLog: found.errorLog, say: sayMeanwhile };
  return applyPlan({ config, record, changes: nginx.changes, questions: questionsFor(nginx.changed), control });
}

function namesIn({ only }: InitOptions): readonly string[] | undefined {
  return only?.split(',').map((name) => name.trim());
}

function isTrial({ dryRun, yes }: InitOptions): boolean {
  return dryRun === true || yes !== true;
}

function fail(): void {
  process.exitCode = 1;
}
