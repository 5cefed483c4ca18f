/**
 * The records of one incident as what a tired person understands: in order, each with its distance from the beginning.
 * It leaves out nothing that was decided; what repeats itself is said once, with a count, and gates that passed are only
 * counted. Plain text, whatever the records hold: the terminal and the dashboard make their own form of it.
 */
import type { AdminRecord } from './admin-api.ts';
import { shellQuoted } from './command-word.ts';
import type { ActionName } from './decision.ts';
import { collapse } from './deeds.ts';
import { acted, headingOf, isRepair, toAct } from './story-words.ts';
import { formatDuration } from './time.ts';

/** One record in words. */
export interface Told {
  readonly heading: string;
  readonly sentence?: string | undefined;
  readonly items: readonly ToldItem[];
}

/** A label and what it is about: `seen by:`, `traffic (connection_refused, 3 times)`. */
export interface ToldItem {
  readonly label: string;
  readonly text: string;
  /** It stood in the way of an action. */
  readonly refuses?: true;
}

export interface Chapter {
  /** Since the first record. */
  readonly afterMs: number;
  readonly told: Told;
  /** The records that say the same, one after the other; at least one. */
  readonly records: readonly AdminRecord[];
}

export interface Telling {
  /** Gates that passed one by one, instead of their number. */
  readonly all: boolean;
  /** How a moment is said to whoever reads it. */
  readonly when: (wallMs: number) => string;
  /** Records of the incident are missing here: what is not among the others may have been done all the same. */
  readonly isPartial?: boolean;
}

/** One chapter for each record, equal neighbours joined. */
export function tellStory(records: readonly AdminRecord[], telling: Telling): readonly Chapter[] {
  const chapters: { afterMs: number; told: Told; records: AdminRecord[] }[] = [];
  const startMs = Date.parse(records[0]?.ts ?? '');
  for (const record of records) {
    const told = tellRecord(record, { ...telling, records });
    const before = chapters.at(-1);
    if (before && JSON.stringify(before.told) === JSON.stringify(told)) before.records.push(record);
    else chapters.push({ afterMs: Math.max(0, Date.parse(record.ts) - startMs), told, records: [record] });
  }
  return chapters;
}

type Context = Telling & { readonly records: readonly AdminRecord[] };

function tellRecord(record: AdminRecord, context: Context): Told {
  return {
    heading: headingOf(record),
    sentence: record.event === 'incident.recovered' ? howItEnded(record, context) : textOf(record),
    items: [
      ...symptomOf(record),
      ...evidenceOf(record),
      ...signalsOf(record),
      ...(record.changes ?? []).map((text) => ({ label: 'before it:', text })),
      ...(record.remedy === undefined ? [] : [{ label: 'what helps:', text: record.remedy }]),
      ...(record.avoid ?? []).map((text) => ({ label: 'avoid:', text })),
      ...ruleOf(record),
      ...gatesOf(record, context),
      ...(record.argv === undefined ? [] : [{ label: 'command:', text: `${record.argv.map(shellQuoted).join(' ')}${record.as === undefined ? '' : ` (as ${record.as})`}` }]),
      ...outcomeOf(record),
      ...checksOf(record),
      ...impactOf(record),
    ],
  };
}

function symptomOf({ symptom }: AdminRecord): readonly ToldItem[] {
  if (!symptom) return [];
  const where = symptom.gateway === undefined ? '' : `, gateway ${symptom.gateway}`;
  return [{ label: 'seen by:', text: `${symptom.seen_by} (${symptom.kind}, ${symptom.count === 1 ? 'once' : `${symptom.count} times`}${where})` }];
}

/** The record's sentence, where no other field says the same. */
function textOf({ event, text, symptom, outcome, rule }: AdminRecord): string | undefined {
  if (event === 'action.intent' && rule !== undefined) return undefined;
  const chosen = text !== undefined && text === outcome?.detail ? undefined : (text ?? symptom?.text);
  return chosen && inSingular(chosen);
}

/** Where a count stands before a fixed word. */
function inSingular(text: string): string {
  return text.replaceAll(/\b1 ((?:failed |more )?)requests\b/g, '1 $1request');
}

/**
 * What was done, and what came of it. The record's own sentence says the fault in the present tense, as if it lasted,
 * and calls a step done that may have failed.
 */
function howItEnded({ service, seq }: AdminRecord, { records, isPartial = false }: Context): string {
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
    ...(done === undefined && unknown === undefined && !quarantined
      ? [isPartial ? 'Whether goodgateway repaired it cannot be said: not all of its records are told here.' : 'It came back without a repair by goodgateway.']
      : []),
    ...(ended.some(({ action }) => action === 'page' || action === 'notify') ? ['Somebody was told.'] : []),
  ].join(' ');
}

function evidenceOf({ evidence = [] }: AdminRecord): readonly ToldItem[] {
  return evidence.map(({ collector, status, text }) => ({ label: status === 'seen' ? 'saw:' : 'not seen:', text: `${text} [${collector}]` }));
}

function signalsOf({ signals = [] }: AdminRecord): readonly ToldItem[] {
  const labels = { for: 'for it:', against: 'against:' } as const;
  return signals.map(({ speaks, value, source }) => ({ label: labels[speaks], text: source === 'diagnosis' ? value : `${value} [${source}]` }));
}

/** The outcome belongs to the intent before it, which has named the rule. */
function ruleOf(record: AdminRecord): readonly ToldItem[] {
  if (record.rule === undefined || record.event === 'action.finished' || record.event === 'action.unknown') return [];
  return [{ label: 'rule:', text: `"${record.rule}"${stepOf(record)}` }];
}

function stepOf({ attempt, rung, limits }: AdminRecord): string {
  const parts = [...(rung === undefined ? [] : [`step ${rung + 1}`]), ...(attempt === undefined ? [] : [`attempt ${attempt}`]), ...(limits ? [`at most ${formatDuration(limits.timeout_ms)}`] : [])];
  return parts.length > 0 ? `, ${parts.join(', ')}` : '';
}

function gatesOf({ gates = [] }: AdminRecord, { all, when }: Telling): readonly ToldItem[] {
  const words = { pass: 'passed', refuse: 'refused', not_evaluated: 'not asked' } as const;
  const passed = all ? 0 : gates.filter(({ verdict }) => verdict === 'pass').length;
  const items = gates
    .filter(({ verdict }) => all || verdict !== 'pass')
    .map(({ gate, verdict, reason, allowed_at: at }): ToldItem => {
      const until = at === undefined ? '' : `; allowed at ${when(Date.parse(at))}`;
      return { label: 'gate:', text: `${gate} ${words[verdict]}: ${reason}${until}`, ...(verdict === 'refuse' && { refuses: true as const }) };
    });
  return passed > 0 ? [...items, { label: 'gates:', text: passed === 1 ? '1 gate passed' : `${passed} gates passed` }] : items;
}

function outcomeOf({ event, outcome }: AdminRecord): readonly ToldItem[] {
  if (!outcome || !event.startsWith('action.')) return [];
  const facts = [
    ...(outcome.exit === undefined ? [] : [`exit status ${outcome.exit}`]),
    ...(outcome.signal === undefined ? [] : [`ended by ${outcome.signal}`]),
    ...(outcome.duration_ms === undefined ? [] : [`took ${formatDuration(outcome.duration_ms)}`]),
  ];
  const printed = (outcome.output ?? '').split('\n').filter((line) => line.trim() !== '');
  return [{ label: 'result:', text: [outcome.detail ?? outcome.result, ...facts].join('; ') }, ...printed.map((text) => ({ label: 'printed:', text }))];
}

function checksOf({ verify }: AdminRecord): readonly ToldItem[] {
  if (!verify) return [];
  const labels = { pass: 'passed:', fail: 'failed:', skipped: 'skipped:' } as const;
  return [
    ...verify.checks.map(({ check, verdict, text }) => ({ label: labels[verdict], text: `${check}: ${text}` })),
    ...(verify.first_pass_ms === undefined ? [] : [{ label: 'well after:', text: formatDuration(verify.first_pass_ms) }]),
    ...(verify.took_ms === undefined ? [] : [{ label: 'watched:', text: formatDuration(verify.took_ms) }]),
  ];
}

function impactOf({ impact }: AdminRecord): readonly ToldItem[] {
  if (!impact) return [];
  const { held, longest_wait_ms: longest, failed, fell_back: fellBack, downtime_ms: down } = impact;
  const facts = [
    ...(held === undefined ? [] : [`${held} waited${longest === undefined ? '' : `, the longest ${formatDuration(longest)}`}`]),
    ...(fellBack === undefined ? [] : [`${fellBack} got our page`]),
    ...(failed === undefined ? [] : [`${failed} got an error`]),
    ...(down === undefined ? [] : [`down for ${formatDuration(down)}`]),
  ];
  return facts.length > 0 ? [{ label: 'visitors:', text: facts.join('; ') }] : [];
}
