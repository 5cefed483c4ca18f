/** `goodgateway diagnose`: what is wrong right now, by the same engine that heals; it only looks. */
import { Command } from 'commander';
import type { Configuration } from '../config/load.ts';
import type { Suspect } from '../core/diagnosis.ts';
import { avoidOf, changesIn } from '../healer/diagnose.ts';
import { diagnoseNow, type DiagnosisNow } from '../healer/diagnose-now.ts';
import { configurationOrExplain } from './load-or-explain.ts';
import { complain, plain, printLine, styled, withStop, wrap } from './terminal.ts';

interface DiagnoseOptions {
  readonly config?: string;
  readonly json?: true;
}

/** The sub-command. Exit status 0: nothing is known to be wrong; 1: something is; 2: it was called wrongly. */
export function diagnoseCommand(): Command {
  return new Command('diagnose')
    .description('what is wrong right now, why, and what helps; it only looks')
    .argument('[service]', 'by the name of its policy (default: every service)')
    .option('--config <file>', 'goodgateway.yaml (default: /etc/goodgateway/goodgateway.yaml, then ./goodgateway.yaml)')
    .option('--json', 'the result as one JSON object')
    .addHelpText('after', '\nExample: goodgateway diagnose php-fpm')
    .action((service: string | undefined, options: DiagnoseOptions) => run(service, options));
}

async function run(service: string | undefined, { config, json }: DiagnoseOptions): Promise<void> {
  const configuration = await configurationOrExplain(config);
  if (!configuration) return;
  const names = [...configuration.policies.keys()];
  if (service !== undefined && !configuration.policies.has(service)) return complain(`no policy has the name ${plain(service)}; there are ${names.join(', ') || 'none'}`, 2);
  const found = await lookAtAll(service === undefined ? names : [service], configuration);
  if (json) await printLine(JSON.stringify({ services: found.map(forPrograms) }));
  else for (const line of found.flatMap((one, index) => [...(index > 0 ? [''] : []), ...tell(one)])) await printLine(line);
  if (found.some(isWrong)) process.exitCode = 1;
}

/** One after the other: a look is a load, and twenty at once would find themselves. */
async function lookAtAll(names: readonly string[], configuration: Configuration): Promise<readonly DiagnosisNow[]> {
  const found: DiagnosisNow[] = [];
  for (const name of names) found.push(await diagnoseNow(configuration.policies.get(name)!.policy, configuration, new AbortController().signal));
  return found;
}

function isWrong({ symptom, diagnosis: { best } }: DiagnosisNow): boolean {
  return symptom !== undefined || best.cause !== 'unknown';
}

function forPrograms({ service, symptom, diagnosis }: DiagnosisNow): object {
  const { best, others, evidence } = diagnosis;
  return {
    service,
    symptom: symptom?.text ?? null,
    ...forProgram(best),
    changes: changesIn(evidence),
    others: others.filter(({ cause }) => cause !== 'unknown').map(forProgram),
    unseen: unseenOf(diagnosis),
  };
}

function forProgram(suspect: Suspect): object {
  const { cause, confidence, subject, sentence, because, against, remedy } = suspect;
  return { cause, confidence, subject, sentence, because, against, remedy, avoid: avoidOf(suspect) };
}

function unseenOf({ evidence }: DiagnosisNow['diagnosis']): readonly string[] {
  return evidence.flatMap(({ text, missing }) => (missing === undefined ? [] : [`${withStop(text)} ${withStop(missing)}`]));
}

function tell(found: DiagnosisNow): readonly string[] {
  const { service, symptom, diagnosis } = found;
  const { best, others, evidence } = diagnosis;
  if (!isWrong(found)) {
    return [styled('bold', plain(service)), ...wrap(plain(best.sentence), { indent: '  ' }), ...unseenOf(diagnosis).flatMap((text) => item('not seen', text))];
  }
  return [
    styled('bold', plain(`${service}: ${best.cause} (${best.confidence}), ${best.subject}`)),
    ...wrap(withStop(plain(best.sentence)), { indent: '  ' }),
    ...(symptom && !best.because.some((text) => withStop(text) === withStop(symptom.text)) ? item('symptom', symptom.text) : []),
    ...best.because.flatMap((text) => item('for it', text)),
    ...best.against.flatMap((text) => item('against', text)),
    ...changesIn(evidence).flatMap((text) => item('before it', text)),
    ...item('what helps', best.remedy),
    ...avoidOf(best).flatMap((text) => item('avoid', text)),
    ...others.filter(({ cause }) => cause !== 'unknown').flatMap((one) => item('or', `${one.cause} (${one.confidence}): ${one.sentence}`)),
    ...unseenOf(diagnosis).flatMap((text) => item('not seen', text)),
  ];
}

const labelWidth = 12;

function item(label: string, text: string): readonly string[] {
  return wrap(plain(text), { indent: `  ${`${label}:`.padEnd(labelWidth)}`, hang: ' '.repeat(2 + labelWidth) });
}
