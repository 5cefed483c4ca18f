import type { Command } from 'commander';
import { didYouMean } from '../config/did-you-mean.ts';
import { actionNames } from '../core/decision.ts';
import { operatorCommand, tellHealer, type OperatorOptions } from './operator-command.ts';
import { complain, plain } from './terminal.ts';

interface DoOptions extends OperatorOptions {
  readonly reason: string;
  readonly force?: true;
}

/** `goodgateway do SERVICE ACTION --reason …`: an action now, whatever the limits say, on the record. */
export function doCommand(): Command {
  return operatorCommand('do', {
    description: 'act on a service now: start, stop, restart, reload …; overrides pauses and limits, and is on the record',
    example: 'goodgateway do php-fpm restart --reason "new certificate"',
  })
    .argument('<service>', 'by the name of its policy')
    .argument('<action>', 'start, stop, restart, reload, or another action of the policy language')
    .requiredOption('--reason <text>', 'for the record')
    .option('--force', 'also into a configuration that fails its own test')
    .action(async (service: string, action: string, options: DoOptions) => {
      const known = actionNames.find((name) => name === action);
      if (known !== undefined) return tellHealer({ ask: 'do', service, action: known, reason: options.reason, force: options.force === true }, options);
      const meant = didYouMean(action, actionNames);
      complain(`there is no action "${plain(action)}"${meant === undefined ? '' : `; did you mean ${meant}?`} Actions: ${actionNames.join(', ')}`, 2);
    });
}
