import type { Command } from 'commander';
import { operatorCommand, tellHealer, type OperatorOptions } from './operator-command.ts';

/** `goodgateway deny CODE`: no to a step that goodgateway asked about; the next one of its rule follows. */
export function denyCommand(): Command {
  return operatorCommand('deny', { description: 'refuse a step that goodgateway asked about; the next one of its rule follows', example: 'goodgateway deny 7K3FQ2' })
    .argument('<code>', 'as the question said it')
    .action((code: string, options: OperatorOptions) => tellHealer({ ask: 'deny', code }, options));
}
