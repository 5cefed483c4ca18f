/** `goodgateway doctor`: the five families of causes before they bite. Reads only, but for the state of its last run. */
import { access, constants } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { findConfiguration, loadConfiguration, type Configuration } from '../config/load.ts';
import { formatProblem } from '../config/problem.ts';
import type { Check } from '../doctor/check.ts';
import { families, type Unseen } from '../doctor/finding.ts';
import type { DoctorReport } from '../doctor/run-doctor.ts';
import { complain, plain, printLine } from './terminal.ts';
import { isTrouble, tellBriefly, tellFindings } from './tell-findings.ts';

interface DoctorOptions {
  readonly config?: string;
  readonly nginx?: string;
  readonly only?: string;
  /** false: --no-state. */
  readonly state?: string | false;
  readonly quiet?: true;
  readonly json?: true;
}

/** The sub-command. Exit status 0: nothing, or only what is good to know; 1: warnings or serious findings; 2: called wrongly. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description('what will hurt, before it does; needs no installation')
    .option('--config <file>', 'goodgateway.yaml (default: the usual one, or none)')
    .option('--nginx <file>', "nginx's main file (default: /etc/nginx/nginx.conf)")
    .option('--only <names>', `some checks, findings or families: ${families.join(', ')}; with commas between`)
    .option('--state <file>', 'keep the run there, to say what changed since (default: doctor.json in the folder `state`)')
    .option('--no-state', 'keep nothing')
    .option('--quiet', 'for cron: a line for each finding that is trouble, or new, or gone; else nothing')
    .option('--json', 'the report as one JSON object')
    .addHelpText('after', '\nExamples:\n  goodgateway doctor\n  goodgateway doctor --only configuration,port\n  goodgateway doctor --quiet        # in a monthly timer')
    .action((options: DoctorOptions) => runDoctorCommand(options));
}

async function runDoctorCommand(options: DoctorOptions): Promise<void> {
  const checks = await chosenChecks(options.only);
  if (!checks) return;
  const loaded = await load(options.config);
  if (!loaded) return;
  if (options.nginx !== undefined && !(await exists(options.nginx))) return complain(`--nginx: ${plain(options.nginx)}: there is no such file, or this user may not see it`, 2);
  const [{ runDoctor }, { thisHost }, { HostFiles }] = await Promise.all([import('../doctor/run-doctor.ts'), import('../doctor/outside.ts'), import('../doctor/host-files.ts')]);
  const { configuration, mistakes, unseen } = loaded;
  const report = await runDoctor({
    checks,
    configuration,
    mistakes,
    outside: thisHost,
    files: new HostFiles(),
    nginxFile: options.nginx === undefined ? undefined : resolve(options.nginx),
    stateFile: stateFile(options.state, configuration),
    keep: options.only === undefined,
  });
  await tell({ ...report, unseen: [...unseen, ...report.unseen] }, options);
  if (report.findings.some(isTrouble)) process.exitCode = 1;
}

async function tell(report: DoctorReport, { json, quiet }: DoctorOptions): Promise<void> {
  if (json) return printLine(JSON.stringify(report));
  for (const line of quiet ? tellBriefly(report) : tellFindings(report)) await printLine(line);
}

async function chosenChecks(only: string | undefined): Promise<readonly Check[] | undefined> {
  const all: readonly Check[] = Object.values(await import('../doctor/checks/registry.ts'));
  if (only === undefined) return all;
  const names = only.split(',').map((name) => name.trim());
  const meant = (check: Check, name: string): boolean => check.name === name || check.family === name || Object.hasOwn(check.finds, name);
  const strange = names.find((name) => !all.some((check) => meant(check, name)));
  if (strange !== undefined) return complain(`--only: no check, finding or family is named "${plain(strange)}"; the checks are ${all.map(({ name }) => name).join(', ')}`, 2);
  return all.filter((check) => names.some((name) => meant(check, name)));
}

function stateFile(state: string | false | undefined, configuration: Configuration | undefined): string | undefined {
  if (state === false) return undefined;
  if (state !== undefined) return resolve(state);
  return configuration && join(configuration.host.state, 'doctor.json');
}

interface LoadedHere {
  readonly configuration: Configuration | undefined;
  readonly mistakes: readonly string[];
  readonly unseen: readonly Unseen[];
}

/** A configuration that somebody named must be there; the usual one may be missing, or hidden from this user. */
async function load(explicit: string | undefined): Promise<LoadedHere | undefined> {
  const file = await findConfiguration(explicit);
  if (!(await exists(file))) {
    if (explicit !== undefined) return complain(`${plain(file)}: there is no such file, or this user may not see it`, 2);
    return { configuration: undefined, mistakes: [], unseen: [] };
  }
  // Loaded only here: `--help` needs no actions.
  const { actionOptions } = await import('../healer/action-options.ts');
  const loaded = await loadConfiguration(file, { actionOptions });
  if (loaded.ok) return { configuration: loaded.configuration, mistakes: [], unseen: [] };
  const hidden = loaded.problems.filter(({ message }) => message.includes('this user may not read the file'));
  if (hidden.length > 0) return { configuration: undefined, mistakes: [], unseen: hidden.map(({ file: path }) => ({ subject: path, why: 'this user may not read it; ask again as root' })) };
  return { configuration: undefined, mistakes: loaded.problems.map(formatProblem), unseen: [] };
}

async function exists(file: string): Promise<boolean> {
  return access(file, constants.F_OK).then(
    () => true,
    () => false,
  );
}
