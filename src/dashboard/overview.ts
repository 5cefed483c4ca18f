/** What is now: incidents that are open, the gateways, their last ten minutes, the services, and what was lately. */
import type { App, View } from './app.ts';
import { el, fill } from './dom.ts';
import { createGatewayCards } from './gateway-cards.ts';
import { incidentList } from './incident-list.ts';
import { worthShowing } from './incidents.ts';
import { createLiveIncidents } from './live-incident.ts';
import { createServiceList } from './service-list.ts';
import { timelineOf } from './timeline.ts';
import { createTrafficCharts } from './traffic-charts.ts';

const mostPast = 5;

export function overview(): View {
  const live = createLiveIncidents();
  const cards = createGatewayCards();
  const charts = createTrafficCharts();
  const services = createServiceList();
  const past = createPast();
  const element = el('div', { class: 'overview' }, el('h1', { class: 'hidden' }, 'How it is now'), live.element, cards.element, charts.element, services.element, past.element);
  return {
    title: '',
    element,
    update: (app) => {
      const { state, history } = app;
      live.show(worthShowing(app.incidents, Date.now()), Date.now());
      services.show(app.services, state?.healer);
      past.show(app);
      if (!state) return;
      cards.show(state, history);
      charts.draw(history, Object.keys(state.gateways));
    },
  };
}

function createPast(): { readonly element: HTMLElement; show(app: App): void } {
  const place = el('div', {}, el('p', { class: 'quiet' }, 'One moment …'));
  const element = el('section', { 'aria-labelledby': 'past' }, el('h2', { id: 'past' }, 'Past incidents'), place);
  let shown: App['past'];
  return {
    element,
    show: ({ past, state }) => {
      if (past === undefined && state?.healer === 'away') fill(place, el('p', { class: 'problem' }, 'The healer is away; in a terminal: ', el('code', {}, 'goodgateway log')));
      if (past === undefined || past === shown) return;
      shown = past;
      const all = past.length > mostPast && el('p', {}, el('a', { href: '#/incidents' }, 'All past incidents'));
      fill(place, past.length > 0 && timelineOf(past, Date.now()), incidentList(past.slice(0, mostPast), 'h3'), all);
    },
  };
}
