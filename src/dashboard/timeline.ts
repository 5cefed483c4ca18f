/** Past incidents on an axis of time: a row for each service, a bar for each incident. The list below it has the words. */
import type { AdminIncident } from '../core/admin-api.ts';
import { el, svg } from './dom.ts';
import { formatDay, formatMoment, plural } from './format.ts';

const width = 1000;
const rowHeight = 22;
/** A bar that nobody could see says nothing. */
const narrowest = 5;
const mostRows = 12;
const dayMs = 86_400_000;

/** A picture with a sentence that says it. Services beyond a dozen share the last row. */
export function timelineOf(incidents: readonly AdminIncident[], nowMs: number): HTMLElement {
  const names = [...new Set(incidents.map(({ service }) => service ?? 'unknown'))];
  const rows = names.length > mostRows ? [...names.slice(0, mostRows - 1), 'others'] : names;
  const oldest = Math.min(nowMs - dayMs, ...incidents.map(({ openedAtMs }) => openedAtMs));
  const x = (ms: number): number => Math.round(((ms - oldest) / (nowMs - oldest)) * width * 10) / 10;
  const height = rows.length * rowHeight;
  const bars = incidents.map((one) => {
    const row = Math.max(0, rows.indexOf(one.service ?? 'unknown') < 0 ? rows.length - 1 : rows.indexOf(one.service ?? 'unknown'));
    const from = Math.min(x(one.openedAtMs), width - narrowest);
    const to = one.outcome === 'open' ? nowMs : one.openedAtMs + (one.tookMs ?? 0);
    return svg(
      'rect',
      { class: outcomeTone(one), x: from, y: row * rowHeight + 4, width: Math.max(narrowest, x(to) - from), height: rowHeight - 8 },
      svg('title', {}, `${one.service ?? 'unknown'} ${one.code}, ${formatMoment(one.openedAtMs)}`),
    );
  });
  const lines = rows.map((_, index) => `M0 ${(index + 0.5) * rowHeight}H${width}`).join('');
  const label = `${plural(incidents.length, 'incident')} of ${plural(names.length, 'service')} since ${formatMoment(oldest)}; they are listed below.`;
  const picture = svg('svg', { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': label, height }, svg('path', { class: 'grid', d: lines }), ...bars);
  const isShort = nowMs - oldest < 4 * dayMs;
  const middle = oldest + (nowMs - oldest) / 2;
  return el(
    'div',
    { class: 'timeline', dir: 'ltr' },
    el('ul', { class: 'rows', 'aria-hidden': 'true' }, ...rows.map((name) => el('li', { dir: 'auto' }, name))),
    el('div', {}, picture, el('div', { class: 'axis', 'aria-hidden': 'true' }, el('span', {}, formatDay(oldest, isShort)), el('span', {}, formatDay(middle, isShort)), el('span', {}, 'now'))),
  );
}

/** Which colour an incident has. */
export function outcomeTone({ outcome }: Pick<AdminIncident, 'outcome'>): 'good' | 'bad' | 'open' | 'plain' {
  switch (outcome) {
    case 'recovered':
      return 'good';
    case 'open':
      return 'open';
    case 'gave_up':
    case 'not_recovered':
    case 'relapsed':
      return 'bad';
    case 'closed':
    case 'unknown':
      return 'plain';
  }
}

const words = {
  open: 'open',
  recovered: 'well again',
  not_recovered: 'not well again',
  relapsed: 'broken again',
  gave_up: 'given up',
  unknown: 'nobody knows how it ended',
  closed: 'closed',
} as const;

/** How it ended, or that it did not. */
export function outcomeWords({ outcome }: Pick<AdminIncident, 'outcome'>): string {
  return words[outcome];
}
