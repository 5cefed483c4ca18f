import type { Command } from 'commander';
import { operatorCommand, tellHealer, type OperatorOptions } from './operator-command.ts';

/** `goodgateway ack SERVICE`: a person has taken note that it was given up; goodgateway may try again. */
export function ackCommand(): Command {
  return operatorCommand('ack', { description: 'take note that a service was given up, so that goodgateway may try again', example: 'goodgateway ack php-fpm' })
    .argument('<service>', 'by the name of its policy')
    .action((service: string, options: OperatorOptions) => tellHealer({ ask: 'ack', service }, options));
}
