/** All gateways, each with what matters of it now; those in trouble first. */
import type { AdminGateway, AdminState } from '../core/admin-api.ts';
import { formatDuration } from '../core/time.ts';
import { sparkline } from './chart.ts';
import { el, fill, keepList, setAttributes, setText } from './dom.ts';
import { formatCount, formatLatency } from './format.ts';
import { failuresByKind, rateNow, type History } from './history.ts';
import { spread } from './traffic-charts.ts';

/** More small pictures than these cost more than they tell. */
const mostSparklines = 24;

interface Card {
  readonly name: string;
  readonly gateway: AdminGateway;
}

export function createGatewayCards(): { readonly element: HTMLElement; show(state: AdminState, history: History): void } {
  const list = el('ul', { class: 'cards' });
  const element = el('section', { 'aria-labelledby': 'gateways' }, el('h2', { id: 'gateways' }, 'Gateways'), list);
  const parts = new Map<string, CardPart>();
  const keep = keepList<Card, HTMLLIElement>(list, {
    key: ({ name }) => name,
    make: ({ name }) => {
      const part = createCard(name);
      parts.set(name, part);
      return part.element;
    },
  });
  return {
    element,
    show: (state, history) => {
      const cards = Object.entries(state.gateways).map(([name, gateway]) => ({ name, gateway }));
      const ordered = cards.toSorted((a, b) => rank(a.gateway) - rank(b.gateway) || a.name.localeCompare(b.name));
      keep(ordered);
      for (const card of ordered) parts.get(card.name)?.show(card.gateway, { history, pictured: cards.length <= mostSparklines });
    },
  };
}

function rank({ gate, shedding }: AdminGateway): number {
  if (gate === 'falling_back') return 0;
  if (gate === 'holding') return 1;
  return shedding ? 2 : 3;
}

interface CardPart {
  readonly element: HTMLLIElement;
  show(gateway: AdminGateway, about: { readonly history: History; readonly pictured: boolean }): void;
}

function createCard(name: string): CardPart {
  const badge = el('p', { class: 'badge' });
  const say = el('p', { class: 'say', dir: 'auto' });
  const picture = el('div', { class: 'sparkplace' });
  const facts = el('dl', { class: 'numbers' });
  const upstream = el('p', { class: 'quiet upstream', dir: 'ltr' });
  const element = el('li', { class: 'card' }, el('h3', { dir: 'auto' }, name), badge, say, picture, facts, upstream);
  const values = new Map<string, HTMLElement>();
  const set = (label: string, text: string): void => {
    const value = values.get(label) ?? el('dd');
    if (!values.has(label)) facts.append(el('div', {}, el('dt', {}, label), value));
    values.set(label, value);
    setText(value, text);
  };
  let drawn = -1;
  return {
    element,
    show: (gateway, { history, pictured }) => {
      const buckets = history.of(name);
      const { gate, held, in_flight: inFlight, limit, latency } = gateway;
      setAttributes(element, { 'data-gate': gateway.shedding && gate === 'open' ? 'shedding' : gate });
      setText(badge, stateOf(gateway));
      setText(say, gateway.say);
      setText(upstream, gateway.upstream);
      set('Answers a second', formatCount(rateNow(buckets)));
      set('Failures in 10 min', failuresOf(failuresByKind(buckets)));
      set('Waiting', formatCount(held));
      set('In the backend', `${formatCount(inFlight)}${limit === null ? '' : ` of ${formatCount(limit)}`}`);
      set('Half answered within', formatLatency(latency?.p50_ms));
      set('19 of 20 within', formatLatency(latency?.p95_ms));
      if (gateway.no_progress_ms > 2000) set('No answer for', formatDuration(gateway.no_progress_ms));
      else if (values.has('No answer for')) set('No answer for', '–');
      if (gateway.quarantined > 0 || values.has('Not sent')) set('Not sent', `${formatCount(gateway.quarantined)} kinds of request that kill workers`);
      if (!pictured || drawn === history.now()) return;
      drawn = history.now();
      fill(picture, picturedTraffic(history, name));
    },
  };
}

function picturedTraffic(history: History, name: string): SVGSVGElement {
  const places = spread(history.of(name), history.now());
  return sparkline(
    places.map((bucket) => (bucket && bucket.seconds > 0 ? bucket.answered / bucket.seconds : 0)),
    places.map((bucket) => (bucket && bucket.seconds > 0 ? [...bucket.failed.values()].reduce((sum, count) => sum + count, 0) / bucket.seconds : 0)),
  );
}

function stateOf({ gate, held, shedding }: AdminGateway): string {
  if (gate === 'holding') return held > 0 ? `Requests wait for the repair: ${formatCount(held)}` : 'Requests wait for the repair';
  if (gate === 'falling_back') return 'Visitors get the fallback page';
  return shedding ? `Lets ${Math.round(shedding.keep * 100)} % through` : 'Open';
}

function failuresOf(kinds: readonly (readonly [kind: string, count: number])[]): string {
  if (kinds.length === 0) return 'none';
  const total = kinds.reduce((sum, [, count]) => sum + count, 0);
  const named = kinds.slice(0, 3).map(([kind, count]) => `${formatCount(count)} × ${kind.replaceAll('_', ' ')}`);
  return kinds.length === 1 ? (named[0] ?? '') : `${formatCount(total)}: ${named.join(', ')}${kinds.length > 3 ? ' …' : ''}`;
}
