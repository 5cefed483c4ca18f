/** An incident while it happens: its steps as they come, read aloud politely, and how it stands. */
import { formatDuration } from '../core/time.ts';
import { createChapters } from './chapters.ts';
import { el, keepList, setAttributes, setText } from './dom.ts';
import { formatMoment } from './format.ts';
import { isOpen, type LiveIncident } from './incidents.ts';

/** All of them, one under the other; empty while there is none. */
export function createLiveIncidents(): { readonly element: HTMLElement; show(incidents: readonly LiveIncident[], nowMs: number): void } {
  const parts = new Map<string, Part>();
  const list = el('div');
  const heading = el('h2', { id: 'live' });
  const element = el('section', { 'aria-labelledby': 'live', hidden: true }, heading, list);
  const keep = keepList<LiveIncident, HTMLElement>(list, {
    key: ({ id }) => id,
    make: (incident) => {
      const part = createPart(incident);
      parts.set(incident.id, part);
      return part.element;
    },
  });
  return {
    element,
    show: (incidents, nowMs) => {
      element.hidden = incidents.length === 0;
      setText(heading, incidents.some(isOpen) ? 'What happens now' : 'What happened just now');
      keep(incidents);
      for (const incident of incidents) parts.get(incident.id)?.show(incident, nowMs);
      for (const id of parts.keys()) if (!incidents.some((one) => one.id === id)) parts.delete(id);
    },
  };
}

interface Part {
  readonly element: HTMLElement;
  show(incident: LiveIncident, nowMs: number): void;
}

function createPart({ id, code, service }: LiveIncident): Part {
  const steps = createChapters('brief');
  const stands = el('p', { class: 'stands' });
  const heading = el(
    'h3',
    { id: `live-${id}`, dir: 'auto' },
    service,
    ' ',
    el('a', { href: `#/incident/${code}` }, code, el('span', { class: 'hidden' }, `: the story of this incident of ${service}`)),
  );
  const element = el('article', { class: 'live', 'aria-labelledby': `live-${id}` }, heading, stands, el('div', { role: 'log', 'aria-label': `Steps of ${code}` }, steps.element));
  let shown: LiveIncident | undefined;
  return {
    element,
    show: (incident, nowMs) => {
      setText(stands, howItStands(incident, nowMs));
      setAttributes(element, { 'data-ended': incident.ended });
      if (incident !== shown) steps.show(incident.records);
      shown = incident;
    },
  };
}

function howItStands({ ended, openedAtMs, endedAtMs, tookMs, cause }: LiveIncident, nowMs: number): string {
  const since = `since ${formatMoment(openedAtMs)}`;
  const took = formatDuration(tookMs ?? nowMs - openedAtMs);
  if (ended === 'recovered') return `Well again since ${formatMoment(endedAtMs ?? nowMs)}, after ${took}.`;
  if (ended === 'relapsed') return 'Broken again; another incident goes on with it.';
  if (ended === 'closed') return `Closed after ${took}.`;
  if (ended === 'gave_up') return `Waits for a person ${since}.`;
  return `${cause === undefined ? 'Being looked at' : 'Being repaired'} ${since}, for ${formatDuration(Math.max(0, Math.round((nowMs - openedAtMs) / 1000) * 1000))}.`;
}
