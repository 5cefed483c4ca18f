import type { Command } from 'commander';
import { operatorCommand, tellHealer, type OperatorOptions } from './operator-command.ts';

/** `goodgateway off [SERVICE] --reason …`: hands off, over every restart and reboot, until `on`. */
export function offCommand(): Command {
  return operatorCommand('off', { description: 'switch healing off, until it is switched on again; traffic flows as before', example: 'goodgateway off --reason "I am working on this host"' })
    .argument('[service]', 'only of this service; without it of the whole host')
    .requiredOption('--reason <text>', 'for the record, and for whoever wonders')
    .action((service: string | undefined, options: OperatorOptions & { readonly reason: string }) =>
      tellHealer({ ask: 'off', ...(service === undefined ? {} : { service }), reason: options.reason }, options),
    );
}
