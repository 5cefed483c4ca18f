/** The services behind the gateways: how each is, what goodgateway may do to it, and what holds it back. */
import type { AdminService, AdminServices } from '../core/admin-api.ts';
import { formatDuration } from '../core/time.ts';
import { el, fill } from './dom.ts';
import { formatMoment, plural, withStop } from './format.ts';
import { moment } from './moment.ts';

/** Made anew when the healer has said something new. */
export function createServiceList(): { readonly element: HTMLElement; show(services: AdminServices | undefined, healer: 'connected' | 'away' | undefined): void } {
  const place = el('div');
  const element = el('section', { 'aria-labelledby': 'services' }, el('h2', { id: 'services' }, 'Services'), place);
  let shown: unknown;
  return {
    element,
    show: (services, healer) => {
      const now = healer === 'away' ? 'away' : services;
      if (now === shown && place.childNodes.length > 0) return;
      shown = now;
      if (healer === 'away') return fill(place, el('p', { class: 'problem' }, 'The healer is away, so nothing is known about the services.'));
      if (!services) return fill(place, el('p', { class: 'quiet' }, 'One moment …'));
      fill(place, el('ul', { class: 'services' }, ...services.services.map(serviceOf)), budgetOf(services));
    },
  };
}

const modes = { act: 'goodgateway repairs it by itself', approve: 'goodgateway asks a person before it acts', observe: 'goodgateway only observes' } as const;

function serviceOf(service: AdminService): HTMLElement {
  const { name, state, text, mode, attempts, off, paused, gave_up: gaveUp, gave_up_since: since, questions, quarantined, incident } = service;
  return el(
    'li',
    { class: 'service', 'data-trouble': incident !== null },
    el('h3', { dir: 'auto' }, name, ' ', el('span', { class: 'state' }, state.replaceAll('_', ' '))),
    el('p', { dir: 'auto' }, withStop(text)),
    el('p', { class: 'quiet' }, `${withStop(modes[mode])} ${attempts.used} of ${plural(attempts.of, 'attempt')} used within ${formatDuration(attempts.within_ms)}.`),
    incident &&
      el(
        'p',
        {},
        'Incident ',
        el('a', { href: `#/incident/${incident.code}` }, incident.code),
        ' since ',
        moment(Date.parse(incident.opened_at)),
        el('span', { dir: 'auto' }, `: ${withStop(incident.sentence ?? incident.symptom)}`),
      ),
    gaveUp !== null &&
      el(
        'p',
        { class: 'problem', dir: 'auto' },
        `Given up${since === null ? '' : ` since ${formatMoment(Date.parse(since))}`}: ${withStop(gaveUp)} To let goodgateway try again: `,
        el('code', {}, `goodgateway ack ${name}`),
      ),
    off && el('p', { class: 'problem', dir: 'auto' }, `Switched off ${formatMoment(Date.parse(off.since))} by ${off.by}: ${withStop(off.reason)}`),
    paused && el('p', { class: 'problem', dir: 'auto' }, `Paused until ${formatMoment(Date.parse(paused.until))}: ${withStop(paused.reason)}`),
    questions.map(({ code, action, rule, until }) =>
      el(
        'p',
        { class: 'problem', dir: 'auto' },
        `Asks a person: ${action.replaceAll('_', ' ')} by the rule “${rule}”, until ${formatMoment(Date.parse(until))}. `,
        el('code', {}, `goodgateway approve ${code}`),
        ' or ',
        el('code', {}, `goodgateway deny ${code}`),
      ),
    ),
    quarantined.map(({ request, code, until }) =>
      el('p', { class: 'quiet', dir: 'auto' }, `Not sent until ${formatMoment(Date.parse(until))}: ${request}, which ended its workers; `, el('a', { href: `#/incident/${code}` }, code)),
    ),
  );
}

function budgetOf({ healing, budget, off, paused, breaker }: AdminServices): readonly HTMLElement[] {
  const { disruptive, starts, within_ms: within } = budget;
  const use = `Used on this host within ${formatDuration(within)}: ${disruptive.used} of ${plural(disruptive.of, 'disruptive action')}, ${starts.used} of ${plural(starts.of, 'start')}.`;
  return [
    ...(off ? [el('p', { class: 'problem', dir: 'auto' }, `Healing was switched off ${formatMoment(Date.parse(off.since))} by ${off.by}: ${withStop(off.reason)}`)] : []),
    ...(healing === 'off' && !off ? [el('p', { class: 'problem' }, 'Healing is switched off in the configuration.')] : []),
    ...(paused ? [el('p', { class: 'problem', dir: 'auto' }, `Healing is paused until ${formatMoment(Date.parse(paused.until))}: ${withStop(paused.reason)}`)] : []),
    ...(breaker ? [el('p', { class: 'problem', dir: 'auto' }, `The circuit breaker is open since ${formatMoment(Date.parse(breaker.since))}: ${withStop(breaker.reason)}`)] : []),
    el('p', { class: 'quiet' }, use),
  ];
}
