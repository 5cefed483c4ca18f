/**
 * What people are told of an incident, and how seldom (complaint 20: one incident is one thread). Each message is a few
 * short lines: what, why, what was done, how it stands, what is asked. The same about the same service is not told twice
 * within ten minutes, over incidents and over restarts of the healer: it is counted, and the count is told.
 */
import type { noticeNames } from '../config/policy-schema.ts';
import { incidentCode } from '../core/ids.ts';
import type { Healer, OpenCase, Ward } from './healer.ts';
import { incidentLines } from './incident-lines.ts';
import type { MessageEvent } from './notifier.ts';
import { tell } from './tell.ts';

type NoticeName = (typeof noticeNames)[number];

interface Place {
  readonly open: OpenCase;
  readonly ward: Ward;
  readonly healer: Healer;
}

interface Words {
  readonly rule?: string | undefined;
  /** How it stands, as one sentence. */
  readonly now?: string;
}

const sameAgainMs = 600_000;
const dayMs = 86_400_000;
/** Different things that are remembered of one service; the oldest is forgotten, and may be told again. */
const mostRemembered = 50;

interface Notice {
  readonly headline: string;
  readonly kind: 'begins' | 'over' | 'asks';
  readonly event: MessageEvent;
}

const notices: Readonly<Record<NoticeName | 'reminder', Notice>> = {
  started: { headline: 'a repair begins', kind: 'begins', event: 'incident.opened' },
  recovered: { headline: 'is well again', kind: 'over', event: 'incident.recovered' },
  gave_up: { headline: 'goodgateway gave up, a person is needed', kind: 'asks', event: 'incident.gave_up' },
  blocked: { headline: 'a person is needed', kind: 'asks', event: 'incident.blocked' },
  repeated: { headline: 'is healed again and again', kind: 'asks', event: 'incident.repeated' },
  reminder: { headline: 'still waits for a person', kind: 'asks', event: 'incident.reminder' },
};
/** A person has to come for it, or it comes once a day by itself: never left unsaid. */
const alwaysTold: ReadonlySet<NoticeName> = new Set(['gave_up', 'repeated']);
const asks: ReadonlySet<NoticeName> = new Set(['gave_up', 'blocked', 'repeated']);

/** Tells the policy's receivers, and those of the rule, where the policy lists this event. */
export async function notify(event: NoticeName, place: Place, words: Words = {}): Promise<void> {
  const { open, ward, healer } = place;
  if (!ward.policy.notify.events.includes(event)) return;
  if (asks.has(event)) noteAsked(place);
  const always = alwaysTold.has(event) || (event === 'recovered' && open.heard);
  const say = (held: number): Promise<void> => {
    if (asks.has(event)) open.heard = true;
    return tell(messageOf(event, place, { ...words, held }), { ...place, event: notices[event].event }, receiversOf(ward, words.rule));
  };
  if (always) await say(0);
  else await sayAgain(`${event} ${open.diagnosis?.best.cause} ${words.rule ?? ''}`, sameAgainMs, { ward, healer, say });
}

interface Paged {
  readonly rule: string;
  readonly to: readonly string[] | undefined;
  /** `notice`: in the words of `text`, for information. Default: a person is needed, and `now` says how it stands. */
  readonly notice?: boolean;
  readonly now?: string;
}

/** The actions `page` and `notify`, and what cannot be done without a person. `text`: the words of a notice. `false`: the same was told moments ago. */
export async function page(text: string, place: Place, { rule, to, notice = false, now }: Paged): Promise<boolean> {
  const { open, ward, healer } = place;
  const say = (held: number): Promise<void> => {
    open.heard = true;
    const { incident } = open;
    const lines = notice
      ? [text, `Incident ${incidentCode(incident.id)}: ${incident.symptom.text}`]
      : incidentLines(place, { headline: 'a person is needed', kind: 'asks', now: now ?? `the rule "${rule}" calls a person.`, please: { remedy: true } });
    return tell(`${lines.join('\n')}${heldText(held)}`, { ...place, event: notice ? 'incident.notice' : 'incident.page' }, to ?? receiversOf(ward, rule));
  };
  const held = await sayAgain(`page ${open.diagnosis?.best.cause} ${rule} ${to?.join(',') ?? ''}`, sameAgainMs, { ward, healer, say });
  return held !== undefined;
}

/** Tells them again that they are waited for, as often as `remind_every` says. */
export async function remind(place: Place, words: Words): Promise<void> {
  const { open, ward, healer } = place;
  const everyMs = ward.policy.notify.remind_every;
  if (everyMs === undefined || healer.clock.monotonicMs() - open.askedAtMs < everyMs) return;
  noteAsked(place);
  open.heard = true;
  await tell(messageOf('reminder', place, { ...words, held: 0 }), { ...place, event: notices.reminder.event }, receiversOf(ward, words.rule));
}

/** The policy's, and those that the rule adds. */
function receiversOf({ policy }: Ward, rule: string | undefined): readonly string[] {
  const more = policy.rules.find(({ name }) => name === rule)?.notify ?? [];
  return [...new Set([...policy.notify.to, ...more])];
}

/**
 * Whether these words may be said again: how often they were left unsaid since the last time, or `undefined` when that is
 * too short ago. Remembers the answer with the service, and only once `say` has said them: killed in between, the healer
 * says them twice rather than never.
 */
export async function sayAgain(key: string, everyMs: number, { ward, healer, say }: Pick<Place, 'ward' | 'healer'> & { readonly say?: (held: number) => Promise<void> }): Promise<number | undefined> {
  const now = healer.clock.monotonicMs();
  const known = healer.state
    .state()
    .services.get(ward.name)
    ?.notices?.find((one) => one.key === key);
  const tooSoon = known !== undefined && now - known.atMs < everyMs;
  if (!tooSoon) await say?.(known?.held ?? 0);
  const next = tooSoon ? { ...known, held: known.held + 1 } : { key, atMs: now, held: 0 };
  await healer.state.updateService(ward.name, (service) => {
    const others = (service.notices ?? []).filter((one) => one.key !== key && now - one.atMs < dayMs);
    return { ...service, notices: [...others.slice(1 - mostRemembered), next] };
  });
  return tooSoon ? undefined : (known?.held ?? 0);
}

/** A person is waited for from now on; visitors may read that somebody has been told. */
export function noteAsked({ open, healer }: Pick<Place, 'open' | 'healer'>): void {
  open.told = true;
  open.askedAtMs = healer.clock.monotonicMs();
}

function messageOf(name: keyof typeof notices, place: Place, { now, held }: Words & { readonly held: number }): string {
  const { headline, kind } = notices[name];
  const lines = incidentLines(place, { headline, kind, now, ...(kind === 'asks' ? { please: { remedy: true } as const } : {}) });
  return `${lines.join('\n')}${heldText(held)}`;
}

function heldText(held: number): string {
  return held === 0 ? '' : `\n(The same ${held === 1 ? 'once' : `${held} times`} since, which was not told.)`;
}
