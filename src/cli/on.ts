import type { Command } from 'commander';
import { operatorCommand, tellHealer, type OperatorOptions } from './operator-command.ts';

/** `goodgateway on [SERVICE]`: undoes `off`; for the whole host it also closes an open circuit breaker. */
export function onCommand(): Command {
  return operatorCommand('on', { description: 'switch healing on again; for the whole host this also closes an open circuit breaker', example: 'goodgateway on' })
    .argument('[service]', 'of this service; without it of the whole host')
    .action((service: string | undefined, options: OperatorOptions) => tellHealer({ ask: 'on', ...(service === undefined ? {} : { service }) }, options));
}
