/** All past incidents: on an axis of time, and as a list that goes back as far as the record. */
import type { AdminIncident, AdminIncidents } from '../core/admin-api.ts';
import type { View } from './app.ts';
import { ask } from './api.ts';
import { el, fill } from './dom.ts';
import { withStop } from './format.ts';
import { incidentList } from './incident-list.ts';
import { loading } from './loading.ts';
import { timelineOf } from './timeline.ts';

/** The page holds so many at most; older ones are found with `goodgateway log`. */
const mostShown = 500;

export function incidentsView(): View {
  const content = loading<AdminIncidents>('/api/incidents', (first) => [pages(first)]);
  return { title: 'Past incidents', element: el('div', {}, el('h1', {}, 'Past incidents'), content) };
}

function pages(first: AdminIncidents): HTMLElement {
  const place = el('div');
  let shown: readonly AdminIncident[] = [];
  const show = ({ incidents, more }: AdminIncidents): void => {
    shown = [...shown, ...incidents];
    const canGoOn = more && shown.length < mostShown;
    fill(
      place,
      shown.length > 0 && timelineOf(shown, Date.now()),
      incidentList(shown, 'h2'),
      canGoOn && olderButton(shown.at(-1)?.id ?? '', show),
      more && !canGoOn && el('p', { class: 'quiet' }, 'Older ones: ', el('code', {}, 'goodgateway log'), '.'),
    );
  };
  show(first);
  return place;
}

function olderButton(before: string, show: (page: AdminIncidents) => void): HTMLElement {
  const button = el('button', { type: 'button' }, 'Show older ones');
  const problem = el('p', { class: 'problem', role: 'status' });
  button.addEventListener('click', () => {
    button.disabled = true;
    void ask<AdminIncidents>(`/api/incidents?before=${encodeURIComponent(before)}`).then((answer) => {
      button.disabled = false;
      if (answer.kind === 'found') show(answer.value);
      else problem.textContent = answer.kind === 'failed' ? withStop(answer.why) : 'A token is needed: load this page again to sign in.';
    });
  });
  return el('div', {}, button, problem);
}
