/** Past incidents as a list, newest first: when, what, what was done, how it ended. */
import type { AdminIncident } from '../core/admin-api.ts';
import { whatWasDone } from '../core/deeds.ts';
import { formatDuration } from '../core/time.ts';
import { el } from './dom.ts';
import { moment } from './moment.ts';
import { outcomeTone, outcomeWords } from './timeline.ts';

/** `level`: of the list's own headings, which are the incidents. */
export function incidentList(incidents: readonly AdminIncident[], level: 'h2' | 'h3'): HTMLElement {
  if (incidents.length === 0) return el('p', { class: 'quiet' }, 'None is on record.');
  return el('ol', { class: 'incidents' }, ...incidents.map((one) => itemOf(one, level)));
}

function itemOf(incident: AdminIncident, level: 'h2' | 'h3'): HTMLLIElement {
  const { code, service, openedAtMs, cause, tookMs } = incident;
  const took = tookMs === undefined ? '' : `, after ${formatDuration(tookMs)}`;
  return el(
    'li',
    { class: outcomeTone(incident) },
    el('p', { class: 'at' }, moment(openedAtMs)),
    el(level, {}, el('a', { href: `#/incident/${code}` }, el('bdi', {}, service ?? 'an unknown service'), ` ${code}`)),
    el('p', { class: 'ended' }, `${outcomeWords(incident)}${took}`),
    el('p', { class: 'quiet' }, `Cause: ${cause ?? 'not found yet'}. Done: ${whatWasDone(incident)}.`),
  );
}
