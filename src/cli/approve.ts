import type { Command } from 'commander';
import { operatorCommand, tellHealer, type OperatorOptions } from './operator-command.ts';

/** `goodgateway approve CODE`: yes to a step that goodgateway asked about. */
export function approveCommand(): Command {
  return operatorCommand('approve', { description: 'agree to a step that goodgateway asked about', example: 'goodgateway approve 7K3FQ2' })
    .argument('<code>', 'as the question said it')
    .action((code: string, options: OperatorOptions) => tellHealer({ ask: 'approve', code }, options));
}
