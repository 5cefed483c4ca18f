/**
 * The records of one incident as a text that a tired person understands: in order, each with its distance from the
 * beginning. It leaves out nothing that was decided; what repeats itself is said once, with a count, and gates that
 * passed are only counted.
 */
import { shellQuoted } from '../core/command-word.ts';
import type { ActionName } from '../core/decision.ts';
import { incidentCode } from '../core/ids.ts';
import { formatDuration } from '../core/time.ts';
import type { IncidentStory } from '../healer/audit/find-incident.ts';
import type { AuditRecord } from '../healer/audit/record.ts';
import { collapse } from '../healer/audit/summary.ts';
import { acted, headingOf, isRepair, toAct } from './story-headings.ts';
import { plain, styled, withStop, wrap } from './terminal.ts';
import { formatWhen, formatZone } from './when.ts';

interface Paragraph {
  readonly heading: string;
  readonly body: readonly string[];
}

export interface Telling {
  /** Gates that passed one by one, instead of their number. */
  readonly all: boolean;
}

/** The story in lines of at most 80 columns, as far as single words allow. */
export function tellIncident(story: IncidentStory, telling: Telling = { all: false }): readonly string[] {
  const [first] = story.records;
  if (!first) return [];
  const startMs = Date.parse(first.ts);
  const lines = [styled('bold', `Incident ${incidentCode(story.id)} of ${plain(first.service ?? 'an unknown service')}, ${formatWhen(startMs)} ${formatZone(startMs)}`), styled('dim', story.id)];
  for (const { at, times, paragraph } of told(story.records, telling)) {
    const repeated = times > 1 ? `  (${times} times the same)` : '';
    lines.push('', `${styled('dim', at.padStart(8))}  ${styled('bold', paragraph.heading)}${repeated}`, ...paragraph.body);
  }
  return lines;
}

/** One entry for each record, equal neighbours joined. */
function told(records: readonly AuditRecord[], telling: Telling): readonly { readonly at: string; readonly times: number; readonly paragraph: Paragraph }[] {
  const entries: { at: string; times: number; paragraph: Paragraph }[] = [];
  const startMs = Date.parse(records[0]?.ts ?? '');
  for (const record of records) {
    const paragraph = tell(record, { ...telling, records });
    const before = entries.at(-1);
    if (before && same(before.paragraph, paragraph)) before.times += 1;
    else entries.push({ at: `+${formatDuration(Math.max(0, Date.parse(record.ts) - startMs))}`, times: 1, paragraph });
  }
  return entries;
}

function same(a: Paragraph, b: Paragraph): boolean {
  return a.heading === b.heading && a.body.join('\n') === b.body.join('\n');
}

function tell(record: AuditRecord, context: Telling & { readonly records: readonly AuditRecord[] }): Paragraph {
  return {
    heading: headingOf(record),
    body: [
      ...sentence(record.event === 'incident.recovered' ? howItEnded(record, context.records) : textOf(record)),
      ...symptomOf(record),
      ...evidenceOf(record),
      ...signalsOf(record),
      ...(record.changes ?? []).flatMap((text) => item('before it:', text)),
      ...(record.remedy === undefined ? [] : item('what helps:', record.remedy)),
      ...(record.avoid ?? []).flatMap((text) => item('avoid:', text)),
      ...ruleOf(record),
      ...gatesOf(record, context),
      ...(record.argv === undefined ? [] : item('command:', `${record.argv.map(shellQuoted).join(' ')}${record.as === undefined ? '' : ` (as ${record.as})`}`)),
      ...outcomeOf(record),
      ...checksOf(record),
      ...impactOf(record),
    ],
  };
}

function symptomOf({ symptom }: AuditRecord): readonly string[] {
  if (!symptom) return [];
  const where = symptom.gateway === undefined ? '' : `, gateway ${symptom.gateway}`;
  return item('seen by:', `${symptom.seen_by} (${symptom.kind}, ${symptom.count === 1 ? 'once' : `${symptom.count} times`}${where})`);
}

/** The record's sentence, where no other field says the same. */
function textOf({ event, text, symptom, outcome, rule }: AuditRecord): string | undefined {
  if (event === 'action.intent' && rule !== undefined) return undefined;
  return text !== undefined && text === outcome?.detail ? undefined : (text ?? symptom?.text);
}

/**
 * What was done, and what came of it. The record's own sentence says the fault in the present tense, as if it lasted,
 * and calls a step done that may have failed.
 */
function howItEnded({ service, seq }: AuditRecord, records: readonly AuditRecord[]): string {
  const ended = records.filter((each) => each.seq < seq && (each.event === 'action.finished' || each.event === 'action.unknown'));
  const of = (wanted: readonly string[], say: (action: ActionName) => string) => {
    const chosen = ended.flatMap(({ action, outcome }) => (action !== undefined && isRepair(action) && wanted.includes(outcome?.result ?? 'unknown') ? [say(action)] : []));
    return chosen.length > 0 ? collapse(chosen).join(', ') : undefined;
  };
  const quarantined = records.some((each) => each.seq < seq && each.event === 'request.quarantined');
  const [done, failed, unknown] = [of(['done'], acted), of(['failed'], toAct), of(['unknown'], toAct)];
  return [
    `${service ?? 'The service'} is well again.`,
    ...(done === undefined ? [] : [`Done: ${done}.`]),
    ...(failed === undefined ? [] : [`Tried, and failed: ${failed}.`]),
    ...(unknown === undefined ? [] : [`Nobody knows whether it had its effect: ${unknown}.`]),
    ...(quarantined ? ['What killed its workers is not sent for a while.'] : []),
    ...(done === undefined && unknown === undefined && !quarantined ? ['It came back without a repair by goodgateway.'] : []),
    ...(ended.some(({ action }) => action === 'page' || action === 'notify') ? ['Somebody was told.'] : []),
  ].join(' ');
}

function evidenceOf({ evidence = [] }: AuditRecord): readonly string[] {
  return evidence.flatMap(({ collector, status, text }) => (status === 'seen' ? item('saw:', `${text} [${collector}]`) : item('not seen:', `${text} [${collector}]`)));
}

function signalsOf({ signals = [] }: AuditRecord): readonly string[] {
  const labels = { for: 'for it:', against: 'against:' } as const;
  return signals.flatMap(({ speaks, value, source }) => item(labels[speaks], source === 'diagnosis' ? value : `${value} [${source}]`));
}

/** The outcome belongs to the intent before it, which has named the rule. */
function ruleOf(record: AuditRecord): readonly string[] {
  if (record.rule === undefined || record.event === 'action.finished' || record.event === 'action.unknown') return [];
  return item('rule:', `"${record.rule}"${stepOf(record)}`);
}

function stepOf({ attempt, rung, limits }: AuditRecord): string {
  const parts = [...(rung === undefined ? [] : [`step ${rung + 1}`]), ...(attempt === undefined ? [] : [`attempt ${attempt}`]), ...(limits ? [`at most ${formatDuration(limits.timeout_ms)}`] : [])];
  return parts.length > 0 ? `, ${parts.join(', ')}` : '';
}

function gatesOf({ gates = [] }: AuditRecord, { all }: Telling): readonly string[] {
  const words = { pass: 'passed', refuse: 'refused', not_evaluated: 'not asked' } as const;
  const passed = all ? 0 : gates.filter(({ verdict }) => verdict === 'pass').length;
  const lines = gates
    .filter(({ verdict }) => all || verdict !== 'pass')
    .flatMap(({ gate, verdict, reason, allowed_at: at }) => {
      const until = at === undefined ? '' : `; allowed at ${formatWhen(Date.parse(at))}`;
      const told = item('gate:', `${gate} ${words[verdict]}: ${reason}${until}`);
      return verdict === 'refuse' ? told.map((line) => styled('yellow', line)) : told;
    });
  return passed > 0 ? [...lines, ...item('gates:', passed === 1 ? '1 gate passed' : `${passed} gates passed`)] : lines;
}

function outcomeOf({ event, outcome }: AuditRecord): readonly string[] {
  if (!outcome || !event.startsWith('action.')) return [];
  const facts = [
    ...(outcome.exit === undefined ? [] : [`exit status ${outcome.exit}`]),
    ...(outcome.signal === undefined ? [] : [`ended by ${outcome.signal}`]),
    ...(outcome.duration_ms === undefined ? [] : [`took ${formatDuration(outcome.duration_ms)}`]),
  ];
  return [
    ...item('result:', [outcome.detail ?? outcome.result, ...facts].join('; ')),
    ...(outcome.output ?? '')
      .split('\n')
      .filter((line) => line.trim() !== '')
      .flatMap((line) => item('printed:', line)),
  ];
}

function checksOf({ verify }: AuditRecord): readonly string[] {
  if (!verify) return [];
  const labels = { pass: 'passed:', fail: 'failed:', skipped: 'skipped:' } as const;
  return [
    ...verify.checks.flatMap(({ check, verdict, text }) => item(labels[verdict], `${check}: ${text}`)),
    ...(verify.first_pass_ms === undefined ? [] : item('well after:', formatDuration(verify.first_pass_ms))),
    ...(verify.took_ms === undefined ? [] : item('watched:', formatDuration(verify.took_ms))),
  ];
}

function impactOf({ impact }: AuditRecord): readonly string[] {
  if (!impact) return [];
  const { held, longest_wait_ms: longest, failed, fell_back: fellBack, downtime_ms: down } = impact;
  const facts = [
    ...(held === undefined ? [] : [`${held} waited${longest === undefined ? '' : `, the longest ${formatDuration(longest)}`}`]),
    ...(fellBack === undefined ? [] : [`${fellBack} got our page`]),
    ...(failed === undefined ? [] : [`${failed} got an error`]),
    ...(down === undefined ? [] : [`down for ${formatDuration(down)}`]),
  ];
  return facts.length > 0 ? item('visitors:', facts.join('; ')) : [];
}

const labelWidth = 12;
const margin = ' '.repeat(10);

function sentence(text: string | undefined): readonly string[] {
  if (text === undefined || text.trim() === '') return [];
  return wrap(withStop(inSingular(plain(text).trim())), { indent: margin });
}

/** Where a count stands before a fixed word. */
function inSingular(text: string): string {
  return text.replaceAll(/\b1 ((?:failed |more )?)requests\b/g, '1 $1request');
}

/** A label of its own column, the text beside it. */
function item(label: string, text: string): readonly string[] {
  return wrap(plain(text), { indent: margin + label.padEnd(labelWidth), hang: margin + ' '.repeat(labelWidth) });
}
