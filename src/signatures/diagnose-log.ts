/** What was read in a log → incidents, each with its suspects, best first. Pure. */
import type { Suspect } from '../core/diagnosis.ts';
import { whyHarmful } from '../core/harmful-remedies.ts';
import { causeWords } from './cause-words.ts';
import type { ReadLog } from './read-log.ts';
import { fillIfKnown, fillText } from './fill-text.ts';
import { groupIncidents } from './group-incidents.ts';
import { timeText, type LogTime } from './log-time.ts';
import { quoteOf } from './quote.ts';
import { inCommon, type Sighting } from './sightings.ts';
import { trafficSigns } from './traffic-signs.ts';
import { weigh, type Sign, type Weighed } from './weigh.ts';

/** One cause of one incident, in words. */
export interface LogSuspect extends Required<Omit<Suspect, 'facts'>> {
  /** What would confirm or refute it. */
  readonly confirm: string;
}

export interface LogIncident {
  readonly from: LogTime | undefined;
  readonly to: LogTime | undefined;
  /** Never empty: the last resort is `unknown`. */
  readonly suspects: readonly LogSuspect[];
  /** What changed shortly before, one sentence each. */
  readonly triggers: readonly string[];
}

export interface Explanation {
  readonly incidents: readonly LogIncident[];
  /** Over everything that was read, best first; never empty. */
  readonly causes: readonly LogSuspect[];
  /** Lines of known kinds that mean no harm, one sentence each. */
  readonly harmless: readonly string[];
}

interface SightedSign extends Sign {
  readonly sighting: Sighting;
}

const mostIncidents = 50;
const mostSuspects = 5;
const mostQuotes = 6;
const mostHarmless = 5;

/** `year`: of times that were written without one. `redact` takes secrets out of what is quoted. */
export function diagnoseLog(log: ReadLog, { year, redact }: { readonly year: number; readonly redact: (text: string) => string }): Explanation {
  const incidents = groupIncidents(log.sightings, year);
  const read = incidents.slice(-mostIncidents).map(({ sightings, triggers }): LogIncident => {
    const times = sightings.flatMap(({ time }) => (time ? [time] : []));
    return { from: times[0], to: times.at(-1), suspects: suspectsOf(sightings, redact), triggers: triggers.map((each) => withQuote(each, redact)) };
  });
  const inOrder = incidents.flatMap(({ sightings }) => sightings);
  const all = inOrder.length > 0 ? inOrder : trafficSigns(log.traffic);
  const causes = suspectsOf(all, redact);
  const incidentsToo = read.length > 0 || all.length === 0 ? read : [{ from: undefined, to: undefined, suspects: causes, triggers: [] }];
  const harmless = merged(log.sightings.filter(({ entry: { kind } }) => kind === 'noise')).map((each) => withQuote(each, redact));
  return { incidents: incidentsToo, causes, harmless: harmless.slice(0, mostHarmless) };
}

function suspectsOf(sightings: readonly Sighting[], redact: (text: string) => string): readonly LogSuspect[] {
  const signs = merged(sightings).map((sighting): SightedSign => ({ ...sighting.entry, sighting }));
  const suspects = weigh(signs).map((each) => suspectOf(each, redact));
  return suspects.length > 0 ? suspects.slice(0, mostSuspects) : [unknown(sightings, redact)];
}

/** One sighting for each kind of line: its first, with the subject that came most and the number of all. */
function merged(sightings: readonly Sighting[]): readonly Sighting[] {
  const byId = new Map<string, Sighting[]>();
  for (const sighting of sightings) {
    const same = byId.get(sighting.entry.id);
    if (same) same.push(sighting);
    else byId.set(sighting.entry.id, [sighting]);
  }
  return [...byId.values()].map((same) => {
    const most = same.reduce((best, each) => (each.count > best.count ? each : best));
    return { ...most, common: same.reduce((common, each) => inCommon(common, each.common), most.common), time: same[0]!.time ?? most.time, count: same.reduce((sum, { count }) => sum + count, 0) };
  });
}

function suspectOf({ cause, confidence, for: signs, against }: Weighed<SightedSign>, redact: (text: string) => string): LogSuspect {
  const { sighting } = signs[0]!;
  const { entry, common: fields } = sighting;
  const vote = entry.for.find((each) => each.cause === cause);
  const isFirst = entry.for[0]?.cause === cause;
  const words = causeWords[cause];
  const subject = redact((vote?.subject === undefined ? sighting.subject : fillIfKnown(vote.subject, fields)).slice(0, 200));
  const harm = whyHarmful(cause, 'restart', true);
  return {
    cause,
    confidence,
    subject,
    sentence: fillText(words.sentence, subject === '' ? {} : { subject }),
    because: signs.slice(0, mostQuotes).map((sign) => withQuote(sign.sighting, redact)),
    against: against.slice(0, mostQuotes).map((sign) => withQuote(sign.sighting, redact)),
    remedy: redact(fillText(vote?.remedy ?? (isFirst ? entry.remedy : undefined) ?? words.remedy, fields)),
    confirm: redact(fillText(vote?.confirm ?? (isFirst ? entry.confirm : undefined) ?? words.confirm, fields)),
    avoid: [...(isFirst ? entry.avoid : []), ...(harm === undefined ? [] : [confidence === 'possible' ? `If that is the cause, do not restart it: ${harm}.` : `Do not restart it: ${harm}.`])],
  };
}

function unknown(sightings: readonly Sighting[], redact: (text: string) => string): LogSuspect {
  const { sentence, remedy, confirm } = causeWords.unknown;
  return {
    cause: 'unknown',
    confidence: 'possible',
    subject: '',
    sentence,
    because: merged(sightings)
      .slice(0, mostQuotes)
      .map((each) => withQuote(each, redact)),
    against: [],
    remedy,
    confirm,
    avoid: [],
  };
}

/** `nginx, line 12, 5 times from 2026-11-22 08:08:03 on: "connect() to …": nginx found no socket.` */
function withQuote({ entry, common: fields, text, line, count, time }: Sighting, redact: (text: string) => string): string {
  const meaning = redact(fillText(entry.meaning, fields));
  if (text === '') return meaning;
  const often = count === 1 ? '' : `, ${count} times`;
  const when = time === undefined ? '' : `, ${timeText(time).replace('T', ' ')}`;
  return `${entry.program}, line ${line}${often}${when}: "${redact(quoteOf(text))}". ${meaning}`;
}
