/** One incident as a story: what was seen, what it meant, by which rule and through which gates, what was done, whether it helped. */
import type { AdminRecord, AdminStory } from '../core/admin-api.ts';
import { incidentCode } from '../core/ids.ts';
import { formatDuration } from '../core/time.ts';
import type { App, View } from './app.ts';
import { createChapters } from './chapters.ts';
import { el, fill } from './dom.ts';
import { formatMoment, plural, withStop } from './format.ts';
import { takeStory, type LiveIncident } from './incidents.ts';
import { loading } from './loading.ts';
import { moment } from './moment.ts';

/** `code`: as it stands in the address, or an incident's whole id. */
export function storyView(code: string): View {
  let told: ReturnType<typeof tellIncident> | undefined;
  const content = loading<AdminStory>(`/api/incidents/${encodeURIComponent(code)}`, (story) => {
    told = tellIncident(story);
    return [told.element];
  });
  return { title: `Incident ${code}`, element: el('div', {}, el('h1', {}, `Incident ${code}`), content), update: (app) => told?.update(app) };
}

function tellIncident(story: AdminStory): { readonly element: HTMLElement; update(app: App): void } {
  const summary = el('div', { class: 'summary' });
  const chapters = createChapters('whole');
  const left = story.leftOut > 0 ? el('p', { class: 'quiet' }, `${plural(story.leftOut, 'older record')} of it are not shown: goodgateway why ${incidentCode(story.id)}`) : undefined;
  const strange =
    story.notUnderstood > 0
      ? el(
          'p',
          {},
          `${plural(story.notUnderstood, 'record')} of it ${story.notUnderstood === 1 ? 'is' : 'are'} of a later version of goodgateway and not shown: more may have been done than this says.`,
        )
      : undefined;
  let { records } = story;
  const show = (): void => {
    const [incident] = takeStory([], { ...story, records });
    if (incident) fill(summary, ...summaryOf(incident));
    chapters.show(records, story.leftOut + story.notUnderstood > 0);
  };
  show();
  return {
    element: el('div', {}, summary, left, strange, chapters.element),
    update: ({ incidents }) => {
      const fresh = newer(incidents.find(({ id }) => id === story.id)?.records ?? [], records);
      if (fresh.length === 0) return;
      records = [...records, ...fresh];
      show();
    },
  };
}

function newer(live: readonly AdminRecord[], shown: readonly AdminRecord[]): readonly AdminRecord[] {
  const last = shown.at(-1)?.seq ?? 0;
  return live.filter(({ seq }) => seq > last);
}

function summaryOf({ service, openedAtMs, tookMs, ended, cause, records }: LiveIncident): readonly HTMLElement[] {
  const remedy = ended === 'recovered' ? undefined : records.findLast((record) => record.remedy !== undefined)?.remedy;
  const words = {
    open: 'It is still open.',
    gave_up: 'goodgateway gave up; it waits for a person.',
    recovered: 'It is well again',
    relapsed: 'It seemed to be well and broke again; another incident goes on with it.',
    closed: 'It was closed',
  } as const;
  const after = tookMs === undefined || ended === 'gave_up' || ended === 'relapsed' ? '' : `, after ${formatDuration(tookMs)}.`;
  return [
    el('p', { class: 'about' }, el('bdi', {}, service), ', ', moment(openedAtMs, formatMoment(openedAtMs))),
    ...(cause === undefined ? [] : [el('p', { class: 'cause', dir: 'auto' }, withStop(cause))]),
    el('p', { class: `result ${ended}` }, `${words[ended]}${after}`),
    ...(remedy === undefined ? [] : [el('p', { dir: 'auto' }, el('strong', {}, 'What helps: '), withStop(remedy))]),
  ];
}
