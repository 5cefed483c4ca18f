/** What all commands that change something have in common: their options, how they ask, how they end. */
import { join } from 'node:path';
import { Command } from 'commander';
import { operatorAnswerSchema, operatorRequestSchema, type OperatorRequest } from '../channel/operator-messages.ts';
import { duration } from '../config/values.ts';
import { askHealer } from './ask-healer.ts';
import { hostOrExplain } from './host-or-explain.ts';
import { complain, plain, printLine } from './terminal.ts';
import { whoAsks } from './who.ts';

export interface OperatorOptions {
  readonly config?: string;
  readonly json?: true;
}

/** Everything but an act is answered after at most a look and a write to the disk. */
const answerWithinMs = 20_000;
/** The longest act, and the looks before and after it. */
const actWithinMs = 720_000;

/** A command with `--config` and `--json`, and its example in the help. */
export function operatorCommand(name: string, { description, example }: { readonly description: string; readonly example: string }): Command {
  return new Command(name)
    .description(description)
    .option('--config <file>', 'goodgateway.yaml')
    .option('--json', 'the answer as one JSON object: {"ok", "text"}')
    .addHelpText('after', `\nExample:\n  ${example}\n\nExit status: 0 it is so now, 1 refused or the healer is away, 2 called wrongly.`);
}

type Request = Exclude<OperatorRequest, { ask: 'status' | 'simulate' }>;
/** Without who asks: that is found out here. */
type Wish = Request extends infer One ? (One extends Request ? Omit<One, 'by'> : never) : never;

/** Asks the healer and prints its answer. Sets the exit status: 1 refused or no healer, 2 called wrongly. */
export async function tellHealer(wish: Wish, options: OperatorOptions): Promise<void> {
  const request = operatorRequestSchema.safeParse({ ...wish, by: whoAsks() });
  if (!request.success) return complain(request.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '), 2);
  const found = await hostOrExplain(options.config);
  if (!found) return;
  const path = join(found.host.runtime, 'control.sock');
  const answer = await askHealer(path, request.data, { answer: operatorAnswerSchema, withinMs: wish.ask === 'do' ? actWithinMs : answerWithinMs });
  const { ok, text } = 'noAnswer' in answer ? { ok: false, text: answer.noAnswer } : answer;
  if (!ok) process.exitCode = 1;
  if (options.json) return printLine(JSON.stringify({ ok, text }));
  if (ok) return printLine(plain(text));
  complain(plain(text), 1);
}

/** Milliseconds of `30m`, or `undefined` after it has complained. */
export function durationOf(option: string, text: string, mostMs: number): number | undefined {
  const parsed = duration().safeParse(text);
  if (parsed.success && parsed.data >= 1000 && parsed.data <= mostMs) return parsed.data;
  const why = parsed.success ? `expected at least 1s and at most 24h, got ${JSON.stringify(text)}` : parsed.error.issues.map(({ message }) => message).join('; ');
  return complain(`${option}: ${why}`, 2);
}
