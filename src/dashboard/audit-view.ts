/** Is the record whole, and where does it end? */
import type { AdminAudit } from '../core/admin-api.ts';
import type { View } from './app.ts';
import { el } from './dom.ts';
import { formatCount, withStop } from './format.ts';
import { loading } from './loading.ts';
import { moment } from './moment.ts';

const sentences = {
  whole: 'The record is whole.',
  broken: 'The record does not fit together.',
  not_writable: 'The record cannot be written.',
  checking: 'The record is being checked.',
} as const;

export function auditView(): View {
  return { title: 'Audit log', element: el('div', {}, el('h1', {}, 'The audit log'), loading<AdminAudit>('/api/audit', contentOf)) };
}

function contentOf({ state, text, records, last, checked_at: at, checkpoint }: AdminAudit): readonly HTMLElement[] {
  const fact = (label: string, value: Node | string): HTMLElement => el('div', {}, el('dt', {}, label), el('dd', { dir: 'ltr' }, value));
  return [
    el('p', { class: `verdict ${state}` }, sentences[state]),
    el('p', { dir: 'auto' }, withStop(text)),
    el(
      'dl',
      { class: 'facts' },
      fact('Records', formatCount(records)),
      ...(last ? [fact('Last record', formatCount(last.seq)), fact('Its hash', el('code', {}, last.hash))] : []),
      fact('Told outside the log', checkpoint ? `up to record ${formatCount(checkpoint.seq)}` : 'not yet'),
      ...(at === null ? [] : [fact('Checked', moment(Date.parse(at)))]),
    ),
    el(
      'p',
      { class: 'quiet' },
      'Whoever can change the file can change all of it. A hash that is kept elsewhere proves that nothing before it was changed: write this one down, and compare with ',
      el('code', {}, last ? `goodgateway audit verify --checkpoint ${last.seq}:${last.hash.slice(0, 16)}` : 'goodgateway audit verify'),
      '.',
    ),
  ];
}
