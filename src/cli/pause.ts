import type { Command } from 'commander';
import { durationOf, operatorCommand, tellHealer, type OperatorOptions } from './operator-command.ts';

/** Who forgets to end a pause is protected from a day on. */
const longestMs = 86_400_000;

/** `goodgateway pause [SERVICE] --for 30m --reason …`: nothing is done to it meanwhile; ends by itself. */
export function pauseCommand(): Command {
  return operatorCommand('pause', {
    description: 'do nothing to a service, or to the whole host, for a while that ends by itself',
    example: 'goodgateway pause php-fpm --for 30m --reason "deploy 4711"',
  })
    .argument('[service]', 'by the name of its policy; without it the whole host')
    .requiredOption('--for <duration>', 'how long, at most 24h, such as 30m')
    .requiredOption('--reason <text>', 'for the record, and for whoever wonders')
    .action(async (service: string | undefined, options: OperatorOptions & { readonly for: string; readonly reason: string }) => {
      const forMs = durationOf('--for', options.for, longestMs);
      if (forMs !== undefined) await tellHealer({ ask: 'pause', ...(service === undefined ? {} : { service }), forMs, reason: options.reason }, options);
    });
}
