/** A record in words, as `goodgateway why` says it, with the raw record to be opened under it. */
import type { AdminRecord } from '../core/admin-api.ts';
import { tellStory, type Chapter, type ToldItem } from '../core/tell-record.ts';
import { formatDuration } from '../core/time.ts';
import { el, keepList } from './dom.ts';
import { formatClock, formatMoment, withStop } from './format.ts';
import { moment } from './moment.ts';

export type Detail = 'brief' | 'whole';

/** What is worth its place while it happens; the story has the rest. */
const briefLabels: ReadonlySet<string> = new Set(['rule:', 'result:', 'failed:', 'visitors:']);

/** A list of chapters that grows with the records; what was opened in it stays open. */
export function createChapters(detail: Detail): { readonly element: HTMLOListElement; show(records: readonly AdminRecord[], isPartial?: boolean): void } {
  const element = el('ol', { class: `chapters ${detail}` });
  const keep = keepList<Chapter, HTMLLIElement>(element, {
    // neighbours that say the same are one chapter, whose last record changes
    key: ({ records }) => `${records[0]?.seq}-${records.length}`,
    make: (chapter) => chapterOf(chapter, detail),
  });
  return { element, show: (records, isPartial = false) => keep(tellStory(records, { all: false, when: formatMoment, isPartial })) };
}

function chapterOf({ afterMs, told, records }: Chapter, detail: Detail): HTMLLIElement {
  const [first] = records;
  const items = told.items.filter((item) => (detail === 'whole' ? item.label !== 'gates:' : item.refuses === true || briefLabels.has(item.label)));
  const repeated = records.length > 1 ? el('span', { class: 'quiet' }, ` ${records.length} times the same`) : undefined;
  const atMs = Date.parse(first?.ts ?? '');
  return el(
    'li',
    { class: `chapter ${toneOf(first)}` },
    el('p', { class: 'at' }, moment(atMs, formatClock(atMs)), el('span', { class: 'after' }, ` +${formatDuration(afterMs)}`)),
    el(
      'div',
      { class: 'what' },
      el(detail === 'whole' ? 'h2' : 'h4', { dir: 'auto' }, told.heading, repeated),
      told.sentence !== undefined && told.sentence.trim() !== '' && el('p', { dir: 'auto' }, withStop(told.sentence)),
      items.length > 0 && el('dl', { class: 'facts' }, items.map(factOf)),
      detail === 'whole' && passedGates(records),
      detail === 'whole' && rawRecords(records),
    ),
  );
}

function factOf({ label, text, refuses }: ToldItem): HTMLElement {
  return el('div', { class: refuses ? 'refuses' : undefined }, el('dt', {}, label), el('dd', { dir: 'auto' }, text));
}

function passedGates(records: readonly AdminRecord[]): HTMLElement | undefined {
  const passed = (records[0]?.gates ?? []).filter(({ verdict }) => verdict === 'pass');
  if (passed.length === 0) return undefined;
  const list = el('ul', {}, ...passed.map(({ gate, reason }) => el('li', { dir: 'auto' }, el('strong', {}, gate.replaceAll('_', ' ')), `: ${reason}`)));
  return el('details', {}, el('summary', {}, passed.length === 1 ? 'The gate that passed' : `The ${passed.length} gates that passed`), list);
}

function rawRecords(records: readonly AdminRecord[]): readonly HTMLElement[] {
  return records.slice(0, 5).map((record) => {
    const text = el('pre', { tabindex: 0, dir: 'ltr', role: 'region', 'aria-label': `Record ${record.seq} as JSON` });
    const details = el('details', { class: 'raw' }, el('summary', {}, `Record ${record.seq}`), text);
    // written out only when somebody wants to see it: a long story has hundreds
    details.addEventListener('toggle', () => {
      if (text.textContent === '') text.textContent = JSON.stringify(record, undefined, 2);
    });
    return details;
  });
}

function toneOf(record: AdminRecord | undefined): string {
  switch (record?.event) {
    case 'incident.recovered':
    case 'verify.passed':
      return 'good';
    case 'action.refused':
    case 'incident.gave_up':
    case 'verify.failed':
    case 'incident.relapsed':
      return 'bad';
    case 'action.finished':
    case 'action.unknown':
      return record.outcome?.result === 'done' ? 'acted' : 'bad';
    case 'action.intent':
    case 'action.started':
      return 'acted';
    default:
      return 'plain';
  }
}
