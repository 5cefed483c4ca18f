/**
 * The dashboard's beginning: hears what happens, keeps what is known, and shows it. It only reads; what a person may say
 * to goodgateway is said in a terminal.
 */
import type { AdminIncidents, AdminRecord, AdminServices, AdminState, AdminStory } from '../core/admin-api.ts';
import { ask } from './api.ts';
import type { App } from './app.ts';
import { hear } from './connection.ts';
import { createHistory } from './history.ts';
import { takeRecord, takeStory } from './incidents.ts';
import { createPage } from './page.ts';

/** How the services are is asked for again at least so often, and soon after each record. */
const servicesEveryMs = 15_000;
const afterRecordMs = 400;
/** Of one round of questions. */
const mostStories = 10;

let app: App = { state: undefined, services: undefined, incidents: [], past: undefined, history: createHistory(), lostSinceMs: undefined, lostWhy: undefined };
const page = createPage(() => app);
let heardAtMs = Date.now();
let timer: ReturnType<typeof setTimeout> | undefined;
let dueMs = Infinity;
let asking = false;
/** What was opened later was heard whole. */
let connectedAtMs = 0;
/** By incident: in which connection its story was asked for. */
const askedFor = new Map<string, number>();

function learn(news: Partial<App>): void {
  app = { ...app, ...news };
  page.show();
}

hear({ state: takeState, record: takeNews, connected: askForAll, lost, signIn: (again) => page.signIn(again) });

function takeState(state: AdminState): void {
  heardAtMs = Date.now();
  app.history.take(state);
  const cameOrWent = state.healer !== app.state?.healer;
  learn({ state, lostSinceMs: undefined, lostWhy: undefined, ...(state.healer === 'away' && { services: undefined }) });
  if (cameOrWent && state.healer === 'connected') askForAll();
}

function takeNews(record: AdminRecord): void {
  learn({ incidents: takeRecord(app.incidents, record) });
  askWithin(afterRecordMs);
}

function lost(why?: string): void {
  if (app.lostSinceMs === undefined || why !== app.lostWhy) learn({ lostSinceMs: heardAtMs, lostWhy: why });
}

/** After the beginning, and whenever records may have been missed. */
function askForAll(): void {
  connectedAtMs = Date.now();
  askWithin(0);
}

/** One round of questions at a time, however many records come; the earliest wish counts. */
function askWithin(ms: number): void {
  const wishMs = performance.now() + ms;
  if (wishMs >= dueMs) return;
  dueMs = wishMs;
  clearTimeout(timer);
  if (!asking) timer = setTimeout(() => void askNow(), ms);
}

async function askNow(): Promise<void> {
  asking = true;
  dueMs = Infinity;
  await askAgain();
  asking = false;
  const waitMs = Math.max(0, Math.min(servicesEveryMs, dueMs - performance.now()));
  dueMs = Infinity;
  askWithin(waitMs);
}

async function askAgain(): Promise<void> {
  if (app.state?.healer !== 'connected' || (document.hidden && app.services)) return;
  const services = await ask<AdminServices>('/api/services');
  if (services.kind === 'found') learn({ services: services.value });
  const past = await ask<AdminIncidents>('/api/incidents');
  if (past.kind === 'found') learn({ past: past.value.incidents });
  await fillGaps();
}

/** Stories of what is open, or was when we last heard of it: records of before this page was opened, or of while the connection was lost. */
async function fillGaps(): Promise<void> {
  const open = (app.services?.services ?? []).flatMap(({ incident }) => (incident ? [incident.id] : []));
  const unfinished = app.incidents.filter(({ endedAtMs }) => endedAtMs === undefined).map(({ id }) => id);
  for (const id of [...new Set([...open, ...unfinished])].slice(0, mostStories)) {
    const known = app.incidents.find((one) => one.id === id);
    const isWhole = known?.records[0]?.event === 'incident.opened' && connectedAtMs < known.openedAtMs;
    if (isWhole || askedFor.get(id) === connectedAtMs) continue;
    const story = await ask<AdminStory>(`/api/incidents/${id}`);
    if (story.kind !== 'found') continue;
    askedFor.set(id, connectedAtMs);
    learn({ incidents: takeStory(app.incidents, story.value) });
  }
}
