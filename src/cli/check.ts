import { access } from 'node:fs/promises';
import { relative } from 'node:path';
import { Command } from 'commander';
import { checkFile, type CheckedFile } from '../config/check-file.ts';
import { findConfiguration } from '../config/load.ts';
import { formatProblem, type ConfigProblem } from '../config/problem.ts';
import { plain, printLine } from './terminal.ts';

interface CheckOptions {
  readonly config?: string;
  readonly json?: true;
  readonly strict?: true;
}

/**
 * `goodgateway check [FILE…]`: every mistake with its place, and a warning for what this host does not have. Exit status
 * 0 fine, 1 mistakes found (with --strict also warnings), 2 called wrongly.
 */
export function checkCommand(): Command {
  return new Command('check')
    .description('find every mistake in the configuration')
    .argument('[file...]', 'a goodgateway.yaml with all that it names, a policy file, a signature file, or a safety file')
    .option('--config <file>', 'goodgateway.yaml (default: /etc/goodgateway/goodgateway.yaml, then ./goodgateway.yaml)')
    .option('--json', 'the result as one JSON object')
    .option('--strict', 'end with status 1 also when there are warnings, such as of what this host lacks')
    .addHelpText('after', '\nExamples:\n  goodgateway check\n  goodgateway check policies.d/php-fpm.yaml')
    .action((files: readonly string[], options: CheckOptions, command: Command) => {
      if (files.length > 0 && options.config !== undefined) command.error('error: name the files, or one with --config, not both', { exitCode: 2 });
      return check(files, options);
    });
}

async function check(named: readonly string[], options: CheckOptions): Promise<void> {
  const files = named.length > 0 ? named : [shortPath(await findConfiguration(options.config))];
  for (const file of files) {
    if (
      await access(file).then(
        () => false,
        () => true,
      )
    )
      return complain(file);
  }
  // Loaded only here: `--help` needs no actions.
  const { actionOptions } = await import('../healer/action-options.ts');
  const problems: ConfigProblem[] = [];
  const warnings: ConfigProblem[] = [];
  for (const file of files) {
    const found = await checkFile(file, { actionOptions });
    const wrong = found.problems.map(withShortPath);
    const lacking = found.warnings.map(withShortPath);
    problems.push(...wrong);
    warnings.push(...lacking);
    if (!options.json) await tell(file, { ...found, problems: wrong, warnings: lacking });
  }
  if (options.json) await printLine(JSON.stringify({ ok: problems.length === 0, files, problems, warnings }));
  if (problems.length > 0 || (options.strict && warnings.length > 0)) process.exitCode = 1;
}

async function tell(file: string, found: CheckedFile): Promise<void> {
  const { problems, warnings } = found;
  for (const problem of problems) await printLine(plain(formatProblem(problem)));
  for (const warning of warnings) await printLine(plain(formatProblem({ ...warning, message: `warning: ${warning.message}` })));
  const but = warnings.length === 0 ? '' : `, but with ${warnings.length === 1 ? 'a warning' : `${warnings.length} warnings`}`;
  if (problems.length === 0) await printLine(`${file}: fine${contents(found)}${but}`);
}

function complain(file: string): void {
  process.stderr.write(`goodgateway: ${plain(file)}: there is no such file, or this user may not see it\n`);
  process.exitCode = 2;
}

function contents({ gateways, policies }: { readonly gateways: number; readonly policies: number }): string {
  const parts = [gateways > 0 && `${gateways} ${gateways === 1 ? 'gateway' : 'gateways'}`, policies > 0 && `${policies} ${policies === 1 ? 'policy' : 'policies'}`].filter((part) => part !== false);
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}

function withShortPath(problem: ConfigProblem): ConfigProblem {
  return { ...problem, file: shortPath(problem.file) };
}

/** As people would type it: relative where the file is below this folder. */
function shortPath(file: string): string {
  const path = relative('', file);
  return path === '' || path.startsWith('..') ? file : path;
}
