/** What `goodgateway doctor` found when it ran last. */
import type { AdminDoctor, AdminFinding } from '../core/admin-api.ts';
import type { View } from './app.ts';
import { el } from './dom.ts';
import { withStop } from './format.ts';
import { loading } from './loading.ts';
import { moment } from './moment.ts';

const groups = [
  ['serious', 'Serious: it hurts already, or with the next restart'],
  ['warning', 'Warnings: it will hurt under load or in an outage'],
  ['info', 'Good to know'],
] as const;

export function doctorView(): View {
  return { title: 'Doctor', element: el('div', {}, el('h1', {}, 'What will hurt, before it does'), loading<AdminDoctor>('/api/doctor', contentOf)) };
}

function contentOf({ checked_at: at, findings }: AdminDoctor): readonly HTMLElement[] {
  if (at === null) return [el('p', {}, 'It has not been looked for yet. Run ', el('code', {}, 'goodgateway doctor'), ' on this host, best once a month by a timer.')];
  const lists = groups.map(([severity, heading]) => ({ heading, some: findings.filter((one) => one.severity === severity) })).filter(({ some }) => some.length > 0);
  return [
    el('p', {}, findings.length === 0 ? 'Nothing was found. Last run: ' : 'Last run: ', moment(Date.parse(at)), '.'),
    ...lists.map(({ heading, some }) => el('section', {}, el('h2', {}, `${heading} (${some.length})`), el('ul', { class: 'findings' }, ...some.map(findingOf)))),
    ...(findings.some(({ what }) => what === undefined) ? [el('p', { class: 'quiet' }, 'What each means and how it is changed: ', el('code', {}, 'goodgateway doctor'), '.')] : []),
  ];
}

function findingOf({ id, subject, severity, what, why, change }: AdminFinding): HTMLElement {
  return el(
    'li',
    { class: `finding ${severity}` },
    el('h3', { dir: 'auto' }, subject, ' ', el('span', { class: 'quiet' }, id)),
    what !== undefined && el('p', { dir: 'auto' }, withStop(what)),
    why !== undefined && el('p', { dir: 'auto' }, el('strong', {}, 'Why: '), withStop(why)),
    change !== undefined && el('p', { dir: 'auto' }, el('strong', {}, 'Change: '), change),
  );
}
