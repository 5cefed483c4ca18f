/** `goodgateway simulate`: what the current policies would do, and what would be refused; nothing is done. */
import { Argument, Command, Option } from 'commander';
import { causeNames, confidences, type CauseName, type Confidence } from '../core/diagnosis.ts';
import { configurationOrExplain } from './load-or-explain.ts';
import { complain, plain } from './terminal.ts';
import { parseWhen, whenExpected } from './when.ts';

interface SimulateOptions {
  readonly config?: string;
  readonly log?: string;
  readonly since?: string;
  readonly service?: string;
  readonly assume: 'helps' | 'fails';
  readonly scenario?: string;
  readonly cause?: CauseName;
  readonly confidence: Confidence;
  readonly json?: true;
}

/** The sub-command with its three forms: an audit log, a file of scenarios, or one cause of one service right now. */
export function simulateCommand(): Command {
  return new Command('simulate')
    .description('what the policies would do about recorded incidents, a scenario, or a cause')
    .addArgument(new Argument('[service]', 'with --cause: the service that would have it'))
    .option('--config <file>', 'goodgateway.yaml (default: /etc/goodgateway/goodgateway.yaml, then ./goodgateway.yaml)')
    .option('--log <folder or file>', 'the incidents of this audit log')
    .option('--since <when>', `with --log: incidents from then on, ${whenExpected}`)
    .option('--service <name>', 'with --log: incidents of this service only')
    .addOption(new Option('--assume <result>', 'with --log: what comes of a step that was not done then').choices(['helps', 'fails']).default('helps'))
    .option('--scenario <file>', 'the scenarios of this file, and whether they go as expected')
    .addOption(new Option('--cause <name>', 'what would be wrong, such as service.hung').choices(causeNames))
    .addOption(new Option('--confidence <word>', 'how sure it would be').choices(confidences).default('likely'))
    .option('--json', 'for programs')
    .addHelpText(
      'after',
      '\nExamples:\n  goodgateway simulate php-fpm --cause service.hung\n  goodgateway simulate --log /var/log/goodgateway --since 14d\n  goodgateway simulate --scenario tests/php-fpm.yaml --config ./goodgateway.yaml',
    )
    .action((service: string | undefined, options: SimulateOptions) => run(service, options));
}

async function run(service: string | undefined, options: SimulateOptions): Promise<void> {
  const { log, scenario, cause, since, json = false } = options;
  const wrong = whatIsWrong(service, options);
  if (wrong !== undefined) return complain(wrong, 2);
  const sinceMs = since === undefined ? undefined : parseWhen(since, Date.now());
  if (since !== undefined && sinceMs === undefined) return complain(`--since: expected a time ${whenExpected}, and got "${plain(since)}"`, 2);
  const configuration = await configurationOrExplain(options.config);
  if (!configuration) return;
  if (scenario !== undefined) return (await import('./simulate-scenario.ts')).simulateScenarios(configuration, scenario, json);
  if (log !== undefined) return (await import('./simulate-log.ts')).simulateLog(configuration, { log, sinceMs, service: options.service, assume: options.assume, json });
  if (service !== undefined && cause !== undefined) return (await import('./simulate-cause.ts')).simulateOneCause(configuration, { service, cause, confidence: options.confidence }, json);
}

/** One of the three forms, and no options of another. */
function whatIsWrong(service: string | undefined, { log, scenario, cause, since, service: only }: SimulateOptions): string | undefined {
  const forms = [log, scenario, service].filter((form) => form !== undefined).length;
  if (forms !== 1) return 'expected one of: --log FOLDER, --scenario FILE, or a service with --cause NAME';
  if ((service === undefined) !== (cause === undefined))
    return service === undefined ? '--cause: expected the name of the service before it' : `expected --cause NAME: what would be wrong with ${plain(service)}`;
  return log === undefined && (since ?? only) !== undefined ? '--since and --service are for --log' : undefined;
}
