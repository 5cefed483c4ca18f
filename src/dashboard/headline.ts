/**
 * The one sentence at the top: is something wrong, what is being done, must the reader act? Worst first. Pure.
 */
import type { AdminGateway, AdminService, AdminServices, AdminState } from '../core/admin-api.ts';
import { toAct } from '../core/story-words.ts';
import { formatDuration } from '../core/time.ts';
import { formatMoment, plural, withStop } from './format.ts';
import { isOpen, type LiveIncident } from './incidents.ts';

/** `person`: somebody must act. `repair`: goodgateway is at work. `notice`: all runs, but less is done than could be. */
export type Level = 'good' | 'notice' | 'repair' | 'person' | 'unknown';

export interface Headline {
  readonly level: Level;
  readonly sentence: string;
  /** What is known about it; each a sentence. */
  readonly more: readonly string[];
  /** Whether the reader must act, and how. */
  readonly you: string;
}

export interface Known {
  readonly state: AdminState | undefined;
  readonly services: AdminServices | undefined;
  readonly incidents: readonly LiveIncident[];
  /** Wall time since which nothing was heard; `undefined` while connected. */
  readonly lostSinceMs: number | undefined;
  readonly lostWhy: string | undefined;
}

/** Something that is wrong, and whose turn it is. */
interface Trouble {
  readonly name: string;
  readonly cause: string | undefined;
  /** Why a person must act; `undefined` while goodgateway repairs it. */
  readonly person: string | undefined;
}

export function headlineOf(known: Known): Headline {
  const { state, services, lostSinceMs, lostWhy } = known;
  if (!state && lostSinceMs === undefined) return { level: 'unknown', sentence: 'Asking goodgateway how everything is …', more: [], you: '' };
  const why = lostWhy === undefined ? [] : [withStop(lostWhy)];
  if (!state) return { level: 'unknown', sentence: 'goodgateway says nothing to this page.', more: why, you: tryingAgain };
  if (lostSinceMs !== undefined)
    return { level: 'unknown', sentence: `No word from goodgateway since ${formatMoment(lostSinceMs)}.`, more: [...why, 'What stands below is what was known then.'], you: tryingAgain };
  const troubles = troublesOf(known);
  if (troubles.length > 0) return headlineOfTrouble(troubles);
  const notices = noticesOf(state, services);
  const [first] = notices;
  if (first) return { level: 'notice', sentence: first.sentence, more: [...first.more, ...notices.slice(1).map(({ sentence }) => sentence)], you: notices.map(({ you }) => you).join(' ') };
  return { level: 'good', sentence: 'All is well.', more: lately(known), you: 'There is nothing for you to do.' };
}

const tryingAgain = 'This page tries again every second. If it stays so: is goodgateway running, and is the way to it open?';

function headlineOfTrouble(troubles: readonly Trouble[]): Headline {
  const forPerson = troubles.filter(({ person }) => person !== undefined);
  const [first] = forPerson.length > 0 ? forPerson : troubles;
  const name = first?.name ?? '';
  const more = troubles.flatMap((one) => (one.cause === undefined ? [] : [withStop(troubles.length > 1 ? `${one.name}: ${one.cause}` : one.cause)])).slice(0, 5);
  if (forPerson.length > 0) {
    const sentence = forPerson.length === 1 ? `${name} needs a person.` : `${plural(forPerson.length, 'service')} need a person: ${forPerson.map((one) => one.name).join(', ')}.`;
    return { level: 'person', sentence, more, you: [...new Set(forPerson.map((one) => one.person ?? ''))].join(' ') };
  }
  const sentence = troubles.length === 1 ? `${name} is being repaired.` : `${plural(troubles.length, 'service')} are being repaired: ${troubles.map((one) => one.name).join(', ')}.`;
  return { level: 'repair', sentence, more, you: 'There is nothing for you to do at the moment: goodgateway is at work on it.' };
}

/** By service; a gateway whose trouble belongs to no known service stands for itself. */
function troublesOf({ state, services, incidents }: Known): readonly Trouble[] {
  const open = incidents.filter(isOpen);
  const over = new Set(incidents.filter((one) => !isOpen(one)).map(({ code }) => code));
  // the list of services is asked for now and then; the records are newer
  const listed = (services?.services ?? []).filter(({ incident }) => incident !== null && !over.has(incident.code));
  const names = new Set([...open.map(({ service }) => service), ...listed.map(({ name }) => name)]);
  const ofServices = [...names].map((name) => {
    const service = services?.services.find((one) => one.name === name);
    const live = open.find((one) => one.service === name);
    const shown = service?.incident && !over.has(service.incident.code) ? service.incident : undefined;
    return { name, cause: live?.cause ?? shown?.sentence ?? live?.records[0]?.text ?? shown?.symptom, person: whyPerson({ service, live, services, state }) };
  });
  const explained = new Set([...open.map(({ code }) => code), ...listed.map(({ incident }) => incident?.code)]);
  const rest = Object.entries(state?.gateways ?? {}).filter(
    ([, gateway]) => gateway.gate !== 'open' && !(gateway.incident !== null && (explained.has(gateway.incident) || over.has(gateway.incident))),
  );
  return [...ofServices, ...rest.map(([name, gateway]) => troubleOfGateway(name, gateway, state))];
}

function troubleOfGateway(name: string, { gate, say }: AdminGateway, state: AdminState | undefined): Trouble {
  const cause = `${gate === 'holding' ? 'Requests wait' : 'Visitors get the fallback page'}${say === '' ? '' : `: ${say}`}`;
  return { name, cause, person: state?.healer === 'away' ? healerAway : undefined };
}

const healerAway = 'The healer does not run, so nothing is repaired: start goodgateway again, or repair the service yourself.';

interface Whose {
  readonly service: AdminService | undefined;
  readonly live: LiveIncident | undefined;
  readonly services: AdminServices | undefined;
  readonly state: AdminState | undefined;
}

/** The first reason for which goodgateway will not do it, and what to do then. */
function whyPerson({ service, live, services, state }: Whose): string | undefined {
  const name = service?.name ?? live?.service ?? '';
  const [question] = service?.questions ?? [];
  if (state?.healer === 'away') return healerAway;
  if (question)
    return `goodgateway asks whether it may ${toAct(question.action as Parameters<typeof toAct>[0])} ${name} (until ${formatMoment(Date.parse(question.until))}): goodgateway approve ${question.code}, or goodgateway deny ${question.code}`;
  if (service?.gave_up != null) return `goodgateway gave up: ${withStop(service.gave_up)} Repair it, and goodgateway sees by itself when it is well; or let it try again: goodgateway ack ${name}`;
  if (live?.ended === 'gave_up')
    return `goodgateway gave up: ${withStop(live.records.findLast(({ event }) => event === 'incident.gave_up')?.text ?? 'nothing helped')} Repair it, and goodgateway sees by itself when it is well; or let it try again: goodgateway ack ${name}`;
  if (service?.mode === 'observe') return `goodgateway only observes ${name}: repair it yourself.`;
  const held = restraintOf(service, services);
  if (held) return `${held.sentence} ${held.you}`;
  return refusedForGood(live);
}

/** Why goodgateway would repair nothing, or not this service. */
function restraintOf(service: AdminService | undefined, services: AdminServices | undefined): Notice | undefined {
  if (services && services.audit !== 'ok')
    return { sentence: 'The audit log cannot be written, so nothing is repaired.', more: [withStop(services.audit)], you: 'Make it writable, or repair the service yourself.' };
  const off = service?.off ?? services?.off;
  if (off)
    return {
      sentence: `Healing was switched off by ${off.by}.`,
      more: [withStop(off.reason)],
      you: `Nothing is repaired until somebody says: goodgateway on${service?.off ? ` ${service.name}` : ''}`,
    };
  if (services?.healing === 'off') return { sentence: 'Healing is switched off in goodgateway.yaml.', more: [], you: 'Nothing is repaired until it is switched on there.' };
  const paused = service?.paused ?? services?.paused;
  if (paused)
    return {
      sentence: `Healing is paused until ${formatMoment(Date.parse(paused.until))}.`,
      more: [withStop(paused.reason)],
      you: `Nothing is repaired until then, or until somebody says: goodgateway resume${service?.paused ? ` ${service.name}` : ''}`,
    };
  if (!services?.breaker) return undefined;
  return { sentence: 'goodgateway has stopped trying for a while.', more: [withStop(services.breaker.reason)], you: 'To let it try now: goodgateway on' };
}

/** Its newest decision was a refusal that time alone does not lift. */
function refusedForGood(live: LiveIncident | undefined): string | undefined {
  const decision = live?.records.findLast(({ event }) => event === 'action.refused' || event === 'action.intent' || event === 'action.would_run');
  if (decision?.event !== 'action.refused') return undefined;
  const refusing = (decision.gates ?? []).filter(({ verdict }) => verdict === 'refuse');
  if (refusing.some(({ allowed_at: at }) => at !== undefined)) return undefined;
  const remedy = live?.records.findLast((record) => record.remedy !== undefined)?.remedy;
  const because = refusing.map(({ reason }) => reason).join('; ') || decision.text || 'no reason is recorded';
  return `goodgateway does not ${toAct(decision.action)} it: ${withStop(because)}${remedy === undefined ? '' : ` What would help: ${withStop(remedy)}`}`;
}

interface Notice {
  readonly sentence: string;
  readonly more: readonly string[];
  readonly you: string;
}

function noticesOf(state: AdminState, services: AdminServices | undefined): readonly Notice[] {
  const held = state.healer === 'connected' ? restraintOf(undefined, services) : undefined;
  const shedding = Object.entries(state.gateways).filter(([, gateway]) => gateway.shedding);
  return [
    ...(state.healer === 'away' ? [healerIsAway] : []),
    ...(held ? [held] : []),
    ...(services?.services ?? []).flatMap(ownRestraint),
    ...(services?.untold ?? []).flatMap(untold),
    ...shedding.map(([name, { shedding: level }]) => ({ sentence: `${name} turns some requests away on purpose.`, more: [`${Math.round((level?.keep ?? 1) * 100)} % are let through.`], you: '' })),
  ];
}

/** One service is held back by its own word. */
function ownRestraint(service: AdminService): readonly Notice[] {
  const held = service.off || service.paused ? restraintOf(service, undefined) : undefined;
  return held ? [{ ...held, sentence: held.sentence.replace('Healing', `Healing of ${service.name}`) }] : [];
}

/** A message that was just said and is on its way is no trouble. */
function untold({ notifier, waiting, problem }: AdminServices['untold'][number]): readonly Notice[] {
  if (problem === undefined) return [];
  return [
    { sentence: `${notifier} cannot be told anything.`, more: [`${plural(waiting, 'message waits', 'messages wait')}: ${withStop(problem)}`], you: `To try it: goodgateway notify --test ${notifier}` },
  ];
}

const healerIsAway: Notice = {
  sentence: 'The healer is away.',
  more: ['Traffic flows, but nothing would be repaired.'],
  you: 'If it does not come back by itself within a minute, look at its log and start goodgateway again.',
};

/** What was repaired a moment ago, so that nobody wonders what the alarm was. */
function lately({ incidents }: Known): readonly string[] {
  return incidents
    .filter((one) => one.ended === 'recovered' && one.endedAtMs !== undefined)
    .slice(0, 3)
    .map((one) => `${one.service} is well again since ${formatMoment(one.endedAtMs ?? 0)}; it took ${formatDuration(one.tookMs ?? 0)}.`);
}
