import type { Command } from 'commander';
import { operatorCommand, tellHealer, type OperatorOptions } from './operator-command.ts';

/** `goodgateway resume [SERVICE]`: ends a pause before its time. */
export function resumeCommand(): Command {
  return operatorCommand('resume', { description: 'end a pause before its time', example: 'goodgateway resume php-fpm' })
    .argument('[service]', 'whose pause; without it that of the whole host')
    .action((service: string | undefined, options: OperatorOptions) => tellHealer({ ask: 'resume', ...(service === undefined ? {} : { service }) }, options));
}
