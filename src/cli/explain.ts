/** `goodgateway explain`: log lines in, cause and remedy out. It reads only what it is given, and asks nobody. */
import { createReadStream } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { findConfiguration, loadConfiguration } from '../config/load.ts';
import { loadSignatureFiles, shippedSignatures, withOwn } from '../config/load-signatures.ts';
import { formatProblem, type ConfigProblem } from '../config/problem.ts';
import type { SignatureEntry } from '../config/signature-schema.ts';
import { redact } from '../healer/audit/redact.ts';
import { compileSignatures } from '../signatures/compile.ts';
import { diagnoseLog } from '../signatures/diagnose-log.ts';
import { createLogReader, type LogReader } from '../signatures/read-log.ts';
import { explanationJson } from './explanation-json.ts';
import { explanationText } from './explanation-text.ts';
import { complain, plain, printLine } from './terminal.ts';

interface ExplainOptions {
  readonly signatures?: readonly string[];
  readonly config?: string;
  readonly json?: true;
}

/** Exit status 0: nothing known was found; 1: a cause was named; 2: called wrongly, or a file could not be read. */
export function explainCommand(): Command {
  return new Command('explain')
    .description('what log lines mean, what caused them, and what helps; works without any configuration')
    .argument('[file...]', 'log files of any programs, in any order; - or none: standard input')
    .option('--signatures <file>', 'a file with your own kinds of log lines; may be given several times', (file: string, before: readonly string[] = []) => [...before, file])
    .option('--config <file>', 'goodgateway.yaml, for the signatures that it names (default: the one of this host, where there is one)')
    .option('--json', 'the result as one JSON object')
    .addHelpText('after', '\nExamples:\n  goodgateway explain /var/log/nginx/error.log /var/log/php8.2-fpm.log\n  journalctl --since -1h | goodgateway explain')
    .action((files: readonly string[], options: ExplainOptions) => explain(files.length > 0 ? files : ['-'], options));
}

async function explain(files: readonly string[], options: ExplainOptions): Promise<void> {
  const own = await ownSignatures(options);
  if (!own) return;
  const reader = createLogReader(compileSignatures(withOwn(await shippedSignatures(), own)));
  for (const file of files) {
    const problem = await read(file, reader);
    if (problem !== undefined) return complain(`${plain(file)}: ${problem}`, 2);
  }
  const log = reader.result();
  const explanation = diagnoseLog(log, { year: new Date().getFullYear(), redact: (text) => redact(text).text });
  const lines = options.json ? [JSON.stringify(explanationJson(explanation, log))] : explanationText(explanation, log);
  for (const line of lines) await printLine(line);
  if (explanation.causes[0]?.cause !== 'unknown') process.exitCode = 1;
}

/** Those that were named here; else those of the configuration, where there is one. Mistakes are printed. */
async function ownSignatures({ signatures, config }: ExplainOptions): Promise<readonly SignatureEntry[] | undefined> {
  if (signatures) {
    const { entries, problems } = await loadSignatureFiles(signatures.map((file) => resolve(file)));
    return problems.length === 0 ? entries : refused(problems);
  }
  const file = await findConfiguration(config);
  const isThere = await access(file).then(
    () => true,
    () => false,
  );
  if (!isThere) return config === undefined ? [] : complain(`${plain(file)}: there is no such file, or this user may not see it`, 2);
  const { actionOptions } = await import('../healer/action-options.ts');
  const loaded = await loadConfiguration(file, { actionOptions });
  if (loaded.ok) return loaded.configuration.signatures;
  // A broken configuration must not keep anybody from reading a log, unless it was asked for.
  return config === undefined ? [] : refused(loaded.problems);
}

function refused(problems: readonly ConfigProblem[]): undefined {
  for (const problem of problems) process.stderr.write(`${plain(formatProblem(problem))}\n`);
  process.exitCode = 2;
}

/** Reads to the end; says why where that was not possible. */
async function read(file: string, reader: LogReader): Promise<string | undefined> {
  if (file === '-' && process.stdin.isTTY) process.stderr.write('Reading standard input: paste the lines, then end with Ctrl-D.\n');
  try {
    if (file !== '-' && (await stat(file)).isDirectory()) return 'this is a folder; name the files in it';
    const stream = file === '-' ? process.stdin : createReadStream(file, { highWaterMark: 256 * 1024 });
    for await (const piece of stream) reader.take(piece as Uint8Array);
    reader.endFile();
    return undefined;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT') return 'there is no such file';
    return code === 'EACCES' ? 'this user may not read it' : error instanceof Error ? error.message : String(error);
  }
}
