/**
 * What people are told of an incident, and how seldom (complaint 20: one incident is one thread). Each message is a few
 * short lines: what, why, what was done, how it stands, what is asked. The same about the same service is not told twice
 * within ten minutes, over incidents and over restarts of the healer: it is counted, and the count is told.
 */
import type { noticeNames } from '../config/policy-schema.ts';
import { incidentCode } from '../core/ids.ts';
import type { Healer, OpenCase, Ward } from './healer.ts';
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
const longestLine = 300;

const headlines: Readonly<Record<NoticeName, string>> = {
  started: 'a repair begins',
  recovered: 'is well again',
  gave_up: 'goodgateway gave up, a person is needed',
  blocked: 'a person is needed',
  repeated: 'is healed again and again',
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
  const held = always ? 0 : await sayAgain(`${event} ${open.diagnosis?.best.cause} ${words.rule ?? ''}`, sameAgainMs, { ward, healer });
  if (held === undefined) return;
  if (asks.has(event)) open.heard = true;
  await tell(messageOf(event, place, { ...words, held }), { ward, healer }, receiversOf(ward, words.rule));
}

/** The action `page`, and whatever else tells in its own words. `false`: the same was told moments ago. */
export async function page(text: string, place: Place, { rule, to }: { readonly rule: string; readonly to: readonly string[] | undefined }): Promise<boolean> {
  const { open, ward, healer } = place;
  const held = await sayAgain(`page ${open.diagnosis?.best.cause} ${rule} ${to?.join(',') ?? ''}`, sameAgainMs, { ward, healer });
  if (held === undefined) return false;
  open.heard = true;
  await tell(`${text}${heldText(held)}`, { ward, healer }, to ?? receiversOf(ward, rule));
  return true;
}

/** Tells them again that they are waited for, as often as `remind_every` says. */
export async function remind(place: Place, words: Words): Promise<void> {
  const { open, ward, healer } = place;
  const everyMs = ward.policy.notify.remind_every;
  if (everyMs === undefined || healer.clock.monotonicMs() - open.askedAtMs < everyMs) return;
  noteAsked(place);
  open.heard = true;
  await tell(messageOf('blocked', place, { ...words, held: 0 }), { ward, healer }, receiversOf(ward, words.rule));
}

/** The policy's, and those that the rule adds. */
function receiversOf({ policy }: Ward, rule: string | undefined): readonly string[] {
  const more = policy.rules.find(({ name }) => name === rule)?.notify ?? [];
  return [...new Set([...policy.notify.to, ...more])];
}

/**
 * Whether these words may be said again: how often they were left unsaid since the last time, or `undefined` when that is
 * too short ago. Remembers the answer with the service.
 */
export async function sayAgain(key: string, everyMs: number, { ward, healer }: Pick<Place, 'ward' | 'healer'>): Promise<number | undefined> {
  const now = healer.clock.monotonicMs();
  const known = healer.state
    .state()
    .services.get(ward.name)
    ?.notices?.find((one) => one.key === key);
  const tooSoon = known !== undefined && now - known.atMs < everyMs;
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

function messageOf(event: NoticeName, { open, ward }: Place, { now, held }: Words & { readonly held: number }): string {
  const { incident, done, diagnosis } = open;
  const best = diagnosis?.best;
  const lines = [
    `${ward.name} ${headlines[event].startsWith('is ') ? '' : '- '}${headlines[event]} (incident ${incidentCode(incident.id)}): ${incident.symptom.text}`,
    best ? `Why: ${best.sentence} (${best.cause}, ${best.confidence})` : '',
    done.length > 0 ? `Done: ${done.join(', ')}.` : event === 'started' ? '' : 'Done: nothing by goodgateway.',
    now ? `Now: ${now}` : '',
    asks.has(event) && best ? `Please: ${best.remedy}` : '',
  ];
  // what a backend answered may be quoted in them, and must not pass for a line of ours
  const plain = lines.map((line) => line.replaceAll(/\p{Cc}+/gu, ' ').trim()).filter((line) => line !== '');
  const short = plain.map((line) => (line.length > longestLine ? `${line.slice(0, longestLine - 1)}…` : line));
  return `${short.join('\n')}${heldText(held)}`;
}

function heldText(held: number): string {
  return held === 0 ? '' : ` (the same ${held === 1 ? 'once' : `${held} times`} since, which was not told)`;
}
